"""Layers: `Linear` and `ReLU`, each with ``forward``, ``backward`` and ``step``.

A layer keeps what its ``backward`` and ``step`` need from the last ``forward``, in buffers that it owns and
uses again: the array that a call returns is valid until the same call comes again.
"""

import math
from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from fcnet.blas import routines

Array = NDArray[np.floating[Any]]

# A scale is folded into its array before it leaves the range in which float32 keeps its precision.
_SMALLEST_SCALE = 1e-20


def _has_avx512(config: Mapping[str, Any]) -> bool:
    """Tell from NumPy's configuration, which leaves out what is empty, whether this processor has AVX-512."""
    extensions = config.get("SIMD Extensions", {})
    return not {"X86_V4", "AVX512_SKX"}.isdisjoint(
        [*extensions.get("baseline", ()), *extensions.get("found", ())]
    )


# OpenBLAS has kernels for AVX-512 that do without the usual copies of both operands, up to so many products.
_SMALL_PRODUCT = 1_000_000 if _has_avx512(np.show_config("dicts")) else 0
_STATE = ("biases", "_w", "_scale", "_v", "_velocity_scale", "_bias_velocity")  # of a layer in training
_NARROWEST_SLICE = 64  # below it, there are more calls than they save


@cache
def n_slices(n: int, fan_in: int, fan_out: int) -> int:
    """Return into how many slices of its inputs a layer divides the product of `n` rows with its weights.

    For small batches, copying weights inside BLAS is a third of the time. Slices that are small enough to go
    without it also stay in the cache from the update of the velocity to that of the weights.
    """
    counts = (count for count in range(1, fan_in // _NARROWEST_SLICE + 1) if fan_in % count == 0)
    return next((count for count in counts if n * fan_in // count * fan_out <= _SMALL_PRODUCT), 1)


class Buffer:
    """Rows of memory that grow on demand and are used again."""

    def __init__(self, n_columns: int, dtype: DTypeLike) -> None:
        self._rows: Array = np.empty((0, n_columns), dtype)

    def rows(self, n: int) -> Array:
        """Return the first `n` rows, shape (n, n_columns), C-contiguous, contents undefined."""
        if n > len(self._rows):
            self._rows = np.empty((n, self._rows.shape[1]), self._rows.dtype)
        return self._rows[:n]


class Linear:
    """A fully connected layer, ``x @ W + b``, trained by SGD with momentum and weight decay.

    Two scalars carry what would otherwise be passes over whole matrices: the weights are
    ``W = scale * _w`` and their velocity is ``velocity_scale * _v``. Weight decay then changes `scale`,
    momentum changes `velocity_scale`, and a step touches memory twice: one ``gemm`` adds the gradient to
    ``_v``, one ``axpy`` adds ``_v`` to ``_w``. The gradient of the weights is never formed.

    Parameters
    ----------
    fan_in, fan_out : int
        Number of inputs and outputs.
    rng : numpy.random.Generator or None
        Draws the weights from a normal distribution of variance ``2 / fan_in`` (He et al. 2015); biases
        start at zero. None leaves the weights at zero, for whoever sets them.
    dtype : numpy dtype, default=float32
        float32 or float64.
    variance : float, optional
        Another variance of the initial weights.
    """

    def __init__(
        self,
        fan_in: int,
        fan_out: int,
        *,
        rng: np.random.Generator | None,
        dtype: DTypeLike = np.float32,
        variance: float | None = None,
    ) -> None:
        self.fan_in, self.fan_out = fan_in, fan_out
        self.dtype = np.dtype(dtype)
        self.biases: Array = np.zeros(fan_out, dtype)
        self._w: Array = np.zeros((fan_in, fan_out), dtype)
        if rng is not None:
            self._w[...] = rng.standard_normal((fan_in, fan_out), dtype=np.float64)
            self._w *= math.sqrt(2.0 / fan_in if variance is None else variance)
        self._scale = 1.0
        self._v: Array = np.zeros_like(self._w)
        self._velocity_scale = 1.0
        self._bias_velocity: Array = np.zeros_like(self.biases)
        self._gemm, self._gemv, self._axpy = routines("gemm", "gemv", "axpy", dtype=self.dtype)
        self._views: dict[int, list[tuple[Array, Array, Array]]] = {}
        self._out = Buffer(fan_out, dtype)
        self._parts = Buffer(fan_out, dtype)
        self._input_gradient = Buffer(fan_in, dtype)
        self._ones: Array = np.ones(0, dtype)
        self._taken = Buffer(1, dtype)
        self._x: Array = np.empty((1, 0, fan_in), dtype)
        self._gradient: Array = np.empty((0, fan_out), dtype)

    def __getstate__(self) -> dict[str, Any]:
        """Leave out buffers, and BLAS, which cannot be pickled."""
        return {name: getattr(self, name) for name in ("fan_in", "fan_out", "dtype", *_STATE)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        Linear.__init__(self, state["fan_in"], state["fan_out"], rng=None, dtype=state["dtype"])
        self.__dict__.update(state)

    @property
    def weights(self) -> Array:
        """The weights W, shape (fan_in, fan_out), as a new array."""
        weights: Array = self._w * self._scale
        return weights

    @weights.setter
    def weights(self, value: Array) -> None:
        self._w[...] = value
        self._scale = 1.0

    def fold(self) -> None:
        """Multiply the scale into the weights: a copy of them then predicts the same, to the last bit."""
        self._w *= self._scale
        self._scale = 1.0

    @property
    def squared_norm(self) -> float:
        """Sum of the squared weights, ``sum(W**2)``."""
        return self._scale**2 * float(np.vdot(self._w, self._w))

    @property
    def gradients(self) -> tuple[Array, Array]:
        """Gradients of the loss by weights (fan_in, fan_out) and biases (fan_out,), formed on request."""
        by_weights = np.concatenate([x.T @ self._gradient for x in self._x])
        return by_weights, self._gradient.sum(axis=0)

    def take(self, x: Array, rows: NDArray[np.intp]) -> Array:
        """Gather rows in slices, the layout in which `forward` and `step` are fastest.

        Parameters
        ----------
        x : ndarray, shape (any, fan_in)
            C-contiguous, of the layer's dtype.
        rows : ndarray, shape (n,)
            Which rows.

        Returns
        -------
        ndarray, shape (n_slices, n, fan_in / n_slices), or (n, fan_in) where there is one slice
        """
        n, count = len(rows), n_slices(len(rows), self.fan_in, self.fan_out)
        out = self._taken.rows(n * self.fan_in)
        # Without "clip", NumPy gathers into a buffer of its own first.
        if count == 1:
            return np.take(x, rows, axis=0, out=out.reshape(n, self.fan_in), mode="clip")
        width = self.fan_in // count
        pieces = rows * count + np.arange(count)[:, np.newaxis]
        return np.take(x.reshape(-1, width), pieces, axis=0, out=out.reshape(count, n, width), mode="clip")

    def forward(self, x: Array) -> Array:
        """Return ``x @ W + b``.

        Parameters
        ----------
        x : ndarray, shape (n, fan_in), or what `take` returned
            C-contiguous, of the layer's dtype.

        Returns
        -------
        ndarray, shape (n, fan_out)
        """
        self._x = x if x.ndim == 3 else x[np.newaxis]
        count, n, width = self._x.shape
        parts = self._parts.rows(count * n).reshape(count, n, self.fan_out)
        np.matmul(self._x, self._w.reshape(count, width, self.fan_out), out=parts)
        out = parts[0] if count == 1 else np.add.reduce(parts, axis=0, out=self._out.rows(n))
        out *= self._scale
        out += self.biases
        return out

    def backward(self, gradient: Array, *, input_gradient: bool = True) -> Array | None:
        """Take the loss's gradient by the output and return the one by the input.

        Parameters
        ----------
        gradient : ndarray, shape (n, fan_out)
        input_gradient : bool, default=True
            Whether anybody needs the result; nobody does at a network's first layer.

        Returns
        -------
        ndarray, shape (n, fan_in), or None
        """
        self._gradient = gradient
        if not input_gradient:
            return None
        out = self._input_gradient.rows(len(gradient))
        # With one output the product is an outer one, for which BLAS takes three times as long.
        product = np.multiply if self.fan_out == 1 else np.matmul
        product(gradient, self._w.T, out=out)
        out *= self._scale
        return out

    def step(self, learning_rate: float, momentum: float, weight_decay: float) -> None:
        """Update the parameters in place from the last ``backward``.

        ``v = momentum * v - learning_rate * x.T @ gradient`` and
        ``W = W + v - 2 * learning_rate * weight_decay * W``, the course report's equations; biases do not
        decay.
        """
        self._velocity_scale, keep_velocity = _fold(self._velocity_scale * momentum)
        self._scale, keep = _fold(self._scale * (1.0 - 2.0 * learning_rate * weight_decay))
        if keep != 1.0:
            self._w *= keep
        # BLAS counts in columns: row-major x.T @ gradient is column-major gradient.T @ x, and the transposes
        # are views.
        gradient = self._gradient.T
        for x, (c, v, w) in zip(self._x, self._slices(len(self._x)), strict=True):
            self._gemm(
                -learning_rate / self._velocity_scale,
                gradient,
                x.T,
                beta=keep_velocity,
                c=c,
                trans_b=True,
                overwrite_c=True,
            )
            self._axpy(v, w, a=self._velocity_scale / self._scale)

        n = len(self._gradient)
        if n > len(self._ones):
            self._ones = np.ones(n, self.dtype)
        self._gemv(
            -learning_rate,
            gradient,
            self._ones[:n],
            beta=momentum,
            y=self._bias_velocity,
            overwrite_y=True,
        )
        self.biases += self._bias_velocity

    def _slices(self, count: int) -> list[tuple[Array, Array, Array]]:
        """Return views of so many slices of inputs: velocity transposed, velocity and weights as vectors."""
        if count not in self._views:
            shape = (count, -1, self.fan_out)
            self._views[count] = [
                (v.T, v.ravel(), w.ravel())
                for v, w in zip(self._v.reshape(shape), self._w.reshape(shape), strict=True)
            ]
        return self._views[count]


def _fold(scale: float) -> tuple[float, float]:
    """Split a scale into the part that stays a scalar and the part that its array is multiplied by."""
    return (scale, 1.0) if abs(scale) >= _SMALLEST_SCALE else (1.0, scale)


class ReLU:
    """The rectifier ``max(0, z)``; its derivative at 0 is 0.

    It works in place: its input's memory becomes its output, and so with the gradients.
    """

    def __init__(self) -> None:
        self._out: Array = np.empty((0, 0))

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what was the last output."""
        return {"_out": np.empty((0, 0))}

    def forward(self, z: Array) -> Array:
        """Return ``max(0, z)``, shape (n, m), in the memory of `z`, shape (n, m)."""
        self._out = np.maximum(z, 0, out=z)
        return self._out

    def backward(self, gradient: Array) -> Array:
        """Zero the gradient, shape (n, m), where the input was not positive, in place."""
        return np.multiply(gradient, self._out > 0, out=gradient)
