"""Data files: every reader gives a data set or one sentence, whatever the bytes."""

import io
import lzma
import os
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from datafiles import FUZZ, WRITERS, Arrays, Calls, arrays, npz, python2_pickle, read
from hypothesis import given
from hypothesis import strategies as st
from test_data_pickles import BOMBS, HOSTILE
from test_model import trained

from fcnet.data import files, load
from fcnet.data.checks import as_rows
from fcnet.errors import UserError
from studies.commands.main import main


@pytest.mark.parametrize("writer", WRITERS.values(), ids=WRITERS.keys())
def test_every_format_gives_the_same_data(writer: Callable[[Arrays], bytes], tmp_path: Path) -> None:
    expected = arrays()
    (tmp_path / "data.bin").write_bytes(writer(expected))  # recognised by content, whatever its name
    data = load(tmp_path / "data.bin")
    np.testing.assert_array_equal(data.images, expected["train_data"])
    np.testing.assert_array_equal(data.labels, expected["train_labels"].ravel())
    np.testing.assert_array_equal(data.open_test()[0], expected["test_data"])
    np.testing.assert_array_equal(data.open_test()[1], expected["test_labels"].ravel())
    assert (data.name, data.class_names, data.test_size) == ("data.bin", ("0", "1"), 6)
    assert data.labels.dtype == np.int64
    assert data.fingerprint == read(npz(expected)).fingerprint


def test_npz_with_the_other_names_and_image_shapes() -> None:
    content = arrays((3, 2, 2), "float64")
    other = dict(zip(("x_train", "y_train", "x_test", "y_test"), content.values(), strict=True))
    data = read(npz(other))
    assert data.image_shape == (3, 2, 2)
    assert data.images.dtype == np.float32
    np.testing.assert_array_equal(data.images, content["train_data"].reshape(20, 12))


def test_assignment_images_are_colour_planes() -> None:
    assert read(python2_pickle(arrays((3072,)))).image_shape == (3, 32, 32)


@pytest.mark.parametrize("writer", [npz, python2_pickle])
def test_the_images_to_predict_are_the_test_part_or_all(writer: Callable[[Arrays], bytes]) -> None:
    content = arrays()
    for chosen in ("test_data", "train_data"):
        found = files.read_images(io.BytesIO(writer(content)), "some.file")
        np.testing.assert_array_equal(found, content.pop(chosen))
    with pytest.raises(UserError, match=r"some\.file holds no images; save them as"):
        files.read_images(io.BytesIO(writer(content)), "some.file")


def _changed(**entries: Any) -> Arrays:
    return arrays() | entries


def _with_value(key: str, value: float) -> Arrays:
    content = arrays(dtype="float32")
    changed = content[key].astype(float)
    changed[3] = value
    return content | {key: changed}


BAD = {
    "third label": (_with_value("train_labels", 2), "1 row of class 2 in train_data; at least 5"),
    "label of the test part": (_with_value("test_labels", -1), "test_labels in some.file holds -1, a class"),
    "NaN label": (_with_value("train_labels", np.nan), "train_labels in some.file holds nan"),
    "half label": (_with_value("train_labels", 0.5), "train_labels in some.file holds 0.5"),
    "NaN pixel": (_with_value("train_data", np.nan), "train_data in some.file holds NaN"),
    "infinite pixel": (_with_value("test_data", np.inf), "test_data in some.file holds NaN"),
    "the integer without a size": (
        _changed(test_data=np.full_like(arrays()["test_data"], np.iinfo(np.int64).min, dtype=np.int64)),
        "test_data in some.file holds NaN, infinite or huge",
    ),
    "huge pixel": (_with_value("test_data", -1e30), "test_data in some.file holds NaN"),
    "one class": (
        _changed(train_labels=np.zeros(20, int)),
        "train_labels in some.file holds one class only",
    ),
    "one class in test": (_changed(test_labels=np.ones(6, int)), "0 rows of class 0 in test_data"),
    "row counts": (_changed(train_labels=np.arange(19) % 2), "20 rows in train_data but 19"),
    "feature counts": (_changed(test_data=np.zeros((6, 13), np.uint8)), "12 values per image"),
    "mixed types": (_changed(test_data=np.zeros((6, 12), np.float32)), "mixes uint8 and floating"),
    "flat images": (_changed(train_data=np.zeros(20, np.uint8)), "shape (20,)"),
    "no rows": (
        _changed(train_data=np.zeros((0, 12), np.uint8)),
        "train_data in some.file has shape (0, 12), and so no rows: save some in it",
    ),
    "no values": (_changed(train_data=np.zeros((20, 0), np.uint8)), "has shape (20, 0), and so no values:"),
    "one value": (
        _changed(test_data=np.zeros((6, 1), np.uint8)),
        "12 values per image in train_data but 1 in",
    ),
    "infinite halves": (
        arrays(dtype="float16") | {"test_data": np.full((6, 12), np.inf, np.float16)},
        "test_data in some.file holds NaN, infinite or huge",
    ),
    "one-hot labels": (_changed(train_labels=np.eye(20)), "train_labels in some.file has shape (20, 20)"),
    "scalar label": (_changed(train_labels=np.array(1)), "train_labels in some.file has shape ()"),
    "missing key": ({k: v for k, v in arrays().items() if k != "test_labels"}, "lacks test_labels; save"),
    "nothing": ({}, "lacks train_data and train_labels; save train_data"),
}


