"""The forms of files whose rows are no plain arrays: how each was turned into numbers, and new ones will be.

A model keeps its form, so that it predicts from files like those that it was trained on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Annotated, Literal

import msgspec
import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray

from fcnet.data.checks import LARGEST_VALUE
from fcnet.errors import UserError


@dataclass(frozen=True, eq=False)
class Cells:
    """What a column of a table holds.

    Parameters
    ----------
    values : ndarray of shape (n,), float64, or None
        Its numbers, NaN where one is missing; None for words.
    words : sequence of str
        Its different words.
    codes : ndarray of shape (n,), int64
        Place of each row's word among them, -1 where it is missing.
    """

    values: NDArray[np.float64] | None = field(default=None, repr=False)
    words: Sequence[str] = ()
    codes: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64), repr=False)

    @property
    def missing(self) -> int:
        """Number of rows without a value."""
        return int(np.sum(self.codes < 0) if self.values is None else np.isnan(self.values).sum())


class Column(Struct, frozen=True, omit_defaults=True):
    """A column of a table: a number as it is, or one value per word, 1 where the row has it and else 0.

    Parameters
    ----------
    name : str
    words : tuple of str, optional
        Those of the development rows, by the alphabet; a number has none. Other words, and missing ones where
        they are allowed, have 0 in every value.
    median : float, optional
        Of the development rows, instead of a missing number; None where missing values are refused.
    """

    name: str
    words: tuple[str, ...] | None = None
    median: float | None = None


class TableForm(Struct, frozen=True, tag="table"):
    """Rows of a table: its columns side by side, see `Column`.

    Parameters
    ----------
    columns : tuple of Column
        All but that of the labels.
    impute : bool
        Whether missing values were, and will be, filled.
    """

    columns: tuple[Column, ...]
    impute: bool = False

    @property
    def n_features(self) -> int:
        """Number of values that a row becomes."""
        return sum(1 if column.words is None else len(column.words) for column in self.columns)

    def encode(self, cells: Mapping[str, Cells], n: int, source: str) -> tuple[NDArray[np.float32], int]:
        """Turn columns of `n` rows into numbers; other columns are left alone.

        Returns
        -------
        rows : ndarray of shape (n, n_features), float32
        n_unknown : int
            How many words in them the development rows did not have.

        Raises
        ------
        UserError
            If a column is missing, or values are where that is refused; `source` is for the message.
        """
        absent = [column.name for column in self.columns if column.name not in cells]
        if absent:
            raise UserError(
                f"{source} lacks {listed(absent)}: the model needs every column that it was trained on"
            )
        if not self.impute:
            refuse_missing(
                {column.name: cells[column.name] for column in self.columns},
                source,
                "fill them in, for the model was trained on rows without any",
            )
        rows, place, n_unknown = np.zeros((n, self.n_features), np.float32), 0, 0
        for column in self.columns:
            cell = cells[column.name]
            if column.words is None:
                values = cell.values if cell.values is not None else np.full(n, np.nan)
                rows[:, place] = np.where(np.isnan(values), column.median or 0.0, values)
                place += 1
                continue
            known = {word: i for i, word in enumerate(column.words)}
            # Behind the last word stands "missing", at -1.
            found = np.array([known.get(word, -1) for word in cell.words] + [-1], np.int64)[cell.codes]
            n_unknown += int(np.sum((found < 0) & (cell.codes >= 0)))
            (has,) = np.nonzero(found >= 0)
            rows[has, place + found[has]] = 1.0
            place += len(column.words)
        return rows, n_unknown


class ImageForm(Struct, frozen=True, tag="images"):
    """Image files, brought to one size and to one kind of pixels.

    Parameters
    ----------
    shape : tuple of int
        Channels (1 grey, 3 colour), rows and columns.
    bits : {8, 16}
        Of a value: 0 to 255, or 0 to 65,535.
    """

    shape: tuple[Literal[1, 3], Annotated[int, Meta(ge=1)], Annotated[int, Meta(ge=1)]]
    bits: Literal[8, 16]

    @property
    def n_features(self) -> int:
        """Number of values of an image."""
        return prod(self.shape)


Form = TableForm | ImageForm
msgspec.json.Decoder(Form)  # learns the kinds now: msgspec crashes where two threads do so at once


def form_text(form: Form) -> str:
    """Return a form as JSON."""
    return msgspec.json.encode(form).decode()


def form_from(text: str) -> Form:
    """Read a form from JSON.

    Raises
    ------
    ValueError
        If it is none.
    """
    try:
        found: Form = msgspec.json.decode(text, type=Form)
    except (msgspec.MsgspecError, UnicodeEncodeError, TypeError) as error:
        raise ValueError(f"no form of files: {error}") from error
    if isinstance(found, TableForm) and len({column.name for column in found.columns}) < len(found.columns):
        raise ValueError("a form with the same column twice")
    return found


def fit(cells: Mapping[str, Cells], is_development: NDArray[np.bool_], *, impute: bool) -> TableForm:
    """Find the form of a table from its development rows; `cells` are all columns but the labels."""
    columns = []
    for name, cell in cells.items():
        if cell.values is None:
            present = np.unique(cell.codes[is_development])
            columns.append(Column(name, words=tuple(sorted(cell.words[i] for i in present if i >= 0))))
        else:
            values = cell.values[is_development]
            known = values[~np.isnan(values)]
            median = float(np.median(known)) if impute and len(known) else None
            columns.append(Column(name, median=median))
    return TableForm(tuple(columns), impute)


def refuse_missing(cells: Mapping[str, Cells], source: str, advice: str) -> None:
    """Refuse missing values, counted per column; `advice` ends the sentence.

    Raises
    ------
    UserError
        If there are any.
    """
    found = {name: cell.missing for name, cell in cells.items() if cell.missing}
    if found:
        counts = listed([f"{name} {n:,}" for name, n in sorted(found.items(), key=lambda item: -item[1])])
        raise UserError(f"{source} has missing values ({counts}): {advice}")


def refuse_huge(cells: Mapping[str, Cells], source: str) -> None:
    """Refuse numbers that are infinite, or would be in computations.

    Raises
    ------
    UserError
        If there are any; it names the first column.
    """
    for name, cell in cells.items():
        if cell.values is not None:
            huge = cell.values[np.abs(cell.values) > LARGEST_VALUE]
            if len(huge):
                raise UserError(
                    f"the column {name} of {source} holds {huge[0]:g}, but every number must be below 1e15 in"
                    " size: mend it"
                )


def listed(names: Sequence[str]) -> str:
    """Return names as words, the first ten of them."""
    more = len(names) - 10
    return ", ".join(names[:10]) + (f" and {more} more" if more > 0 else "")
