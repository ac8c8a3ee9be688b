"""What one training sees: normalised training and validation rows, on disk or in memory."""

import contextlib
import json
import os
import weakref
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from fcnet.data.form import Form, form_from, form_text
from fcnet.data.holding import hold
from fcnet.errors import UserError
from fcnet.inputs import Axes

PROTOCOLS = ("holdout", "report", "final")
FORMAT = 3  # of a prepared folder, and of the numbers in it: raise it when either changes
ABOUT = "split.json"  # in a prepared folder: what it holds
_ROWS_AT_ONCE = 1024


@dataclass(frozen=True, eq=False)
class Normalisation:
    """Maps raw images to rows of mean 0 and standard deviation 1 per feature, as seen in the training part.

    Parameters
    ----------
    mean, scale : ndarray of shape (n_features,), float32
        Mean and standard deviation of each feature; the scale of a constant feature is 1.
    """

    mean: NDArray[np.float32] = field(repr=False)
    scale: NDArray[np.float32] = field(repr=False)

    @classmethod
    def fit(cls, images: NDArray[Any]) -> Self:
        """Measure images of shape (n, n_features); sums are float64."""
        mean = images.mean(axis=0, dtype=np.float64)
        variance = np.zeros_like(mean)
        for start in range(0, len(images), _ROWS_AT_ONCE):  # two passes: no cancellation, little memory
            variance += np.square(images[start : start + _ROWS_AT_ONCE] - mean).sum(axis=0)
        scale = np.sqrt(variance / len(images))
        # A spread that float32 cannot tell from none is rounding; dividing by it would blow up new images.
        constant = scale <= np.maximum(np.finfo(np.float32).eps * np.abs(mean), 1e-15)
        return cls(mean.astype(np.float32), np.where(constant, 1.0, scale).astype(np.float32))

    def apply(self, images: NDArray[Any]) -> NDArray[np.float32]:
        """Normalise images of shape (n, n_features) into new C-contiguous float32 rows.

        Raises
        ------
        ValueError
            If the number of features differs from that of the training part.
        """
        if images.ndim != 2 or images.shape[1] != len(self.mean):
            raise ValueError(f"images has shape {images.shape}, but it must be (n, {len(self.mean)})")
        rows = np.array(images, dtype=np.float32, order="C")
        rows -= self.mean
        rows /= self.scale
        return rows


@dataclass(frozen=True, eq=False)
class Part:
    """Normalised rows with their labels.

    Parameters
    ----------
    x : ndarray of shape (n, n_features), float32, C-contiguous
        One normalised image per row.
    labels : ndarray of shape (n,), int64
        Class of each row, from 0.
    """

    x: NDArray[np.float32] = field(repr=False)
    labels: NDArray[np.int64] = field(repr=False)


