"""A final training on the terminal: each network's test accuracy, their mean and spread, all as one."""

from rich.console import Console
from rich.markup import escape

from studies.record import Final
from studies.views.console import table
from studies.views.sentences import interval
from studies.views.words import count, percent, points


def print_final(console: Console, found: Final) -> None:
    """Print what the final training found."""
    console.print(f"Trial {found.trial}, trained on all training images, {count(len(found.seeds), 'seed')}:")
    rows = table("seed", "test accuracy", "model", left=("model",))
    for seed, accuracy, model in zip(found.seeds, found.test_accuracy.values, found.models, strict=True):
        rows.add_row(str(seed), percent(accuracy), escape(model))
    console.print(rows)
    n, test, whole = len(found.seeds), found.test_accuracy, found.ensemble_accuracy
    if test.std is not None:
        spread = f"{percent(test.mean)} +- {points(test.std)} (standard deviation over seeds)"
        console.print(f"Test accuracy of a single network: {spread}")
    if whole is not None and found.ensemble_interval is not None:
        whose = "" if n == 1 else f" of the {n} as one"
        within = f"95 % interval {interval(*found.ensemble_interval)}"
        console.print(f"Test accuracy{whose}: [bold green]{percent(whole)}[/] ({within})")
    console.print(f"Validation accuracy in the sweep: {percent(found.validation_accuracy or 0.0)}")
    console.print(f"The test set of this study was opened {count(found.test_openings, 'time')}.")
    if found.configurations_tested_before:
        others = count(found.configurations_tested_before, "other configuration")
        console.print(
            f"[yellow]Warning: {others} of this study met this test set before; the better of several test"
            " results flatters.[/]"
        )
    what = "the first seed's network"
    if n > 1:
        what = f"the {n} networks as one, by the mean of their probabilities"
    console.print(f"Model: {escape(found.model)} ({what}, whatever the test set says)")
    console.print(f"Learning curves: {escape(found.report)}")
