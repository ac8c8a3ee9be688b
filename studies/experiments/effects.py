"""The one-factor experiments as a study: the trainings that it must hold, and what they say."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import msgspec
from msgspec import Struct
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from fcnet.data import Dataset
from fcnet.data.holdout import FOLDS
from fcnet.hyperparameters import Hyperparameters
from studies import record
from studies.analysis.scores import Summary, summarise
from studies.choices import at_least
from studies.execution.experiment import Experiment, Wanted
from studies.experiments import results
from studies.experiments.data import facts_of
from studies.experiments.one_factor import (
    EXPERIMENTS,
    REPORTED_EFFECTS,
    ControlledInfo,
    Factor,
    OneFactor,
    are_the_reports,
    configurations,
    controlled_info,
)
from studies.record import ONE_FACTOR, Protocol, Source, Wish
from studies.space import Space, narrow

MEASURES = {
    "holdout": "validation accuracy of the last epoch",
    "report": "accuracy on the TEST set of the best epoch",
}
"""What a trial's value is, by protocol."""


def study_name(base: str, protocol: str) -> str:
    """Return the name of the experiments' own study beside a sweep's."""
    return f"{base}-effects" if protocol == "holdout" else f"{base}-effects-{protocol}"


@dataclass(frozen=True)
class Level:
    """Repeated trainings at one value of a factor, as fractions; None for what one seed cannot give.

    Parameters
    ----------
    value : float
    mean, std, low, high : float or None
        Mean, standard deviation and 95 % interval over seeds, simultaneous for all values of the factor.
    n : int
    values : list of float
        One accuracy per seed.
    seeds : list of int
    diverged : int
        Trainings without an accuracy.
    best_epoch, last_epoch : dict or None
        The same figures of the best and of the last epoch of each training.
    """

    value: float
    mean: float | None
    std: float | None
    low: float | None
    high: float | None
    n: int
    values: list[float]
    seeds: list[int]
    diverged: int
    best_epoch: dict[str, float | None] | None
    last_epoch: dict[str, float | None] | None


class FactorVerdict(Struct, frozen=True, omit_defaults=True):
    """Which values of a factor differ by more than noise; only a sentence with fewer than two seeds.

    `told_apart` holds pairs of values, the better one first.
    """

    sentence: str
    p_value: float | None = None
    larger_than_noise: bool | None = None
    largest_difference: float | None = None
    best: float | None = None
    not_beaten_by_the_best: list[float] | None = None
    told_apart: list[tuple[float, float]] | None = None
    seeds: int | None = None


@dataclass(frozen=True)
class Reported:
    """What the course report published of a factor."""

    value: float
    accuracy: float


@dataclass(frozen=True)
class Findings:
    """What an experiments' study says.

    A value all of whose trainings diverged has a level without a mean; one without trainings has none.
    """

    study: str
    protocol: str
    measure: str
    data: results.Data
    epochs: int
    n_trials: results.Counts
    levels: dict[Factor, list[Level]]
    tests: dict[Factor, FactorVerdict]
    reported: dict[Factor, Reported]
    info: ControlledInfo

    def as_json(self) -> dict[str, Any]:
        """Return the keys that other programs read."""
        found = msgspec.to_builtins(self)
        del found["info"]
        view = "controlled: one factor at a time, the others fixed as in the report"
        return {**found, "view": view, **found.pop("levels")}


class Effects(Experiment[Findings]):
    """Each configuration with the seeds 0, 1, ...: the same ones for all, so that differences are paired.

    Held-out images of the n-th seed are the n-th fifth of the development images, of the sixth the first
    again: five trainings judge them all, where one division would let a fifth decide.

    Parameters
    ----------
    base : str
        Name of the sweep beside which the study stands.
    dataset : Dataset
    source : Source
    protocol : {"holdout", "report"}, default="holdout"
    epochs : int, default=20
    n_seeds : int, default=5
        A study that was started with more keeps its number.
    """

    title = "The experiments"

    def __init__(
        self,
        base: str,
        dataset: Dataset,
        source: Source,
        *,
        protocol: Protocol = "holdout",
        epochs: int = 20,
        n_seeds: int = 5,
    ) -> None:
        space = experiment_space()
        facts = facts_of(dataset, space, protocol=protocol, epochs=epochs, experiment=ONE_FACTOR)
        at_least(1, n_seeds=n_seeds)
        super().__init__(study_name(base, protocol), facts, dataset, source, space)
        self.n_seeds = n_seeds

    def enqueue(self, trials: Sequence[FrozenTrial]) -> Sequence[Wanted]:
        """Want every training that the study does not hold."""
        there = [trial for trial in trials if trial.state != TrialState.FAIL]
        held, folds = {_key(trial) for trial in there}, {_key(t)[1]: record.wish(t).fold for t in there}
        n_seeds = max([self.n_seeds, *(seed + 1 for seed in folds)])
        return [
            Wanted(h, Wish(seed=seed, fold=folds.get(seed, self._fold(seed))))
            for seed in range(n_seeds)
            for h in configurations()
            if (h, seed) not in held
        ]

    def _fold(self, seed: int) -> int:
        return seed % FOLDS if self.facts.protocol == "holdout" else 0

    def conclude(self, study: Study) -> Findings:
        """Summarise and test what there is; trainings that failed are missing."""
        return findings(study)


