"""What to do next: wider ranges, more trials or none, judged against the noise of a single training."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, floor
from typing import Literal

import numpy as np
import scipy  # loads a part when it is used

from studies.analysis.axis import Axis

EDGE = 0.03
"""A winner within this share of a range's end, on the range's scale, is at its edge."""

MIN_TRIALS = 20
"""Fewer complete trials than this show neither what a hyperparameter does nor whether a sweep is flat."""

LAST_SCORES, SAME_SCORES = 10, 7
"""So many of so many last scores that are the same are no coincidence."""

HORIZON = 20
"""Further trials over which the expected gain is taken."""


@dataclass(frozen=True)
class Edge:
    """A hyperparameter of the winner that sits at the edge of its range.

    Parameters
    ----------
    name : str
    value : float
    side : {"lower", "upper"}
    low, high : float
        The range.
    wider : str
        A wider one as ``LOW:HIGH``.
    """

    name: str
    value: float
    side: Literal["lower", "upper"]
    low: float
    high: float
    wider: str

    def sentence(self) -> str:
        """Say it, and what to try."""
        end = f"{self.side} end of its range {_text(self.low)}..{_text(self.high)}"
        return f"{self.name} {_text(self.value, 3)} is at the {end}: try --range {self.name}={self.wider}."


@dataclass(frozen=True)
class SameScore:
    """A score that came out again and again: its value, how often, among how many of the last ones."""

    value: float
    times: int
    of: int


def same_score(values: Sequence[float]) -> SameScore | None:
    """Return the score that most of the last `LAST_SCORES` have in common, to the last bit; None without one.

    Different configurations with the very same accuracy have learnt the same, most often nothing: all images
    in one class, at chance.
    """
    last = list(values)[-LAST_SCORES:]
    if len(last) < LAST_SCORES:
        return None
    value, times = Counter(last).most_common(1)[0]
    return SameScore(value, times, len(last)) if times >= SAME_SCORES else None


def edges(params: Mapping[str, float], axes: Mapping[str, Axis]) -> list[Edge]:
    """Return the hyperparameters of the winner that sit at the edge of their ranges.

    Parameters
    ----------
    params : mapping of str to float
        The winner's hyperparameters.
    axes : mapping of str to Axis
        The ranges that were searched; a single value is passed over, an end at its natural limit,
        and a value outside of its range: the baseline's inputs may be.
    """
    found = []
    for name, axis in axes.items():
        if name not in params or axis.low == axis.high:
            continue
        value, low, high = params[name], axis.low, axis.high
        position = float(axis.to_unit([value])[0])
        if -EDGE <= position <= EDGE and low > axis.least:
            wider = f"{_wider(axis, up=False)}:{_text(high)}"
            found.append(Edge(name, value, "lower", low, high, wider))
        elif 1 - EDGE <= position <= 1 + EDGE and high < axis.most:
            wider = f"{_text(low)}:{_wider(axis, up=True)}"
            found.append(Edge(name, value, "upper", low, high, wider))
    return found


def _text(value: float, digits: int = 6) -> str:
    """Return a number with so many significant digits; whole ones, which are read as such, stay whole."""
    return f"{value:.{digits}g}" if isinstance(value, float) else str(value)


def _wider(axis: Axis, *, up: bool) -> str:
    """Move an end by a factor of four or half a width, at most half of the way to a limit above.

    It is rounded to three digits where that leaves it between the old end and the limit.
    """
    end = axis.high if up else axis.low
    if axis.log:
        moved = end * 4 if up else end / 4
    else:
        step = 0.5 * (axis.high - axis.low)
        moved = end + step if up else end - step
    if up and moved >= axis.most:
        moved = (end + axis.most) / 2
    if axis.whole:
        return str(ceil(moved) if up else max(floor(moved), int(axis.least)))
    moved = max(moved, axis.least)
    short = f"{moved:.3g}"
    fits = end < float(short) < axis.most if up else axis.least <= float(short) < end
    return short if fits else repr(moved)


def selection_bias(n: int, noise: float) -> float:
    """By how much the best of `n` equal configurations flatters itself: the winner's curse.

    The expected largest of `n` normal variates (David & Nagaraja, 2003, "Order Statistics", ch. 3), times
    the standard deviation of a single training.
    """
    return noise * _expected_maximum(n, above=None)


def _expected_maximum(n: int, above: float | None) -> float:
    """Expected largest of `n` standard normal variates, or its expected excess over `above`."""

    def exceeds(x: float) -> float:
        return float(-np.expm1(n * scipy.special.log_ndtr(x)))

    def falls_short(x: float) -> float:
        return float(scipy.special.ndtr(x) ** n)

    integral = scipy.integrate.quad
    if above is not None:
        return float(integral(exceeds, above, max(above, 0.0) + 10.0)[0])
    return float(integral(exceeds, 0.0, 10.0)[0] - integral(falls_short, -10.0, 0.0)[0])


@dataclass(frozen=True)
class Outlook:
    """What further trials are expected to bring.

    Parameters
    ----------
    flat : bool
        Whether the expected gain is below the noise of a single training.
    gain : float
        Expected gain in true accuracy of the next `horizon` trials; NaN with too few trials.
    noise : float
        Standard deviation of a single training.
    horizon : int
        Number of further trials.
    n_trials : int
        Complete trials so far.
    """

    flat: bool
    gain: float
    noise: float
    horizon: int
    n_trials: int

    def sentence(self) -> str:
        """Say it."""
        if np.isnan(self.gain):
            return f"Too few complete trials ({self.n_trials} of {MIN_TRIALS}) to say whether more would pay."
        gain, noise = f"{100 * self.gain:.2f} points", f"{100 * self.noise:.2f} points"
        if self.flat:
            return (
                f"The sweep has flattened out: the next {self.horizon} trials are expected to gain {gain},"
                f" less than the noise of one training ({noise})."
            )
        return (
            f"More trials are likely to pay: the next {self.horizon} are expected to gain {gain},"
            f" more than the noise of one training ({noise})."
        )


def outlook(values: Sequence[float], noise: float, *, horizon: int = HORIZON) -> Outlook:
    """Judge from the scores so far whether more trials are likely to pay.

    The next trials are taken to score as the later half has, with a normal upper tail whose spread is read
    off two upper quantiles (poor trainings do not matter). Their expected excess over the best score is then
    shrunk by the share of that spread which is not noise: a score that is only luckier is no gain.

    Pruned trials have no score, but they were tried, and most of the next ones will be pruned too: they are
    taken to lie below the complete ones, so that the median of the complete ones, a share s of all, is the
    quantile ``1 - s / 2`` of all, and so on.

    Parameters
    ----------
    values : sequence of float
        Scores of the finished trials in the order of their numbers, as fractions; NaN for a pruned one.
    noise : float
        Standard deviation of a single training, as a fraction.
    horizon : int, default=HORIZON
        Number of further trials, those that will be pruned included.
    """
    scores = np.asarray(values, dtype=float)
    n, complete = len(scores), np.flatnonzero(np.isfinite(scores))
    if len(complete) < MIN_TRIALS:
        return Outlook(False, float("nan"), noise, horizon, len(complete))
    later = scores[min(n - n // 2, complete[-MIN_TRIALS]) :]
    share = float(np.isfinite(later).mean())
    middle, upper = np.nanquantile(later, [0.5, 0.9])
    at_middle, at_upper = scipy.special.ndtri(1.0 - 0.5 * share), scipy.special.ndtri(1.0 - 0.1 * share)
    spread = float(upper - middle) / float(at_upper - at_middle)
    if spread <= 0:
        return Outlook(True, 0.0, noise, horizon, len(complete))
    real = max(0.0, 1.0 - (noise / spread) ** 2)
    best = float(np.nanmax(scores) - middle) / spread + float(at_middle)
    gain = min(real * spread * _expected_maximum(horizon, above=best), 1.0 - float(np.nanmax(scores)))
    return Outlook(gain < noise, gain, noise, horizon, len(complete))
