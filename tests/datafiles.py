"""Small data files of every kind, and the settings of the properties that change them."""

import io
import os
import pickle
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import HealthCheck, settings

from fcnet.data import Dataset, files

# FUZZ_EXAMPLES=100000 pytest tests/test_data_files.py tests/test_data_archive.py -k fuzz runs for longer.
FUZZ = settings(
    max_examples=int(os.environ.get("FUZZ_EXAMPLES", "300")),
    deadline=None,
    suppress_health_check=list(HealthCheck),
    database=None,
)
Arrays = dict[str, Any]


def arrays(features: tuple[int, ...] = (12,), dtype: str = "uint8") -> Arrays:
    rng = np.random.default_rng(0)
    return {
        "train_data": rng.integers(0, 256, size=(20, *features)).astype(dtype),
        "train_labels": np.arange(20).reshape(20, 1) % 2,
        "test_data": rng.integers(0, 256, size=(6, *features)).astype(dtype),
        "test_labels": np.arange(6).reshape(6, 1) % 2,
    }


def npz(content: Arrays) -> bytes:
    file = io.BytesIO()
    np.savez(file, **content)
    return file.getvalue()


def python2_pickle(content: Arrays) -> bytes:
    """Write the bytes that Python 2's cPickle writes: text and array contents are byte strings."""

    def text(value: bytes) -> bytes:
        if len(value) < 256:
            return b"U" + struct.pack("<B", len(value)) + value
        return b"T" + struct.pack("<i", len(value)) + value

    def number(value: int) -> bytes:
        return b"J" + struct.pack("<i", value)

    out = [b"\x80\x02}("]
    for key, array in content.items():
        kind, order = array.dtype.str[1:], array.dtype.str[:1]
        out += [text(key.encode()), b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\n"]
        out += [number(0), b"\x85", text(b"b"), b"\x87R(", number(1), b"("]
        out += [*map(number, array.shape), b"tcnumpy\ndtype\n", text(kind.encode()), number(0), number(1)]
        out += [b"\x87R(", number(3), text(order.encode()), b"NNN", number(-1), number(-1), number(0), b"tb"]
        out += [b"\x89", text(array.tobytes()), b"tb"]
    return b"".join(out) + b"u."


def python3_pickle(protocol: int) -> Callable[[Arrays], bytes]:
    return lambda content: pickle.dumps(content, protocol)


WRITERS = {"npz": npz, "python2": python2_pickle} | {f"python3-{p}": python3_pickle(p) for p in (2, 3, 4, 5)}


def read(content: bytes) -> Dataset:
    return files.read(io.BytesIO(content), "some.file")


class Calls:
    def __init__(self, target: Path) -> None:
        self._target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self._target}",)
