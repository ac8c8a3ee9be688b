"""The score of a search's winner, corrected for the picking by what its trials kept."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from optuna.trial import FrozenTrial, TrialState

from fcnet.hyperparameters import Hyperparameters
from studies import record
from studies.analysis.scores import Score
from studies.analysis.selection import Repeated, corrected_score, repeated_noise
from studies.record import Confirmation

NEARLY_ALL = 0.9
"""Share of the complete trials that must have kept outcomes: the best was picked from the others, too."""

Judged = list[tuple[FrozenTrial, NDArray[np.bool_]]]


def corrected_of(
    trial: FrozenTrial, trials: Sequence[FrozenTrial], confirmation: Confirmation | None
) -> Score | None:
    """Return the score of the best trial without what it owes to having been picked; None if unknown.

    The luck of a training is in it where a confirmation has measured that, or trials that share their
    parameters.
    """
    same = judged_alike(trial, trials)
    if not same:
        return None
    noise = None if confirmation is None else confirmation.training_noise
    if noise is None:
        found = noise_of_repeats(same)
        noise = None if found is None else found.training
    return corrected_score(np.array([mask for _, mask in same]), noise=noise or 0.0)


def division(trial: FrozenTrial) -> tuple[int, int, int] | None:
    """Return what says which images judged a trial: seed and fold of the split, their number."""
    kept = record.outcomes(trial)
    return None if kept is None else (kept.split_seed, kept.fold, kept.images)


def judged_alike(trial: FrozenTrial, trials: Sequence[FrozenTrial]) -> Judged:
    """Return the complete trials that the same images judged as a trial, with those that each got right.

    There is none if the trial itself kept no outcomes, or fewer than `NEARLY_ALL` did: what version 0.1.0
    trained has none, nor what `--from` took over and cut.
    """
    asked = division(trial)
    if asked is None:
        return []
    complete = [each for each in trials if each.state == TrialState.COMPLETE and each.value is not None]
    kept = [(each, record.outcomes(each)) for each in complete]
    alike = [
        (each, found.mask())
        for each, found in kept
        if found is not None and (found.split_seed, found.fold, found.images) == asked
    ]
    return alike if len(alike) >= NEARLY_ALL * len(complete) else []


def noise_of_repeats(judged: Judged) -> Repeated | None:
    """Return how much trainings vary, from trials that share their parameters; None if none do."""
    groups: dict[Hyperparameters, list[NDArray[np.bool_]]] = {}
    for trial, mask in judged:
        groups.setdefault(record.configuration(trial), []).append(mask)
    return repeated_noise([np.array(masks) for masks in groups.values()])
