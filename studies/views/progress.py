"""Progress on the terminal: a live bar, or plain lines where nobody watches."""

from collections.abc import Sequence
from types import TracebackType
from typing import Self

from optuna.trial import FrozenTrial, TrialState
from rich.console import Console, Group, OverflowMethod
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.text import Text

from studies.analysis.advice import same_score
from studies.execution.experiment import FINISHED
from studies.execution.progress import Progress
from studies.views.sparkline import can_show, sparkline
from studies.views.words import duration, params_line, percent, roughly

_OUTCOMES = {TrialState.PRUNED: "pruned", TrialState.FAIL: "failed"}


class SweepDisplay:
    """Shows a sweep's progress on `console`; a context manager.

    Parameters
    ----------
    console : rich.console.Console
        Standard error; a live bar appears only on a terminal.
    noun : str, default="trial"
        What is counted.
    """

    def __init__(self, console: Console, noun: str = "trial") -> None:
        self._console, self._noun = console, noun
        self._bar = Bar(
            TextColumn(f"{noun}s"),
            MofNCompleteColumn(),
            BarColumn(bar_width=30),
            TextColumn("{task.fields[state]}"),
            console=console,
        )
        self._task = self._bar.add_task(f"{noun}s", total=None, state="starting")
        self._bars = can_show(console)
        self._overflow: OverflowMethod = "ellipsis" if self._bars else "crop"
        self._so_far: list[float] = []  # the best score after each complete trial
        self._scores: list[float] = []
        self._warned = False
        self._best = Text(f"no {noun} complete yet", style="dim", no_wrap=True, overflow=self._overflow)
        self._live = Live(
            Group(self._bar.get_renderable(), self._best),
            console=console,
            refresh_per_second=4,
            transient=True,
        )

    def __enter__(self) -> Self:
        """Start the live bar."""
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the terminal as it was."""
        if self._console.is_terminal:
            self._live.stop()

    def show(self, progress: Progress) -> None:
        """Show where the sweep stands; call it a few times a second."""
        self._note(progress.latest)
        if self._console.is_terminal:
            self._update_bar(progress)
        else:
            self._print_lines(progress)

    def remember(self, trials: Sequence[FrozenTrial]) -> None:
        """Take trials that ended before, for the line of small bars."""
        self._note(trials)

    def _note(self, latest: Sequence[FrozenTrial]) -> None:
        """Take the trials that ended, and say so once where they say the same again and again."""
        for trial in latest:
            if trial.state == TrialState.COMPLETE and trial.value is not None:
                self._so_far.append(max([trial.value, *self._so_far[-1:]]))
                self._scores.append(trial.value)
        same = same_score(self._scores)
        if same is not None and not self._warned:
            self._warned = True
            self._console.print(
                f"Warning: {same.times} of the last {same.of} {self._noun}s scored exactly"
                f" {percent(same.value)}: they learn nothing that tells them apart; look at the data, or try"
                " other ranges with --range."
            )

    def _update_bar(self, progress: Progress) -> None:
        left = progress.seconds_left
        state = f"{progress.running} running, {progress.pruned} pruned, {duration(progress.seconds)}"
        state += "" if left is None else f", {roughly(left)} left"
        self._bar.update(self._task, completed=progress.finished, total=progress.total, state=state)
        if progress.best is not None:
            bars = sparkline(self._so_far) if len(self._so_far) > 1 and self._bars else ""
            self._best = Text.assemble(
                (f"{bars} " if bars else "", "green"),
                ("best ", "dim"),
                (percent(progress.best.value or 0.0), "bold green"),
                (f" ({self._noun} {progress.best.number}): {params_line(progress.best.params)}", ""),
                no_wrap=True,
                overflow=self._overflow,
            )
        self._live.update(Group(self._bar.get_renderable(), self._best))

    def _print_lines(self, progress: Progress) -> None:
        finished = progress.finished - sum(trial.state in FINISHED for trial in progress.latest)
        for trial in progress.latest:
            finished += trial.state in FINISHED
            if trial.state == TrialState.COMPLETE:
                outcome = percent(trial.value or 0.0)
            else:
                outcome = _OUTCOMES.get(trial.state, trial.state.name.lower())
            best = "" if progress.best is None else f"  best {percent(progress.best.value or 0.0)}"
            width = len(str(progress.total))
            self._console.print(
                f"{finished:{width}d}/{progress.total}  {self._noun} {trial.number:<{width}d}  {outcome:>8}"
                f"{best}  ({params_line(trial.params)})",
                highlight=False,
                soft_wrap=True,
            )


class EpochDisplay:
    """Shows how many epochs of a few trainings are done; a context manager.

    Parameters
    ----------
    console : rich.console.Console
        Standard error; a live bar appears only on a terminal.
    title : str
        What is being trained.
    """

    def __init__(self, console: Console, title: str) -> None:
        self._console, self._title, self._said = console, title, 0
        self._bar = Bar(
            TextColumn(title),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TextColumn("epochs"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
        )
        self._task = self._bar.add_task(title, total=None)

    def __enter__(self) -> Self:
        """Start the live bar."""
        if self._console.is_terminal:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the terminal as it was."""
        if self._console.is_terminal:
            self._bar.stop()

    def show(self, progress: Progress) -> None:
        """Show where the trainings stand; call it a few times a second."""
        done, total = progress.epochs
        if self._console.is_terminal:
            self._bar.update(self._task, completed=done, total=total)
        elif total and 5 * done // total > self._said:  # a line for each fifth
            self._said = 5 * done // total
            self._console.print(f"{self._title}: {done} of {total} epochs", highlight=False)