@pytest.mark.parametrize("writer", [npz, python2_pickle])
@pytest.mark.parametrize("case", BAD)
def test_unusable_arrays_are_told_in_a_sentence(case: str, writer: Callable[[Arrays], bytes]) -> None:
    content, words = BAD[case]
    with pytest.raises(UserError) as error:
        read(writer(content))
    assert words in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "bool", "int8", "int64", "uint64"])
def test_numbers_of_any_type_are_read_without_a_warning(dtype: str) -> None:
    content = arrays(dtype=dtype)
    np.testing.assert_array_equal(read(npz(content)).images, content["train_data"].astype(np.float32))


@pytest.mark.filterwarnings("error")
def test_values_are_bounded_whatever_their_type() -> None:
    for dtype in (np.float16, np.float32, np.longdouble):
        largest = min(float(np.finfo(dtype).max), 1e15)
        for sign in (1, -1):
            assert as_rows(np.full((2, 1), sign * largest, dtype), "x").dtype == np.float32
            with pytest.raises(ValueError, match="x holds NaN, infinite or huge values"):
                as_rows(np.full((2, 1), sign * np.inf, dtype), "x")
    with pytest.raises(ValueError, match="x holds NaN, infinite or huge values"):
        as_rows(np.full((2, 1), np.longdouble(2e15)), "x")


def test_images_to_predict_from_must_have_rows(tmp_path: Path) -> None:
    np.save(tmp_path / "none.npy", np.zeros((0, 12)))
    with pytest.raises(UserError, match=r"array of images in none\.npy has shape \(0, 12\), and so no rows"):
        files.load_images(str(tmp_path / "none.npy"))
    with pytest.raises(UserError, match=r"does not exist; name an \.npy or \.npz file of images$"):
        files.load_images(str(tmp_path / "other.npy"))


