"""The ledger of the test set: every opening, for which configuration, with what result."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec
import numpy as np
from optuna.study import Study

from studies import record
from studies.analysis.advice import selection_bias
from studies.record import OPENINGS, Opening, configuration_hash


@dataclass(frozen=True)
class Cost:
    """What it costs to test one more configuration on the same images.

    Parameters
    ----------
    others : int
        Other configurations that met the test set before.
    flattery : float
        By how much the best of all results is expected to flatter, as a fraction.
    """

    others: int
    flattery: float


@dataclass(frozen=True)
class Examined:
    """Test accuracies of networks, as fractions.

    Parameters
    ----------
    accuracies : list of float
        Of each network.
    ensemble : float
        Of all as one; for a single network its own.
    confusion : list of list of int or None
        Of all as one, see `studies.record.Final`.
    """

    accuracies: list[float]
    ensemble: float
    confusion: list[list[int]] | None = None


def known(study: Study, models: Sequence[str]) -> Examined | None:
    """Return what networks scored that were tested already, alone and as one: again it teaches nothing.

    Parameters
    ----------
    study : Study
    models : sequence of str
        Their digests.
    """
    tested: dict[frozenset[str], float] = {}
    confused: dict[frozenset[str], list[list[int]] | None] = {}
    for opening in record.read(study).openings:
        if opening.ensemble_accuracy is not None:
            tested[frozenset(opening.models)] = opening.ensemble_accuracy
            confused[frozenset(opening.models)] = opening.confusion
        for model, accuracy in zip(opening.models, opening.test_accuracies or [], strict=False):
            tested[frozenset([model])] = accuracy
    alone, as_one = [frozenset([model]) for model in models], frozenset(models)
    if not tested.keys() >= {*alone, as_one}:
        return None
    return Examined([tested[model] for model in alone], tested[as_one], confused.get(as_one))


def begin(study: Study, trial: int, params: Mapping[str, Any], models: Sequence[str], *, images: int) -> None:
    """Record that the test set is about to be opened: before it is, so that no crash can hide it.

    An opening of the same configuration that a crash cut short is taken up again instead: nobody has learnt
    anything more from it.
    """
    openings = record.read(study).openings
    opening = Opening(
        time=datetime.now(UTC).isoformat(timespec="seconds"),
        trial=trial,
        configuration=configuration_hash(params),
        images=images,
        models=list(models),
    )
    cut_short = openings and openings[-1].test_accuracies is None
    if cut_short and openings[-1].configuration == opening.configuration:
        openings = openings[:-1]
    record.write(study, OPENINGS, [*openings, opening])


def finish(study: Study, tested: Examined) -> None:
    """Record the result of the opening that was begun last."""
    openings = record.read(study).openings
    last = msgspec.structs.replace(
        openings[-1],
        test_accuracies=tested.accuracies,
        ensemble_accuracy=tested.ensemble,
        confusion=tested.confusion,
    )
    record.write(study, OPENINGS, [*openings[:-1], last])


def cost(study: Study, params: Mapping[str, Any], *, images: int) -> Cost | None:
    """Return what it costs to test a configuration; None for the first one, which is free.

    Parameters
    ----------
    study : Study
    params : mapping
        The configuration that is to be tested.
    images : int
        Number of test images. Their choice gives an accuracy p the standard deviation
        ``sqrt(p (1 - p) / images)``; the best of several results is high by as much as the largest of
        several such errors is expected to be.
    """
    openings = record.read(study).openings
    others = {opening.configuration for opening in openings} - {configuration_hash(params)}
    if not others:
        return None
    known = [accuracy for opening in openings for accuracy in opening.test_accuracies or []]
    p = float(np.mean(known)) if known else 0.5
    return Cost(len(others), selection_bias(len(others) + 1, float(np.sqrt(p * (1.0 - p) / images))))
