"""Tables as files: CSV, JSON or Parquet."""

import csv
import importlib
import io
import json
import math
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from fcnet.errors import UserError
from fcnet.writing import write_whole
from studies.experiments.tables import Table

# A cell of text that begins so would be a formula to a spreadsheet (OWASP, "CSV injection").
_FORMULAS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def write_table(table: Table, path: Path) -> None:
    """Write a table; the ending of the path says how. The file appears whole or not at all.

    Raises
    ------
    KeyError
        If the ending is none of `WRITERS`.
    UserError
        If the file cannot be written, or a package is missing.
    """
    write_whole(path, WRITERS[path.suffix.lower()](table))


def _csv(table: Table) -> bytes:
    """Return UTF-8 with a line of names; what is missing or not a number is empty."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(table.columns)
    writer.writerows([_cell(row.get(name)) for name in table.columns] for row in table.rows)
    return out.getvalue().encode()


def _cell(value: Any) -> Any:
    value = _plain(value)
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULAS) else value


def _json(table: Table) -> bytes:
    """Return a list of objects, one a line; what is missing or not a number is null."""
    lines = [
        json.dumps({n: _plain(row.get(n)) for n in table.columns}, allow_nan=False) for row in table.rows
    ]
    return ("[\n" + ",\n".join(lines) + "\n]\n").encode()


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _parquet(table: Table) -> bytes:
    try:
        pa = importlib.import_module("pyarrow")
        parquet: Any = importlib.import_module("pyarrow.parquet")
    except ImportError as error:
        raise UserError('a file .parquet needs a package more: pip install "fcnet-sweep[tables]"') from error
    kinds = {int: pa.int64(), float: pa.float64(), bool: pa.bool_(), str: pa.string()}
    schema = pa.schema([(n, kinds.get(kind, pa.timestamp("us"))) for n, kind in table.columns.items()])
    out = io.BytesIO()
    parquet.write_table(pa.Table.from_pylist(table.rows, schema=schema), out)
    return out.getvalue()


WRITERS: dict[str, Callable[[Table], bytes]] = {".csv": _csv, ".json": _json, ".parquet": _parquet}
"""What turns a table into the content of a file, by its ending."""
