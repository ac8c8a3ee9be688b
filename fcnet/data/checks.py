"""What images and labels must be, wherever they come from."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fcnet.text import counted

MIN_ROWS = 5  # of each class in the development part, so that the holdout gets at least one
MAX_FEATURES = 12_288  # 3 x 64 x 64: principal inputs of more would take many minutes and gigabytes
LARGEST_VALUE = 1e15  # of a floating image: normalised values stay finite in float32
TURN_OBJECTS = "save words with .astype(str), numbers with .astype(float)"

Rows = NDArray[Any]  # uint8 or float32, (n, n_features)
Part = tuple[Rows, NDArray[np.int64]]


def checked_parts(
    images: Sequence[NDArray[Any]],
    labels: Sequence[NDArray[Any]],
    names: Sequence[str],
    source: str,
    class_names: Sequence[str],
) -> tuple[Part, Part]:
    """Check a development and a test part, and bring them into the form of a data set.

    Parameters
    ----------
    images, labels : sequence of two ndarray
        Images (n, ...) of uint8 or finite floats and labels (n,) or (n, 1) in 0..K-1 of the development part,
        then of the test part.
    names : sequence of four str
        What images and labels of either part are called in messages.
    source : str
        What the data are called in messages.
    class_names : sequence of str
        K names.

    Returns
    -------
    tuple of (images, labels), twice
        Rows (n, n_features) of uint8 or float32, and int64 labels (n,).

    Raises
    ------
    ValueError
        One sentence that names the array and what is wrong with it.
    """
    development, test = (
        checked_part(images[i], labels[i], names[2 * i : 2 * i + 2], source, class_names, at_least=at_least)
        for i, at_least in enumerate((MIN_ROWS, 1))
    )
    if development[0].shape[1] != test[0].shape[1]:
        raise ValueError(
            f"{source} has {counted(development[0].shape[1], 'value')} per image in {names[0]}"
            f" but {test[0].shape[1]:,} in {names[2]}; make them equal"
        )
    if development[0].shape[1] > MAX_FEATURES:
        raise ValueError(
            f"{source} has {development[0].shape[1]:,} values per image, more than {MAX_FEATURES:,}:"
            " make the images smaller, or leave values out"
        )
    if development[0].dtype != test[0].dtype:
        raise ValueError(
            f"{source} mixes uint8 and floating images; save {names[0]} and {names[2]} as one type"
        )
    return development, test


def checked_part(
    images: NDArray[Any],
    labels: NDArray[Any],
    names: Sequence[str],
    source: str,
    class_names: Sequence[str],
    *,
    at_least: int,
) -> Part:
    """Check one part, which must hold so many rows of each class; see `checked_parts`."""
    check_shapes(images, labels, names, source)
    labels, n_classes = labels.ravel(), len(class_names)
    strange = labels[~np.isin(labels, np.arange(n_classes))]
    if len(strange):
        allowed = "0 or 1" if n_classes == 2 else f"a whole number from 0 to {n_classes - 1}"
        raise ValueError(f"{names[1]} in {source} holds {strange[0]}, but every label must be {allowed}")
    labels = labels.astype(np.int64)
    for label, count in enumerate(np.bincount(labels, minlength=n_classes)):
        if count < at_least:
            raise ValueError(
                f"{source} has {counted(count, 'row')} of class {class_names[label]} in {names[0]};"
                f" at least {at_least} {'is' if at_least == 1 else 'are'} needed"
            )
    return as_rows(images, f"{names[0]} in {source}"), labels


def check_shapes(images: NDArray[Any], labels: NDArray[Any], names: Sequence[str], source: str) -> None:
    """Refuse images and labels that are no such arrays, or no pair; see `checked_parts`."""
    check_shape(images, f"{names[0]} in {source}")
    if labels.ndim == 0 or labels.shape not in ((len(labels),), (len(labels), 1)):
        raise ValueError(f"{names[1]} in {source} has shape {labels.shape}, but it must be (images,)")
    if len(images) != len(labels):
        raise ValueError(
            f"{source} has {counted(len(images), 'row')} in {names[0]} but {len(labels):,} in {names[1]}"
        )


def check_shape(images: NDArray[Any], what: str) -> None:
    """Refuse images that are no array of rows; `what` is their name in the message."""
    if images.ndim < 2:
        raise ValueError(f"{what} has shape {images.shape}, but it must be (images, values)")
    if 0 in images.shape:
        lacking = "rows" if len(images) == 0 else "values"
        raise ValueError(f"{what} has shape {images.shape}, and so no {lacking}: save some in it")


def as_rows(images: NDArray[Any], what: str) -> Rows:
    """Turn images (n, ...) into rows (n, n_features) of uint8 or float32.

    Raises
    ------
    ValueError
        If they are no finite numbers; `what` is their name in the message.
    """
    rows = np.ascontiguousarray(images.reshape(len(images), -1))
    if rows.dtype == np.uint8:
        return rows
    if rows.dtype.kind not in "biuf":
        raise ValueError(f"{what} holds {rows.dtype}, but it must hold plain numbers")
    # NaN fails the comparison too. As Python's numbers: the largest value is infinite in float16.
    if not (float(rows.max()) <= LARGEST_VALUE and float(rows.min()) >= -LARGEST_VALUE):
        raise ValueError(f"{what} holds NaN, infinite or huge values; every value must be below 1e15 in size")
    return rows.astype(np.float32)


def shape_of_image(images: NDArray[Any], given: Sequence[int] | None = None) -> tuple[int, ...] | None:
    """Return the shape of one image: the given one, that of the array, or that of the assignment's rows.

    Raises
    ------
    ValueError
        If the given shape has another number of values than an image.
    """
    shape = images.shape[1:]
    if given is not None:
        if math.prod(given) != math.prod(shape):
            raise ValueError(f"image_shape is {tuple(given)}, but an image has {math.prod(shape)} values")
        return tuple(given)
    if len(shape) == 1:
        return (3, 32, 32) if shape[0] == 3 * 32 * 32 else None
    return shape
