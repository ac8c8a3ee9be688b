"""All that the page of a sweep shows, as plain data: its result, its trials, their curves, its progress."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import accumulate
from math import isfinite
from typing import Any, Literal

from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from fcnet.metrics import EpochMetrics
from studies import record
from studies.execution.experiment import FINISHED
from studies.execution.progress import Progress
from studies.experiments.advising import Advice, advise
from studies.experiments.marginal import MAX_POINTS, EffectsInfo, effects_info
from studies.experiments.results import Summary, summarise
from studies.record import Kept, best_trial

State = Literal["complete", "pruned", "diverged", "failed", "running", "waiting"]

_PACE = 30  # of so many trials that ended last the time that is left is estimated
_DRAWN = 300  # trials at most; more would slow the page and hide one another
_SILENCE = timedelta(seconds=60)
_MANY_EPOCHS = 60  # of a training are drawn at most


@dataclass(frozen=True)
class Row:
    """One trial as it stands in the table.

    Parameters
    ----------
    trial : int
    state : str
        `diverged` is a training whose logits were no longer finite, which Optuna calls pruned.
    accuracy : float or None
        Validation accuracy of the last epoch that there is, as a fraction.
    epochs : int
        That were trained.
    seconds : float or None
        Of training, of all epochs that there are.
    ended : float or None
        When it ended, in seconds since the first one started; times without any trial are left out.
    seed : int or None
    reason : str
        Why it ended early, or failed.
    params : dict
    """

    trial: int
    state: State
    accuracy: float | None
    epochs: int
    seconds: float | None
    ended: float | None
    seed: int | None
    reason: str
    params: dict[str, Any]


@dataclass(frozen=True)
class Standing:
    """Where a sweep stands that may be running in another process, as far as its trials tell.

    Parameters
    ----------
    finished : int
        Trials that are complete or pruned.
    asked : int or None
        How many there shall be; None where no sweep has said so.
    running : int
    silent : float or None
        Seconds without a sign where trials are running that should have ended: it was interrupted, perhaps.
    seconds_left : float or None
        From the pace of the last trials; pauses between them are no work.
    """

    finished: int
    asked: int | None
    running: int
    silent: float | None
    seconds_left: float | None

    @property
    def is_running(self) -> bool:
        """Whether it runs, as far as can be told."""
        return self.running > 0 and self.silent is None


@dataclass(frozen=True)
class Overview:
    """All that the page shows.

    Parameters
    ----------
    summary, advice, standing : Summary, Advice, Standing
    effects : EffectsInfo
        With a panel for every hyperparameter that has a range of numbers.
    rows : list of Row
    curves : dict of int to list of EpochMetrics
        By trial: what each training left, thinned where it is long.
    kept : record.Kept
    environment : dict of str to str
        Of the newest training: versions, libraries, machine.
    """

    summary: Summary
    advice: Advice
    standing: Standing
    effects: EffectsInfo
    rows: list[Row]
    curves: dict[int, list[EpochMetrics]]
    kept: Kept
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def baseline(self) -> int | None:
        """Number of the baseline's trial."""
        return None if self.summary.baseline is None else self.summary.baseline.trial


def overview(study: Study, *, now: datetime | None = None) -> Overview:
    """Collect what the page of a search shows.

    Parameters
    ----------
    study : Study
    now : datetime, optional
        The local time, for how long the sweep has been silent.

    Raises
    ------
    UserError
        If the study was not made by this program, or somebody changed what it keeps.
    """
    kept, trials = record.read(study), study.get_trials(deepcopy=False)
    summary = summarise(study)
    left = {trial.number: record.trained(trial) for trial in trials}
    newest = next((left[t.number] for t in reversed(trials) if left[t.number] is not None), None)
    return Overview(
        summary=summary,
        advice=advise(study),
        standing=standing(trials, kept, now=now or datetime.now()),
        effects=effects_of(summary, trials, kept.facts.space, every=True, points=_DRAWN),
        rows=rows_of(trials, left),
        curves={number: _thinned(found.epochs) for number, found in left.items() if found and found.epochs},
        kept=kept,
        environment={} if newest is None else newest.environment,
    )


def effects_of(
    summary: Summary,
    trials: Sequence[FrozenTrial],
    space: Mapping[str, str],
    *,
    every: bool = False,
    points: int = MAX_POINTS,
) -> EffectsInfo:
    """Return the effects that trials show, with what their sweep's summary says of them."""
    return effects_info(
        trials,
        noise=summary.noise,
        label=summary.data.name,
        metric=summary.metric,
        space=space,
        every=every,
        points=points,
    )


def rows_of(trials: Sequence[FrozenTrial], left: Mapping[int, record.Trained | None]) -> list[Row]:
    """Return a row for each trial; `left` holds by number what each training left."""
    clock = _Clock(trials)
    return [_row(trial, left[trial.number], clock) for trial in trials]


