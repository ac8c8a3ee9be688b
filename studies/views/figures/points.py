"""Complete trials as points of a figure: which are drawn, and which differences are no more than noise."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import sqrt

import numpy as np

MAX_POINTS = 120
"""At most this many trials are drawn; more would slow the page and hide one another."""

_TWO_SIDED = 1.96  # 95 % of a normal distribution lies within this many standard deviations


@dataclass(frozen=True)
class Point:
    """One complete trial: its number, its validation accuracy in per cent and its hyperparameters."""

    trial: int
    accuracy: float
    params: Mapping[str, float]


def thinned(points: list[Point]) -> list[Point]:
    """The best quarter of `MAX_POINTS` and an even pick of the rest, by number."""
    if len(points) <= MAX_POINTS:
        return points
    ranked = sorted(points, key=lambda p: (-p.accuracy, p.trial))
    best, rest = ranked[: MAX_POINTS // 4], sorted(ranked[MAX_POINTS // 4 :], key=lambda p: p.trial)
    even = np.linspace(0, len(rest) - 1, MAX_POINTS - len(best)).round().astype(int)
    return sorted(best + [rest[i] for i in even], key=lambda p: p.trial)


def noise_width(noise: float) -> float:
    """Difference of two single trainings that noise alone exceeds in one case of twenty.

    Parameters
    ----------
    noise : float
        Standard deviation of a single training, in any unit.

    Returns
    -------
    float
        In the unit of `noise`. A difference has the square root of two times its standard deviation.
    """
    return _TWO_SIDED * sqrt(2.0) * noise
