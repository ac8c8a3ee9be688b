"""What is measured: shares of rows that were judged rightly, and the figures of an epoch."""

from dataclasses import dataclass
from math import nan
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Metric = Literal["accuracy", "balanced_accuracy"]
Classes = NDArray[np.integer[Any]]


def score(metric: Metric, predicted: Classes, labels: Classes) -> float:
    """Return how well classes, shape (n,), were predicted, in [0, 1].

    ``"accuracy"`` is the share of rows whose class was predicted, ``"balanced_accuracy"`` that share
    within each class, averaged over the classes that occur: chance scores 1 / K however unequal they are.
    """
    right = predicted == labels
    return float(np.mean(right if metric == "accuracy" else right * weights(metric, labels)))


def weights(metric: Metric, labels: Classes) -> NDArray[np.float64]:
    """Return what each row, shape (n,), counts: the mean of those judged rightly is then the score."""
    if metric == "accuracy":
        return np.ones(len(labels))
    counts = np.bincount(labels)
    found: NDArray[np.float64] = len(labels) / (np.count_nonzero(counts) * counts[labels])
    return found


def effective_rows(metric: Metric, labels: Classes) -> int:
    """Return the number of rows that a score is as certain as, by the binomial: n for an accuracy.

    The mean of K shares p of n_k rows each has the variance ``sum_k p (1 - p) / n_k / K**2``, that of a share
    of ``K**2 / sum_k (1 / n_k)`` rows: n where classes are equal, near K times the rarest where one is rare.
    """
    if metric == "accuracy":
        return len(labels)
    counts = np.bincount(labels)
    counts = counts[counts > 0]
    return max(1, int(len(counts) ** 2 / np.sum(1.0 / counts)))


def confusion(predicted: Classes, labels: Classes, n_classes: int) -> NDArray[np.int64]:
    """Count rows by their class (down) and by the predicted one (across), shape (n_classes, n_classes)."""
    counts = np.bincount(labels * n_classes + predicted, minlength=n_classes**2)
    return counts.reshape(n_classes, n_classes)


@dataclass(frozen=True)
class EpochMetrics:
    """Figures of one epoch.

    The training figures are running means over the epoch's mini-batches, each taken before that batch's
    update; the validation figures are taken once, at the end of the epoch.

    Parameters
    ----------
    epoch : int
        Number of the epoch, from 0.
    objective : float
        Training objective in nats: ``train_loss`` plus ``weight_decay * sum(W**2)`` at the end of the epoch.
    train_loss, validation_loss : float
        Mean cross-entropy in nats.
    train_accuracy, validation_accuracy : float
        Share of rows whose class was predicted, in [0, 1].
    seconds : float
        Wall time of the epoch, validation included.
    validation_balanced_accuracy : float
        See `score`; NaN in what version 0.1.0 kept.
    """

    epoch: int
    objective: float
    train_loss: float
    train_accuracy: float
    validation_loss: float
    validation_accuracy: float
    seconds: float
    validation_balanced_accuracy: float = nan

    @property
    def train_error_rate(self) -> float:
        """Misclassified share of the training rows, in [0, 1]."""
        return 1.0 - self.train_accuracy

    @property
    def validation_error_rate(self) -> float:
        """Misclassified share of the validation rows, in [0, 1]."""
        return 1.0 - self.validation_accuracy
