"""Train a trial again from what its study recorded, and compare every epoch and the final weights."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from optuna.pruners import BasePruner
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from fcnet.data import Dataset
from fcnet.errors import UserError
from fcnet.metrics import EpochMetrics
from studies import record
from studies.execution.experiment import Experiment, Wanted
from studies.record import Source, Trained, Wish
from studies.space import narrow

TOLERANCE = {"accuracy": 0.02, "loss": 0.05, "objective": 0.05}
"""Largest differences in another environment: of accuracies as fractions, of the others relative to the
recorded. Another BLAS rounds otherwise, and training amplifies that up to the noise between two seeds."""

_COMPARED = [f.name for f in fields(EpochMetrics) if f.name != "seconds"]
_NEW = "validation_balanced_accuracy"  # version 0.1.0 kept none


@dataclass(frozen=True)
class Reproduced:
    """How a trial's second training compares with its first.

    Parameters
    ----------
    trial : int
    identical : bool
        Whether every figure of every epoch, and the final weights if there are any, are the same bit for bit.
    within_tolerance : bool
        Whether all figures are as close as `TOLERANCE` asks; the weights are not looked at.
    epochs : int
        Number of epochs compared.
    first_difference : str or None
        The first difference.
    outside : str or None
        The first difference beyond the tolerance.
    environment : list of str
        What differs between the two environments.
    weights_compared : bool
        Whether the final weights were compared: a training that was ended early has none.
    weights_unknown : bool
        Whether there are final weights now and none on record: those of a longer training that was cut.
    """

    trial: int
    identical: bool
    within_tolerance: bool
    epochs: int
    first_difference: str | None
    outside: str | None
    environment: list[str]
    weights_compared: bool
    weights_unknown: bool = False

    @property
    def succeeded(self) -> bool:
        """Whether it is identical, or as close as another environment allows."""
        return self.identical or (bool(self.environment) and self.within_tolerance)

    def sentence(self) -> str:
        """Say it."""
        epochs = f"{_epochs(self.epochs)}{' and the final weights' if self.weights_compared else ''}"
        kept = "; its final weights were not kept and cannot be compared" if self.weights_unknown else ""
        if self.identical:
            return f"Trial {self.trial} is reproduced bit for bit: {epochs} identical{kept}."
        if not self.environment:
            return f"Trial {self.trial} is not reproduced: {self.first_difference}."
        if self.within_tolerance:
            return (
                f"Trial {self.trial} is reproduced within tolerance: {_epochs(self.epochs)} compared;"
                f" the first difference is {self.first_difference}."
            )
        return f"Trial {self.trial} is not reproduced within tolerance: {self.outside}."


def _epochs(n: int) -> str:
    return f"{n} epoch" if n == 1 else f"{n} epochs"


class Reproduce(Experiment[Reproduced]):
    """A trial trained again, in a study of its own that nobody keeps.

    Parameters
    ----------
    study : Study
    number : int
        The trial: complete, or pruned, of which the epochs that there are get compared.
    dataset : Dataset
        The study's data.
    source : Source

    Raises
    ------
    UserError
        If there is no such trial, or it has no record.
    """

    title = "The training"

    def __init__(self, study: Study, number: int, dataset: Dataset, source: Source) -> None:
        self.trial, self.before = _recorded(study, number)
        configuration, self.wish = record.configuration(self.trial), record.wish(self.trial)
        self.configuration = configuration
        facts = record.read(study).facts
        super().__init__("reproduce", facts, dataset, source, narrow([configuration]))
        self.diverged = record.diverged(self.trial)
        # What was pruned is stopped where it was.
        self.may_prune = self.before.digest is None and not self.diverged

    def prepare(self, study: Study) -> None:
        """End the training after as many epochs as are on record."""
        super().prepare(study)
        study.pruner = _After(len(self.before.epochs))

    def enqueue(self, trials: Sequence[FrozenTrial]) -> Sequence[Wanted]:
        """Want the training once."""
        if any(trial.state != TrialState.FAIL for trial in trials):
            return []
        wish = Wish(seed=self.wish.seed, split_seed=self.wish.split_seed, fold=self.wish.fold)
        return [Wanted(self.configuration, wish)]

    def conclude(self, study: Study) -> Reproduced:
        """Compare.

        Raises
        ------
        UserError
            If the training failed.
        """
        last = study.get_trials(deepcopy=False)[-1]
        again, before = record.trained(last), self.before
        if last.state == TrialState.FAIL or again is None:
            raise UserError(
                f"trial {self.trial.number} could not be trained again: {record.reason(last)};"
                " give the same command again"
            )
        first, outside = _compare(
            [_figures(metrics) for metrics in before.epochs], [_figures(metrics) for metrics in again.epochs]
        )
        was, now = record.reason(self.trial), record.reason(last)
        if first is None and self.diverged and was != now:
            first = outside = f"the end: {was!r} is recorded, {now!r} came now"
        elif first is None and before.digest is not None and before.digest != again.digest:
            first = "the final weights: every epoch's figures are the same, their hash is not"
        return Reproduced(
            trial=self.trial.number,
            identical=first is None,
            within_tolerance=outside is None,
            epochs=min(len(before.epochs), len(again.epochs)),
            first_difference=first,
            outside=outside,
            environment=[
                f"{name} was {before.environment.get(name)}, here it is {again.environment.get(name)}"
                for name in sorted(before.environment.keys() | again.environment.keys())
                if before.environment.get(name) != again.environment.get(name)
            ],
            weights_compared=before.digest is not None,
            weights_unknown=before.digest is None and again.digest is not None,
        )


class _After(BasePruner):
    """Ends a training after a number of epochs."""

    def __init__(self, epochs: int) -> None:
        self.epochs = epochs

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        """Tell whether that many are done."""
        return trial.last_step is not None and trial.last_step + 1 >= self.epochs


def _recorded(study: Study, number: int) -> tuple[FrozenTrial, Trained]:
    trials = [trial for trial in study.get_trials(deepcopy=False) if trial.number == number]
    if not trials:
        raise UserError(f"the study {study.study_name!r} has no trial {number}: name one that is finished")
    left = record.trained(trials[0])
    if left is None:
        raise UserError(
            f"trial {number} of the study {study.study_name!r} was not trained to an end and has no record:"
            " name one that is complete or pruned"
        )
    return trials[0], left


def _figures(metrics: EpochMetrics) -> tuple[Any, ...]:
    return tuple(getattr(metrics, name) for name in _COMPARED)


def _compare(recorded: list[tuple[Any, ...]], again: list[tuple[Any, ...]]) -> tuple[str | None, str | None]:
    """Return the first difference, and the first one beyond the tolerance."""
    first = None
    for epoch, (before, now) in enumerate(zip(recorded, again, strict=False)):
        for name, a, b in zip(_COMPARED, before, now, strict=False):
            if a == b or (math.isnan(a) and (math.isnan(b) or name == _NEW)):
                continue
            words = f"{name} of epoch {epoch} was {a!r}, now it is {b!r}"
            first = first or words
            allowed = TOLERANCE[name.rsplit("_", 1)[-1]]
            if not abs(a - b) <= allowed * (1.0 if name.endswith("accuracy") else abs(a)):
                return first, words
    if len(recorded) != len(again):
        words = f"{_epochs(len(recorded))} recorded, {len(again)} now"
        return first or words, words
    return first, None
