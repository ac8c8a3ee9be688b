"""The score of a search's winner, corrected for the picking by what its trials kept."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from optuna.trial import FrozenTrial, TrialState

from fcnet.hyperparameters import Hyperparameters
from studies import record
from studies.analysis.scores import Score, noise_floor
from studies.analysis.selection import corrected_score
from studies.record import Confirmation


def corrected_of(
    trial: FrozenTrial, trials: Sequence[FrozenTrial], confirmation: Confirmation | None
) -> Score | None:
    """Return the score of the best trial without what it owes to having been picked; None without outcomes.

    Trials that kept no outcomes, or were judged by other images, are passed over. The luck of a training is
    in it where a confirmation has measured that, or trials that share their parameters.
    """
    kept: list[tuple[FrozenTrial, record.Outcomes]] = []
    for each in trials:
        left = record.trained(each) if each.state == TrialState.COMPLETE else None
        if left is not None and left.outcomes is not None:
            kept.append((each, left.outcomes))
    own = next((outcomes for each, outcomes in kept if each.number == trial.number), None)
    if own is None:
        return None
    division = (own.split_seed, own.fold, own.images)
    same = [(t, o.mask()) for t, o in kept if (o.split_seed, o.fold, o.images) == division]
    noise = None if confirmation is None else confirmation.training_noise
    if noise is None:
        noise = _training_noise(same)
    return corrected_score(np.array([mask for _, mask in same]), noise=noise or 0.0)


def _training_noise(trained: Sequence[tuple[FrozenTrial, NDArray[np.bool_]]]) -> float | None:
    """Return the part of the noise that is not the images', from trials that share their parameters.

    Two trainings of a configuration that disagree about a share q of n images differ by ``q / (2 n)`` for
    that alone.
    """
    groups: dict[Hyperparameters, list[NDArray[np.bool_]]] = {}
    for trial, mask in trained:
        groups.setdefault(record.configuration(trial), []).append(mask)
    repeats = [np.array(masks) for masks in groups.values() if len(masks) > 1]
    noise = noise_floor([masks.mean(axis=1) for masks in repeats])
    if noise is None:
        return None
    by_images = np.mean([masks.var(axis=0, ddof=1).mean() / masks.shape[1] for masks in repeats])
    return float(np.sqrt(max(0.0, noise**2 - by_images)))
