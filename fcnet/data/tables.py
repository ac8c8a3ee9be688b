"""Tables as data: one column holds the classes, the others become numbers by a rule that a model keeps."""

from collections.abc import Callable
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from fcnet.data.arrow import MAX_CELLS, Kind, Table, read_table
from fcnet.data.checks import MAX_FEATURES
from fcnet.data.dataset import Dataset
from fcnet.data.form import Cells, TableForm, fit, refuse_huge, refuse_missing
from fcnet.data.holdout import test_rows
from fcnet.data.labels import MAX_CLASSES, encode
from fcnet.data.lines import is_number
from fcnet.data.reading import Reading, set_aside
from fcnet.errors import UsageError, UserError
from fcnet.text import counted

MAX_WORDS = 1_000  # of a column
MAX_LETTERS = 1_000  # of a label: an array of text takes the longest one's memory for each
_LETTERS_SHOWN = 40
_MANY_WORDS = "leave it out of the file if it only names the rows, else turn it into numbers or fewer words"
_FEW_WORDS = 20  # so many may be a scale or codes, even where there are few rows


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
            f"{name} lacks {counted(lacking, 'label')} in the column {label}: fill {_it(lacking)} in, or"
            f" leave {'this row' if lacking == 1 else 'these rows'} out"
        )
    if not cells:
        raise UserError(f"{name} has no column besides {label}, that of the labels")
    refuse_huge(cells, name)
    for column, cell in cells.items():
        _doubt_words(cell, column, table.n_rows, name, say)
    if reading.impute is None:
        refuse_missing(cells, name, "fill them in, or say --impute median")
    many = [(len(cell.words), column) for column, cell in cells.items() if len(cell.words) > MAX_WORDS]
    if many:
        n, column = max(many)
        raise UserError(
            f"the column {column} of {name} holds {n:,} different words, more than {MAX_WORDS:,}:"
            f" {_MANY_WORDS}"
        )
    what = ("the columns", f"the column {label}")
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
    for notice in table.notices:
        say(notice)
    refuse_huge(table.cells, name)
    rows, n_unknown = form.encode(table.cells, table.n_rows, name)
    if n_unknown:
        say(
            f"{name} holds {counted(n_unknown, 'word')} that the model does not know:"
            f" {'it counts' if n_unknown == 1 else 'they count'} as none of its own."
        )
    return rows


def _label(table: Table, reading: Reading, name: str, say: Callable[[str], None]) -> str:
    columns = list(table.cells)
    if reading.label is None:
        say(f"The classes are in the last column of {name}, {columns[-1]}; --label COLUMN names another one.")
        return columns[-1]
    if reading.label not in columns:
        known = ", ".join(columns[:20]) + (", ..." if len(columns) > 20 else "")
        raise UsageError(f"--label {reading.label}: {name} has no such column; it has {known}")
    return reading.label


def _doubt_words(cell: Cells, column: str, n_rows: int, name: str, say: Callable[[str], None]) -> None:
    """Doubt that a column of words was meant as one: if most cells are numbers, or each is a word of its own.

    Raises
    ------
    UserError
        If nine tenths are numbers, too many different ones to be codes or a scale such as 0, 1, 2, 3+.
    """
    is_odd = np.array([not is_number(word) for word in cell.words] + [False])[cell.codes]  # -1: missing
    n_odd, n_there = int(is_odd.sum()), n_rows - cell.missing
    is_many = 2 * len(cell.words) > n_rows
    if 0 < 2 * n_odd < n_there:
        first = cell.words[cell.codes[is_odd.argmax()]][:_LETTERS_SHOWN]
        if 10 * n_odd <= n_there and (is_many or len(cell.words) > _FEW_WORDS):
            raise UserError(
                f"the column {column} of {name} holds numbers but for {counted(n_odd, 'cell')},"
                f"{'' if n_odd == 1 else ' such as'} {first!r}: mend {_it(n_odd)}, or leave {_it(n_odd)}"
                " empty and say --impute median"
            )
        say(
            f"The column {column} of {name} is read as words, for {n_odd:,} of its {counted(n_there, 'cell')}"
            f" {'is no number' if n_odd == 1 else 'are no numbers'}, such as {first!r}."
        )
    if is_many and len(cell.words) > _FEW_WORDS:
        say(
            f"The column {column} of {name} holds {len(cell.words):,} different words in {n_rows:,} rows:"
            f" {_MANY_WORDS}."
        )


def _it(n: int) -> str:
    return "it" if n == 1 else "them"


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
