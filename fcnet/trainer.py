"""Training: a stream of epochs. Whoever iterates decides when it stops."""

import time
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from fcnet.data import Part, Split
from fcnet.errors import Diverged
from fcnet.hyperparameters import Hyperparameters
from fcnet.layers import Array
from fcnet.losses import SigmoidCrossEntropy, decide, encode_targets
from fcnet.metrics import EpochMetrics
from fcnet.network import Network

# Rows between two looks at whether the logits are still finite.
_ROWS_PER_CHECK = 1024


class Training:
    """Mini-batch SGD with momentum and weight decay, as an iterable of `EpochMetrics`, one per epoch.

    Parameters
    ----------
    split : Split
        Training and validation rows; without a validation part its figures are NaN.
    hyperparameters : Hyperparameters
    epochs : int
        Number of passes over the training rows.
    seed : int
        Seeds two independent streams: initial weights and the order of the rows.
    dtype : numpy dtype, default=float32
        float32 for speed, float64 for checks.

    Attributes
    ----------
    network : Network
        The network as far as it is trained.

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
    ) -> None:
        self.hyperparameters, self.epochs, self.seed = hyperparameters, epochs, seed
        self.dtype = np.dtype(dtype)
        weights, self._order = (np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(2))
        self.network = Network(
            hyperparameters,
            n_features=split.train.x.shape[1],
            n_classes=len(split.class_names),
            rng=weights,
            dtype=dtype,
        )
        self._x: Array = split.train.x.astype(dtype, copy=False)
        self._labels, self._validation = split.train.labels, split.validation
        self._loss = SigmoidCrossEntropy()

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
                self.network.fold()
                validation_loss, validation_accuracy = self._evaluate(self._validation)
                objective = train_loss + self.hyperparameters.weight_decay * self.network.penalty
            yield EpochMetrics(
                epoch=epoch,
                objective=objective,
                train_loss=train_loss,
                train_accuracy=train_accuracy,
                validation_loss=validation_loss,
                validation_accuracy=validation_accuracy,
                seconds=time.perf_counter() - start,
            )

    def _run_epoch(self, epoch: int) -> tuple[float, float]:
        """Train on every row once, in a new order; return the running loss and accuracy."""
        h = self.hyperparameters
        x, network = self._x, self.network
        order = self._order.permutation(len(x))
        labels = self._labels[order]
        targets = self._targets(labels)
        logits = np.empty(targets.shape, self.dtype)
        checked = 0
        for start in range(0, len(x), h.batch_size):
            stop = min(start + h.batch_size, len(x))
            out = logits[start:stop]
            out[...] = network.forward(network.take(x, order[start:stop]))
            # The loss itself is taken once per epoch, below, from all logits.
            network.backward(self._loss.gradient(out, targets[start:stop]))
            network.step(h.learning_rate, h.momentum, h.weight_decay)
            if stop - checked >= _ROWS_PER_CHECK or stop == len(x):
                if not np.isfinite(logits[checked:stop]).all():
                    raise Diverged(f"the training diverged in epoch {epoch}: its logits are no longer finite")
                checked = stop
        return self._loss.forward(logits, targets), _accuracy(logits, labels)

    def _evaluate(self, part: Part | None) -> tuple[float, float]:
        if part is None:
            return np.nan, np.nan
        logits = self.network.logits(part.x)
        return self._loss.forward(logits, self._targets(part.labels)), _accuracy(logits, part.labels)

    def _targets(self, labels: NDArray[np.integer[Any]]) -> Array:
        return encode_targets(labels, self.network.n_classes, self.dtype)


def _accuracy(logits: Array, labels: NDArray[np.integer[Any]]) -> float:
    return float(np.mean(decide(logits) == labels))