def standing(trials: Sequence[FrozenTrial], kept: Kept, *, now: datetime) -> Standing:
    """Tell where a sweep stands from its trials; `now` is the local time."""
    done = [t for t in trials if t.state in FINISHED]
    running = [t for t in trials if t.state == TrialState.RUNNING]
    ends = sorted(t.datetime_complete for t in done if t.datetime_complete)[-_PACE - 1 :]
    longest = max((t.duration for t in done if t.duration), default=None)
    silent = seconds_left = None
    if running:
        signs = [t.datetime_start for t in running if t.datetime_start] + ends[-1:]
        quiet = now - max(signs, default=now)
        patience = max(_SILENCE, 10 * _SILENCE if longest is None else 5 * longest)
        silent = quiet.total_seconds() if quiet > patience else None
    asked = None if kept.asked is None else kept.asked.trials
    if asked is not None and running and silent is None and len(ends) > 1:
        clock = _Clock(trials)
        pace = (clock.at(ends[-1]) - clock.at(ends[0])) / (len(ends) - 1)
        seconds_left = pace * max(asked - len(done), 0)
    return Standing(len(done), asked, len(running), silent, seconds_left)


class _Clock:
    """Times since the first trial started, without those in which no trial was running."""

    def __init__(self, trials: Sequence[FrozenTrial]) -> None:
        spans = sorted(  # an interrupted one may have been told days later, when the sweep went on
            (t.datetime_start, t.datetime_complete)
            for t in trials
            if t.datetime_start and t.datetime_complete and record.reason(t) != record.INTERRUPTED
        )
        self._busy: list[list[datetime]] = []
        for start, end in spans:
            if self._busy and start <= self._busy[-1][1]:
                self._busy[-1][1] = max(self._busy[-1][1], end)
            else:
                self._busy.append([start, end])
        self._starts = [start for start, _ in self._busy]
        self._before = [0.0, *accumulate((end - start).total_seconds() for start, end in self._busy)]

    def at(self, moment: datetime) -> float:
        """Return the seconds of work before a moment."""
        i = bisect_right(self._starts, moment) - 1
        if i < 0:
            return 0.0
        start, end = self._busy[i]
        return self._before[i] + (min(end, moment) - start).total_seconds()


def _row(trial: FrozenTrial, left: record.Trained | None, clock: _Clock) -> Row:
    values = trial.intermediate_values
    accuracy = trial.value if trial.state == TrialState.COMPLETE else None
    if accuracy is None and values:
        accuracy = values[max(values)]
    if accuracy is not None and not isfinite(accuracy):
        accuracy = None
    state: Any = {TrialState.FAIL: "failed"}.get(trial.state, trial.state.name.lower())
    if record.diverged(trial):
        state = "diverged"
    ended = trial.state.is_finished() and trial.datetime_start and trial.datetime_complete
    return Row(
        trial=trial.number,
        state=state,
        accuracy=accuracy,
        epochs=len(left.epochs) if left else len(values),
        seconds=left.seconds if left else None,
        ended=clock.at(trial.datetime_complete) if ended and trial.datetime_complete else None,
        seed=record.wish(trial).seed,
        reason="" if trial.state == TrialState.COMPLETE else record.reason(trial),
        params=trial.params or trial.system_attrs.get("fixed_params", {}),
    )


def _thinned(epochs: list[EpochMetrics]) -> list[EpochMetrics]:
    step = -(-len(epochs) // _MANY_EPOCHS)
    return epochs if step == 1 else [*epochs[:-1:step], epochs[-1]]


class Watch:
    """Looks at a sweep of another process: only its trials are read, nothing is written."""

    def __init__(self, study: Study) -> None:
        self._study = study
        self._began: datetime | None = None
        self._begun = 0
        self._seen: set[int] = set()

    def look(self, *, now: datetime | None = None) -> tuple[Standing, Progress]:
        """Return where the sweep stands, and the same as its own process would show it."""
        now = now or datetime.now()
        kept, trials = record.read(self._study), self._study.get_trials(deepcopy=False)
        found, ended = standing(trials, kept, now=now), [t for t in trials if t.state.is_finished()]
        if self._began is None:  # a sweep that went on for hours is not told line by line
            self._began, self._begun = now, found.finished
            self._seen = {t.number for t in ended}
        latest = tuple(t for t in ended if t.number not in self._seen)
        self._seen |= {t.number for t in latest}
        total, each = found.asked or found.finished, kept.facts.epochs
        live = sum(len(t.intermediate_values) for t in trials if t.state == TrialState.RUNNING)
        progress = Progress(
            finished=found.finished,
            total=total,
            begun=self._begun,
            pruned=sum(t.state == TrialState.PRUNED for t in trials),
            running=found.running,
            best=best_trial(trials),
            seconds=(now - self._began).total_seconds(),
            latest=latest,
            epochs=(found.finished * each + live, total * each),
            left=found.seconds_left,
        )
        return found, progress

    def ended(self) -> list[FrozenTrial]:
        """Return the trials that have ended."""
        return [t for t in self._study.get_trials(deepcopy=False) if t.state.is_finished()]

    def summary(self) -> Summary:
        """Return what the sweep has found."""
        return summarise(self._study)
