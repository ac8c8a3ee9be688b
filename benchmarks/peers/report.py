"""The course report's algorithm as a textbook writes it: float64 NumPy, layer by layer, batch by batch."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from benchmarks.problem import arrays, he_normal, layer_sizes
from fcnet.data import Split
from fcnet.hyperparameters import Hyperparameters

Array = NDArray[np.float64]


class Linear:
    """``x @ W + b`` with the report's update."""

    def __init__(self, weights: NDArray[np.float32]) -> None:
        self.W, self.b = weights.astype(np.float64), np.zeros(weights.shape[1])
        self.vW, self.vb = np.zeros_like(self.W), np.zeros_like(self.b)

    def forward(self, x: Array) -> Array:
        """Return the output, shape (n, fan_out)."""
        self.x = x
        return x @ self.W + self.b

    def backward(self, gradient: Array) -> Array:
        """Return the gradient by the input, shape (n, fan_in): always, as the first layer is no exception."""
        self.dW = self.x.T @ gradient
        self.db = gradient.sum(axis=0)
        return gradient @ self.W.T

    def step(self, learning_rate: float, momentum: float, weight_decay: float) -> None:
        """Update weights and biases."""
        self.vW = momentum * self.vW - learning_rate * self.dW
        self.vb = momentum * self.vb - learning_rate * self.db
        self.W = self.W + self.vW - 2 * learning_rate * weight_decay * self.W
        self.b = self.b + self.vb


class ReLU:
    """``max(0, z)``."""

    def forward(self, z: Array) -> Array:
        """Return the positive part, shape (n, m)."""
        self.positive = z > 0
        return np.maximum(z, 0)

    def backward(self, gradient: Array) -> Array:
        """Return the gradient by the input, shape (n, m)."""
        return gradient * self.positive

    def step(self, learning_rate: float, momentum: float, weight_decay: float) -> None:
        """Nothing to learn."""


def train(split: Split, hyperparameters: Hyperparameters, *, epochs: int, seed: int) -> Iterator[float]:
    """Train with the report's algorithm."""
    rng = np.random.default_rng(seed)
    layers: list[Linear | ReLU] = []
    for weights in he_normal(layer_sizes(split, hyperparameters), seed=seed):
        layers += [Linear(weights), ReLU()]
    layers.pop()
    x_single, labels, x_validation, y_validation = arrays(split)
    x, y = x_single.astype(np.float64), labels[:, None]

    def forward(x: Array) -> Array:
        for layer in layers:
            x = layer.forward(x)
        return x

    for _ in range(epochs):
        order = rng.permutation(len(x))
        for start in range(0, len(order), hyperparameters.batch_size):
            rows = order[start : start + hyperparameters.batch_size]
            logits = forward(x[rows])
            gradient = (1 / (1 + np.exp(-logits)) - y[rows]) / len(rows)
            for layer in reversed(layers):
                gradient = layer.backward(gradient)
            for layer in layers:
                layer.step(
                    hyperparameters.learning_rate, hyperparameters.momentum, hyperparameters.weight_decay
                )
        yield float(np.mean((forward(x_validation.astype(np.float64))[:, 0] > 0) == y_validation))
