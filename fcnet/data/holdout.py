"""Which rows are held back: for validation, and as test part of data that bring none."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fcnet.text import counted

FOLDS = 5
"""Parts of equal size into which the development rows are divided; one of them is held out."""
MIN_ROWS_TO_DIVIDE = 6  # of a class: one for the test part leaves five
_SPLIT_STREAM = 0x5911  # keeps the split's random stream apart from those of weights and shuffling
_TEST_STREAM = 0x7E57  # keeps that of a test part apart from those of all splits of the rest


def test_rows(labels: NDArray[np.int64], class_names: Sequence[str], source: str) -> NDArray[np.bool_]:
    """Choose a fifth of each class for the test part of data that have none, as a mask of shape (n,).

    Raises
    ------
    ValueError
        If a class has fewer than six rows; `source` is what the message calls the data.
    """
    counts = np.bincount(labels, minlength=len(class_names))
    if counts.min() < MIN_ROWS_TO_DIVIDE:
        rare = int(counts.argmin())
        raise ValueError(
            f"{source} has {counted(counts[rare], 'row')} of class {class_names[rare]}; at least"
            f" {MIN_ROWS_TO_DIVIDE} are needed of each class, a fifth of which is set aside as test part"
        )
    return holdout_rows(labels, seed=0, stream=_TEST_STREAM)


def holdout_rows(
    labels: NDArray[np.int64], *, seed: int, fold: int = 0, stream: int = _SPLIT_STREAM
) -> NDArray[np.bool_]:
    """Choose a fifth of each class, for validation where nothing else is said, as a mask of shape (n,).

    Each row is in one of `FOLDS` folds.
    """
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(stream,)))
    is_held = np.zeros(len(labels), dtype=np.bool_)
    for label in np.unique(labels):
        rows = rng.permutation(np.flatnonzero(labels == label))
        start, stop = (round(k * len(rows) / FOLDS) for k in (fold, fold + 1))
        is_held[rows[start:stop]] = True
    return is_held
