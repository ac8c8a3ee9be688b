"""What trainings would have scored that were ended early: read off the curves of those that were not."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

MIN_CURVES = 10
"""Fewer curves than this do not show how the end follows from an epoch."""


def projected(
    curves: Sequence[Mapping[int, float]],
    ends: Sequence[float],
    pruned: Sequence[Mapping[int, float]],
    *,
    seed: int = 0,
) -> NDArray[np.float64]:
    """Project pruned trainings to the end, the last ones first.

    The end is taken to be linear in the accuracy at the epoch where a training was ended, with a slope from
    0 to 1, fitted by least squares to all curves that reach beyond it. A pruner ends the poor ones, so that
    the curves that were never ended rise too well for their beginning: those that were ended later, projected
    before, are among them. Each projection is drawn with the spread about the line, for to leave it out would
    make the trainings look less noisy than they are.

    Parameters
    ----------
    curves : sequence of mapping of int to float
        Accuracy by epoch of each complete training, as fractions.
    ends : sequence of float
        Their values.
    pruned : sequence of mapping of int to float
        Accuracy by epoch of each pruned one; none is empty.
    seed : int, default=0
        Of the draws; the same input gives the same answer.

    Returns
    -------
    ndarray of shape (n_pruned,)
        NaN where fewer than `MIN_CURVES` reach that far.
    """
    known = list(zip(curves, ends, strict=True))
    found = np.full(len(pruned), np.nan)
    rng = np.random.default_rng(seed)
    last = [max(curve) for curve in pruned]
    for epoch in sorted({*last}, reverse=True):
        here = [i for i, end in enumerate(last) if end == epoch]
        there = [(curve[epoch], end) for curve, end in known if epoch in curve]
        if len(there) < MIN_CURVES:
            continue
        x, y = np.array(there).T
        spread = float(x.var())
        slope = float(np.clip(np.cov(x, y, ddof=0)[0, 1] / spread, 0.0, 1.0)) if spread else 0.0
        rest = y - y.mean() - slope * (x - x.mean())
        for i in here:
            line = float(y.mean() + slope * (pruned[i][epoch] - x.mean()))
            found[i] = np.clip(line + rng.choice(rest), 0.0, 1.0)
        known += [(pruned[i], float(found[i])) for i in here]
    return found
