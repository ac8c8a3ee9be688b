"""The report's training on the terminal: its epochs as they come, the best and the last by name."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from fcnet.metrics import EpochMetrics
from fcnet.text import counted
from studies.experiments.report import JUDGED_ON, REPORTED, Reproduction, best_epoch
from studies.space import BASELINE
from studies.views.effects import print_protocol
from studies.views.words import params_line, percent, points


class EpochLines:
    """Prints one line per epoch as it comes; with several seeds side by side, one seed after the other.

    Parameters
    ----------
    console : rich.console.Console
    protocol : {"report", "holdout"}
    n_epochs, n_seeds : int
    """

    def __init__(self, console: Console, protocol: str, *, n_epochs: int, n_seeds: int) -> None:
        self._console, self._protocol = console, protocol
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
        if self._seed == 0:
            settings = params_line(asdict(BASELINE))
            self._console.print(f"The report's configuration: {settings}")
            print_protocol(self._console, self._protocol)
        columns = epoch_columns(self._protocol)
        self._console.print(f"\nseed {self._seed}")
        self._widths = [max(len(title), len("0.0000")) + 2 for title in columns]
        self._print_cells(columns, style="dim")

    def _print_line(self, epoch: EpochMetrics) -> None:
        self._print_cells(epoch_cells(epoch))

    def _print_cells(self, cells: Sequence[str], *, style: str = "") -> None:
        line = "".join(f"{c:>{w}}" for c, w in zip(cells, self._widths, strict=True))
        self._console.print(line, style=style)


def print_reproduction(console: Console, result: Reproduction, files: Sequence[Path]) -> None:
    """Print each seed's best and last epoch, their means, and what the report published."""
    console.print(f"\nTrained on {escape(result.data)}:")
    for sentence in (*seed_sentences(result), *mean_sentences(result), published_sentence()):
        console.print(sentence)
    console.print(f"Learning curves: {escape(', '.join(map(str, files)))}")


def seed_sentences(result: Reproduction) -> list[str]:
    """Say each seed's best and last epoch."""
    judged = JUDGED_ON[result.protocol]
    return [
        f"Seed {seed}: {judged} accuracy {percent(best_epoch(run).validation_accuracy)} in the best epoch"
        f" ({best_epoch(run).epoch}), {percent(run[-1].validation_accuracy)} in the last ({run[-1].epoch})"
        for seed, run in zip(result.seeds, result.runs, strict=True)
    ]


def mean_sentences(result: Reproduction) -> list[str]:
    """Say the mean over seeds of the best and of the last epochs; nothing of a single seed."""
    if len(result.runs) < 2:
        return []
    ends = {"best": [best_epoch(run) for run in result.runs], "last": [run[-1] for run in result.runs]}
    said = []
    for which, epochs in ends.items():
        summary = result.summary(epochs)
        said.append(
            f"Mean of the {which} epochs: {percent(summary['mean'])} +- {points(summary['std'])}"
            f" (standard deviation over {counted(summary['n'], 'seed')}),"
            f" lowest {percent(min(summary['values']))}"
        )
    return said


def published_sentence() -> str:
    """Say what the report published of its one run."""
    best, last = REPORTED["best"], REPORTED["last"]
    return (
        f"The report, one run on CIFAR-10: test accuracy {percent(best['validation_accuracy'])} in the best"
        f" epoch ({best['epoch']}), {percent(last['validation_accuracy'])} in the last ({last['epoch']})"
    )


def headline(result: Reproduction) -> str:
    """Say the accuracy of the best and of the last epoch, on the average of the seeds."""
    if not result.runs:
        return "No training has finished yet."
    ends = [best_epoch(run) for run in result.runs], [run[-1] for run in result.runs]
    best, last = (percent(result.summary(epochs)["mean"]) for epochs in ends)
    judged = f"{JUDGED_ON[result.protocol]} accuracy"
    if len(result.runs) == 1:
        n, m = (epochs[0].epoch for epochs in ends)
        return f"{best} {judged} in the best epoch ({n}), {last} in the last ({m})."
    of = f"on the average of {counted(len(result.runs), 'seed')}"
    return f"{best} {judged} in the best epoch, {last} in the last, {of}."


def epoch_columns(protocol: str) -> list[str]:
    """Return the heads of the table of epochs."""
    judged = JUDGED_ON[protocol]
    return ["epoch", "loss", "training accuracy", f"{judged} accuracy", "training error", f"{judged} error"]


def epoch_cells(epoch: EpochMetrics) -> list[str]:
    """Return an epoch's row."""
    return [
        str(epoch.epoch),
        f"{epoch.train_loss:.4f}",
        percent(epoch.train_accuracy),
        percent(epoch.validation_accuracy),
        percent(epoch.train_error_rate),
        percent(epoch.validation_error_rate),
    ]
