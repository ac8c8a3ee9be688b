"""The course assignment's pickle: arrays come out of it, and nothing that it names is imported or called.

`pickle.load` runs what a file tells it to. Here the file is looked through first, then read by an unpickler
for which every name is an inert stand-in or refused. Every array's bytes must be present in the file and not
serve several arrays, so memory stays within a few times the file's size.
"""

import io
import math
import pickle
import pickletools
import re
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fcnet.errors import UserError

MAX_OPCODES = 1_000  # four arrays take about 200
_TUPLES = {"TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"}
_PUTS, _GETS = {"BINPUT", "LONG_BINPUT", "MEMOIZE"}, {"BINGET", "LONG_BINGET"}
_OPCODES = {
    *("PROTO", "FRAME", "STOP", "MARK", "NONE", "NEWTRUE", "NEWFALSE", "BININT", "BININT1", "BININT2"),
    *("LONG1", "SHORT_BINSTRING", "BINSTRING", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"),
    *("SHORT_BINBYTES", "BINBYTES", "BINBYTES8", "BYTEARRAY8", "EMPTY_TUPLE", *_TUPLES),
    *("EMPTY_DICT", "SETITEM", "SETITEMS", *_PUTS, *_GETS),
    *("GLOBAL", "STACK_GLOBAL", "REDUCE", "BUILD"),
}
_NAMES = {
    *("numpy.core.multiarray _reconstruct", "numpy._core.multiarray _reconstruct"),
    *("numpy.core.numeric _frombuffer", "numpy._core.numeric _frombuffer"),
    *("numpy ndarray", "numpy dtype", "_codecs encode"),
}


class _Refused(Exception):
    """The file holds something that the assignment's files do not."""


def read_pickle(content: bytes, name: str) -> dict[str, NDArray[Any]]:
    """Read the arrays of a pickled dict.

    Parameters
    ----------
    content : bytes
        The whole file.
    name : str
        The file's name, for messages.

    Returns
    -------
    dict of str to ndarray
        The arrays by key; entries that are no arrays are left out.

    Raises
    ------
    UserError
        If the file is damaged or holds anything but a dict of plain arrays.
    """
    try:
        _look_through(content)
        found = _Unpickler(content).load()
        if not isinstance(found, dict) or not all(isinstance(key, str) for key in found):
            raise _Refused("no dict of arrays")
    except _Refused as error:
        raise UserError(
            f"{name} is a pickle with more than NumPy arrays in it ({error}), and none of it was run; "
            "get the file from its source again or save the arrays with numpy.savez"
        ) from error
    except Exception as error:  # the unpickler meets bytes of any kind here
        raise UserError(
            f"{name} is a truncated or damaged pickle; get the file from its source again"
        ) from error
    arrays = {key: entry.values for key, entry in found.items() if isinstance(entry, _Array)}
    return {key: values for key, values in arrays.items() if values is not None}


def _look_through(content: bytes) -> None:
    """Refuse what would take time or memory beyond the file's size, before the unpickler sees it.

    Lengths that lead beyond the file end here, too: this reads every argument.
    """
    slots: set[int] = set()  # of the memo
    tuples: set[int] = set()  # slots that hold one
    top, previous, frame_end = "", -1, 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the library's reader of names warns of some
        for count, (opcode, argument, place) in enumerate(pickletools.genops(content)):
            position = place or 0
            if count == MAX_OPCODES:
                raise _Refused(f"more than {MAX_OPCODES} opcodes")
            if opcode.name not in _OPCODES:
                raise _Refused(f"opcode {opcode.name}")
            # The unpickler would go on behind the frame: at other opcodes than those that are seen here.
            if previous < frame_end < position or (opcode.name == "FRAME" and position < frame_end):
                raise ValueError("an opcode that crosses the end of its frame")
            previous = position
            if opcode.name == "FRAME":
                frame_end = position + 9 + int(argument or 0)
            elif opcode.name in _PUTS:
                slot = len(slots) if argument is None else argument
                if slot > MAX_OPCODES:  # the memo is an array of that length
                    raise ValueError("a place in the memo that no short pickle needs")
                slots.add(slot)
                (tuples.add if top in _TUPLES else tuples.discard)(slot)
            elif opcode.name in _GETS and argument in tuples:
                raise _Refused("a tuple in two places")  # tuples of doubled tuples take for ever to hash
            elif opcode.name != "PROTO":
                top = opcode.name


class _Unpickler(pickle.Unpickler):
    """Gives stand-ins for NumPy's own names and refuses every other."""

    def __init__(self, content: bytes) -> None:
        super().__init__(io.BytesIO(content), encoding="latin1")  # Python 2 called bytes a string
        self._bytes = _Bytes(2 * len(content))  # twice, for text is encoded first

    def find_class(self, module: str, name: str) -> "_Name":
        if f"{module} {name}" not in _NAMES:
            raise _Refused(f"the name {f'{module} {name}'[:60]!r}")
        return _Name(name, self._bytes)


@dataclass(eq=False)
class _Bytes:
    """How many bytes may still be made into arrays."""

    left: int

    def take(self, raw: Any) -> bytes:
        """Return the bytes of an array; Python 2 and `_codecs.encode` spell them as Latin-1 text."""
        if not isinstance(raw, str | bytes | bytearray):
            raise _Refused("an array of objects")
        self.left -= len(raw)
        if self.left < 0:
            raise _Refused("the same bytes in several arrays")
        return raw.encode("latin-1") if isinstance(raw, str) else bytes(raw)


class _StandIn:
    """What the file can make; without `__setstate__` it could also set attributes."""

    def __setstate__(self, state: Any) -> None:
        raise _Refused("an object that is no plain array")


@dataclass(eq=False)
class _Name(_StandIn):
    """Stands for a function or class that the file names."""

    name: str
    bytes: _Bytes

    def __call__(self, *arguments: Any) -> Any:
        match self.name, arguments:
            case "_reconstruct", (_Name("ndarray"), (0,), _):
                return _Array(self.bytes)
            case "dtype", (str(code), 0 | False, 1 | True) if re.fullmatch(
                "[biuf][1248]|[US][1-9][0-9]{0,3}", code
            ):
                return _Dtype(code)
            case "encode", (str(text), "latin1"):
                return self.bytes.take(text)
            case "_frombuffer", (buffer, _Dtype() as dtype, shape, "C" | "F" as order):
                array = _Array(self.bytes)
                array.fill(buffer, dtype, shape, order)
                return array
        raise _Refused("a call that makes no plain array")


@dataclass(eq=False)
class _Dtype(_StandIn):
    """Stands for a NumPy type while it is put together."""

    code: str
    byte_order: str = "="

    def __setstate__(self, state: Any) -> None:
        match state:
            case (3, "<" | ">" | "=" | "|" as order, None, None, None, -1, -1, 0):
                self.byte_order = order
            case (3, "<" | ">" | "=" | "|" as order, None, None, None, int(size), int(), int()) if (
                self.code[0] in "US" and size == np.dtype(self.code).itemsize  # text states its size
            ):
                self.byte_order = order
            case _:
                super().__setstate__(state)


@dataclass(eq=False)
class _Array(_StandIn):
    """Stands for an array while it is put together."""

    bytes: _Bytes
    values: NDArray[Any] | None = None

    def __setstate__(self, state: Any) -> None:
        match state:
            case (1, shape, _Dtype() as dtype, bool() | 0 | 1 as is_fortran, raw):
                self.fill(raw, dtype, shape, "F" if is_fortran else "C")
            case _:
                super().__setstate__(state)

    def fill(self, raw: Any, dtype: _Dtype, shape: Any, order: Any) -> None:
        """Make the array of its bytes."""
        if not isinstance(shape, tuple) or not all(type(length) is int and length >= 0 for length in shape):
            raise ValueError("a shape that is none")
        kind = np.dtype(dtype.byte_order + dtype.code)
        content = self.bytes.take(raw)
        if len(shape) > 4 or math.prod(shape) * kind.itemsize != len(content):
            raise ValueError("an array's shape and its bytes disagree")
        self.values = np.frombuffer(content, dtype=kind).reshape(shape, order=order)
