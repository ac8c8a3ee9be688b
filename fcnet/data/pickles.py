"""The course assignment's pickle, read without unpickling: arrays and nothing else come out of it.

`pickle.load` runs what a file tells it to. Here a small machine follows the few opcodes by which Python 2
and 3 write a dict of arrays; any other opcode, name or object ends the reading. Nothing is imported or
called, and every array's bytes must be present in the file and not serve several arrays, so memory stays
within a few times the file's size.
"""

import io
import math
import pickletools
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fcnet.errors import UserError

MAX_OPCODES = 1_000  # four arrays take about 200
_OPCODES = {opcode.code: opcode for opcode in pickletools.opcodes}
_MARK = object()
_NAMES = {
    "numpy.core.multiarray _reconstruct": "reconstruct",
    "numpy._core.multiarray _reconstruct": "reconstruct",
    "numpy.core.numeric _frombuffer": "frombuffer",
    "numpy._core.numeric _frombuffer": "frombuffer",
    "numpy ndarray": "ndarray",
    "numpy dtype": "dtype",
    "_codecs encode": "encode",
}


@dataclass(frozen=True)
class _Name:
    """Stands for a function or class that the file names; it does nothing."""

    name: str


@dataclass
class _Dtype:
    """Stands for a NumPy type while it is put together."""

    code: str
    byte_order: str = "="


@dataclass
class _Array:
    """Stands for an array while it is put together."""

    values: NDArray[Any] | None = None


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
        found = _Machine(content).run()
    except _Refused as error:
        raise UserError(
            f"{name} is a pickle with more than NumPy arrays in it ({error}), and none of it was run; "
            "get the file from its source again or save the arrays with numpy.savez"
        ) from error
    # The readers of opcodes and the machine's stack meet bytes of any kind here.
    except (ValueError, IndexError, KeyError, TypeError, OverflowError) as error:
        raise UserError(
            f"{name} is a truncated or damaged pickle; get the file from its source again"
        ) from error
    return {key: entry.values for key, entry in found.items() if entry.values is not None}


