"""A final training on the terminal: each network's test accuracy, their mean and spread, all as one."""

from rich.console import Console
from rich.markup import escape

from fcnet.text import counted
from studies.record import Final
from studies.views.console import table
from studies.views.sentences import interval
from studies.views.words import metric_words, percent, points

_MOST_COLUMNS = 12


def print_final(console: Console, found: Final) -> None:
    """Print what the final training found."""
    console.print(f"Trial {found.trial}, trained on all training data, {counted(len(found.seeds), 'seed')}:")
    judged = metric_words(found.metric)
    rows = table("seed", f"test {judged}", "model", left=("model",))
    for seed, accuracy, model in zip(found.seeds, found.test_accuracy.values, found.models, strict=True):
        rows.add_row(str(seed), percent(accuracy), escape(model))
    console.print(rows)
    n, test, whole = len(found.seeds), found.test_accuracy, found.ensemble_accuracy
    if test.std is not None:
        spread = f"{percent(test.mean)} +- {points(test.std)} (standard deviation over seeds)"
        console.print(f"Test {judged} of a single network: {spread}")
    if whole is not None and found.ensemble_interval is not None:
        whose = "" if n == 1 else f" of the {n} as one"
        within = f"95 % interval {interval(*found.ensemble_interval)}"
        console.print(f"Test {judged}{whose}: [bold green]{percent(whole)}[/] ({within})")
    console.print(f"Validation {judged} in the sweep: {percent(found.validation_accuracy or 0.0)}")
    console.print(f"The test set of this study was opened {counted(found.test_openings, 'time')}.")
    if found.configurations_tested_before:
        others = counted(found.configurations_tested_before, "other configuration")
        console.print(
            f"[yellow]Warning: {others} of this study met this test set before; the better of several test"
            " results flatters.[/]"
        )
    if found.confusion is not None:
        print_confusion(console, found.confusion, found.class_names)
    what = "the first seed's network"
    if n > 1:
        what = f"the {n} networks as one, by the mean of their probabilities"
    console.print(f"Model: {escape(found.model)} ({what}, whatever the test set says)")
    console.print(f"Learning curves: {escape(found.report)}")


def print_confusion(console: Console, counts: list[list[int]], names: list[str]) -> None:
    """Print which classes were taken for which: all of a few classes, the most frequent mistakes of many."""
    mistakes = sorted(
        (
            (n, truth, said)
            for truth, row in enumerate(counts)
            for said, n in enumerate(row)
            if n and said != truth
        ),
        key=lambda mistake: (-mistake[0], *mistake[1:]),
    )
    if len(names) <= _MOST_COLUMNS:
        console.print("Test rows by their class (down) and by the one that the model says (across):")
        rows = table("", *map(escape, names), "right")
        for truth, row in enumerate(counts):
            cells = [str(n) if n or said == truth else "." for said, n in enumerate(row)]
            rows.add_row(escape(names[truth]), *cells, percent(row[truth] / max(1, sum(row)), 1))
        console.print(rows)
    if mistakes:
        worst = ", ".join(f"{names[truth]} taken for {names[said]} ({n})" for n, truth, said in mistakes[:3])
        console.print(escape(f"Most frequent mistakes: {worst}"))
