"""The one-factor experiments on the terminal: the report's figures as tables."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from fcnet.text import counted
from studies.analysis.verdict import listed
from studies.experiments.effects import Findings, Level
from studies.experiments.one_factor import Factor
from studies.program import command
from studies.views.console import table
from studies.views.figures.panels import WORDS
from studies.views.search import print_next
from studies.views.sentences import PROTOCOL_WORDS
from studies.views.words import number, percent, points


def print_effects(console: Console, found: Findings, files: Sequence[Path], *, options: str = "") -> None:
    """Print what the experiments found; `options` name their study in a command to be typed."""
    console.print(
        f"One factor at a time, the others fixed as in the report: {escape(found.data.name)},"
        f" {counted(found.epochs, 'epoch')}"
    )
    print_protocol(console, found.protocol)
    beside = "; the report's: one run, best epoch, on its test set" if found.reported else ""
    console.print(f"Figures: {found.measure}{beside}")
    for factor in found.levels:
        rows = table(*columns(found, factor))
        for row in cells(found, factor):
            rows.add_row(*row)
        console.print()
        console.print(rows)
        console.print(found.tests[factor].sentence)
    console.print()
    console.print(f"Figure: {escape(', '.join(map(str, files)))}")
    print_next(console, [(command(f"dashboard{options}"), "look at it beside the trials")])


def headline(found: Findings) -> str:
    """Say which factors make a difference at all; the sentence of each says which one."""
    tested = [(WORDS[factor].lower(), test.larger_than_noise) for factor, test in found.tests.items()]
    real, noise = ([name for name, larger in tested if larger is told] for told in (True, False))
    if not real and not noise:
        return "Too few trainings yet to tell differences from noise."
    if not real:
        return f"No difference is larger than noise: {listed(noise)}."
    verb = "makes" if len(real) == 1 else "make"
    besides = f"; {listed(noise)} cannot be told from noise" if noise else ""
    return f"{listed(real).capitalize()} {verb} a difference larger than noise{besides}."


def columns(found: Findings, factor: Factor) -> list[str]:
    """Return the heads of a factor's table."""
    published = ["report"] if found.reported else []
    return [WORDS[factor].lower(), "mean", "std over seeds", "95 % interval", "seeds", *published]


def cells(found: Findings, factor: Factor) -> list[list[str]]:
    """Return a factor's table, a row for each value; what was published stands beside its own."""
    reported, rows = found.reported.get(factor), []
    for level in found.levels[factor]:
        here = reported is not None and reported.value == level.value
        row = [
            number(level.value),
            "-" if level.mean is None else percent(level.mean),
            "-" if level.std is None else points(level.std),
            _interval(level),
            str(level.n) + (f" ({level.diverged} diverged)" if level.diverged else ""),
            percent(reported.accuracy, 1) if reported is not None and here else "",
        ]
        rows.append(row[: len(columns(found, factor))])
    return rows


def print_protocol(console: Console, protocol: str) -> None:
    """Print how accuracy was judged."""
    style = "yellow" if protocol == "report" else ""
    console.print(f"Protocol {protocol}: {PROTOCOL_WORDS[protocol]}", style=style)


def _interval(level: Level) -> str:
    """An accuracy lies between 0 and 1; Student's interval of few seeds knows nothing of that."""
    if level.low is None or level.high is None:
        return "-"
    return f"{100 * max(level.low, 0.0):.2f} to {percent(min(level.high, 1.0))}"
