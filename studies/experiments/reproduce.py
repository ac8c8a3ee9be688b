"""Train a trial again from what its study recorded, and compare every epoch and the final weights."""

import math
from collections.abc import Callable
from dataclasses import astuple, dataclass, fields
from typing import Any

from optuna.study import Study
from optuna.trial import FrozenTrial

from fcnet.data import Dataset, shared_split
from fcnet.errors import UserError
from fcnet.hyperparameters import Hyperparameters
from fcnet.metrics import EpochMetrics
from fcnet.trainer import Diverged
from studies.execution.backend import Backend, Job, TrainingFailed, WorkerLost
from studies.execution.objective import RECORD
from studies.storage.database import FACTS
from studies.views.words import count

TOLERANCE = {"accuracy": 0.02, "loss": 0.05, "objective": 0.05}
"""Largest differences in another environment: of accuracies as fractions, of the others relative to the
recorded. Another BLAS rounds otherwise, and training amplifies that up to the noise between two seeds."""

_COMPARED = [f.name for f in fields(EpochMetrics) if f.name != "seconds"]


@dataclass(frozen=True)
class Retraced:
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
    difference : str or None
        The first difference.
    outside : str or None
        The first difference beyond the tolerance.
    environment : list of str
        What differs between the two environments.
    weights : bool
        Whether the final weights were compared: a training that was ended early has none.
    """

    trial: int
    identical: bool
    within_tolerance: bool
    epochs: int
    difference: str | None
    outside: str | None
    environment: list[str]
    weights: bool

    @property
    def succeeded(self) -> bool:
        """Whether it is identical, or as close as another environment allows."""
        return self.identical or (bool(self.environment) and self.within_tolerance)

    def sentence(self) -> str:
        """Say it."""
        epochs = f"{count(self.epochs, 'epoch')}{' and the final weights' if self.weights else ''}"
        if self.identical:
            return f"Trial {self.trial} is reproduced bit for bit: {epochs} identical."
        if not self.environment:
            return f"Trial {self.trial} is not reproduced: {self.difference}."
        if self.within_tolerance:
            return (
                f"Trial {self.trial} is reproduced within tolerance: {count(self.epochs, 'epoch')} compared;"
                f" the first difference is {self.difference}."
            )
        return f"Trial {self.trial} is not reproduced within tolerance: {self.outside}."

    def as_json(self) -> dict[str, Any]:
        """Return the keys that other programs read."""
        return {
            "trial": self.trial,
            "identical": self.identical,
            "epochs": self.epochs,
            "within_tolerance": self.within_tolerance,
            "first_difference": self.difference,
            "environment": self.environment,
            "weights_compared": self.weights,
        }


def retrace(
    study: Study,
    number: int,
    dataset: Dataset,
    backend: Backend,
    *,
    show: Callable[[int, int], None] = lambda done, total: None,
) -> Retraced:
    """Train a trial again and compare.

    Parameters
    ----------
    study : Study
    number : int
        The trial: complete, or pruned, of which the epochs that there are get compared.
    dataset : Dataset
        The study's data.
    backend : Backend
        Where training runs.
    show : callable, optional
        Takes the numbers of epochs done and to do.

    Raises
    ------
    UserError
        If there is no such trial, it has no record, or the training fails.
    """
    trial = _recorded(study, number)
    record, facts = trial.system_attrs[RECORD], study.user_attrs[FACTS]
    try:
        job = Job(
            Hyperparameters(**trial.params),
            epochs=facts["epochs"],
            seed=trial.user_attrs["seed"],
            split=shared_split(dataset, facts["protocol"], seed=trial.user_attrs.get("split_seed", 0)),
            may_stop=record["digest"] is None,
        )
        recorded = [tuple(row) for row in record["epochs"]]
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise UserError(
            f"what the study kept of trial {number} is not as this program writes it:"
            " restore a copy of the database or name another trial"
        ) from error
    diverged = "diverged" in trial.user_attrs.get("reason", "")
    again: list[EpochMetrics] = []
    end = None
    try:
        with backend.train(job) as training:
            for metrics in training:
                again.append(metrics)
                show(len(again), len(recorded))
                if record["digest"] is None and not diverged and len(again) == len(recorded):
                    break
    except Diverged as error:
        end = str(error)
    except (TrainingFailed, WorkerLost) as error:
        raise UserError(f"trial {number} could not be trained again: {error}") from error
    first, outside = _compare(recorded, [astuple(metrics) for metrics in again])
    if first is None and diverged and end != trial.user_attrs["reason"]:
        first = outside = f"the end: {trial.user_attrs['reason']!r} is recorded, {end!r} came now"
    elif first is None and record["digest"] != training.digest:
        first = "the final weights: every epoch's figures are the same, their hash is not"
    here = training.environment
    return Retraced(
        trial=number,
        identical=first is None,
        within_tolerance=outside is None,
        epochs=min(len(recorded), len(again)),
        difference=first,
        outside=outside,
        environment=[
            f"{name} was {record['environment'].get(name)}, here it is {here.get(name)}"
            for name in sorted(record["environment"].keys() | here.keys())
            if record["environment"].get(name) != here.get(name)
        ],
        weights=record["digest"] is not None,
    )


def _recorded(study: Study, number: int) -> FrozenTrial:
    trials = [trial for trial in study.get_trials(deepcopy=False) if trial.number == number]
    if not trials:
        raise UserError(f"the study {study.study_name!r} has no trial {number}: name one that is finished")
    if RECORD not in trials[0].system_attrs:
        raise UserError(
            f"trial {number} of the study {study.study_name!r} was not trained to an end and has no record:"
            " name one that is complete or pruned"
        )
    return trials[0]


def _compare(recorded: list[tuple[Any, ...]], again: list[tuple[Any, ...]]) -> tuple[str | None, str | None]:
    """Return the first difference, and the first one beyond the tolerance."""
    first = None
    for epoch, (before, now) in enumerate(zip(recorded, again, strict=False)):
        for name, a, b in zip(_COMPARED, before, now, strict=False):
            if a == b or (math.isnan(a) and math.isnan(b)):
                continue
            words = f"{name} of epoch {epoch} was {a!r}, now it is {b!r}"
            first = first or words
            allowed = TOLERANCE[name.rsplit("_", 1)[-1]]
            if not abs(a - b) <= allowed * (1.0 if name.endswith("accuracy") else abs(a)):
                return first, words
    if len(recorded) != len(again):
        words = f"{count(len(recorded), 'epoch')} recorded, {len(again)} now"
        return first or words, words
    return first, None