class _Machine:
    """Follows the opcodes of one pickle."""

    def __init__(self, content: bytes) -> None:
        self._file = io.BytesIO(content)
        self._unused = 2 * len(content)  # bytes to make arrays of; twice, for text is encoded first
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}

    def run(self) -> dict[str, _Array]:
        for _ in range(MAX_OPCODES):
            opcode = _OPCODES.get(self._file.read(1).decode("latin-1"))
            if opcode is None:
                raise ValueError("the file ends before its pickle does")
            if opcode.name == "STOP":
                return self._result()
            if opcode.name in _PUSHES_CONSTANT:
                self._stack.append(_PUSHES_CONSTANT[opcode.name])
            elif opcode.name in _PUSHES_ARGUMENT and opcode.arg:
                self._stack.append(opcode.arg.reader(self._file))
            elif opcode.name in _ACTS:
                # GLOBAL's two lines are read by its action: the library's reader warns of some.
                known = opcode.arg if opcode.name != "GLOBAL" else None
                _ACTS[opcode.name](self, known.reader(self._file) if known else None)
            else:
                raise _Refused(f"opcode {opcode.name}")
        raise _Refused(f"more than {MAX_OPCODES} opcodes")

    def _result(self) -> dict[str, _Array]:
        (result,) = self._stack
        if not isinstance(result, dict):
            raise _Refused("no dict of arrays")
        return {key: value for key, value in result.items() if isinstance(value, _Array)}

    def _nothing(self, _: Any) -> None:
        """Protocol and frame lengths: the file ends where it ends."""

    def _put(self, slot: int | None) -> None:
        self._memo[len(self._memo) if slot is None else slot] = self._stack[-1]

    def _get(self, slot: int) -> None:
        self._stack.append(self._memo[slot])

    def _empty_dict(self, _: Any) -> None:
        self._stack.append({})

    def _tuple(self, _: Any) -> None:
        self._stack.append(tuple(self._since_mark()))

    def _tuple_of(self, length: int) -> None:
        items = [self._stack.pop() for _ in range(length)]
        self._stack.append(tuple(reversed(items)))

    def _since_mark(self) -> list[Any]:
        items = []
        while (item := self._stack.pop()) is not _MARK:
            items.append(item)
        return items[::-1]

    def _set_item(self, _: Any) -> None:
        value, key = self._stack.pop(), self._stack.pop()
        self._store([key, value])

    def _set_items(self, _: Any) -> None:
        self._store(self._since_mark())

    def _store(self, items: list[Any]) -> None:
        if not isinstance(self._stack[-1], dict) or not all(isinstance(key, str) for key in items[::2]):
            raise _Refused("a container other than a dict with text keys")
        self._stack[-1].update(zip(items[::2], items[1::2], strict=True))

    def _global(self, _: Any) -> None:
        module, attribute = (self._file.readline(100).rstrip(b"\n").decode() for _ in range(2))
        self._name(module, attribute)

    def _stack_global(self, _: Any) -> None:
        attribute, module = self._stack.pop(), self._stack.pop()
        self._name(module, attribute)

    def _name(self, module: Any, attribute: Any) -> None:
        name = f"{module} {attribute}" if isinstance(module, str) and isinstance(attribute, str) else ""
        if name not in _NAMES:
            raise _Refused(f"the name {name[:60]!r}")
        self._stack.append(_Name(_NAMES[name]))

    def _reduce(self, _: Any) -> None:
        arguments, function = self._stack.pop(), self._stack.pop()
        match function, arguments:
            case _Name("reconstruct"), (_Name("ndarray"), (0,), _):
                self._stack.append(_Array())
            case _Name("dtype"), (str(code), 0 | False, 1 | True) if re.fullmatch("[biuf][1248]", code):
                self._stack.append(_Dtype(code))
            case _Name("encode"), (str(text), "latin1"):
                self._stack.append(self._take(text))
            case _Name("frombuffer"), (buffer, _Dtype() as dtype, shape, "C" | "F" as order):
                self._stack.append(_Array(self._values(buffer, dtype, shape, order)))
            case _:
                raise _Refused("a call that makes no plain array")

    def _build(self, _: Any) -> None:
        state = self._stack.pop()
        match self._stack[-1], state:
            case _Dtype() as dtype, (3, "<" | ">" | "=" | "|" as order, None, None, None, -1, -1, 0):
                dtype.byte_order = order
            case _Array() as array, (1, shape, _Dtype() as dtype, bool() | 0 | 1 as is_fortran, raw):
                array.values = self._values(raw, dtype, shape, "F" if is_fortran else "C")
            case _:
                raise _Refused("an object that is no plain array")

    def _values(self, raw: Any, dtype: _Dtype, shape: Any, order: Any) -> NDArray[Any]:
        if not isinstance(shape, tuple) or not all(type(length) is int and length >= 0 for length in shape):
            raise ValueError("a shape that is none")
        kind = np.dtype(dtype.byte_order + dtype.code)
        content = self._take(raw)
        if len(shape) > 4 or math.prod(shape) * kind.itemsize != len(content):
            raise ValueError("an array's shape and its bytes disagree")
        return np.frombuffer(content, dtype=kind).reshape(shape, order=order)

    def _take(self, raw: Any) -> bytes:
        """Bytes of an array; Python 2 called them a string, Python 3 may spell them as Latin-1 text."""
        if not isinstance(raw, str | bytes | bytearray):
            raise _Refused("an array of objects")
        self._unused -= len(raw)
        if self._unused < 0:
            raise _Refused("the same bytes in several arrays")
        return raw.encode("latin-1") if isinstance(raw, str) else bytes(raw)


_PUSHES_CONSTANT = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": (), "MARK": _MARK}
_PUSHES_ARGUMENT = {
    *("BININT", "BININT1", "BININT2", "LONG1"),
    *("SHORT_BINSTRING", "BINSTRING", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"),
    *("SHORT_BINBYTES", "BINBYTES", "BINBYTES8", "BYTEARRAY8"),
}
_ACTS: dict[str, Callable[[_Machine, Any], None]] = {
    "PROTO": _Machine._nothing,
    "FRAME": _Machine._nothing,
    "BINPUT": _Machine._put,
    "LONG_BINPUT": _Machine._put,
    "MEMOIZE": _Machine._put,
    "BINGET": _Machine._get,
    "LONG_BINGET": _Machine._get,
    "EMPTY_DICT": _Machine._empty_dict,
    "TUPLE": _Machine._tuple,
    "TUPLE1": lambda machine, _: machine._tuple_of(1),
    "TUPLE2": lambda machine, _: machine._tuple_of(2),
    "TUPLE3": lambda machine, _: machine._tuple_of(3),
    "SETITEM": _Machine._set_item,
    "SETITEMS": _Machine._set_items,
    "GLOBAL": _Machine._global,
    "STACK_GLOBAL": _Machine._stack_global,
    "REDUCE": _Machine._reduce,
    "BUILD": _Machine._build,
}
