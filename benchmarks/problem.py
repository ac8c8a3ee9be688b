"""The problem that every competitor is given: the same rows in memory, the same widths, a place to start."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from fcnet.data import Part, Split
from fcnet.hyperparameters import Hyperparameters

Rows = NDArray[np.float32]  # (n, n_features)
Classes = NDArray[np.int64]  # (n,), 0 or 1


def in_memory(split: Split, n_rows: int | None = None, n_features: int | None = None) -> Split:
    """Copy a split from its memory map, or the first rows and features of both of its parts."""
    assert split.validation is not None

    def copy(part: Part) -> Part:
        return Part(np.array(part.x[:n_rows, :n_features], order="C"), np.array(part.labels[:n_rows]))

    axes = split.axes if n_features is None else None
    return replace(split, train=copy(split.train), validation=copy(split.validation), axes=axes)


def arrays(split: Split) -> tuple[Rows, Classes, Rows, Classes]:
    """Training rows, their classes, validation rows, their classes."""
    assert split.validation is not None
    return split.train.x, split.train.labels, split.validation.x, split.validation.labels


def layer_sizes(split: Split, hyperparameters: Hyperparameters) -> list[int]:
    """Widths from the inputs to the single output: one linear layer between each two."""
    return [split.train.x.shape[1], *[hyperparameters.hidden_units] * (hyperparameters.n_layers - 1), 1]


def he_normal(sizes: Sequence[int], *, seed: int) -> list[Rows]:
    """Draw weights, each of shape (fan_in, fan_out), for the peers that bring no such initialisation."""
    rng = np.random.default_rng(seed)
    return [
        rng.standard_normal((fan_in, fan_out), dtype=np.float32) * np.float32(np.sqrt(2 / fan_in))
        for fan_in, fan_out in pairwise(sizes)
    ]
