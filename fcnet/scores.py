"""Shares of rows that were judged rightly, and how certain such a share is."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fcnet.metrics import Metric

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
    rows = len(counts) ** 2 / np.sum(1.0 / counts)
    return max(1, int(rows + 1e-9))  # of equal classes it is n, but for rounding


def confusion(predicted: Classes, labels: Classes, n_classes: int) -> NDArray[np.int64]:
    """Count rows by their class (down) and by the predicted one (across), shape (n_classes, n_classes)."""
    counts = np.bincount(labels * n_classes + predicted, minlength=n_classes**2)
    return counts.reshape(n_classes, n_classes)
