"""How a table as text begins: its encoding, what separates its columns, which cells are numbers."""

import csv
import io
import re
from typing import BinaryIO

from fcnet.errors import UserError

UTF_16 = (b"\xff\xfe", b"\xfe\xff")  # how text in it begins
DECIMAL_COMMA = r"^[+-]?([0-9]+,?[0-9]*|,[0-9]+)([eE][+-]?[0-9]+)?$"


def first_line(file: BinaryIO, name: str) -> tuple[str, int, list[str]]:
    """Return what separates columns, the number of empty lines in front, and the first other line's cells.

    Raises
    ------
    UserError
        If it is no text in UTF-8 with columns.
    """
    start = file.read(1 << 20)
    file.seek(0)
    if start.startswith(UTF_16):
        raise UserError(f"{name} is text in UTF-16: save it in UTF-8")
    try:
        # A character may be cut at the end.
        text = start.decode("utf-8-sig", "strict" if len(start) < 1 << 20 else "ignore")
    except UnicodeDecodeError as error:
        raise UserError(f"{name} is text, but not in UTF-8: save it in UTF-8") from error
    best: list[str] = []
    chosen, before = ",", 0
    for delimiter in ",\t;|":
        try:
            rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
            blank, row = next(((i, row) for i, row in enumerate(rows) if row), (0, []))
        except csv.Error as error:
            raise UserError(f"{name} is no readable table ({error}): save it again") from error
        # What divides a line into numbers with decimal commas is not outdone by these commas.
        is_decimal = chosen == "," and len(row) > 1 and all(map(_keeps_its_commas, row))
        if len(row) > len(best) or (delimiter != "," and is_decimal):
            chosen, before, best = delimiter, blank, row
    if len(best) < 2:
        raise UserError(
            f"{name} is text without columns: name a table with commas, tabs or semicolons, an .npz archive"
            " or a pickle"
        )
    return chosen, before, [one_line(cell) for cell in best]


def _keeps_its_commas(cell: str) -> bool:
    return "," not in cell or is_number(cell, with_comma=True)


def is_number(cell: str, *, with_comma: bool = False) -> bool:
    """Tell whether a cell is a finite number, as Arrow reads them; perhaps one with a decimal comma."""
    if with_comma and re.match(DECIMAL_COMMA, cell.strip()):
        return True
    try:
        float(cell)
    except ValueError:
        return False
    # Python takes other digits, and 1_000.
    return cell.isascii() and "_" not in cell and cell.lower() not in ("nan", "inf", "infinity")


def one_line(column: str) -> str:
    """Return the name of a column without ends of lines."""
    return " ".join(column.split())
