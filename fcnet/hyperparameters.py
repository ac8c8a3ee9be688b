"""The numbers and choices that a sweep searches over."""

import math
from dataclasses import dataclass
from typing import Literal

SCHEDULES = ("constant", "cosine")


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
    components : int, optional
        Number of principal axes that the network sees its rows in, at least 1; None, or as many as there are
        features, are all.
    whitening : float, default=0.0
        How far these are made equally strong, in [0, 1]; see `fcnet.inputs.Axes.scale`.
    mirror : bool, default=False
        Whether each epoch shows every training image as it is or as its mirror image, at random.
    schedule : {"constant", "cosine"}, default="constant"
        What becomes of the learning rate: "cosine" lets it fall to zero over the T steps of the training, at
        step t to ``learning_rate * (1 + cos(pi * t / T)) / 2`` (Loshchilov & Hutter, 2017).

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
    components: int | None = None
    whitening: float = 0.0
    mirror: bool = False
    schedule: Literal["constant", "cosine"] = "constant"

    def __post_init__(self) -> None:
        for name in ("batch_size", "hidden_units", "n_layers", "components"):
            value = getattr(self, name)
            if name == "components" and value is None:
                continue
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
        _check(0 <= self.whitening <= 1, "whitening", self.whitening, "in [0, 1]")
        _check(isinstance(self.mirror, bool), "mirror", self.mirror, "True or False")
        _check(self.schedule in SCHEDULES, "schedule", self.schedule, f"one of {', '.join(SCHEDULES)}")


def _check(ok: bool, name: str, value: object, allowed: str) -> None:
    if not ok:
        raise ValueError(f"{name} is {value!r}, but it must be {allowed}")
