"""A data set: images and labels with a fingerprint, its test part behind one door."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fcnet.data import labels as label_words
from fcnet.data.checks import TURN_OBJECTS, check_shapes, checked_part, checked_parts, shape_of_image
from fcnet.data.form import Form
from fcnet.data.holdout import FOLDS, holdout_rows, test_rows
from fcnet.data.split import PROTOCOLS, Normalisation, Part, Split
from fcnet.metrics import Metric
from fcnet.scores import effective_rows

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
    form : TableForm, ImageForm or None
        How rows came from files, if these were no plain arrays; see `fcnet.data.form`.
    """

    name: str
    images: Images = field(repr=False)
    labels: Labels = field(repr=False)
    class_names: tuple[str, ...]
    image_shape: tuple[int, ...] | None
    _test: tuple[Images, Labels] = field(repr=False)
    form: Form | None = None

    @classmethod
    def from_arrays(
        cls,
        images: ArrayLike,
        labels: ArrayLike,
        test_images: ArrayLike | None = None,
        test_labels: ArrayLike | None = None,
        *,
        class_names: Sequence[str] | None = None,
        name: str = "arrays",
        image_shape: Sequence[int] | None = None,
    ) -> Self:
        """Make a data set of arrays; they are checked as those of files are.

        Parameters
        ----------
        images, test_images : array-like of shape (n, ...), uint8 or finite floats
            Development and test images. Arrays of uint8 are not copied: leave them as they are. Without a
            test part a fifth of each class is set aside as one.
        labels, test_labels : array-like of shape (n,) or (n, 1)
            Class of each image: whole numbers or words, at least five of each in the development part. With
            `class_names`, 0 to K - 1.
        class_names : sequence of str, default: the labels as text, numbers by size, words by the alphabet
            K different names, at least two.
        name : str, default="arrays"
            What messages and figures call the data.
        image_shape : sequence of int, default: that of the arrays
            Channels, rows and columns of one image.

        Returns
        -------
        Dataset

        Raises
        ------
        ValueError
            If the arrays are not of this form; the message names the array and what is wrong with it.

        Examples
        --------
        >>> import numpy as np
        >>> from fcnet import Dataset
        >>> images, labels = np.random.default_rng(0).normal(size=(60, 4)), np.arange(60) % 2
        >>> data = Dataset.from_arrays(images[:50], labels[:50], images[50:], labels[50:], name="noise")
        >>> data.images.shape, data.test_size, data.class_names
        ((50, 4), 10, ('0', '1'))
        >>> words = np.array(["no", "yes", "perhaps"])[np.arange(60) % 3]
        >>> data = Dataset.from_arrays(images, words)  # a fifth is set aside
        >>> data.images.shape, data.test_size, data.class_names
        ((48, 4), 12, ('no', 'perhaps', 'yes'))
        >>> Dataset.from_arrays(images[:50], labels[:49], images[50:], labels[50:])
        Traceback (most recent call last):
        ValueError: arrays has 50 rows in images but 49 in labels
        """
        given = {
            "images": images,
            "labels": labels,
            "test_images": test_images,
            "test_labels": test_labels,
        }
        arrays = {which: np.asarray(values) for which, values in given.items() if values is not None}
        if len(arrays) == 3:
            raise ValueError(f"{name} needs test_images and test_labels, or neither")
        for which, values in arrays.items():
            kinds = "biuf" if which.endswith("images") or class_names is not None else "biufUS"
            if values.dtype.kind == "O":
                raise ValueError(f"{which} in {name} holds object: {TURN_OBJECTS}")
            if values.dtype.kind not in kinds:
                raise ValueError(f"{which} in {name} holds {values.dtype}, but it must hold plain numbers")
        return cls.assemble(
            list(arrays.values()), list(arrays), name, class_names=class_names, image_shape=image_shape
        )

    @classmethod
    def assemble(
        cls,
        arrays: Sequence[NDArray[Any]],
        names: Sequence[str],
        source: str,
        *,
        class_names: Sequence[str] | None = None,
        image_shape: Sequence[int] | None = None,
        form: Form | None = None,
    ) -> Self:
        """Make a data set of images and labels, or of these and a test part's, for whoever reads files.

        Parameters
        ----------
        arrays : sequence of two or four ndarray
        names : sequence of str
            What each array is called in messages.
        source : str
            The name of the data.
        class_names, image_shape
            See `from_arrays`.
        form : TableForm or ImageForm, optional

        Raises
        ------
        ValueError
            If the arrays are not of this form.
        """
        images, labels = list(arrays[::2]), list(arrays[1::2])
        for i, (rows, of_rows) in enumerate(zip(images, labels, strict=True)):
            check_shapes(rows, of_rows, names[2 * i : 2 * i + 2], source)
        if class_names is None:
            class_names, labels = label_words.encode(labels, names[1::2], source)
        elif len(class_names) < 2 or len({*class_names}) < len(class_names):
            raise ValueError(f"class_names is {class_names!r}, but it must be two or more different names")
        assert class_names is not None
        if len(images) == 1:
            checked = checked_part(images[0], labels[0], names[:2], source, class_names, at_least=1)
            is_test = test_rows(checked[1], class_names, source)
            images = [images[0][~is_test], images[0][is_test]]
            labels = [checked[1][~is_test], checked[1][is_test]]
            names = [*names, *names]
        development, test = checked_parts(images, labels, names, source, class_names)
        shape = shape_of_image(images[0], image_shape)
        return cls(source, *development, tuple(class_names), shape, _test=test, form=form)

    @property
    def are_images(self) -> bool:
        """Whether an image has rows and columns, so that it can be mirrored."""
        return self.image_shape is not None and len(self.image_shape) in (2, 3)

    @property
    def test_size(self) -> int:
        """Number of images in the test part."""
        return len(self._test[1])

    def effective_test_size(self, metric: Metric) -> int:
        """Return the number of test images that a score is as certain as, see `fcnet.scores`."""
        return effective_rows(metric, self._test[1])

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

    def split(self, protocol: str = "holdout", *, seed: int = 0, fold: int = 0) -> Split:
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
        fold : int, default=0
            Which fifth is held out: the folds 0 to 4 of one seed hold every development image once.

        Returns
        -------
        Split
            Normalised rows; the normalisation is fitted on the training rows only.

        Raises
        ------
        ValueError
            If `protocol` is none of the three, `seed` is negative or `fold` is not from 0 to 4.

        Examples
        --------
        >>> import numpy as np
        >>> from fcnet import Dataset
        >>> images, labels = np.random.default_rng(0).normal(size=(60, 4)), np.arange(60) % 2
        >>> data = Dataset.from_arrays(images[:50], labels[:50], images[50:], labels[50:])
        >>> split = data.split(seed=1)
        >>> len(split.train.x), len(split.validation.x)
        (40, 10)
        >>> len(data.split("final").train.x)
        50
        """
        if protocol not in PROTOCOLS:
            raise ValueError(f"protocol is {protocol!r}, but it must be one of {', '.join(PROTOCOLS)}")
        if not 0 <= fold < FOLDS:
            raise ValueError(f"fold is {fold}, but it must be from 0 to {FOLDS - 1}")
        images, labels = self.images, self.labels
        held: tuple[Images, Labels] | None = None
        if protocol == "holdout":
            is_held = holdout_rows(labels, seed=seed, fold=fold)
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
            image_shape=self.image_shape if self.are_images else None,
            form=self.form,
        )
