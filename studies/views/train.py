"""A final training on the terminal: each seed's test accuracy, their mean and spread, the models."""

from rich.console import Console
from rich.markup import escape

from studies.record import Final
from studies.views.console import table
from studies.views.words import count, percent, points


def print_final(console: Console, found: Final) -> None:
    """Print what the final training found."""
    console.print(f"Trial {found.trial}, trained on all training images, {count(len(found.seeds), 'seed')}:")
    rows = table("seed", "test accuracy", "model", left=("model",))
    for seed, accuracy, model in zip(found.seeds, found.test_accuracy.values, found.models, strict=True):
        rows.add_row(str(seed), percent(accuracy), escape(model))
    console.print(rows)
    std = found.test_accuracy.std
    spread = "" if std is None else f" +- {points(std)} (standard deviation over seeds)"
    console.print(f"Test accuracy [bold green]{percent(found.test_accuracy.mean)}[/]{spread}")
    console.print(f"Validation accuracy in the sweep: {percent(found.validation_accuracy or 0.0)}")
    console.print(f"The test set of this study was opened {count(found.test_openings, 'time')}.")
    if found.configurations_tested_before:
        others = count(found.configurations_tested_before, "other configuration")
        console.print(
            f"[yellow]Warning: {others} of this study met this test set before; the better of several test"
            " results flatters.[/]"
        )
    console.print(f"Model: {escape(found.model)} (the first seed's, chosen before the test set was opened)")
    console.print(f"Learning curves: {escape(found.report)}")
