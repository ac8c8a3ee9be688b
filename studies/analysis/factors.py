"""Does one factor matter: Friedman's test over paired seeds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from studies.analysis.budget import ALPHA
from studies.analysis.decisions import holm


@dataclass(frozen=True)
class FactorTest:
    """Whether the values of one factor differ by more than noise.

    Parameters
    ----------
    p_value : float
        Chance of a spread at least this large if the value did not matter, corrected for the number of
        factors.
    real : bool
        Whether `p_value` is at most `ALPHA`.
    largest_difference : float
        Difference between the best and the worst level's mean.
    best, worst : int
        Indices of these levels.
    """

    p_value: float
    real: bool
    largest_difference: float
    best: int
    worst: int


def factor_tests(
    factors: Mapping[str, Sequence[ArrayLike]], *, n_permutations: int = 4999, seed: int = 0
) -> dict[str, FactorTest]:
    """Test each factor over paired seeds, corrected for the number of factors by `holm`.

    Friedman's test (1937, "The use of ranks to avoid the assumption of normality implicit in the analysis of
    variance") with its exact null distribution sampled rather than approximated: if the factor does not
    matter, its levels may be exchanged within every seed. Ranks keep one level that is noisier than the rest,
    such as a learning rate near divergence, from passing for a difference. The p-value counts the observed
    arrangement (Phipson & Smyth, 2010, "Permutation p-values should never be zero").

    Parameters
    ----------
    factors : mapping of str to sequence of array-like
        Per factor one array per level, all of the same length: entry s of each was trained with seed s.
    n_permutations : int, default=4999
    seed : int, default=0
        Seed of the exchanges; the same input gives the same answer.

    Raises
    ------
    ValueError
        If the levels of a factor have different numbers of seeds.
    """
    from scipy.stats import rankdata  # takes long to import

    raw, means = [], []
    for name, levels in factors.items():
        lengths = {len(np.atleast_1d(np.asarray(level))) for level in levels}
        if len(lengths) != 1:
            raise ValueError(
                f"{name} has levels with {sorted(lengths)} seeds, but all must have the same number"
            )
        blocks = np.array(levels, dtype=float).T
        rng = np.random.default_rng(seed)
        ranks = rankdata(blocks, axis=1)
        exchanged = rng.permuted(np.broadcast_to(ranks, (n_permutations, *ranks.shape)), axis=2)
        observed = ranks.mean(axis=0).var()
        as_large = np.count_nonzero(exchanged.mean(axis=1).var(axis=1) >= observed * (1 - 1e-9))
        raw.append((1 + as_large) / (1 + n_permutations))
        means.append(blocks.mean(axis=0))
    return {
        name: FactorTest(float(p), bool(p <= ALPHA), float(np.ptp(m)), int(m.argmax()), int(m.argmin()))
        for name, p, m in zip(factors, holm(raw), means, strict=True)
    }
