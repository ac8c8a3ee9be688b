"""The six numbers that a sweep searches over."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Hyperparameters:
    """Hyperparameters of one training; the defaults are the course report's own configuration.

    Parameters
    ----------
    batch_size : int, default=16
        Rows per mini-batch, at least 1. The last batch of an epoch may be smaller.
    learning_rate : float, default=0.001
        Step size, in (0, 10].
    hidden_units : int, default=128
        Width of every hidden layer, at least 1.
    momentum : float, default=0.8
        Share of the velocity that survives a step, in [0, 1).
    weight_decay : float, default=0.05
        Factor of the penalty ``weight_decay * sum(W**2)`` in the training objective, at least 0.
    n_layers : int, default=3
        Number of linear layers, at least 1; there are ``n_layers - 1`` hidden layers.

    Raises
    ------
    ValueError
        If a value lies outside its range; the message names the field, the value and the range.

    Examples
    --------
    >>> from fcnet import Hyperparameters
    >>> Hyperparameters(learning_rate=0.01)
    Hyperparameters(batch_size=16, learning_rate=0.01, hidden_units=128, momentum=0.8, ...)
    >>> Hyperparameters(momentum=1.0)
    Traceback (most recent call last):
    ValueError: momentum is 1.0, but it must be in [0, 1)
    """

    batch_size: int = 16
    learning_rate: float = 0.001
    hidden_units: int = 128
    momentum: float = 0.8
    weight_decay: float = 0.05
    n_layers: int = 3

    def __post_init__(self) -> None:
        for name in ("batch_size", "hidden_units", "n_layers"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ValueError(f"{name} is {value!r}, but it must be a whole number of at least 1")
        _check(0 < self.learning_rate <= 10, "learning_rate", self.learning_rate, "in (0, 10]")
        _check(0 <= self.momentum < 1, "momentum", self.momentum, "in [0, 1)")
        _check(
            math.isfinite(self.weight_decay) and self.weight_decay >= 0,
            "weight_decay",
            self.weight_decay,
            "finite and at least 0",
        )


def _check(ok: bool, name: str, value: float, allowed: str) -> None:
    if not ok:
        raise ValueError(f"{name} is {value!r}, but it must be {allowed}")
