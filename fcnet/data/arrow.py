"""The columns of a table as text with commas, tabs or semicolons, or of Parquet, read by Apache Arrow.

Arrow (pyarrow) is the extra ``tables``. What a column is follows from all of its rows: numbers if every value
that is there is one, else words.
"""

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO, Literal

import numpy as np
from tqdm import tqdm

from fcnet.data.form import Cells, listed
from fcnet.data.lines import DECIMAL_COMMA, first_line, is_number, one_line
from fcnet.errors import UserError

MAX_CELLS = 1 << 28  # as float32 they are 1 GiB
_MISSING = ["", "NA", "N/A", "n/a", "NaN", "nan", "NULL", "null", "None", "?"]
_BLOCK = 8 << 20  # bytes
Kind = Literal["number", "words"]


@dataclass(frozen=True)
class Table:
    """Columns of a table by name, in its order, and what was noticed."""

    cells: dict[str, Cells]
    n_rows: int
    notices: tuple[str, ...] = ()


def read_table(file: BinaryIO, name: str, kinds: Mapping[str, Kind] | None = None) -> Table:
    """Read the columns of a table that is open at its start.

    Parameters
    ----------
    file : binary file
    name : str
        For messages.
    kinds : mapping, optional
        The columns that are wanted, and what they are; by default all are read and it is found out.

    Raises
    ------
    UserError
        If it is damaged, has no rows, or has too many.
    """
    try:
        import pyarrow
    except ImportError as error:
        raise UserError("tables are read by pyarrow: pip install 'fcnet-sweep[tables]'") from error
    is_parquet = file.read(4) == b"PAR1"
    file.seek(0)
    notices: list[str] = []
    try:
        wanted = None if kinds is None else {*kinds}
        if is_parquet:
            found, with_commas = _parquet(file, name, wanted), False
        else:
            found, with_commas = _text(file, name, wanted, notices)
        if found.num_rows == 0:
            raise UserError(f"{name} has no rows")
        names = [one_line(column) for column in found.column_names]
        commas: dict[str, str] = {}
        cells = {
            column: _cells(
                found.column(i),
                column,
                name,
                None if kinds is None else kinds[column],
                commas if with_commas else None,
            )
            for i, column in enumerate(names)
        }
    except UserError:
        raise
    # Arrow meets bytes of any kind here; whatever it trips over, the file is unreadable.
    except (pyarrow.ArrowException, OSError, ValueError, KeyError, TypeError, MemoryError) as error:
        detail = " ".join(str(error).split())[:160]
        raise UserError(f"{name} is no readable table ({detail}): mend it, or save it again") from error
    if commas:
        example = next(iter(commas.values()))
        notices.append(
            f"{name} has decimal commas in {listed([*commas])}: {example} is read as"
            f" {example.replace(',', '.')}."
        )
    return Table(cells, found.num_rows, tuple(notices))


def _text(file: BinaryIO, name: str, wanted: set[str] | None, notices: list[str]) -> tuple[Any, bool]:
    """Read text, and tell whether numbers in it may have decimal commas, which separate no columns.

    Every column comes as words, and `_cells` finds out which are numbers.
    """
    import pyarrow
    from pyarrow import csv as arrow_csv

    delimiter, blank, first = first_line(file, name)
    if any(is_number(cell, with_comma=delimiter != ",") for cell in first):
        names, skip = [str(i) for i in range(1, len(first) + 1)], blank
        notices.append(
            f"{name} begins with numbers, not with names: its columns are called 1 to {len(first)}."
        )
    else:
        names, skip = first, blank + 1
    _refuse_twins([column for column in names if column], name)
    kept = [column for column in names if column and (wanted is None or column in wanted)]
    _refuse_none(kept, wanted, name)
    if wanted is None and len(kept) < len(names):
        notices.append(f"{name} has a column without a name, such as numbers of rows: it is left out.")
    names = [column or f"\0{i}" for i, column in enumerate(names)]
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    reader = arrow_csv.open_csv(
        file,
        arrow_csv.ReadOptions(
            use_threads=False, block_size=_BLOCK, column_names=names, skip_rows_after_names=skip
        ),
        arrow_csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
        arrow_csv.ConvertOptions(
            column_types=dict.fromkeys(names, pyarrow.string()),
            include_columns=kept,
            null_values=_MISSING,
            strings_can_be_null=True,
        ),
    )
    batches = list(_bounded(reader, name, len(names), size))
    return pyarrow.Table.from_batches(batches, reader.schema), delimiter != ","


def _refuse_none(kept: list[str], wanted: set[str] | None, name: str) -> None:
    if not kept and wanted is None:
        raise UserError(f"{name} has no column with a name: give its columns names in the first line")
    if not kept:
        raise UserError(
            f"{name} has none of the columns that the model needs: {listed(sorted(wanted or ()))}"
        )


