"""The losses on logits, sigmoid and softmax cross-entropy; what logits of one or several networks say."""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]
Kind = Literal["sigmoid", "softmax"]
"""What logits are: "sigmoid", each column against the rest, or "softmax", all columns against each other."""


class SigmoidCrossEntropy:
    """Sigmoid cross-entropy, the mean over rows and columns, in nats.

    One column of logits for two classes; K columns, one against the rest, for K classes.
    """

    @staticmethod
    def value(logits: Array, targets: Array) -> float:
        """Return the loss, finite for any finite logit.

        ``max(z, 0) - z*y + log1p(exp(-|z|))`` is ``-y*log(sigmoid(z)) - (1-y)*log(1-sigmoid(z))`` written
        so that no exponential overflows.

        Parameters
        ----------
        logits : ndarray, shape (n, n_columns)
        targets : ndarray, shape (n, n_columns)
            1 where the row belongs to the column's class, else 0.

        Returns
        -------
        float
            Nats.
        """
        terms = np.maximum(logits, 0) - logits * targets + np.log1p(np.exp(-np.abs(logits)))
        return float(terms.mean(dtype=np.float64))

    @staticmethod
    def gradient(logits: Array, targets: Array) -> Array:
        """Return ``(sigmoid(z) - y) / n_terms``, shape (n, n_columns), without the loss's own value."""
        # sigmoid(z) = (1 + tanh(z / 2)) / 2, which no exponential overflows
        gradient: Array = np.tanh(0.5 * logits)
        gradient *= 0.5
        gradient += 0.5
        gradient -= targets
        gradient *= 1.0 / gradient.size
        return gradient


class SoftmaxCrossEntropy:
    """Softmax cross-entropy of K > 2 columns of logits, the mean over rows, in nats."""

    @staticmethod
    def value(logits: Array, targets: Array) -> float:
        """Return the loss, finite for any finite logit.

        ``-sum_k y_k log(softmax(z)_k)``, by way of logarithms.

        Parameters
        ----------
        logits, targets : ndarray, shape (n, K)

        Returns
        -------
        float
            Nats.
        """
        logarithms = _log_softmax(logits)
        return float(-(logarithms * targets).sum(axis=1).mean(dtype=np.float64))

    @staticmethod
    def gradient(logits: Array, targets: Array) -> Array:
        """Return ``(softmax(z) - y) / n``, shape (n, K), without the loss's own value."""
        gradient: Array = logits - logits.max(axis=1, keepdims=True)
        np.exp(gradient, out=gradient)
        gradient /= gradient.sum(axis=1, keepdims=True)
        gradient -= targets
        gradient *= 1.0 / len(gradient)
        return gradient


def kind_of(n_classes: int) -> Kind:
    """Return what a network of so many classes is trained with."""
    return "sigmoid" if n_classes == 2 else "softmax"


def loss_of(n_classes: int) -> SigmoidCrossEntropy | SoftmaxCrossEntropy:
    """Return the loss that a network of so many classes is trained with."""
    return SigmoidCrossEntropy() if kind_of(n_classes) == "sigmoid" else SoftmaxCrossEntropy()


def encode_targets(labels: NDArray[np.integer[Any]], n_classes: int, dtype: np.dtype[Any]) -> Array:
    """Turn labels (n,) in 0..n_classes-1 into targets: (n, 1) for two classes, else (n, n_classes)."""
    if n_classes == 2:
        targets: Array = labels.astype(dtype)[:, np.newaxis]
    else:
        targets = np.equal(labels[:, np.newaxis], np.arange(n_classes)).astype(dtype)
    return targets


def pool(logits: Array, kind: Kind) -> Array:
    """Return the logits of the mean probability of several networks, shape (n, n_columns).

    Of sigmoids, ``log(p / (1 - p))`` with ``p = mean(sigmoid(z_k))`` over the networks k; of softmaxes,
    ``log(mean(softmax(z_k)))`` (Lakshminarayanan et al. 2017, arXiv:1612.01474). By way of logarithms: finite
    and exact where a probability would be rounded to 0 or 1. Those of a single network stay as they are.

    Parameters
    ----------
    logits : ndarray, shape (n_networks, n, n_columns)
    kind : {"sigmoid", "softmax"}
    """
    if len(logits) == 1:
        single: Array = logits[0]
        return single
    z = logits.astype(np.float64)
    if kind == "softmax":
        return np.asarray(np.logaddexp.reduce(_log_softmax(z), axis=0) - np.log(len(z)))
    # log(sigmoid(z)) = -log(1 + exp(-z))
    sides = [np.logaddexp.reduce(-np.logaddexp(0.0, -signed), axis=0) for signed in (z, -z)]
    pooled: Array = sides[0] - sides[1]
    return pooled


def probabilities(logits: Array, kind: Kind) -> Array:
    """Return the probability of each class, shape (n, K), of logits, shape (n, 1) for two classes or (n, K).

    Of sigmoids of more than two classes each is judged against the rest: a row need not add up to 1.
    """
    if kind == "softmax":
        return np.exp(_log_softmax(logits))
    p: Array = np.exp(-np.logaddexp(0.0, -logits))
    return np.hstack([1 - p, p]) if logits.shape[1] == 1 else p


def _log_softmax(logits: Array) -> Array:
    """Return the logarithms of the softmax over the last axis, finite for any finite logits."""
    shifted: Array = logits - logits.max(axis=-1, keepdims=True)
    shifted -= np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return shifted


def decide(logits: Array) -> NDArray[np.intp]:
    """Return the predicted class of each row, shape (n,): the sign of one logit or the largest of K."""
    if logits.shape[1] == 1:
        return np.greater(logits[:, 0], 0).astype(np.intp)
    predicted: NDArray[np.intp] = logits.argmax(axis=1)
    return predicted