def test_predict_takes_rows_of_the_models_size(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model, images = str(tmp_path / "model.safetensors"), str(tmp_path / "images.npy")
    trained().save(Path(model))
    for n, values in ((1, "1 value"), (12, "12 values")):
        np.save(images, np.zeros((3, n)))
        assert main(["predict", model, images]) == 1
        said = f"{images} has {values} per row, but {model} was trained on 9: name data of that size\n"
        assert capsys.readouterr().err.endswith(said)


def test_too_few_rows_of_a_class() -> None:
    labels = (np.arange(20) < 4).astype(int)
    with pytest.raises(UserError, match="4 rows of class 1 in train_data; at least 5"):
        read(npz(_changed(train_labels=labels)))


def test_paths_that_are_no_data_file(tmp_path: Path) -> None:
    missing = tmp_path / "none.npz"
    with pytest.raises(UserError, match=f"{missing} does not exist; name a file or a folder of images, or s"):
        load(str(missing))
    with pytest.raises(UserError, match="holds no images in folders of classes"):
        load(str(tmp_path))
    with pytest.raises(UserError, match="is a device or pipe"):
        load(os.devnull)
    (tmp_path / "empty.npz").touch()
    with pytest.raises(UserError, match=r"the data file .*empty\.npz is empty; save it again"):
        load(str(tmp_path / "empty.npz"))
    with pytest.raises(UserError, match="cannot be read"):
        load("n" * 300)


def test_a_file_above_the_limit(tmp_path: Path) -> None:
    with (tmp_path / "large.npz").open("wb") as file:
        file.truncate(files.MAX_BYTES + 1)  # sparse: takes no room
    with pytest.raises(UserError, match="larger than 1 GiB"):
        load(str(tmp_path / "large.npz"))


@pytest.mark.parametrize("writer", WRITERS.values(), ids=WRITERS.keys())
def test_a_file_cut_anywhere_ends_in_a_sentence(writer: Callable[[Arrays], bytes]) -> None:
    content = writer(arrays())
    for length in range(0, len(content), 7):
        with pytest.raises(UserError):
            read(content[:length])
    with pytest.raises(UserError, match=r"some.file is a (truncated or )?damaged"):
        read(content[: len(content) // 2])


def _zip(member: bytes, *, name: str = "train_data.npy", compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        archive.writestr(name, member)
        archive.writestr("train_labels.npy", b"")
    return file.getvalue()


def _npy(header: str, content: bytes = b"") -> bytes:
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + content


def test_npz_members_must_fit_their_headers() -> None:
    claims = "{'descr': '|u1', 'fortran_order': False, 'shape': (1000000000000, 3072), }\n"
    with pytest.raises(UserError, match="its size and its shape"):
        read(_zip(_npy(claims, b"abc")))
    objects = "{'descr': '|O', 'fortran_order': False, 'shape': (1,), }\n"
    told = r"holds object, that is pickles, which are not read: save words with \.astype\(str\), numbers with"
    with pytest.raises(UserError, match=told):
        read(_zip(_npy(objects, pickle.dumps([Calls(Path("/nowhere"))]))))
    with pytest.raises(UserError, match=r"damaged \.npz archive"):
        read(_zip(_npy("(" * 5000)))
    with pytest.raises(UserError, match="other than deflate"):
        read(_zip(b"x", compression=zipfile.ZIP_LZMA))
    assert lzma  # the archive above needs it


def test_a_zip_bomb_is_refused_by_its_stated_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MAX_BYTES", 100_000)
    with pytest.raises(UserError, match="more than 1 GiB"):
        read(_zip(b"\0" * 100_001))


def test_a_zip_bomb_that_lies_about_its_size_is_cut_short() -> None:
    header = "{'descr': '|u1', 'fortran_order': False, 'shape': (10,), }\n"
    honest = len(_npy(header)) + 10
    bomb = _zip(_npy(header, b"\0" * 10_000_000))
    lying = bomb.replace(struct.pack("<I", honest - 10 + 10_000_000), struct.pack("<I", honest))
    assert lying != bomb
    with pytest.raises(UserError, match="damaged"):
        read(lying)


SEEDS = [writer(arrays()) for writer in WRITERS.values()] + [
    *HOSTILE.values(),
    *BOMBS.values(),
    _zip(_npy("{}")),
]


@FUZZ
@given(start=st.sampled_from([b"", b"PK\x03\x04", b"\x80\x02", b"\x80\x04}("]), rest=st.binary(max_size=400))
def test_fuzz_any_bytes(start: bytes, rest: bytes) -> None:
    _dataset_or_sentence(start + rest)


@FUZZ
@given(seed=st.sampled_from(SEEDS), data=st.data())
def test_fuzz_changed_files(seed: bytes, data: st.DataObject) -> None:
    changed = bytearray(seed)
    for _ in range(data.draw(st.integers(1, 6))):
        place = data.draw(st.integers(0, len(changed)))
        removed = data.draw(st.integers(0, 4))
        changed[place : place + removed] = data.draw(st.binary(max_size=6))
    _dataset_or_sentence(bytes(changed))


def _dataset_or_sentence(content: bytes) -> None:
    try:
        data = read(content)
    except UserError as error:
        assert "\n" not in str(error)  # noqa: PT017
    else:
        assert set(np.unique(data.labels)) == set(range(len(data.class_names)))
        assert np.isfinite(data.split().train.x).all()
