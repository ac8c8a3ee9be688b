"""Which values of a factor differ by more than noise: all pairs, over the same images and seeds."""

import math
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from studies.analysis.budget import ALPHA
from studies.analysis.decisions import holm, p_value
from studies.analysis.outcomes import Outcomes, pooled


@dataclass(frozen=True)
class FactorTest:
    """Which values of one factor differ by more than noise.

    Parameters
    ----------
    p_value : float
        Smallest of all pairs of values, corrected for their number.
    apart : list of (int, int)
        Pairs of levels that are told apart, the better one first.
    largest_difference : float
        Difference between the best and the worst level's mean.
    order : list of int
        Levels by their mean, the best first.
    seeds : int
        Trainings of each level behind it.
    """

    p_value: float
    apart: list[tuple[int, int]]
    largest_difference: float
    order: list[int]
    seeds: int

    @property
    def real(self) -> bool:
        """Whether any two levels differ."""
        return bool(self.apart)

    @property
    def pairs(self) -> int:
        """Number of pairs, for which the p-values are corrected."""
        return math.comb(len(self.order), 2)

    @property
    def best(self) -> int:
        """Level with the highest mean."""
        return self.order[0]

    @property
    def worst(self) -> int:
        """Level with the lowest mean."""
        return self.order[-1]


def factor_test(outcomes: Outcomes) -> FactorTest:
    """Compare all pairs of levels of a factor, corrected by `holm` for the number of pairs.

    The levels are taken to be about equally noisy, see `pooled`.

    Parameters
    ----------
    outcomes : Outcomes
        Its candidates are the factor's levels, all of them always trained.

    Raises
    ------
    ValueError
        If a level was not trained with every seed.
    """
    if not np.isfinite(outcomes.right).all():
        raise ValueError("the levels have different seeds, but all must have the same ones")
    pairs = list(combinations(range(len(outcomes.right)), 2))
    evidence = pooled(outcomes, pairs)
    p_values = holm([p_value(each) for each in evidence])
    means = outcomes.right.mean(axis=1, dtype=np.float64)
    return FactorTest(
        p_value=float(p_values.min()),
        apart=[
            (a, b) if each.mean > 0 else (b, a)
            for (a, b), each, p in zip(pairs, evidence, p_values, strict=True)
            if p <= ALPHA
        ],
        largest_difference=float(np.ptp(means)),
        order=[int(i) for i in np.argsort(-means, kind="stable")],
        seeds=outcomes.trainings,
    )
