"""Training: a stream of epochs. Whoever iterates decides when it stops."""

import math
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from fcnet.data import Part, Split
from fcnet.errors import Diverged
from fcnet.hyperparameters import Hyperparameters
from fcnet.inputs import mirrored, n_axes
from fcnet.layers import Array
from fcnet.losses import decide, encode_targets, loss_of
from fcnet.metrics import EpochMetrics
from fcnet.network import Network
from fcnet.scores import score
from fcnet.text import counted

# Rows between two looks at whether the logits are still finite.
_ROWS_PER_CHECK = 1024
_ROWS_AFTERWARDS = 256  # that are looked at after an epoch without validation


class Training:
    """Mini-batch SGD with momentum and weight decay, as an iterable of `EpochMetrics`, one per epoch.

    Parameters
    ----------
    split : Split
        Training and validation rows; without a validation part its figures are NaN. Its principal axes are
        found where the hyperparameters ask for some.
    hyperparameters : Hyperparameters
    epochs : int
        Number of passes over the training rows.
    seed : int
        Seeds three independent streams: initial weights, the order of the rows, which of them are mirrored.
    dtype : numpy dtype, default=float32
        float32 for speed, float64 for checks.
    start : Network, optional
        What to go on with, velocities included: the `inner` of a training on rows in the same axes.
    check : callable, optional
        Called after about every 1,024 rows; what it raises ends the training within an epoch.

    Attributes
    ----------
    right : ndarray of bool, shape (n_validation,), or None
        Which validation images the last epoch got right; None before it, and without a validation part.

    Raises
    ------
    ValueError
        If mirror images are asked for of rows that are no images, or fewer than no epochs.

    Examples
    --------
    >>> from fcnet import Hyperparameters, Training, load
    >>> split = load("synthetic").split()
    >>> training = Training(split, Hyperparameters(batch_size=128, learning_rate=0.02), epochs=3, seed=0)
    >>> for epoch in training:
    ...     print(f"epoch {epoch.epoch}: {epoch.validation_accuracy:.0%} of the validation images right")
    epoch 0: 6...% of the validation images right
    epoch 1: 7...% of the validation images right
    epoch 2: 7...% of the validation images right

    Whoever stops iterating stops the training.
    """

    def __init__(
        self,
        split: Split,
        hyperparameters: Hyperparameters,
        *,
        epochs: int,
        seed: int,
        dtype: DTypeLike = np.float32,
        start: Network | None = None,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        if epochs < 0:
            raise ValueError(f"a training of {epochs} epochs cannot be: give 1 or more")
        self.hyperparameters, self.epochs, self.seed = hyperparameters, epochs, seed
        self._check = check
        self.dtype = np.dtype(dtype)
        streams = np.random.SeedSequence(seed).spawn(3)
        weights, self._order, self._mirror = (np.random.default_rng(s) for s in streams)
        self._projection, self._x, self._validation = _inputs(split, hyperparameters, self.dtype)
        self._network = start or Network(
            hyperparameters,
            n_features=self._x.shape[1],
            n_classes=len(split.class_names),
            rng=weights,
            dtype=dtype,
            variance=2.0 / split.n_features,
        )
        self._labels = split.train.labels
        self.right: NDArray[np.bool_] | None = None
        self._loss = loss_of(len(split.class_names))

    @property
    def inner(self) -> Network:
        """The network that is trained, on rows as it sees them."""
        return self._network

    @property
    def network(self) -> Network:
        """The network as far as it is trained, on normalised rows: its inputs are folded into it."""
        return self._network if self._projection is None else self._network.behind(self._projection)

    def __iter__(self) -> Iterator[EpochMetrics]:
        """Train epoch by epoch.

        Raises
        ------
        Diverged
            As soon as a logit is not finite.
        """
        for epoch in range(self.epochs):
            start = time.perf_counter()
            # Overflow is how a diverging training ends; it is told by `Diverged`, not by warnings.
            with np.errstate(over="ignore", invalid="ignore"):
                train_loss, train_accuracy = self._run_epoch(epoch)
                self._network.fold()
                validation_loss, validation_accuracy, balanced = self._evaluate(epoch)
                objective = train_loss + self.hyperparameters.weight_decay * self._network.penalty
            yield EpochMetrics(
                epoch=epoch,
                objective=objective,
                train_loss=train_loss,
                train_accuracy=train_accuracy,
                validation_loss=validation_loss,
                validation_accuracy=validation_accuracy,
                seconds=time.perf_counter() - start,
                validation_balanced_accuracy=balanced,
            )

    def _run_epoch(self, epoch: int) -> tuple[float, float]:
        """Train on every row once, in a new order; return the running loss and accuracy."""
        h = self.hyperparameters
        x, network, n = self._x, self._network, len(self._labels)
        order = self._order.permutation(n)
        labels = self._labels[order]
        if h.mirror:  # the mirror images stand behind the images
            order += n * self._mirror.integers(2, size=n)
        rates = self._rates(epoch)
        targets = self._targets(labels)
        logits = np.empty(targets.shape, self.dtype)
        checked = 0
        for rate, start in zip(rates, range(0, n, h.batch_size), strict=True):
            stop = min(start + h.batch_size, n)
            out = logits[start:stop]
            out[...] = network.forward(network.take(x, order[start:stop]))
            # The loss itself is taken once per epoch, below, from all logits.
            network.backward(self._loss.gradient(out, targets[start:stop]))
            network.step(rate, h.momentum, h.weight_decay)
            if stop - checked >= _ROWS_PER_CHECK or stop == n:
                _refuse_infinite(logits[checked:stop], epoch)
                checked = stop
                self._check()
        return self._loss.value(logits, targets), score("accuracy", decide(logits), labels)

    def _rates(self, epoch: int) -> list[float]:
        """Return the learning rate of each step of an epoch."""
        h, steps = self.hyperparameters, -(-len(self._labels) // self.hyperparameters.batch_size)
        if h.schedule == "constant":
            return [h.learning_rate] * steps
        turn = math.pi / (steps * self.epochs)
        return [0.5 * h.learning_rate * (1.0 + math.cos(turn * (epoch * steps + i))) for i in range(steps)]

    def _evaluate(self, epoch: int) -> tuple[float, float, float]:
        part = self._validation
        if part is None:  # the epoch's last steps are seen by none of its own logits
            _refuse_infinite(self._network.logits(self._x[:_ROWS_AFTERWARDS]), epoch)
            return np.nan, np.nan, np.nan
        logits, labels = self._network.logits(part.x), part.labels
        _refuse_infinite(logits, epoch)
        loss, predicted = self._loss.value(logits, self._targets(labels)), decide(logits)
        self.right = predicted == labels
        return loss, score("accuracy", predicted, labels), score("balanced_accuracy", predicted, labels)

    def _targets(self, labels: NDArray[np.integer[Any]]) -> Array:
        return encode_targets(labels, self._network.n_classes, self.dtype)


def _refuse_infinite(logits: Array, epoch: int) -> None:
    if not np.isfinite(logits).all():
        raise Diverged(
            f"the training diverged after {counted(epoch, 'epoch')}: its logits are no longer finite"
        )


def _inputs(
    split: Split, h: Hyperparameters, dtype: np.dtype[Any]
) -> tuple[Array | None, Array, Part | None]:
    """Return what is folded away later, training rows (mirror images behind them), and validation."""
    if h.mirror and split.image_shape is None:
        raise ValueError("mirror is True, but the rows are no images")
    split = split.principal(n_axes(h, split.n_features))
    train, validation = split.train.x, split.validation
    if split.axes is None:
        x = np.asarray(train, dtype)
        if h.mirror:
            x = np.concatenate([x, mirrored(x, split.image_shape or ())])
        return None, x, validation
    scale = split.axes.scale(h.components or split.n_features, h.whitening).astype(dtype)
    c = len(scale)
    x = np.empty(((1 + h.mirror) * len(train), c), dtype)
    np.multiply(train[:, :c], scale, out=x[: len(train)])
    if h.mirror:
        np.multiply(x[: len(train)], split.axes.parity[:c], out=x[len(train) :])
    if validation is not None:
        validation = Part(validation.x[:, :c] * scale, validation.labels)
    return split.axes.directions[:, :c] * scale, x, validation
