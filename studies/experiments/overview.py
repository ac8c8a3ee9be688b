"""All that the page of a sweep shows, as plain data: its result, its trials, their curves, its progress."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from math import isfinite
from typing import Any, Literal

from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from fcnet.metrics import EpochMetrics
from studies import record
from studies.experiments.advising import Advice, advise
from studies.experiments.marginal import MAX_POINTS, EffectsInfo, effects_info
from studies.experiments.results import Summary, summarise
from studies.experiments.standing import Clock, Standing, standing
from studies.record import Kept

State = Literal["complete", "pruned", "diverged", "failed", "running", "waiting"]

_DRAWN = 300  # trials at most; more would slow the page and hide one another
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
    clock = Clock(trials)
    return [_row(trial, left[trial.number], clock) for trial in trials]


def _row(trial: FrozenTrial, left: record.Trained | None, clock: Clock) -> Row:
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