@dataclass(frozen=True, eq=False)
class Split:
    """Training and validation part of a data set.

    Parameters
    ----------
    train : Part
        What is trained on.
    validation : Part or None
        What decides; None for the final train. With protocol ``"report"`` this is the test part, so that
        every figure made from it must say so.
    normalisation : Normalisation
        Fitted on the training part; already applied to both parts.
    class_names : tuple of str
        Name of each class, in the order of the labels.
    fingerprint : str
        Fingerprint of the whole data set.
    protocol : {"holdout", "report", "final"}
        How the parts were chosen.
    seed : int
        Seed that drew the holdout.
    image_shape : tuple of int or None
        Channels, rows and columns of one image, if rows are images that can be mirrored.
    form : TableForm, ImageForm or None
        How rows come from files, if these are no plain arrays.
    axes : Axes or None
        Where rows are given by their coordinates along these, see `principal`.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from fcnet import Split, load
    >>> split = load("synthetic").split(seed=1)
    >>> split.train.x.shape, split.validation.x.shape
    ((8000, 3072), (2000, 3072))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     split.save(Path(folder))
    ...     Split.open(Path(folder)).fingerprint == split.fingerprint
    True
    """

    train: Part
    validation: Part | None
    normalisation: Normalisation
    class_names: tuple[str, ...]
    fingerprint: str
    protocol: str
    seed: int
    image_shape: tuple[int, ...] | None = None
    form: Form | None = None
    axes: Axes | None = field(default=None, repr=False)
    _principal: dict[int, Self] = field(default_factory=dict, repr=False)

    @property
    def n_features(self) -> int:
        """Number of values of a raw row."""
        return len(self.normalisation.mean)

    def principal(self, n_axes: int) -> Self:
        """Return this split with its rows in the principal axes of its training rows, found once.

        Parameters
        ----------
        n_axes : int
            How many axes at most; 0 returns the split as it is.

        Returns
        -------
        Split
            `validation` is projected on axes in which it has no part.

        Raises
        ------
        ValueError
            If 0 axes are asked for and the rows are given in axes already.
        """
        if self.axes is not None and n_axes == 0:
            raise ValueError("these rows are given in principal axes, but the rows themselves are needed")
        if self.axes is not None or n_axes == 0:
            return self
        if n_axes not in self._principal:
            axes = Axes.fit(self.train.x, self.image_shape, n_axes=n_axes)
            projected = [
                None if part is None else Part(axes.project(part.x), part.labels)
                for part in (self.train, self.validation)
            ]
            assert projected[0] is not None
            self._principal[n_axes] = replace(
                self, train=projected[0], validation=projected[1], axes=axes, _principal={}
            )
        return self._principal[n_axes]

    def _arrays(self) -> Iterator[tuple[str, NDArray[Any]]]:
        yield "train_x", self.train.x
        yield "train_labels", self.train.labels
        if self.validation is not None:
            yield "validation_x", self.validation.x
            yield "validation_labels", self.validation.labels
        yield "mean", self.normalisation.mean
        yield "scale", self.normalisation.scale
        if self.axes is not None:
            yield "directions", self.axes.directions
            yield "variances", self.axes.variances
            yield "parity", self.axes.parity

    def save(self, folder: Path) -> None:
        """Write the split into an existing empty folder, flushed to disk; `open` reads it back."""
        shapes = {}
        for name, array in self._arrays():
            with (folder / f"{name}.npy").open("wb") as file:
                np.save(file, array, allow_pickle=False)
                _flush(file.fileno())
            shapes[name] = list(array.shape)
        about = {
            "format": FORMAT,
            "class_names": self.class_names,
            "fingerprint": self.fingerprint,
            "protocol": self.protocol,
            "seed": self.seed,
            "image_shape": self.image_shape,
            "form": None if self.form is None else form_text(self.form),
            "shapes": shapes,
        }
        with (folder / ABOUT).open("w", encoding="utf-8") as text:
            json.dump(about, text, indent=2)
            text.flush()
            _flush(text.fileno())

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open a prepared folder; the arrays are read-only memory maps, one copy for all who open it.

        The cache does not drop the folder as long as the split exists.

        Raises
        ------
        UserError
            If the folder is missing, incomplete or of another format.
        """
        try:
            with contextlib.ExitStack() as undo:
                undo.callback(os.close, hold(path / ABOUT))
                about = json.loads((path / ABOUT).read_text(encoding="utf-8"))
                if about["format"] != FORMAT:
                    raise ValueError("another format")
                arrays = {name: _map(path / f"{name}.npy", shape) for name, shape in about["shapes"].items()}
                validation = None
                if "validation_x" in arrays:
                    validation = Part(arrays["validation_x"], arrays["validation_labels"])
                axes = None
                if "directions" in arrays:
                    axes = Axes(arrays["directions"], arrays["variances"], arrays["parity"])
                shape = about["image_shape"]
                split = cls(
                    train=Part(arrays["train_x"], arrays["train_labels"]),
                    validation=validation,
                    normalisation=Normalisation(arrays["mean"], arrays["scale"]),
                    class_names=tuple(about["class_names"]),
                    fingerprint=about["fingerprint"],
                    protocol=about["protocol"],
                    seed=about["seed"],
                    image_shape=None if shape is None else tuple(shape),
                    form=None if about["form"] is None else form_from(about["form"]),
                    axes=axes,
                )
                weakref.finalize(split, undo.pop_all().close)
                return split
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise UserError(
                f"the prepared data in {path} cannot be used ({error}); delete that folder and start again"
            ) from error


def _flush(descriptor: int) -> None:
    os.fsync(descriptor)


def _map(file: Path, shape: list[int]) -> NDArray[Any]:
    array = np.load(file, mmap_mode="r", allow_pickle=False)  # fails where the file is shorter than it says
    if list(array.shape) != shape:
        raise ValueError(f"{file.name} has another shape than stated")
    loaded: NDArray[Any] = array
    return loaded
