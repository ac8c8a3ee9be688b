"""The report's experiments on the terminal: its figures as tables, its epochs as they come."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.table import Table

from fcnet.hyperparameters import Hyperparameters
from fcnet.metrics import EpochMetrics
from studies.experiments.report import JUDGED_ON, REPORTED, Reproduction, best_epoch
from studies.experiments.results import PROTOCOL_WORDS
from studies.views.figures.panels import WORDS
from studies.views.words import count, number, params_line, percent, points

if TYPE_CHECKING:
    from rich.console import Console


def print_experiments(console: Console, found: dict[str, Any], *, options: str = "") -> None:
    """Print what the one-factor experiments found; `options` name their study in a command to be typed."""
    console.print(
        f"One factor at a time, the others fixed as in the report: {escape(str(found['data']['name']))},"
        f" {count(found['epochs'], 'epoch')}"
    )
    _print_protocol(console, found["protocol"])
    console.print(f"Figures: {found['measure']}; the report's: one run, best epoch, on its test set")
    for factor, words in WORDS.items():
        reported = found["reported"].get(factor)
        table = Table(box=None, header_style="dim")
        for title in (words.lower(), "mean", "std over seeds", "95 % interval", "seeds", "report"):
            table.add_column(title, justify="right")
        for level in found[factor]:
            single = level["std"] is None
            table.add_row(
                number(level["value"]),
                "-" if level["mean"] is None else percent(level["mean"]),
                "-" if single else points(level["std"]),
                "-" if single else _interval(level),
                str(level["n"]) + (f" ({level['diverged']} diverged)" if level["diverged"] else ""),
                percent(reported["accuracy"], 1)
                if reported is not None and reported["value"] == level["value"]
                else "",
            )
        console.print()
        console.print(table)
        console.print(found["tests"][factor]["sentence"])
    console.print()
    console.print(f"Figure: {escape(', '.join(found['files']))}")
    console.print(f"Next: python sweep.py dashboard{escape(options)}   look at it beside the trials")


def _interval(level: dict[str, Any]) -> str:
    """An accuracy lies between 0 and 1; Student's interval of few seeds knows nothing of that."""
    return f"{100 * max(level['low'], 0.0):.2f} to {percent(min(level['high'], 1.0))}"


class EpochLines:
    """Prints one line per epoch as it comes; with several seeds side by side, one seed after the other.

    Parameters
    ----------
    console : rich.console.Console
    protocol : {"report", "holdout"}
    data : str
        Name of the data set.
    n_epochs, n_seeds : int
    """

    def __init__(self, console: Console, protocol: str, data: str, *, n_epochs: int, n_seeds: int) -> None:
        self._console, self._protocol, self._data = console, protocol, data
        self._n_epochs = n_epochs
        self._epochs: list[list[EpochMetrics]] = [[] for _ in range(n_seeds)]
        self._seed = self._printed = 0

    def see(self, seed: int, epoch: EpochMetrics) -> None:
        """Take an epoch and print what is next; one of a training begun again was seen before."""
        seen = self._epochs[seed]
        if epoch.epoch == len(seen):
            seen.append(epoch)
        while self._seed < len(self._epochs) and self._printed < len(self._epochs[self._seed]):
            if self._printed == 0:
                self._print_head()
            self._print_line(self._epochs[self._seed][self._printed])
            self._printed += 1
            if self._printed == self._n_epochs:
                self._seed, self._printed = self._seed + 1, 0

    def _print_head(self) -> None:
        judged = JUDGED_ON[self._protocol]
        if self._seed == 0:
            settings = params_line(asdict(Hyperparameters()))
            self._console.print(f"The report's configuration on {escape(self._data)}: {settings}")
            _print_protocol(self._console, self._protocol)
        columns = ["epoch", "loss", "training accuracy", f"{judged} accuracy"]
        columns += ["training error", f"{judged} error"]
        self._console.print(f"\nseed {self._seed}")
        self._widths = [max(len(title), len("0.0000")) + 2 for title in columns]
        self._print_cells(columns, style="dim")

    def _print_line(self, epoch: EpochMetrics) -> None:
        cells = [
            str(epoch.epoch),
            f"{epoch.train_loss:.4f}",
            percent(epoch.train_accuracy),
            percent(epoch.validation_accuracy),
            percent(epoch.train_error_rate),
            percent(epoch.validation_error_rate),
        ]
        self._print_cells(cells)

    def _print_cells(self, cells: Sequence[str], *, style: str = "") -> None:
        line = "".join(f"{c:>{w}}" for c, w in zip(cells, self._widths, strict=True))
        self._console.print(line, style=style)


def print_reproduction(console: Console, result: Reproduction) -> None:
    """Print each seed's best and last epoch, their means, and what the report published."""
    judged, found = JUDGED_ON[result.protocol], result.as_json()
    console.print()
    for seed, run in zip(result.seeds, result.runs, strict=True):
        top, end = best_epoch(run), run[-1]
        console.print(
            f"Seed {seed}: {judged} accuracy {percent(top.validation_accuracy)} in the best epoch"
            f" ({top.epoch}), {percent(end.validation_accuracy)} in the last ({end.epoch})"
        )
    for which in ("best", "last"):
        summary = found[f"{which}_epoch"]
        if summary["std"] is not None:
            console.print(
                f"Mean of the {which} epochs: {percent(summary['mean'])} +- {points(summary['std'])}"
                f" (standard deviation over {count(summary['n'], 'seed')}),"
                f" lowest {percent(min(summary['values']))}"
            )
    best, last = REPORTED["best"], REPORTED["last"]
    console.print(
        f"The report, one run on CIFAR-10: test accuracy {percent(best['validation_accuracy'])} in the best"
        f" epoch ({best['epoch']}), {percent(last['validation_accuracy'])} in the last ({last['epoch']})"
    )
    console.print(f"Learning curves: {escape(', '.join(map(str, result.files)))}")


def _print_protocol(console: Console, protocol: str) -> None:
    style = "yellow" if protocol == "report" else ""
    console.print(f"Protocol {protocol}: {PROTOCOL_WORDS[protocol]}", style=style)
