"""What to do next: wider ranges, more trials or none, judged against the noise of a single training."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution
from scipy.special import log_ndtr, ndtr, ndtri  # scipy.stats takes long to import

from studies.analysis.axis import Axis

EDGE = 0.03
"""A winner within this share of a range's end, on the range's scale, is at its edge."""

MIN_TRIALS = 20
"""Fewer complete trials than this do not show whether a sweep has flattened out."""

HORIZON = 20
"""Further trials over which the expected gain is taken."""

# Beyond these there is nothing, or nothing that would change a training.
_NATURAL = {
    "batch_size": (1.0, float("inf")),
    "learning_rate": (0.0, 10.0),
    "hidden_units": (1.0, float("inf")),
    "momentum": (0.0, 1.0),
    "weight_decay": (1e-6, float("inf")),
    "n_layers": (1.0, float("inf")),
}


def boundary_warnings(
    params: Mapping[str, float], distributions: Mapping[str, BaseDistribution]
) -> list[str]:
    """One sentence per hyperparameter of the winner that sits at the edge of its range.

    Parameters
    ----------
    params : mapping of str to float
        The winner's hyperparameters.
    distributions : mapping of str to BaseDistribution
        The search space; what is no range of numbers, or a single value, is passed over.
    """
    warnings = []
    for name, distribution in distributions.items():
        if name not in params or not isinstance(distribution, FloatDistribution | IntDistribution):
            continue
        axis = Axis.of(distribution)
        if axis.low == axis.high:
            continue
        position = float(axis.to_unit([params[name]])[0])
        bottom, top = _NATURAL.get(name, (-float("inf"), float("inf")))
        low, high = axis.low, axis.high
        if position <= EDGE and low > bottom:
            side, low = "lower", _wider(axis, bottom, up=False)
        elif position >= 1 - EDGE and high < top:
            side, high = "upper", _wider(axis, top, up=True)
        else:
            continue
        warnings.append(
            f"{name} {params[name]:.3g} is at the {side} end of its range {axis.low:g}..{axis.high:g}:"
            f" try --range {name}={_plain(low)}:{_plain(high)}."
        )
    return warnings


def _wider(axis: Axis, limit: float, *, up: bool) -> float:
    """Move an end by a factor of four or half a width, at most half of the way to a limit above."""
    end = axis.high if up else axis.low
    if axis.log:
        moved = end * 4 if up else end / 4
    else:
        step = 0.5 * (axis.high - axis.low)
        moved = end + step if up else end - step
    if up and moved >= limit:
        moved = (end + limit) / 2
    if axis.whole:
        moved = round(moved)
    return max(moved, limit) if not up else moved


def _plain(value: float) -> str:
    return f"{value:.0f}" if value >= 1 and float(value).is_integer() else f"{value:.3g}"


def noise_floor(groups: Sequence[ArrayLike]) -> float | None:
    """Standard deviation of a single training, pooled over groups of repeats.

    Parameters
    ----------
    groups : sequence of array-like
        Per configuration, the accuracies of its repeats. Groups of one say nothing and are passed over.

    Returns
    -------
    float or None
        In the unit of the values; None without any repeat.
    """
    arrays = [np.asarray(group, dtype=float) for group in groups]
    freedom = sum(a.size - 1 for a in arrays if a.size)
    if freedom <= 0:
        return None
    return float(np.sqrt(sum(((a - a.mean()) ** 2).sum() for a in arrays if a.size) / freedom))


def selection_bias(n: int, noise: float) -> float:
    """By how much the best of `n` equal configurations flatters itself: the winner's curse.

    The expected largest of `n` normal variates (David & Nagaraja, 2003, "Order Statistics", ch. 3), times
    the standard deviation of a single training.
    """
    return noise * _expected_maximum(n, above=None)


def _expected_maximum(n: int, above: float | None) -> float:
    """Expected largest of `n` standard normal variates, or its expected excess over `above`."""
    from scipy.integrate import quad  # takes long to import

    def exceeds(x: float) -> float:
        return float(-np.expm1(n * log_ndtr(x)))

    if above is not None:
        return float(quad(exceeds, above, max(above, 0.0) + 10.0)[0])
    return float(quad(exceeds, 0.0, 10.0)[0] - quad(lambda x: ndtr(x) ** n, -10.0, 0.0)[0])


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
    off above the median (poor trainings below it do not matter). Their expected excess over the best score is
    then shrunk by the share of that spread which is not noise: a score that is only luckier is no gain.

    Parameters
    ----------
    values : sequence of float
        Scores of the complete trials in the order of their numbers, as fractions.
    noise : float
        Standard deviation of a single training, as a fraction.
    horizon : int, default=HORIZON
        Number of further trials.
    """
    scores = np.asarray(values, dtype=float)
    n = len(scores)
    if n < MIN_TRIALS:
        return Outlook(False, float("nan"), noise, horizon, n)
    later = scores[-max(MIN_TRIALS, n // 2) :]
    middle, upper = np.quantile(later, [0.5, 0.9])
    spread = float(upper - middle) / float(ndtri(0.9))
    if spread <= 0:
        return Outlook(True, 0.0, noise, horizon, n)
    real = max(0.0, 1.0 - (noise / spread) ** 2)
    gain = real * spread * _expected_maximum(horizon, above=float(scores.max() - middle) / spread)
    return Outlook(gain < noise, gain, noise, horizon, n)
