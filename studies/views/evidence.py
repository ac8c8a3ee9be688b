"""How evidence reads: scores with intervals, verdicts, noise and advice, on the terminal and in the note."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.table import Table

from studies.analysis.scores import flattery_sentence, interval, noise_sentence, score_rows
from studies.views.words import count, percent

if TYPE_CHECKING:
    from rich.console import Console

    from studies.experiments.reproduce import Retraced


def evidence_lines(summary: dict[str, Any]) -> list[str]:
    """Return the evidence about a study's winner in Markdown; empty without a complete trial."""
    if summary["scores"] is None:
        return []
    lines = [
        summary["ground"],
        "",
        f"| trial {summary['scores']['trial']} | accuracy | 95 % interval |",
        "| --- | ---: | ---: |",
        *(f"| {words} | {mean} | {interval} |" for words, mean, interval in score_rows(summary["scores"])),
        "",
    ]
    sentence = flattery_sentence(summary["scores"])
    return [*lines, *([sentence] if sentence else []), noise_sentence(summary["noise"]), ""]


def print_evidence(console: Console, summary: dict[str, Any]) -> None:
    """Print on what ground the winner stands, and its scores side by side."""
    if summary["ground"] is None:
        return
    console.print(escape(summary["ground"]))
    print_scores(console, summary)


def print_scores(console: Console, summary: dict[str, Any]) -> None:
    """Print the winner's scores side by side, and how large the noise is."""
    if summary["scores"] is None:
        return
    table = _table(f"trial {summary['scores']['trial']}", "accuracy", "95 % interval")
    for row in score_rows(summary["scores"]):
        table.add_row(*row)
    console.print(table)
    for sentence in (flattery_sentence(summary["scores"]), noise_sentence(summary["noise"])):
        if sentence:
            console.print(sentence)


def print_advice(console: Console, advice: dict[str, Any]) -> None:
    """Print what speaks for further trials."""
    for warning in advice["warnings"]:
        console.print(f"[yellow]Edge: {escape(warning)}[/]")
    if advice["outlook"]:
        console.print(advice["outlook"])
    if advice["importances"]:
        shares = ", ".join(f"{name} {100 * share:.0f} %" for name, share in advice["importances"].items())
        console.print(f"Importances (no significance: pure noise has some too): {shares}")


def print_confirmation(console: Console, summary: dict[str, Any], *, options: str = "") -> None:
    """Print the candidates, the verdict and what to do next."""
    found = summary["confirmation"]
    console.print(
        f"Confirmation of study {escape(found['study'])}: {count(len(found['candidates']), 'configuration')},"
        f" {count(len(found['seeds']), 'fresh seed')}, each with a validation part of its own"
    )
    table = _table("candidate", "search", "confirmed", "95 % interval", "std", "seeds", "seconds")
    for candidate in sorted(found["candidates"], key=lambda c: -(c["mean"] or 0.0)):
        table.add_row(
            f"trial {candidate['trial']}" + (" (baseline)" if candidate["baseline"] else ""),
            percent(candidate["search"]),
            percent(candidate["mean"]) if candidate["n"] else "diverged",
            interval(candidate),
            f"{100 * candidate['std']:.2f}" if candidate["std"] is not None else "",
            str(candidate["n"]),
            f"{candidate['seconds']:.1f}" if candidate["seconds"] is not None else "",
        )
    console.print(table)
    console.print(f"[bold green]{found['sentence']}[/]")
    if found["more_seeds"]:
        more = len(found["seeds"]) + found["more_seeds"]
        console.print(f"To go on: python sweep.py confirm --seeds {more}{escape(options)}")
    print_scores(console, summary)
    console.print(f"Next: python sweep.py train{escape(options)}   train the winner and open the test set")


def print_retraced(console: Console, result: Retraced) -> None:
    """Print whether a trial was reproduced."""
    for difference in result.environment:
        console.print(f"[yellow]Another environment: {escape(difference)}[/]")
    style = "bold green" if result.succeeded else "bold red"
    console.print(f"[{style}]{escape(result.sentence())}[/]")


def _table(*columns: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    for i, name in enumerate(columns):
        table.add_column(name, justify="left" if i == 0 else "right", no_wrap=True)
    return table
