"""One hyperparameter's range and its scale."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Axis:
    """One hyperparameter's range, mapped onto [0, 1] on the scale on which it is searched.

    Parameters
    ----------
    low, high : float
        Ends of the range, in the hyperparameter's own unit.
    log : bool
        Whether the range is searched on a logarithmic scale.
    whole : bool
        Whether only whole numbers occur.
    """

    low: float
    high: float
    log: bool
    whole: bool

    @classmethod
    def of(cls, distribution: BaseDistribution) -> "Axis":
        """Take the range of an Optuna distribution.

        Raises
        ------
        ValueError
            If the distribution is not numeric.
        """
        if not isinstance(distribution, FloatDistribution | IntDistribution):
            raise ValueError(f"{distribution!r} is not a range of numbers")
        whole = isinstance(distribution, IntDistribution)
        return cls(distribution.low, distribution.high, distribution.log, whole)

    def to_unit(self, values: Sequence[float] | Array) -> Array:
        """Map values onto [0, 1]; values outside the range land outside."""
        scale = np.log if self.log else np.asarray
        low, high = scale(self.low), scale(self.high)
        width = high - low
        return np.asarray((scale(np.asarray(values, dtype=float)) - low) / (width if width > 0 else 1.0))

    def snap(self, unit: Array) -> Array:
        """Spread a uniform variate over the range as Optuna does: whole numbers get equal shares."""
        if not self.whole:
            return unit
        scale, back = (np.log, np.exp) if self.log else (np.asarray, np.asarray)
        low, high = scale(self.low - 0.5), scale(self.high + 0.5)
        return self.to_unit(np.rint(back(low + unit * (high - low))).clip(self.low, self.high))

    def grid(self, n: int) -> Array:
        """At most `n` values spread evenly over the range on its scale, without repeats, ascending."""
        space = np.geomspace if self.log else np.linspace
        values = space(self.low, self.high, n)
        return np.unique(np.rint(values)) if self.whole else np.unique(values)
