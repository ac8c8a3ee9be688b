"""What the winner of a search is worth: its score, corrected for having been picked by it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from studies.analysis.scores import Score, measured_score, noise_floor

_DRAWS = 400


@dataclass(frozen=True)
class Repeated:
    """How much trainings of one configuration vary, on the same images.

    Parameters
    ----------
    training : float
        Standard deviation between two seeds of what a training is worth on endless images.
    single : float
        That of a training's score on these images.
    freedom : int
        Degrees of freedom of `single`.
    """

    training: float
    single: float
    freedom: int


def repeated_noise(groups: Sequence[NDArray[np.bool_]]) -> Repeated | None:
    """Measure the noise from repeats; None without any.

    Two trainings of a configuration that disagree about a share q of n images differ by ``q / (2 n)`` for
    that alone.

    Parameters
    ----------
    groups : sequence of ndarray of bool, shape (n_repeats, n_images)
        Per configuration, which images each of its trainings got right. Groups of one are passed over.
    """
    repeats = [masks for masks in groups if len(masks) > 1]
    single = noise_floor([masks.mean(axis=1) for masks in repeats])
    if single is None:
        return None
    by_images = float(np.mean([masks.var(axis=0, ddof=1).mean() / masks.shape[1] for masks in repeats]))
    training = float(np.sqrt(max(0.0, single**2 - by_images)))
    return Repeated(training, single, sum(len(masks) - 1 for masks in repeats))


def corrected_score(right: NDArray[np.bool_], *, noise: float = 0.0, seed: int = 0) -> Score:
    """Estimate what the configuration with the highest score is worth on fresh images and in fresh trainings.

    The picking is done again in worlds of which the truth is known: each trial's score with luck added, that
    of the images drawn by multipliers of their outcomes, so that trials that are right about the same images
    are lucky together, and that of the training drawn beside. The luck of whoever is picked is what the
    picking adds, and is taken off the highest score. (Tsamardinos, Greasidou & Borboudakis, 2018,
    "Bootstrapping the out-of-sample predictions for efficient and accurate cross-validation", score whoever
    is picked on images that were not drawn: that picks with more noise than the search, and takes off too
    much.)

    The scores themselves have been lucky, so that they differ more than the truth does. They are moved
    towards their median until the upper half spreads as the truth should: by the variance of the scores less
    that of the luck. Only those who are no further below the median than the winner is above: others are bad
    beyond luck, wrong about images that the good ones have right, and would seem lucky by far.

    Parameters
    ----------
    right : ndarray of bool, shape (n_trials, n_images)
        Which of the same images each complete trial got right, the earliest first. Pruned trials are not
        among them: they were given up by the same images, and are taken to have had no chance.
    noise : float, default=0.0
        Standard deviation between two seeds of what a training is worth on endless images.
    seed : int, default=0
        Of the draws; the same input gives the same answer.

    Returns
    -------
    Score
        With a 95 % interval, and the number of trials that were picked from.
    """
    n_trials, n = right.shape
    scores = right.mean(axis=1)
    winner = int(scores.argmax())
    rng = np.random.default_rng(seed)
    multipliers = rng.standard_normal((_DRAWS, n), dtype=np.float32)
    luck = (multipliers @ (right - scores[:, np.newaxis]).T.astype(np.float32) / n).astype(float)
    middle = float(np.median(scores))
    near = scores >= 2.0 * middle - scores[winner]
    luck -= luck[:, near].mean(axis=1, keepdims=True)  # what all share picks nobody
    luck += noise * rng.standard_normal(luck.shape)
    spread = float(np.square(scores[scores >= middle] - middle).mean())
    truly = max(0.0, spread - float(luck[:, near].var(axis=0).mean()))
    nearer = middle + (scores - middle) * np.sqrt(truly / spread if spread else 0.0)
    truth = np.where(near, nearer, scores)
    picked = luck[np.arange(_DRAWS), (truth + luck).argmax(axis=1)]
    flattery = max(0.0, float(picked.mean()))  # of few draws it may lie below
    mean = max(0.0, float(scores[winner]) - flattery)
    return replace(measured_score([mean], images=n, noise=noise), n=n_trials)
