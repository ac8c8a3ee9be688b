"""Inputs: principal axes of the training rows, as many as pay, whitened as far as pays, folded away later.

A linear map in front of a network can be multiplied into its first layer. So a training may see its rows in
other coordinates, and what is saved is the plain network on normalised rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import scipy  # loads a part when it is used
from numpy.typing import NDArray

from fcnet.hyperparameters import Hyperparameters

Array = NDArray[np.floating[Any]]

LEADING = 1024
"""So many axes are found for whoever asks for no more; on photographs they miss 0.04 % of the variance."""


@dataclass(frozen=True, eq=False)
class Axes:
    """Orthonormal directions of largest variance of the training rows and of their mirror images.

    Parameters
    ----------
    directions : ndarray of shape (n_features, n_axes), float32
        One direction per column, by falling variance; its largest entry is positive.
    variances : ndarray of shape (n_axes,), float64
        Mean square of the rows' coordinates.
    parity : ndarray of shape (n_axes,), int8
        1 where an image and its mirror image have the same coordinate, -1 where they have opposite ones; 0
        where rows are no images, and have no mirror images.
    """

    directions: NDArray[np.float32] = field(repr=False)
    variances: NDArray[np.float64] = field(repr=False)
    parity: NDArray[np.int8] = field(repr=False)

    @classmethod
    def fit(cls, x: Array, image_shape: Sequence[int] | None, *, n_axes: int) -> Self:
        """Find the axes of normalised rows.

        They are the eigenvectors of ``C = x' x / n``, averaged with its mirror image. That average commutes
        with mirroring, so that every axis is symmetric or antisymmetric. Its two halves are found apart,
        each an eighth of the work, and the mirror image of a row in these coordinates is the row with the
        signs `parity`.

        Parameters
        ----------
        x : ndarray of shape (n, n_features)
            Normalised training rows, of mean 0.
        image_shape : sequence of int or None
            Channels, rows and columns of an image, if rows are images; they are mirrored along the last.
        n_axes : int
            How many at most; axes without variance are left out, as with fewer rows than features.

        Returns
        -------
        Axes
        """
        n_features = x.shape[1]
        # Leading axes are well determined in float32; the last of them all are not.
        dtype = np.float32 if n_axes <= LEADING < n_features else np.float64
        found = [(basis, *_eigen(basis.of(x), dtype)) for basis in _bases(n_features, image_shape)]
        variances = np.concatenate([values for _, values, _ in found])
        order = np.argsort(-variances, kind="stable")
        order = order[variances[order] > np.finfo(dtype).eps * variances.sum()][:n_axes]
        n_found, first = max(1, len(order)), 0
        directions, parity = np.zeros((n_features, n_found), np.float32), np.zeros(n_found, np.int8)
        for basis, values, vectors in found:
            (places,) = np.nonzero((first <= order) & (order < first + len(values)))
            chosen = basis.back(vectors[:, order[places] - first].astype(np.float32))
            largest = np.abs(chosen).argmax(axis=0)
            chosen *= np.where(chosen[largest, np.arange(len(places))] < 0, -1, 1).astype(np.float32)
            directions[:, places], parity[places] = chosen, basis.parity
            first += len(values)
        # Rows that are all the same have no axis; one without variance stands for them.
        return cls(directions, variances[order] if len(order) else np.zeros(1), parity)

    def __len__(self) -> int:
        return len(self.variances)

    def project(self, x: Array) -> Array:
        """Return the coordinates, shape (n, n_axes), of rows, shape (n, n_features)."""
        return np.asarray(x @ self.directions)

    def scale(self, components: int, whitening: float) -> NDArray[np.float64]:
        """Return what each of the first coordinates is multiplied by, shape (at most components,).

        ``(l_i / mean(l_1, ..., l_c)) ** (-whitening / 2)`` with the variances l: 0 leaves them as they are, 1
        makes them equally strong.
        """
        variances = np.maximum(self.variances[:components], np.finfo(float).tiny)
        return np.asarray((variances / variances.mean()) ** (-0.5 * whitening))


class _Basis:
    """The coordinates in which rows are even, or odd, under mirroring; or the rows' own."""

    def __init__(self, image_shape: Sequence[int] | None, parity: int) -> None:
        self._shape, self.parity = image_shape, parity

    def of(self, x: Array) -> Array:
        """Return the coordinates of rows, shape (n, n_features)."""
        if self._shape is None:
            return x
        half, planes = self._shape[-1] // 2, x.reshape(len(x), -1, self._shape[-1])
        left, right = planes[..., :half], planes[..., : -half - 1 : -1]
        sides = (left + self.parity * right) * np.asarray(np.sqrt(0.5), x.dtype)
        if self.parity == 1 and self._shape[-1] % 2:
            sides = np.concatenate([sides, planes[..., half : half + 1]], axis=2)
        return np.asarray(sides.reshape(len(x), -1))

    def back(self, vectors: Array) -> Array:
        """Return directions, shape (n_features, n), of vectors of coordinates, shape (n_coordinates, n)."""
        if self._shape is None:
            return vectors
        width, (_, n) = self._shape[-1], vectors.shape
        half, middle = width // 2, self.parity == 1 and width % 2
        planes = vectors.reshape(-1, half + middle, n)
        sides = planes[:, :half] * np.asarray(np.sqrt(0.5), vectors.dtype)
        centre = planes[:, half:] if middle else np.zeros((len(planes), width % 2, n), vectors.dtype)
        whole = np.concatenate([sides, centre, self.parity * sides[:, ::-1]], axis=1)
        return np.asarray(whole.reshape(-1, n))


def _bases(n_features: int, image_shape: Sequence[int] | None) -> list[_Basis]:
    if image_shape is None:
        return [_Basis(None, 0)]
    return [_Basis(image_shape, 1), *([_Basis(image_shape, -1)] if image_shape[-1] > 1 else [])]


def _eigen(x: Array, dtype: Any) -> tuple[NDArray[np.float64], Array]:
    """Return the variances of rows along their principal axes, and these as columns."""
    x = x.astype(dtype, copy=False)
    values, vectors = scipy.linalg.eigh(x.T @ x / len(x), driver="evd", overwrite_a=True, check_finite=False)
    return np.maximum(values.astype(np.float64), 0.0), vectors


def n_axes(hyperparameters: Hyperparameters, n_features: int) -> int:
    """Return how many axes a training needs to be found; 0 where it takes the rows as they are."""
    components = min(hyperparameters.components or n_features, n_features)
    if components == n_features and hyperparameters.whitening == 0:
        return 0
    return min(LEADING, n_features) if components <= LEADING else n_features


def mirrored(x: Array, image_shape: Sequence[int]) -> Array:
    """Return the mirror images of rows, shape (n, n_features), as a new array."""
    planes = x.reshape(len(x), -1, image_shape[-1])
    return np.ascontiguousarray(planes[..., ::-1]).reshape(x.shape)
