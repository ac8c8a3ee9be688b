"""Which differences between configurations are more than noise: decision rules as functions of arrays."""

from collections.abc import Sequence

import numpy as np
import scipy  # loads a part when it is used
from numpy.typing import ArrayLike, NDArray

from studies.analysis.budget import ALPHA, MARGIN, RACE_ALPHA, level
from studies.analysis.outcomes import Evidence, Outcomes, moderated, pooled
from studies.analysis.verdict import Kind, Verdict

Array = NDArray[np.float64]

MAX_TRAININGS = 200
"""More trainings of a candidate than this are as good as never."""


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
    outcomes: Outcomes,
    *,
    diverged: Sequence[int] | None = None,
    costs: Sequence[float] | None = None,
    margin: float = MARGIN,
    racing: NDArray[np.bool_] | None = None,
    look: int = 1,
) -> Verdict:
    """Judge candidates that were trained on the same seeds and divisions.

    The winner is whichever has the highest mean. It beats the others only if it beats each of them in a
    two-sided test of the paired differences, corrected by `holm`. That all must succeed keeps a false "beats"
    below `ALPHA` however many candidates are equal, and two sides pay for naming the winner after looking.
    The error of a difference holds the choice of the images and that of the seeds, see `Evidence`: the
    verdict is about fresh images and fresh trainings.

    A tie needs evidence too: two one-sided tests (Schuirmann, 1987) place every contender within `margin`.
    Where no number of trainings would tell, the cheapest within a standard error of the winner is named.

    A candidate that diverged is no opponent: how it would have scored is not known, so it is counted and
    told, but neither wins nor is beaten.

    Parameters
    ----------
    outcomes : Outcomes
        A row that ends in NaN left the race, and counts as beaten.
    diverged : sequence of int, optional
        How many trainings of each candidate diverged; none if left out.
    costs : sequence of float, optional
        Cost of training each candidate, say in seconds, to name the cheapest of a tie.
    margin : float, default=MARGIN
        Difference that is negligible, see `margin_of`.
    racing : ndarray of bool, shape (n_candidates,), optional
        Who is still in the race, see `still_in_the_race`; by default all that were always trained.
    look : int, default=1
        Number of this verdict in its study's ledger. Each later look has a smaller share of `ALPHA`, see
        `level`, which is shown as a larger p-value.

    Raises
    ------
    ValueError
        If there are fewer than two trainings, no candidate was always trained without diverging, or a row
        holds NaN although its candidate neither diverged nor left after two trainings or more.
    """
    n = outcomes.trainings
    if n < 2:
        raise ValueError(f"outcomes holds {n} trainings of each candidate, but it must be at least two")
    trained = np.isfinite(outcomes.accuracies())
    broken = np.zeros(len(trained), dtype=int) if diverged is None else np.asarray(diverged, dtype=int)
    lasting = trained.all(axis=1) if racing is None else trained.all(axis=1) & racing
    candidates = np.flatnonzero(lasting & (broken == 0))
    if not candidates.size:
        raise ValueError("no candidate in outcomes was trained on every seed without diverging")
    price = np.zeros(len(trained)) if costs is None else np.asarray(costs, dtype=float)
    means = outcomes.right.mean(axis=1, dtype=np.float64)
    ranked = sorted(candidates, key=lambda i: (-means[i], price[i], i))
    winner, others = int(ranked[0]), [int(i) for i in ranked[1:]]
    gone = np.flatnonzero(~lasting & (broken == 0))
    left = {int(i): _lead(outcomes, winner, int(i)) for i in gone}
    found = moderated(outcomes, [(winner, i) for i in others])
    p = holm([p_value(e) for e in found]) * (ALPHA / level(look))
    rest = [k for k in range(len(others)) if p[k] > ALPHA]
    contenders = [winner, *(others[k] for k in rest)]
    equal = [
        scipy.special.stdtr(found[k].degrees, (found[k].mean - margin) / found[k].error) <= level(look)
        for k in rest
    ]
    needed = [trainings_needed(found[k], margin=margin, look=look + 1) for k in rest]
    told = [m for m, e in zip(needed, equal, strict=True) if m is not None and not e]
    more = max(1, max(told) - n) if told else None
    hopeless = [others[k] for k, m, e in zip(rest, needed, equal, strict=True) if m is None and not e]
    # Of those that cannot be told apart, none far below the best is named (Breiman et al., 1984, ch. 3.4.3).
    near = [others[k] for k, e in zip(rest, equal, strict=True) if e or found[k].mean <= found[k].error]
    lead = {**{i: e.mean for i, e in zip(others, found, strict=True)}, **left}
    next_best = next(iter(lead)) if others else min(left, key=lambda i: left[i], default=None)
    shown: list[float] = [*p, *([RACE_ALPHA] if left else [])]
    kind: Kind = "beats" if lead else "only_candidate"
    if rest:
        kind = "tie" if all(equal) else "more_seeds"
    return Verdict(
        kind=kind,
        winner=winner,
        runner_up=next_best,
        contenders=contenders,
        beaten=[*(i for i in others if i not in contenders), *left],
        hopeless=hopeless,
        cheapest=min([winner, *near], key=lambda i: (price[i], -means[i], i)),
        p_value=float(min(1.0, max(shown))) if shown else None,
        difference=None if next_best is None else lead[next_best],
        seeds=n,
        more_seeds=more,
        margin=margin,
        diverged={
            int(i): (int(broken[i]), int(trained[i].sum() + broken[i])) for i in np.flatnonzero(broken)
        },
    )


