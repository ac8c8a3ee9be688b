"""One hyperparameter's range and its scale."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

import numpy as np
from numpy.typing import NDArray

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
    least, most : float, default=no limit
        Beyond these there is nothing, or nothing that would make a difference.
    """

    low: float
    high: float
    log: bool
    whole: bool
    least: float = -inf
    most: float = inf

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
