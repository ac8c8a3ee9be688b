"""Which differences between configurations are more than noise: decision rules as functions of arrays."""

from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtr, stdtrit  # scipy.stats takes long to import

from studies.analysis.budget import ALPHA, MARGIN, OVERLAP, RACE_ALPHA, RESOLUTION, level
from studies.analysis.verdict import Kind, Verdict

Array = NDArray[np.float64]

MAX_SEEDS = 200
"""More seeds than this are as good as never."""


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
    diverged: Sequence[int] | None = None,
    costs: Sequence[float] | None = None,
    margin: float = MARGIN,
    overlap: float = OVERLAP,
    resolution: float = RESOLUTION,
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

    A candidate that diverged is no opponent: how it would have scored is not known, so it is counted and
    told, but neither wins nor is beaten.

    Parameters
    ----------
    values : array-like of shape (n_candidates, n_seeds)
        Accuracies as fractions; NaN where a candidate was not trained or diverged. A row that ends in NaN
        left the race, and counts as beaten.
    diverged : sequence of int, optional
        How many trainings of each candidate diverged; none if left out.
    costs : sequence of float, optional
        Cost of training each candidate, say in seconds, to name the cheapest of a tie.
    margin : float, default=MARGIN
        Difference that is negligible, see `margin_of`.
    overlap : float, default=OVERLAP
        Validation rows per training row of the resampled splits; 0 if nothing is resampled.
    resolution : float, default=RESOLUTION
        Spread that a spread between seeds is not taken to be below, see `resolution_of`.
    look : int, default=1
        Number of this verdict in its study's ledger. Each later look has a smaller share of `ALPHA`, see
        `level`, which is shown as a larger p-value.

    Raises
    ------
    ValueError
        If there are fewer than two seeds, no candidate was trained on every seed without diverging, or a row
        holds NaN although its candidate neither diverged nor was behind when it left.
    """
    x = np.asarray(values, dtype=float)
    if x.ndim != 2 or x.shape[1] < 2:
        raise ValueError(f"values has the shape {x.shape}, but it must hold candidates by at least two seeds")
    broken = np.zeros(len(x), dtype=int) if diverged is None else np.asarray(diverged, dtype=int)
    trained = np.isfinite(x)
    racing = np.flatnonzero(trained.all(axis=1) & (broken == 0))
    if not racing.size:
        raise ValueError("no candidate in values was trained on every seed without diverging")
    n = x.shape[1]
    price = np.zeros(len(x)) if costs is None else np.asarray(costs, dtype=float)
    ranked = sorted(racing, key=lambda i: (-x[i].mean(), price[i], i))
    winner, others = int(ranked[0]), np.array(ranked[1:], dtype=int)
    gone = np.flatnonzero(~trained.all(axis=1) & (broken == 0))
    left = {int(i): _lead(x[winner], x[i], int(i)) for i in gone}
    paired = x[winner] - x[others]
    mean, spread = paired.mean(axis=1), np.maximum(paired.std(axis=1, ddof=1), resolution)
    error = spread * np.sqrt(1.0 / n + overlap)
    p = holm(2.0 * stdtr(n - 1, -mean / error)) * (ALPHA / level(look))
    rest = [k for k in range(len(others)) if p[k] > ALPHA]
    contenders = [winner, *(int(others[k]) for k in rest)]
    equal = [stdtr(n - 1, (mean[k] - margin) / error[k]) <= level(look) for k in rest]
    beyond = {"margin": margin, "overlap": overlap, "resolution": resolution}
    needed = [seeds_needed(mean[k], spread[k], look=look + 1, **beyond) for k in rest]
    open_ = [m for m, e in zip(needed, equal, strict=True) if not e]
    more = None if not open_ or None in open_ else max(1, max(m for m in open_ if m is not None) - n)
    lead = {**{int(i): float(d) for i, d in zip(others, mean, strict=True)}, **left}
    next_best = next(iter(lead)) if len(others) else min(left, key=lambda i: left[i], default=None)
    shown: list[float] = [*p, *([RACE_ALPHA] if left else [])]
    kind: Kind = "beats" if lead else "only_candidate"
    if rest:
        kind = "tie" if all(equal) else "more_seeds"
    return Verdict(
        kind=kind,
        winner=winner,
        runner_up=next_best,
        contenders=contenders,
        cheapest=min(contenders, key=lambda i: (price[i], -x[i].mean(), i)),
        p_value=float(min(1.0, max(shown))) if shown else None,
        difference=None if next_best is None else lead[next_best],
        seeds=n,
        more_seeds=more,
        margin=margin,
        diverged={
            int(i): (int(broken[i]), int(trained[i].sum() + broken[i])) for i in np.flatnonzero(broken)
        },
    )


def _lead(winner: Array, row: Array, i: int) -> float:
    """Return how far the winner was ahead of a candidate when that left the race."""
    n = int(np.isfinite(row).sum())
    lead = float((winner[:n] - row[:n]).mean()) if n >= 2 else 0.0
    if not lead > 0:  # NaN, too, if there is a gap
        raise ValueError(f"row {i} of values holds NaN, but it neither diverged nor was behind when it left")
    return lead


def seeds_needed(
    difference: float,
    spread: float,
    *,
    margin: float = MARGIN,
    overlap: float = OVERLAP,
    resolution: float = RESOLUTION,
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
    margin, overlap, resolution, look
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
    error = max(spread, resolution) * np.sqrt(1.0 / n + overlap)
    apart = abs(difference) >= to_beat * error
    equal = margin - abs(difference) >= to_tie * error
    told = np.flatnonzero(apart | equal)
    return int(n[told[0]]) if told.size else None


@cache
def _quantiles(look: int, power: float) -> tuple[Array, Array, Array]:
    """Numbers of seeds, and the standard errors that a difference must keep from 0 or from the margin."""
    n = np.arange(2.0, MAX_SEEDS + 1.0)
    to_beat = stdtrit(n - 1, power) - stdtrit(n - 1, level(look) / 2)
    # Equal candidates may fail on either side of zero: each side fails with half of the remaining chance.
    return n, to_beat, stdtrit(n - 1, (1 + power) / 2) - stdtrit(n - 1, level(look))


def still_in_the_race(
    values: ArrayLike, *, looks: int, overlap: float = OVERLAP, resolution: float = RESOLUTION
) -> NDArray[np.bool_]:
    """Which candidates could still win, asked after each of `looks` planned rounds of seeds.

    A candidate leaves when the present leader is ahead by more than chance allows: a one-sided
    corrected-resampled t-test, Bonferroni over candidates and looks within `RACE_ALPHA`, so that the truly
    best is dropped at most that often. The spread is pooled over the candidates (they are taken to be
    equally noisy), because two or three seeds say little about the spread of one pair.

    Parameters
    ----------
    values : array-like of shape (n_candidates, n_seeds)
        Accuracies as fractions so far; rows with NaN have left before or diverged.
    looks : int
        Planned number of calls.
    overlap, resolution : float, default=OVERLAP, RESOLUTION
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
    spread = max(float(np.sqrt(2.0 * (residual**2).sum() / freedom)), resolution)  # of a paired difference
    quantile = -stdtrit(freedom, RACE_ALPHA / (looks * max(len(x) - 1, 1)))
    allowed = quantile * spread * np.sqrt(1.0 / n + overlap)
    means = np.where(racing, np.nan_to_num(x).mean(axis=1), -np.inf)
    close: NDArray[np.bool_] = means.max() - means <= allowed
    return racing & close
