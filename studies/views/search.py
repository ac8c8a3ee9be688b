"""A sweep's result on the terminal: the best trial, what speaks for it, and what to do next."""

import shlex

from rich.console import Console
from rich.markup import escape

from fcnet.text import counted
from studies.experiments.advising import Advice
from studies.experiments.results import Summary
from studies.program import command
from studies.views.console import table
from studies.views.sentences import remarks, score_rows
from studies.views.words import metric_words, number, percent


def print_best(console: Console, summary: Summary, advice: Advice, *, options: str = "") -> None:
    """Print a study's best trial; `options` name the study in a command to be typed."""
    trials = summary.n_trials
    console.print(
        escape(
            f"Study {summary.study}: {trials.complete} complete, {trials.pruned} pruned,"
            f" {trials.failed} failed on {summary.data.name}, {counted(summary.epochs, 'epoch')} each"
        )
    )
    if summary.trial is None or summary.value is None or summary.params is None:
        console.print("No trial is complete yet.")
        _print_ends(console, advice.diverged, trials.pruned - advice.diverged)
        return
    baseline = summary.baseline
    console.print(
        f"Best trial {summary.trial}: validation {metric_words(summary.metric)}"
        f" [bold green]{percent(summary.value)}[/]"
        + ("" if baseline is None else f" (baseline, trial {baseline.trial}: {percent(baseline.value)})")
    )
    rows = table("parameter", "value")
    for name, value in summary.params.items():
        rows.add_row(escape(name), number(value))
    console.print(rows)
    console.print(escape(summary.ground or ""))
    print_scores(console, summary)
    _print_advice(console, advice, options)
    steps = [("dashboard", "look at the effects of the parameters")]
    if summary.confirmation is None:
        steps.append(("confirm", "train the top trials again on fresh seeds"))
    if summary.scores is None or summary.scores.test is None:
        steps.append(("train", "train the winner and open the test set"))
    print_next(console, [(command(verb + options), words) for verb, words in steps])


def _print_ends(console: Console, diverged: int, pruned: int) -> None:
    """Print what to do where every training was ended early."""
    if diverged:
        console.print(
            f"{'' if pruned else 'All '}{counted(diverged, 'training')} diverged: choose lower rates, as"
            " --range learning_rate=1e-5:1e-2, in a new study."
        )
    if pruned:
        console.print(
            f"The pruner ended {counted(pruned, 'training')} early: go on with more --trials, or with"
            " --pruner none."
        )


def print_next(console: Console, steps: list[tuple[str, str]]) -> None:
    """Print commands to be typed next, each with what it does."""
    width = max(len(typed) for typed, _ in steps)
    for i, (typed, words) in enumerate(steps):
        console.print(escape(f"{'' if i else 'Next:':5} {typed:{width}}   {words}"))


def print_scores(console: Console, summary: Summary) -> None:
    """Print the winner's scores side by side, and how large the noise is."""
    scores = summary.scores
    if scores is None:
        return
    rows = table(f"trial {scores.trial}", metric_words(summary.metric), "95 % interval")
    for row in score_rows(scores):
        rows.add_row(*row)
    console.print(rows)
    for sentence in remarks(summary):
        console.print(sentence)


def _print_advice(console: Console, advice: Advice, options: str) -> None:
    """Print what speaks for further trials."""
    for warning in advice.warnings:
        console.print(f"[yellow]Edge: {escape(warning)}[/]")
    if advice.wider:
        console.print(escape(f"To search wider: {command(shlex.join(advice.wider) + options)}"))
    if advice.outlook:
        console.print(advice.outlook)
    if advice.importances:
        shares = ", ".join(f"{name} {100 * share:.0f} %" for name, share in advice.importances.items())
        console.print(f"Importances (no significance: pure noise has some too): {escape(shares)}")
