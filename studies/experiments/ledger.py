"""The record of each opening of the test set: when, for which configuration, with what result."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
from optuna.study import Study

from studies.analysis.advice import selection_bias
from studies.analysis.scores import configuration_hash
from studies.experiments.results import TEST_OPENINGS
from studies.views.words import count, points


def begin_opening(study: Study, trial: int, params: Mapping[str, Any], *, images: int) -> None:
    """Record that the test set is about to be opened: before it is, so that no crash can hide it.

    An opening of the same configuration that a crash cut short is taken up again instead: nobody has learnt
    anything more from it.
    """
    openings = list(study.user_attrs.get(TEST_OPENINGS, []))
    configuration = configuration_hash(params)
    if (
        openings
        and openings[-1].get("test_accuracies") is None
        and openings[-1]["configuration"] == configuration
    ):
        return
    openings.append(
        {
            "time": datetime.now(UTC).isoformat(timespec="seconds"),
            "trial": trial,
            "configuration": configuration,
            "images": images,
            "test_accuracies": None,
        }
    )
    study.set_user_attr(TEST_OPENINGS, openings)


def finish_opening(study: Study, accuracies: Sequence[float]) -> tuple[int, int]:
    """Record the result; return the number of openings, and of other configurations that were tested."""
    openings = [dict(opening) for opening in study.user_attrs[TEST_OPENINGS]]
    openings[-1]["test_accuracies"] = list(accuracies)
    study.set_user_attr(TEST_OPENINGS, openings)
    others = {opening["configuration"] for opening in openings} - {openings[-1]["configuration"]}
    return len(openings), len(others)


def cost_of_opening(study: Study, params: Mapping[str, Any], *, images: int) -> str | None:
    """Say what it costs to test one more configuration on the same images; None for the first one.

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
    openings = study.user_attrs.get(TEST_OPENINGS, [])
    others = {opening["configuration"] for opening in openings} - {configuration_hash(params)}
    if not others:
        return None
    known = [a for opening in openings for a in opening.get("test_accuracies") or []]
    p = float(np.mean(known)) if known else 0.5
    flattery = selection_bias(len(others) + 1, float(np.sqrt(p * (1.0 - p) / images)))
    return (
        f"{count(len(others), 'other configuration')} of this study met this test set before: the best of"
        f" {len(others) + 1} test results flatters by up to {points(flattery)}, the first one does not"
    )