def _parquet(file: BinaryIO, name: str, wanted: set[str] | None) -> Any:
    import pyarrow
    from pyarrow import parquet

    opened = parquet.ParquetFile(file, memory_map=False)
    about, schema = opened.metadata, opened.schema_arrow
    _refuse_twins([one_line(column) for column in schema.names], name)
    kept = [
        column
        for column in schema.names
        if not column.startswith("__index_level_") and (wanted is None or one_line(column) in wanted)
    ]
    _refuse_none(kept, wanted, name)
    sizes = [about.row_group(i).total_byte_size for i in range(about.num_row_groups)]
    if sum(sizes) > MAX_CELLS * 4 or about.num_rows * len(kept) > MAX_CELLS:
        raise _too_large(name)
    for column in kept:
        _refuse_type(schema.field(column).type, one_line(column), name)
    words = [column for column in kept if _is_string(schema.field(column).type)]
    file.seek(0)
    # A dictionary of words takes as much memory as the file does, whatever the number of rows.
    opened = parquet.ParquetFile(file, memory_map=False, read_dictionary=words)
    batches = list(
        _bounded(opened.iter_batches(columns=kept, use_threads=False), name, len(kept), sum(sizes))
    )
    if not batches:
        return schema.empty_table().select(kept)
    return pyarrow.Table.from_batches(batches).unify_dictionaries()


def _bounded(batches: Iterable[Any], name: str, n_columns: int, total: int) -> Iterator[Any]:
    """Pass batches, `total` bytes in all, on until they are too many; a bar is shown above two seconds."""
    n = 0
    with tqdm(total=total, desc=f"reading {name}", unit="", unit_scale=True, delay=2, leave=False) as bar:
        for batch in batches:
            n += batch.num_rows
            if n * n_columns > MAX_CELLS:
                raise _too_large(name)
            bar.update(min(batch.nbytes, total - bar.n))
            yield batch


def _cells(column: Any, label: str, name: str, kind: Kind | None, commas: dict[str, str] | None) -> Cells:
    """Turn a column of Arrow's into numbers or words.

    Where `commas` is given, numbers may have decimal commas: it gets the first such number of the column.
    """
    import pyarrow
    from pyarrow import compute, types

    given = column.type
    if not (_is_string(given) or types.is_dictionary(given) or types.is_boolean(given)):
        _refuse_type(given, label, name)
        if kind != "words":
            numbers = compute.cast(column, pyarrow.float64(), safe=False)
            return Cells(np.asarray(numbers.to_numpy(), np.float64))
    if types.is_dictionary(given):
        column = column.cast(given.value_type)
    words = compute.utf8_trim_whitespace(compute.cast(column, pyarrow.string()))
    if kind != "words" and not types.is_boolean(given):
        there = compute.if_else(compute.is_in(words, value_set=pyarrow.array(_MISSING)), None, words)
        if commas is not None and compute.all(compute.match_substring_regex(there, DECIMAL_COMMA)).as_py():
            with_comma = there.filter(compute.match_substring(there, ","))
            if len(with_comma):
                commas[label] = with_comma[0].as_py()
            there = compute.replace_substring(there, ",", ".")
        try:
            numbers = compute.cast(there, pyarrow.float64())
            return Cells(np.array(numbers.to_numpy(), np.float64))
        except pyarrow.ArrowInvalid as error:
            if kind == "number":
                raise UserError(
                    f"the column {label} of {name} holds words, but the model was trained on numbers there:"
                    " mend it"
                ) from error
    encoded = words.combine_chunks().dictionary_encode()
    if isinstance(encoded, pyarrow.ChunkedArray):
        encoded = encoded.combine_chunks()
    codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    return Cells(words=encoded.dictionary.to_pylist(), codes=codes)


def _is_string(given: Any) -> bool:
    from pyarrow import types

    return bool(types.is_string(given) or types.is_large_string(given) or types.is_string_view(given))


def _refuse_type(given: Any, column: str, name: str) -> None:
    from pyarrow import types

    if types.is_dictionary(given):
        given = given.value_type
    numbers = (types.is_integer, types.is_floating, types.is_decimal, types.is_boolean, types.is_null)
    if not _is_string(given) and not any(check(given) for check in numbers):
        raise UserError(
            f"the column {column} of {name} holds {given}: turn it into numbers or words, or leave it out"
        )


def _refuse_twins(names: list[str], name: str) -> None:
    twin, times = Counter(names).most_common(1)[0] if names else ("", 0)
    if times > 1:
        raise UserError(f"{name} has several columns called {twin}: give each a name of its own")


def _too_large(name: str) -> UserError:
    return UserError(f"{name} holds more than 1 GiB of values: leave columns or rows out")
