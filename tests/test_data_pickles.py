"""Pickles: arrays come out or one sentence; nothing runs, no small file takes much memory."""

import pickle
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from datafiles import Calls, arrays, python2_pickle, read

from fcnet.errors import UserError


def test_pickles_of_column_major_and_big_endian_arrays() -> None:
    content = arrays(dtype=">f4")
    content["train_data"] = np.asfortranarray(content["train_data"])
    for protocol in (2, 5):
        np.testing.assert_array_equal(read(pickle.dumps(content, protocol)).images, content["train_data"])


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_a_pickle_that_calls_os_system_runs_nothing(protocol: int, tmp_path: Path) -> None:
    target = tmp_path / "touched"
    with pytest.raises(UserError, match=r"more than NumPy arrays.*posix system.*none of it was run"):
        read(pickle.dumps(arrays() | {"extra": Calls(target)}, protocol))
    assert not target.exists()


HOSTILE = {
    "eval": b"\x80\x02cbuiltins\neval\nU\x041+1\x85R.",
    "object array": pickle.dumps({"train_data": np.array([[object()]], dtype=object)}, 2),
    "structured array": pickle.dumps({"train_data": np.zeros(3, dtype="i4,f8")}, 2),
    "a list": pickle.dumps([1, 2, 3], 2),
    "a number": b"\x80\x02K\x01.",
    "persistent id": b"\x80\x02Pabc\n.",
    "extension code": b"\x80\x02\x82\x01.",
    "huge memo index": b"\x80\x02}r\xff\xff\xff\xff.",
    "huge bytes": b"\x80\x04\x8e" + struct.pack("<Q", 1 << 62) + b"x.",
    "huge bytearray": b"\x80\x05\x96" + struct.pack("<Q", 1 << 40) + b"x.",
    "huge frame": b"\x80\x04\x95" + struct.pack("<Q", 1 << 62) + b"}.",
    "huge integer": b"\x80\x02\x8b" + struct.pack("<i", 1 << 30) + b"\x01.",
    "negative length": b"\x80\x02T" + struct.pack("<i", -5) + b".",
    "many copies": b"\x80\x02}" + b"2" * 10_000 + b".",
    "doubling tuples": b"\x80\x02)" + b"q\x00h\x00\x86" * 5_000 + b".",
    "tuple as key": b"\x80\x02}))s.",
    "no mark": b"\x80\x02u.",
    "empty stack": b"\x80\x02.",
    "endless name": b"\x80\x02c" + b"n" * 1_000,
    "name that is no text": b"\x80\x04}}\x93.",
    "later protocol": b"\x80\xff.",
    "no shape": python2_pickle(arrays()).replace(b"J\x14\x00\x00\x00", b"J\xff\xff\xff\xff", 1),
    "more rows than bytes": python2_pickle(arrays()).replace(b"J\x14\x00\x00\x00", b"J\xff\xff\xff\x7f", 1),
}


def _frame(length: int) -> bytes:
    return b"\x95" + struct.pack("<Q", length)


# Within a frame of three bytes; the unpickler takes the length of 0 behind it, and what follows as opcodes.
CROSSING = b"B\x0a\x00" + b"\x00\x00" + b"\x00\x00}r\xff\xff\xff\x7f.." + b"."
DOUBLED = b"".join(b"\x94h%ch%c\x86" % (i, i) for i in range(200))
BOMBS = {  # what each would take without the look through the file
    "memo of 32 GiB": b"\x80\x02}r\xff\xff\xff\x7f.",
    "memo of 32 GiB behind a frame": b"\x80\x04" + _frame(3) + CROSSING,
    "memo of 32 GiB behind two frames": b"\x80\x04" + _frame(12) + _frame(0) + CROSSING,
    "hash of 2**240 tuples": b"\x80\x02})" + b"q\x00h\x00h\x00\x86" * 240 + b"q\x00}h\x00Ns.",
    "hash of 2**200 tuples": b"\x80\x04)" + DOUBLED + b"\x94}h\xc8Ns.",
    "hash of 4**120 tuples": b"\x80\x02)" + b"q\x00(h\x00h\x00h\x00h\x00t" * 120 + b"q\x00}h\x00Ns.",
    "deep tuples": b"\x80\x02})" + b"\x85" * 900 + b"Ns.",
    "deep dicts": b"\x80\x02" + b"}U\x01a" * 300 + b"N" + b"s" * 300 + b".",
    "attributes of a function": b"\x80\x02cnumpy\nndarray\n}U\x04nameU\x05dtypesb.",
    "attributes of a type": b"\x80\x02cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R}U\x04codeU\x02i8sb.",
}


@pytest.mark.parametrize("case", BOMBS)
def test_small_bombs_end_in_a_sentence(case: str) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(UserError, match=r"some.file (is a|lacks)"):
            read(BOMBS[case])
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_pickles_end_in_a_sentence(case: str) -> None:
    with pytest.raises(UserError, match=r"some.file (is a|lacks)"):
        read(HOSTILE[case])


def test_a_pickle_of_very_many_opcodes_is_given_up() -> None:
    with pytest.raises(UserError, match="more than 1000 opcodes"):
        read(b"\x80\x02" + b"N" * 1_000_000 + b".")


def test_the_same_bytes_cannot_make_many_arrays() -> None:
    content = b"B" + struct.pack("<i", 10_000) + bytes(10_000) + b"q\x00"
    dtype = b"cnumpy\ndtype\nU\x02u1K\x00K\x01\x87Rq\x01"
    array = b"cnumpy._core.numeric\n_frombuffer\n(h\x00h\x01M\x10\x27\x85U\x01CtR"
    with pytest.raises(UserError, match="the same bytes in several arrays"):
        read(b"\x80\x04" + content + dtype + array * 50 + b".")


def test_the_memo_is_as_long_as_a_pickle_may_be_and_keys_are_words() -> None:
    def memo(slot: int) -> bytes:
        return b"\x80\x02}r" + struct.pack("<I", slot) + b"."

    with pytest.raises(UserError, match=r"some.file lacks train_data"):
        read(memo(1000))
    with pytest.raises(UserError, match="truncated or damaged"):
        read(memo(1001))
    with pytest.raises(UserError, match="no dict of arrays"):
        read(pickle.dumps({1: 2}, 2))


def test_whether_columns_come_first_may_be_said_by_a_number() -> None:
    content, plain = arrays(), python2_pickle(arrays())
    rows = read(plain.replace(b"tb\x89", b"tbK\x00")).images
    np.testing.assert_array_equal(rows, content["train_data"])
    columns = read(plain.replace(b"tb\x89", b"tbK\x01")).images
    np.testing.assert_array_equal(columns, content["train_data"].ravel().reshape(20, 12, order="F"))
