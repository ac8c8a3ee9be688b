"""Results on the terminal: short tables that a stranger understands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.table import Table

from studies.views.evidence import print_advice, print_evidence
from studies.views.words import count, number, percent

if TYPE_CHECKING:
    from rich.console import Console

    from studies.experiments.train import FinalResult


def print_best(
    console: Console, summary: dict[str, Any], advice: dict[str, Any], *, options: str = ""
) -> None:
    """Print a study's best trial, what speaks for it and what to do next.

    `advice` is from `studies.experiments.outlook.advise`; `options` name the study in a command to be typed.
    """
    as_found, summary, options = summary, _plain(summary), escape(options)
    trials = summary["n_trials"]
    console.print(
        f"Study {summary['study']}: {trials['complete']} complete, {trials['pruned']} pruned,"
        f" {trials['failed']} failed on {summary['data']['name']}, {count(summary['epochs'], 'epoch')} each"
    )
    if summary["trial"] is None:
        console.print("No trial is complete yet.")
        return
    console.print(
        f"Best trial {summary['trial']}: validation accuracy [bold green]{percent(summary['value'])}[/]"
        + (
            ""
            if summary["baseline"] is None
            else f" (baseline, trial {summary['baseline']['trial']}: {percent(summary['baseline']['value'])})"
        )
    )
    table = _table("parameter", "value")
    for name, value in summary["params"].items():
        table.add_row(name, number(value))
    console.print(table)
    print_evidence(console, as_found)
    print_advice(console, advice)
    console.print(f"Next: python sweep.py dashboard{options}   look at the effects of the parameters")
    if summary["confirmation"] is None:
        console.print(f"      python sweep.py confirm{options}     train the top trials again on fresh seeds")
    console.print(f"      python sweep.py train{options}       train the winner and open the test set")


def print_final(console: Console, result: FinalResult) -> None:
    """Print each seed's test accuracy, their mean and spread, and where the models are."""
    console.print(
        f"Trial {result.trial}, trained on all training images, {count(len(result.seeds), 'seed')}:"
    )
    table = _table("seed", "test accuracy", "model")
    for seed, accuracy, model in zip(result.seeds, result.test_accuracies, result.models, strict=True):
        table.add_row(str(seed), percent(accuracy), escape(str(model)))
    console.print(table)
    spread = "" if result.std is None else f" +- {percent(result.std)} (standard deviation over seeds)"
    console.print(f"Test accuracy [bold green]{percent(result.mean)}[/]{spread}")
    console.print(f"Validation accuracy in the sweep: {percent(result.validation_accuracy)}")
    console.print(f"The test set of this study was opened {count(result.opening, 'time')}.")
    if result.tested_before:
        console.print(
            f"[yellow]Warning: {count(result.tested_before, 'other configuration')} of this study met"
            " this test set before; the better of several test results flatters.[/]"
        )
    console.print(
        f"Model: {escape(str(result.models[0]))} (the first seed's, chosen before the test set was opened)"
    )
    console.print(f"Learning curves: {escape(str(result.report))}")


def _plain(value: Any) -> Any:
    """Return text, and any that lies within, so that no part of it is taken for colours."""
    if isinstance(value, dict):
        return {_plain(key): _plain(content) for key, content in value.items()}
    if isinstance(value, list):
        return [_plain(content) for content in value]
    return escape(value) if isinstance(value, str) else value


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=True, header_style="dim")
    for i, name in enumerate(columns):
        table.add_column(name, justify="left" if i == 0 or name == "model" else "right")
    return table
