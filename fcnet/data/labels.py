"""Labels of any kind: whole numbers or words, as classes 0 to K - 1 with names."""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

MAX_CLASSES = 1_000
_WHOLE = re.compile(r"[+-]?\d{1,15}")
_NO_CLASSES = "the program tells classes apart and predicts no quantities"


def encode(
    labels: Sequence[NDArray[Any]], names: Sequence[str], source: str
) -> tuple[tuple[str, ...], list[NDArray[np.int64]]]:
    """Number the classes of a development part, and of the test part if there is one.

    Parameters
    ----------
    labels : sequence of one or two ndarray
        Whole numbers, truth values or text, of any shape.
    names : sequence of str
        What the arrays are called in messages.
    source : str
        What the data are called in messages.

    Returns
    -------
    class_names : tuple of str
        The different labels of the development part, numbers by size, words by the alphabet.
    codes : list of ndarray of int64
        0 to K - 1, shaped as the labels.

    Raises
    ------
    ValueError
        One sentence: a label that is no class, a label that only the test part has, one class alone.
    """
    words, inverse = _words(labels[0], names[0], source)
    if len(words) < 2:
        raise ValueError(
            f"{names[0]} in {source} holds one class only{f', {words[0]!r}' if words else ''};"
            " at least two are needed"
        )
    if len(words) > MAX_CLASSES:
        raise ValueError(
            f"{names[0]} in {source} holds {len(words):,} different labels, more than {MAX_CLASSES:,}:"
            f" {_NO_CLASSES}"
        )
    order = sorted(range(len(words)), key=lambda i: _rank(words[i], words))
    code_of = {words[i]: code for code, i in enumerate(order)}
    codes = [np.array([code_of[word] for word in words], np.int64)[inverse]]
    for array, name in zip(labels[1:], names[1:], strict=True):
        others, inverse = _words(array, name, source)
        for word in others:
            if word not in code_of:
                raise ValueError(f"{name} in {source} holds {word}, a class that {names[0]} does not have")
        codes.append(np.array([code_of[word] for word in others], np.int64)[inverse])
    return tuple(code_of), codes


def _words(labels: NDArray[Any], name: str, source: str) -> tuple[list[str], NDArray[np.intp]]:
    """Return the different labels as text, and the place of each label among them."""
    if labels.dtype.kind not in "biufUS":
        raise ValueError(f"{name} in {source} holds {labels.dtype}, but labels must be numbers or words")
    values, inverse = np.unique(labels, return_inverse=True)
    if labels.dtype.kind == "f":
        odd = values[~(np.isfinite(values) & (values == np.floor(values)) & (np.abs(values) < 1e15))]
        if len(odd):
            raise ValueError(
                f"{name} in {source} holds {odd[0]}, but a label must be a whole number or a word:"
                f" {_NO_CLASSES}"
            )
        values = values.astype(np.int64)
    text = [
        v.decode("utf-8", "replace") if isinstance(v, bytes) else str(v) for v in values[: MAX_CLASSES + 1]
    ]
    return text + [""] * (len(values) - len(text)), inverse.reshape(labels.shape)


def _rank(word: str, words: Sequence[str]) -> tuple[int, str]:
    return (int(word), word) if all(map(_WHOLE.fullmatch, words)) else (0, word)
