"""A data set: images and labels with a fingerprint, its test part behind one door."""

import hashlib
import json
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fcnet.data.split import PROTOCOLS, Normalisation, Part, Split, holdout_rows

Images = NDArray[Any]  # uint8 or float32, (n, n_features)
Labels = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Dataset:
    """Raw images with labels, as given: a development part, and a test part that is opened once.

    Parameters
    ----------
    name : str
        What a person calls the data, such as ``"CIFAR-10 airplane/ship"``.
    images : ndarray of shape (n, n_features), uint8 or float32
        Development images, one per row.
    labels : ndarray of shape (n,), int64
        Class of each development image, from 0.
    class_names : tuple of str
        Name of each class, in the order of the labels.
    image_shape : tuple of int or None
        Channels, rows and columns of one image, if known.
    """

    name: str
    images: Images = field(repr=False)
    labels: Labels = field(repr=False)
    class_names: tuple[str, ...]
    image_shape: tuple[int, ...] | None
    _test: tuple[Images, Labels] = field(repr=False)

    @property
    def test_size(self) -> int:
        """Number of images in the test part."""
        return len(self._test[1])

    def open_test(self) -> tuple[Images, Labels]:
        """Open the test part: its images (n, n_features) and labels (n,).

        Only the final train may call this, once its parameters are chosen: a figure that was tuned on the
        test part says nothing about new images. The ``"report"`` protocol, which does just that, opens it.
        """
        return self._test

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256, in hex, of the shapes, types and bytes of all images and labels and of the class names."""
        digest = hashlib.sha256(json.dumps(self.class_names).encode())
        for array in (self.images, self.labels, *self._test):
            stored = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
            digest.update(f"|{stored.dtype.str}{stored.shape}".encode())
            digest.update(stored.data if stored.size else b"")
        return digest.hexdigest()

    def split(self, protocol: str = "holdout", *, seed: int = 0) -> Split:
        """Divide the data into what is trained on and what is validated on.

        Parameters
        ----------
        protocol : {"holdout", "report", "final"}, default="holdout"
            ``"holdout"``: a fifth of each class of the development part is kept for validation.
            ``"report"``: trained on the whole development part, validated on the test part; this is what the
            course report did, and its figures are too good because they were tuned on the test part.
            ``"final"``: trained on the whole development part, no validation.
        seed : int, default=0
            Draws the holdout, at least 0. The other protocols draw nothing.

        Returns
        -------
        Split
            Normalised rows; the normalisation is fitted on the training rows only.

        Raises
        ------
        ValueError
            If `protocol` is none of the three, or `seed` is negative.
        """
        if protocol not in PROTOCOLS:
            raise ValueError(f"protocol is {protocol!r}, but it must be one of {', '.join(PROTOCOLS)}")
        images, labels = self.images, self.labels
        held: tuple[Images, Labels] | None = None
        if protocol == "holdout":
            is_held = holdout_rows(labels, seed=seed)
            held = images[is_held], labels[is_held]
            images, labels = images[~is_held], labels[~is_held]
        elif protocol == "report":
            held = self.open_test()
        normalisation = Normalisation.fit(images)
        return Split(
            train=Part(normalisation.apply(images), labels),
            validation=None if held is None else Part(normalisation.apply(held[0]), held[1]),
            normalisation=normalisation,
            class_names=self.class_names,
            fingerprint=self.fingerprint,
            protocol=protocol,
            seed=seed,
        )
