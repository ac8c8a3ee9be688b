"""Which differences between configurations are more than noise: decision rules as functions of arrays."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtr, stdtrit  # scipy.stats takes long to import

from studies.analysis.verdict import Verdict

Array = NDArray[np.float64]

ALPHA = 0.05
"""How often a verdict may name a difference that is not there, over all its comparisons and looks."""

RACE_ALPHA = 0.005
"""The part of `ALPHA` that dropping hopeless candidates early may spend."""

MARGIN = 0.008
"""Differences of accuracy below this are negligible: it is one standard error of 85 % on 2,000 test images,
so the final test could not show them."""

OVERLAP = 0.25
"""Validation rows per training row of a resampled split: 2,000 / 8,000."""

RESOLUTION = 0.0005
"""One image of 2,000: a spread between seeds cannot be known to be smaller."""

MAX_SEEDS = 200
"""More seeds than this are as good as never."""


@dataclass(frozen=True)
class Summary:
    """Mean, spread and 95 % interval of repeated measurements.

    Parameters
    ----------
    mean : float
    std : float
        Sample standard deviation (n - 1); NaN for a single value.
    n : int
    low, high : float
        Ends of Student's 95 % interval of the mean; NaN for a single value.
    """

    mean: float
    std: float
    n: int
    low: float
    high: float


def summarise(values: ArrayLike) -> Summary:
    """Summarise repeated measurements by Student's t-interval (Student, 1908).

    Raises
    ------
    ValueError
        If there is no value, or one is not finite.
    """
    x = np.asarray(values, dtype=float)
    if x.ndim != 1 or x.size == 0 or not np.isfinite(x).all():
        raise ValueError(f"values is {values!r}, but it must be a non-empty list of finite numbers")
    mean = float(x.mean())
    if x.size == 1:
        return Summary(mean, float("nan"), 1, float("nan"), float("nan"))
    std = float(x.std(ddof=1))
    half = float(stdtrit(x.size - 1, 0.975)) * std / np.sqrt(x.size)
    return Summary(mean, std, int(x.size), float(mean - half), float(mean + half))


def holm(p_values: ArrayLike) -> Array:
    """Correct p-values for their number (Holm, 1979, "A simple sequentially rejective multiple test").

    Rejecting where the corrected value is at most alpha keeps the chance of any false rejection below alpha.
    """
    p = np.asarray(p_values, dtype=float)
    order = np.argsort(p, kind="stable")
    corrected = np.empty_like(p)
    corrected[order] = np.minimum(1.0, np.maximum.accumulate(p[order] * (p.size - np.arange(p.size))))
    return corrected


def compare(
    values: ArrayLike,
    *,
    costs: Sequence[float] | None = None,
    margin: float = MARGIN,
    overlap: float = OVERLAP,
    look: int = 1,
) -> Verdict:
    """Judge candidates that were trained on the same fresh seeds and splits.

    The winner is whichever has the highest mean. It beats the others only if it beats each of them in a
    two-sided corrected-resampled t-test of the paired differences, corrected by `holm`. That all must succeed
    keeps a false "beats" below `ALPHA` however many candidates are equal, and two sides pay for naming the
    winner after looking.

    Splits of the same images overlap, so the variance of a mean over n seeds is ``(1/n + overlap) * s**2``,
    not ``s**2 / n`` (Nadeau & Bengio, 2003, "Inference for the generalization error"). This makes the verdict
    one about fresh images rather than about these; it also means that some differences can never be told on
    these images, which is then said.

    A tie needs evidence too: two one-sided tests (Schuirmann, 1987) place every contender within `margin`.

    Parameters
    ----------
    values : array-like of shape (n_candidates, n_seeds)
        Accuracies as fractions; a row with NaN was dropped from the race and counts as beaten.
    costs : sequence of float, optional
        Cost of training each candidate, say in seconds, to name the cheapest of a tie.
    margin : float, default=MARGIN
        Difference that is negligible.
    overlap : float, default=OVERLAP
        Validation rows per training row of the resampled splits; 0 if nothing is resampled.
    look : int, default=1
        How many verdicts were asked on these candidates, this one included: each later look at growing data
        has a smaller share of `ALPHA`, which is shown as a larger p-value.

    Raises
    ------
    ValueError
        If `values` has no complete row or fewer than two seeds.
    """
    x = np.asarray(values, dtype=float)
    if x.ndim != 2 or x.shape[1] < 2:
        raise ValueError(f"values has the shape {x.shape}, but it must hold candidates by at least two seeds")
    racing = np.flatnonzero(np.isfinite(x).all(axis=1))
    if not racing.size:
        raise ValueError("values has no complete row")
    n = x.shape[1]
    price = np.zeros(len(x)) if costs is None else np.asarray(costs, dtype=float)
    ranked = sorted(racing, key=lambda i: (-x[i].mean(), price[i], i))
    winner, others = ranked[0], ranked[1:]
    if not others:
        return _unopposed(x, int(winner), margin)
    paired = x[winner] - x[others]
    mean, spread = paired.mean(axis=1), np.maximum(paired.std(axis=1, ddof=1), RESOLUTION)
    error = spread * np.sqrt(1.0 / n + overlap)
    p = holm(2.0 * stdtr(n - 1, -mean / error)) * (ALPHA / _level(look))
    rest = [k for k in range(len(others)) if p[k] > ALPHA]
    contenders = [winner] + [others[k] for k in rest]
    equal = [stdtr(n - 1, (mean[k] - margin) / error[k]) <= ALPHA for k in rest]
    needed = [seeds_needed(mean[k], spread[k], margin=margin, overlap=overlap, look=look + 1) for k in rest]
    open_ = [m for m, e in zip(needed, equal, strict=True) if not e]
    more = None if not open_ or None in open_ else max(1, max(m for m in open_ if m is not None) - n)
    return Verdict(
        kind="beats" if not rest else "tie" if all(equal) else "more_seeds",
        winner=int(winner),
        runner_up=int(others[0]),
        contenders=[int(i) for i in contenders],
        cheapest=int(min(contenders, key=lambda i: (price[i], -x[i].mean(), i))),
        p_value=float(min(1.0, p.max())),
        difference=float(mean[0]),
        seeds=n,
        more_seeds=more,
        margin=margin,
    )


def _unopposed(x: Array, winner: int, margin: float) -> Verdict:
    """The verdict when every other candidate was dropped from the race, or there is none."""
    n = x.shape[1]
    left = [i for i in range(len(x)) if i != winner and np.isfinite(x[i]).any()]
    lead = {i: float(np.nanmean(x[winner] - x[i])) for i in left}
    if not lead:
        return Verdict("tie", winner, None, [winner], winner, 1.0, 0.0, n, None, margin)
    next_best = min(lead, key=lambda i: lead[i])
    return Verdict("beats", winner, next_best, [winner], winner, RACE_ALPHA, lead[next_best], n, None, margin)


def _level(look: int) -> float:
    """Share of `ALPHA` of a verdict: each look takes two thirds of what race and earlier looks left."""
    return float((ALPHA - RACE_ALPHA) * (2.0 / 3.0) * (1.0 / 3.0) ** (look - 1))


def seeds_needed(
    difference: float,
    spread: float,
    *,
    margin: float = MARGIN,
    overlap: float = OVERLAP,
    look: int = 1,
    power: float = 0.8,
) -> int | None:
    """Smallest total of paired seeds at which `compare` would tell two candidates apart, or equal.

    Parameters
    ----------
    difference : float
        Mean paired difference.
    spread : float
        Standard deviation of the paired differences over seeds.
    margin, overlap, look
        As in `compare`.
    power : float, default=0.8
        Chance of a verdict with that many seeds, by the usual sum of two quantiles (Chow, Shao & Wang, 2008,
        "Sample size calculations in clinical research", ch. 3).

    Returns
    -------
    int or None
        None if no number up to `MAX_SEEDS` suffices.
    """
    n, to_beat, to_tie = _quantiles(look, power)
    error = max(spread, RESOLUTION) * np.sqrt(1.0 / n + overlap)
    apart = abs(difference) >= to_beat * error
    equal = margin - abs(difference) >= to_tie * error
    told = np.flatnonzero(apart | equal)
    return int(n[told[0]]) if told.size else None


@cache
def _quantiles(look: int, power: float) -> tuple[Array, Array, Array]:
    """Numbers of seeds, and the standard errors that a difference must keep from 0 or from the margin."""
    n = np.arange(2.0, MAX_SEEDS + 1.0)
    to_beat = stdtrit(n - 1, power) - stdtrit(n - 1, _level(look) / 2)
    # Equal candidates may fail on either side of zero: each side fails with half of the remaining chance.
    return n, to_beat, stdtrit(n - 1, (1 + power) / 2) - stdtrit(n - 1, ALPHA)


def still_in_the_race(values: ArrayLike, *, looks: int, overlap: float = OVERLAP) -> NDArray[np.bool_]:
    """Which candidates could still win, asked after each of `looks` planned rounds of seeds.

    A candidate leaves when the present leader is ahead by more than chance allows: a one-sided
    corrected-resampled t-test, Bonferroni over candidates and looks within `RACE_ALPHA`, so that the truly
    best is dropped at most that often. The spread is pooled over the candidates (they are taken to be
    equally noisy), because two or three seeds say little about the spread of one pair.

    Parameters
    ----------
    values : array-like of shape (n_candidates, n_seeds)
        Accuracies as fractions so far; rows with NaN have left before.
    looks : int
        Planned number of calls.
    overlap : float, default=OVERLAP
        As in `compare`.

    Returns
    -------
    ndarray of bool, shape (n_candidates,)
    """
    x = np.asarray(values, dtype=float)
    racing: NDArray[np.bool_] = np.isfinite(x).all(axis=1)
    n, k = x.shape[1], int(racing.sum())
    if n < 2 or k < 2:
        return racing
    rows = x[racing]
    residual = rows - rows.mean(axis=1, keepdims=True) - rows.mean(axis=0) + rows.mean()
    freedom = (k - 1) * (n - 1)
    spread = max(float(np.sqrt(2.0 * (residual**2).sum() / freedom)), RESOLUTION)  # of a paired difference
    quantile = -stdtrit(freedom, RACE_ALPHA / (looks * max(len(x) - 1, 1)))
    allowed = quantile * spread * np.sqrt(1.0 / n + overlap)
    means = np.where(racing, np.nan_to_num(x).mean(axis=1), -np.inf)
    close: NDArray[np.bool_] = means.max() - means <= allowed
    return racing & close
