"""Where a study stands that another process may be running, as far as its trials tell."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate

from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from studies import record
from studies.execution.experiment import FINISHED
from studies.execution.progress import Progress
from studies.record import Kept, best_trial

_PACE = 30  # of so many trials that ended last the time that is left is estimated
_SILENCE = timedelta(seconds=60)


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
    asked = _asked(trials, kept)
    if asked is not None and running and silent is None and len(ends) > 1:
        clock = Clock(trials)
        pace = (clock.at(ends[-1]) - clock.at(ends[0])) / (len(ends) - 1)
        seconds_left = pace * max(asked - len(done), 0)
    return Standing(len(done), asked, len(running), silent, seconds_left)


def _asked(trials: Sequence[FrozenTrial], kept: Kept) -> int | None:
    """Return how many finished trials there shall be; an experiment enqueues all that it wants at once."""
    if kept.facts.experiment is not None:
        return sum(trial.state != TrialState.FAIL for trial in trials)
    return None if kept.asked is None else kept.asked.trials


class Clock:
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