def experiment_space() -> Space:
    """Return ranges that just hold the experiments' values; fixed hyperparameters have a single one."""
    return narrow(configurations())


def findings(study: Study) -> Findings:
    """Return what an experiments' study says; accuracies are fractions."""
    trials, summary = study.get_trials(deepcopy=False), results.summarise(study)
    complete = {_key(t): t for t in trials if t.state == TrialState.COMPLETE and t.value is not None}
    diverged = {_key(t) for t in trials if t.state == TrialState.PRUNED}
    values = {key: trial.value or 0.0 for key, trial in complete.items()}
    kept = {key: record.trained(trial) for key, trial in complete.items()}
    outcomes = {key: left.outcomes for key, left in kept.items() if left and left.outcomes}
    info = controlled_info(
        values,
        outcomes=outcomes,
        protocol=summary.protocol,
        reported=REPORTED_EFFECTS if are_the_reports(summary.data.name) else {},
    )
    levels = {e.factor: _levels(e, complete, diverged) for e in info.experiments}
    return Findings(
        study=study.study_name,
        protocol=summary.protocol,
        measure=MEASURES[summary.protocol],
        data=summary.data,
        epochs=summary.epochs,
        n_trials=summary.n_trials,
        levels=levels,
        tests={e.factor: _test(e) for e in info.experiments},
        reported={
            e.factor: Reported(_plain(e.reported[0]), e.reported[1])
            for e in info.experiments
            if e.reported is not None
        },
        info=info,
    )


def _levels(
    e: OneFactor,
    complete: Mapping[tuple[Hyperparameters, int], FrozenTrial],
    diverged: set[tuple[Hyperparameters, int]],
) -> list[Level]:
    levels = []
    intervals = {level.value: (level.low, level.high) for level in e.levels}
    for h in EXPERIMENTS[e.factor]:
        value, n_diverged = _plain(getattr(h, e.factor)), sum(other == h for other, _ in diverged)
        seeds = sorted(seed for other, seed in complete if other == h)
        own = [complete[h, seed] for seed in seeds]
        if own:
            accuracies = [trial.value or 0.0 for trial in own]
            best = [max(trial.intermediate_values.values()) for trial in own]
            last = [trial.intermediate_values[max(trial.intermediate_values)] for trial in own]
            s, (low, high) = summarise(accuracies), intervals[float(value)]
            levels.append(
                Level(
                    value,
                    **summary_as_json(replace(s, low=low, high=high)),
                    values=accuracies,
                    seeds=seeds,
                    diverged=n_diverged,
                    best_epoch=_summary(best),
                    last_epoch=_summary(last),
                )
            )
        elif n_diverged:
            levels.append(Level(value, None, None, None, None, 0, [], [], n_diverged, None, None))
    return levels


def _test(e: OneFactor) -> FactorVerdict:
    if e.test is None:
        return FactorVerdict(e.sentence)
    values = [_plain(value) for value in e.tested]
    beaten = {worse for better, worse in e.test.apart if better == e.test.best}
    return FactorVerdict(
        sentence=e.sentence,
        p_value=e.test.p_value,
        larger_than_noise=e.test.real,
        largest_difference=e.test.largest_difference,
        best=values[e.test.best],
        not_beaten_by_the_best=sorted(value for i, value in enumerate(values) if i not in beaten),
        told_apart=[(values[better], values[worse]) for better, worse in e.test.apart],
        seeds=e.test.seeds,
    )


def _key(trial: FrozenTrial) -> tuple[Hyperparameters, int]:
    return record.configuration(trial), record.wish(trial).seed or 0


def _summary(values: Sequence[float]) -> dict[str, Any]:
    return summary_as_json(summarise(values))


def summary_as_json(s: Summary) -> dict[str, Any]:
    """Return a summary with None for what one value cannot give."""
    return {key: None if math.isnan(value) else value for key, value in asdict(s).items()}


def _plain(value: float) -> float:
    return int(value) if value >= 1 and float(value).is_integer() else value
