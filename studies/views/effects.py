"""The one-factor experiments on the terminal: the report's figures as tables."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from fcnet.text import counted
from studies.experiments.effects import Findings, Level
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
    columns = ["mean", "std over seeds", "95 % interval", "seeds", *(["report"] if found.reported else [])]
    for factor, levels in found.levels.items():
        reported = found.reported.get(factor)
        rows = table(WORDS[factor].lower(), *columns)
        for level in levels:
            here = reported is not None and reported.value == level.value
            cells = [
                number(level.value),
                "-" if level.mean is None else percent(level.mean),
                "-" if level.std is None else points(level.std),
                _interval(level),
                str(level.n) + (f" ({level.diverged} diverged)" if level.diverged else ""),
                percent(reported.accuracy, 1) if reported is not None and here else "",
            ]
            rows.add_row(*cells[: 1 + len(columns)])
        console.print()
        console.print(rows)
        console.print(found.tests[factor].sentence)
    console.print()
    console.print(f"Figure: {escape(', '.join(map(str, files)))}")
    print_next(console, [(command(f"dashboard{options}"), "look at it beside the trials")])


def print_protocol(console: Console, protocol: str) -> None:
    """Print how accuracy was judged."""
    style = "yellow" if protocol == "report" else ""
    console.print(f"Protocol {protocol}: {PROTOCOL_WORDS[protocol]}", style=style)


def _interval(level: Level) -> str:
    """An accuracy lies between 0 and 1; Student's interval of few seeds knows nothing of that."""
    if level.low is None or level.high is None:
        return "-"
    return f"{100 * max(level.low, 0.0):.2f} to {percent(min(level.high, 1.0))}"
