"""Which of two searches has the better winner, and how sure that is."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy  # loads a part when it is used
from numpy.typing import NDArray

from studies.analysis.budget import ALPHA
from studies.analysis.outcomes import LEAST_ERROR, Outcomes, pooled
from studies.analysis.selection import Repeated, corrected_score


@dataclass(frozen=True)
class Lead:
    """By how much the winner of the first search is better than that of the second, as fractions.

    Parameters
    ----------
    mean : float
    low, high : float
        Ends of the 95 % interval, about fresh images and fresh trainings.
    """

    mean: float
    low: float
    high: float

    @property
    def leader(self) -> int | None:
        """Which one is better, 0 or 1; None where the interval holds both."""
        return 0 if self.low > 0 else 1 if self.high < 0 else None


@dataclass(frozen=True, eq=False)
class Searched:
    """What the complete trials of a search got right.

    Parameters
    ----------
    right : ndarray of bool, shape (n_trials, n_images)
        The earliest first, all judged by the same images.
    noise : Repeated
        Of its trainings.
    """

    right: NDArray[np.bool_]
    noise: Repeated


def picked_lead(first: Searched, second: Searched) -> Lead:
    """Compare the best trials of two searches that were judged by the same images.

    Each score is corrected for having been picked, see `corrected_score`. The error of their difference holds
    the images, on which the two trainings are paired, and what each training is worth besides. The latter is
    as uncertain as the repeats are few (Satterthwaite, 1946).
    """
    sides = (first, second)
    scores = [corrected_score(side.right, noise=side.noise.training) for side in sides]
    winners = [side.right[side.right.mean(axis=1).argmax()].astype(float) for side in sides]
    d = winners[0] - winners[1]
    luck = [max(side.noise.training**2, LEAST_ERROR**2) for side in sides]
    variance = float(d.var(ddof=1)) / d.size + sum(luck)
    uncertain = sum(max(side.noise.single, LEAST_ERROR) ** 4 / side.noise.freedom for side in sides)
    degrees = max(variance**2 / uncertain, min(side.noise.freedom for side in sides))
    return _lead(scores[0].mean - scores[1].mean, variance**0.5, degrees, share=ALPHA)


def best_of(outcomes: Outcomes, candidates: Sequence[int]) -> int:
    """Return the candidate with the highest mean, the first of equals."""
    means = outcomes.right.mean(axis=1, dtype=np.float64)
    return max(candidates, key=lambda i: means[i])


def confirmed_lead(
    outcomes: Outcomes, sides: tuple[Sequence[int], Sequence[int]], *, picked_from: int
) -> Lead:
    """Compare the best candidates of two confirmations on the same seeds and folds.

    The candidate that leads is one of several that might have led by luck, while the best of the other side
    can only have been lucky too: a wrong leader is as rare as it should be if each of the `picked_from` gets
    its share of the 5 % (Bonferroni). All candidates are taken to be equally noisy, see `pooled`.

    Parameters
    ----------
    outcomes : Outcomes
    sides : (sequence of int, sequence of int)
        The candidates of each confirmation that were always trained; the best ones are not the same.
    picked_from : int
        The larger number of candidates that a confirmation began with.
    """
    best = best_of(outcomes, sides[0]), best_of(outcomes, sides[1])
    pairs = [best, *((i, j) for i in sides[0] for j in sides[1] if i != j)]
    found = pooled(outcomes, pairs)[0]
    return _lead(found.mean, found.error, found.degrees, share=ALPHA / picked_from)


def _lead(mean: float, error: float, degrees: float, *, share: float) -> Lead:
    half = float(scipy.special.stdtrit(degrees, 1.0 - share / 2)) * error
    return Lead(mean, mean - half, mean + half)
