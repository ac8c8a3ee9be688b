"""Tables as data: one column holds the classes, the others become numbers by a rule that a model keeps."""

from collections.abc import Callable
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from fcnet.data.arrow import MAX_CELLS, Kind, Table, read_table
from fcnet.data.checks import MAX_FEATURES, as_rows
from fcnet.data.dataset import Dataset
from fcnet.data.form import Cells, TableForm, fit, refuse_missing
from fcnet.data.holdout import test_rows
from fcnet.data.labels import MAX_CLASSES, encode
from fcnet.data.reading import Reading, set_aside
from fcnet.errors import UsageError, UserError

MAX_WORDS = 1_000  # of a column
MAX_LETTERS = 1_000  # of a label: an array of text takes the longest one's memory for each


def read(file: BinaryIO, name: str, reading: Reading, say: Callable[[str], None]) -> Dataset:
    """Read a table that is open at its start; `name` is for messages.

    A fifth of each class is set aside as test part. The form of the other columns, which words they have and
    what their medians are, is found in the rest.

    Raises
    ------
    UserError
        If the table cannot be used.
    """
    reading.refuse(name, "a table", image_size=True, skip_damaged=True)
    table = read_table(file, name)
    for notice in table.notices:
        say(notice)
    label = _label(table, reading, name, say)
    cells = {column: cell for column, cell in table.cells.items() if column != label}
    if lacking := table.cells[label].missing:
        raise UserError(
            f"{name} lacks {lacking:,} {'label' if lacking == 1 else 'labels'} in the column {label}: fill"
            " them in, or leave these rows out"
        )
    if not cells:
        raise UserError(f"{name} has no column besides {label}, that of the labels")
    if reading.impute is None:
        refuse_missing(cells, name)
    many = [(len(cell.words), column) for column, cell in cells.items() if len(cell.words) > MAX_WORDS]
    if many:
        n, column = max(many)
        raise UserError(
            f"the column {column} of {name} holds {n:,} different words, more than {MAX_WORDS:,}: leave"
            " it out of the file if it only names the rows, else turn it into numbers or fewer words"
        )
    what = (f"the columns of {name}", f"the column {label}")
    try:
        class_names, codes = _classes(table.cells[label], what[1], name)
        is_test = test_rows(codes, class_names, name)
        form = fit(cells, ~is_test, impute=reading.impute is not None)
        _bound(form, table, name)
        rows, _ = form.encode(cells, table.n_rows, name)
        parts = [array[part] for part in (~is_test, is_test) for array in (rows, codes)]
        dataset = Dataset.assemble(parts, what * 2, name, class_names=class_names, form=form)
    except ValueError as error:
        raise UserError(" ".join(str(error).split())) from error
    say(set_aside(dataset))
    return dataset


def read_rows(file: BinaryIO, name: str, form: TableForm, say: Callable[[str], None]) -> NDArray[Any]:
    """Read rows, shape (n, n_features), of a table whose columns have a form already.

    Raises
    ------
    UserError
        If the table cannot be used, or lacks a column.
    """
    kinds: dict[str, Kind] = {c.name: "number" if c.words is None else "words" for c in form.columns}
    table = read_table(file, name, kinds)
    rows, n_unknown = form.encode(table.cells, table.n_rows, name)
    if n_unknown:
        words = (
            "1 word that the model does not know: it counts"
            if n_unknown == 1
            else (f"{n_unknown:,} words that the model does not know: they count")
        )
        say(f"{name} holds {words} as none of its own.")
    try:
        return as_rows(rows, f"the columns of {name}")
    except ValueError as error:
        raise UserError(" ".join(str(error).split())) from error


def _label(table: Table, reading: Reading, name: str, say: Callable[[str], None]) -> str:
    columns = list(table.cells)
    if reading.label is None:
        say(f"The classes are in the last column of {name}, {columns[-1]}; --label COLUMN names another one.")
        return columns[-1]
    if reading.label not in columns:
        known = ", ".join(columns[:20]) + (", ..." if len(columns) > 20 else "")
        raise UsageError(f"--label {reading.label}: {name} has no such column; it has {known}")
    return reading.label


def _classes(cell: Cells, what: str, name: str) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """Return the names of the classes and each row's class."""
    if cell.values is not None:
        class_names, (codes,) = encode([cell.values], [what], name)
        return class_names, codes
    if len(cell.words) > MAX_CLASSES or max(map(len, cell.words)) > MAX_LETTERS:
        raise ValueError(
            f"{what} in {name} holds {len(cell.words):,} different labels, the longest of"
            f" {max(map(len, cell.words)):,} letters: at most {MAX_CLASSES:,} classes with names of"
            f" {MAX_LETTERS:,} letters are told apart; --label COLUMN names another column"
        )
    class_names, (code_of_word,) = encode([np.array(cell.words)], [what], name)
    return class_names, code_of_word[cell.codes]


def _bound(form: TableForm, table: Table, name: str) -> None:
    if form.n_features > MAX_FEATURES or form.n_features * table.n_rows > MAX_CELLS:
        raise UserError(
            f"{name} has {table.n_rows:,} rows of {form.n_features:,} values, one for each word of a column:"
            f" at most {MAX_FEATURES:,} values and 1 GiB in all can be read; leave columns or rows out"
        )
