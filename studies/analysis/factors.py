"""Which values of a factor differ by more than noise: all pairs, over the same images and seeds."""

from collections.abc import Mapping
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
        Smallest of all pairs of values, corrected for the number of pairs of all factors.
    apart : list of (int, int)
        Pairs of levels that are told apart, the better one first.
    largest_difference : float
        Difference between the best and the worst level's mean.
    order : list of int
        Levels by their mean, the best first.
    seeds : int
        Trainings of each level behind it.
    pairs : int
        Number of pairs for which the p-values are corrected.
    """

    p_value: float
    apart: list[tuple[int, int]]
    largest_difference: float
    order: list[int]
    seeds: int
    pairs: int

    @property
    def real(self) -> bool:
        """Whether any two levels differ."""
        return bool(self.apart)

    @property
    def best(self) -> int:
        """Level with the highest mean."""
        return self.order[0]

    @property
    def worst(self) -> int:
        """Level with the lowest mean."""
        return self.order[-1]


def factor_tests(factors: Mapping[str, Outcomes]) -> dict[str, FactorTest]:
    """Compare all pairs of levels of each factor, corrected by `holm` for all pairs of all factors.

    The levels of a factor are taken to be about equally noisy, see `pooled`.

    Parameters
    ----------
    factors : mapping of str to Outcomes
        Its candidates are the factor's levels, all of them always trained.

    Raises
    ------
    ValueError
        If a level was not trained with every seed.
    """
    found, raw = {}, []
    for name, outcomes in factors.items():
        if not np.isfinite(outcomes.right).all():
            raise ValueError(f"{name} has levels with different seeds, but all must have the same ones")
        pairs = list(combinations(range(len(outcomes.right)), 2))
        found[name] = list(zip(pairs, pooled(outcomes, pairs), strict=True))
        raw += [p_value(evidence) for _, evidence in found[name]]
    corrected = iter(holm(raw))
    tests = {}
    for name, outcomes in factors.items():
        means = outcomes.right.mean(axis=1, dtype=np.float64)
        p = [float(next(corrected)) for _ in found[name]]
        tests[name] = FactorTest(
            p_value=min(p),
            apart=[
                (a, b) if e.mean > 0 else (b, a)
                for ((a, b), e), each in zip(found[name], p, strict=True)
                if each <= ALPHA
            ],
            largest_difference=float(np.ptp(means)),
            order=[int(i) for i in np.argsort(-means, kind="stable")],
            seeds=outcomes.trainings,
            pairs=len(raw),
        )
    return tests