def p_value(evidence: Evidence) -> float:
    """Return the two-sided p-value of a difference."""
    return float(2.0 * scipy.special.stdtr(evidence.degrees, -abs(evidence.mean) / evidence.error))


def _lead(outcomes: Outcomes, winner: int, i: int) -> float:
    """Return how far the winner was ahead of a candidate when that left the race."""
    accuracies = outcomes.accuracies()
    n = int(np.isfinite(accuracies[i]).sum())
    lead = float((accuracies[winner] - accuracies[i])[:n].mean()) if n >= 2 else np.nan
    if not np.isfinite(lead):
        raise ValueError(
            f"row {i} of outcomes holds NaN, but it neither diverged nor left after two trainings or more"
        )
    return lead


def trainings_needed(
    evidence: Evidence, *, margin: float = MARGIN, look: int = 1, power: float = 0.8
) -> int | None:
    """Smallest total of paired trainings at which `compare` would tell two candidates apart, or equal.

    Parameters
    ----------
    evidence : Evidence
        What is known of their difference.
    margin, look
        As in `compare`.
    power : float, default=0.8
        Chance of a verdict with that many, by the usual sum of two quantiles (Chow, Shao & Wang, 2008,
        "Sample size calculations in clinical research", ch. 3).

    Returns
    -------
    int or None
        None if no number up to `MAX_TRAININGS` suffices.
    """
    n = np.arange(2.0, MAX_TRAININGS + 1.0)
    error = np.sqrt(evidence.after(n))
    # A difference that was measured is larger than the true one by its own error: E(mean²) = D² + variance.
    lead = float(np.sqrt(max(0.0, evidence.mean**2 - evidence.variance)))
    degrees = n + (evidence.freedom - evidence.trainings)
    to_beat = scipy.special.stdtrit(degrees, power) - scipy.special.stdtrit(degrees, level(look) / 2)
    # Equal candidates may fail on either side of zero: each side fails with half of the remaining chance.
    to_tie = scipy.special.stdtrit(degrees, (1 + power) / 2) - scipy.special.stdtrit(degrees, level(look))
    told = np.flatnonzero((lead >= to_beat * error) | (margin - lead >= to_tie * error))
    return int(n[told[0]]) if told.size else None


def still_in_the_race(
    outcomes: Outcomes, *, looks: int, diverged: Sequence[int] | None = None
) -> NDArray[np.bool_]:
    """Which candidates could still win, asked after each of `looks` planned rounds of trainings.

    A candidate leaves when the present leader is ahead by more than chance allows: a one-sided test,
    Bonferroni over candidates and looks within `RACE_ALPHA`, so that the truly best is dropped at most that
    often. All are taken to be equally noisy, see `pooled`.

    Parameters
    ----------
    outcomes : Outcomes
        So far; candidates with NaN have left before.
    looks : int
        The chance of a false farewell, `RACE_ALPHA`, is divided by this: the number of looks, where each
        may spend as much of it.
    diverged : sequence of int, optional
        How many trainings of each candidate diverged; none if left out. Whoever did so once takes no part.

    Returns
    -------
    ndarray of bool, shape (n_candidates,)
    """
    racing = np.array(np.isfinite(outcomes.right).all(axis=1), dtype=np.bool_)
    if diverged is not None:
        racing &= np.asarray(diverged) == 0
    means = outcomes.right.mean(axis=1, dtype=np.float64)
    ranked = sorted((int(i) for i in np.flatnonzero(racing)), key=lambda i: -means[i])
    if outcomes.trainings < 2 or len(ranked) < 2:
        return racing
    share = RACE_ALPHA / (looks * (len(racing) - 1))
    pairs = [(ranked[0], i) for i in ranked[1:]]
    for (_, i), e in zip(pairs, pooled(outcomes, pairs), strict=True):
        racing[i] = bool(scipy.special.stdtr(e.degrees, -e.mean / e.error) > share)
    return racing
