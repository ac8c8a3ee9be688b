"""Data files: recognised by content, read within a stated limit of memory, checked before use."""

import contextlib
import os
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from fcnet.data.checks import TURN_OBJECTS, as_rows, check_shape
from fcnet.data.dataset import Dataset
from fcnet.data.lines import UTF_16
from fcnet.data.reading import Reading, set_aside
from fcnet.errors import UserError

MAX_BYTES = 1 << 30  # of a file, and of the arrays in it

# Names that people give to arrays: the first pair that an archive holds is taken, in capitals or not.
_DEVELOPMENT = (
    ("train_data", "train_labels"),
    ("train_images", "train_labels"),
    ("x_train", "y_train"),
    ("x", "y"),
    ("data", "target"),
    ("data", "labels"),
    ("images", "labels"),
)
_TEST = (("test_data", "test_labels"), ("test_images", "test_labels"), ("x_test", "y_test"))
_PARTS = {"development": _DEVELOPMENT, "test": _TEST}
_OTHERWISE = "name a file or a folder of images, or say auto, cifar10, synthetic or sklearn:digits"
_TO_PREDICT = ("images", *(images for images, _ in (*_TEST, *_DEVELOPMENT)))


def load(source: str, reading: Reading, say: Callable[[str], None]) -> Dataset:
    """Load a data file, whatever it is called: an ``.npz`` archive, a pickle of arrays, a table.

    Parameters
    ----------
    source : str
        Path of the file. An archive or pickle holds images (n, ...) and labels (n,) or (n, 1), whole numbers
        or words, under one of the pairs of names above, and perhaps a test part. A table is text with commas,
        tabs or semicolons, or Parquet; see `fcnet.data.tables`.
    reading : Reading
        What is to be known of a table.
    say : callable
        Takes one-line notices for the user.

    Returns
    -------
    Dataset
        Classes are called by their labels.

    Raises
    ------
    UserError
        If the file is missing, unreadable, not of this form, or takes more than 1 GiB.
    """
    with opened(source) as file:
        return read(file, Path(source).name, reading, say)


def load_images(source: str) -> NDArray[Any]:
    """Load images without labels, for predictions.

    Parameters
    ----------
    source : str
        Path of an ``.npy`` file, or of an ``.npz`` archive that holds ``images``, or of a data file, whose
        test images are taken, or all if it has no test part.

    Returns
    -------
    ndarray, shape (n, n_features), uint8 or float32

    Raises
    ------
    UserError
        If the file is missing, unreadable, not of this form, or takes more than 1 GiB.
    """
    with opened(source, "name an .npy or .npz file of images") as file:
        return read_images(file, Path(source).name)


def read_images(file: BinaryIO, name: str) -> NDArray[Any]:
    """Read images from a file that is open at its start; `name` is for messages.

    Raises
    ------
    UserError
        If the file cannot be used.
    """
    magic = file.read(6)
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    if magic == b"\x93NUMPY":
        try:
            images = _read_array(file, size, name)
        except UserError:
            raise
        except Exception as error:
            raise UserError(
                f"{name} is a damaged .npy file ({type(error).__name__}); save it again with numpy.save"
            ) from error
    elif magic.startswith((b"PK", b"\x80")):
        if magic.startswith(b"PK"):
            found = _read_npz(file, name, lambda present: _first(present, _TO_PREDICT))
        else:
            arrays = _read_pickle(file, name)
            found = {key: arrays[key] for key in _first(arrays, _TO_PREDICT)}
        if not found:
            raise UserError(f"{name} holds no images; save them as numpy.savez(FILE, images=...)")
        (images,) = found.values()
    else:
        raise UserError(f"{name} is neither an .npy nor an .npz file; save images with numpy.save")
    try:
        check_shape(images, f"the array of images in {name}")
        return as_rows(images, f"the array of images in {name}")
    except ValueError as error:
        raise UserError(" ".join(str(error).split())) from error


@contextlib.contextmanager
def opened(source: str, otherwise: str = _OTHERWISE) -> Iterator[BinaryIO]:
    """Open a regular file of at most 1 GiB, or say why not; `otherwise` says what to do if there is none."""
    try:
        path = Path(source)
        if path.is_dir():
            raise UserError(f"the data file {source} is a folder; name a file in it")
        if not path.exists():
            raise UserError(f"the data file {source} does not exist; {otherwise}")
        if not path.is_file():
            raise UserError(f"the data file {source} is a device or pipe; name a regular file")
        if path.stat().st_size == 0:
            raise UserError(f"the data file {source} is empty; save it again, or name another one")
        if path.stat().st_size > MAX_BYTES:
            raise UserError(f"the data file {source} is larger than 1 GiB; keep fewer images in it")
        with path.open("rb") as file:
            yield file
    except OSError as error:
        raise UserError(
            f"the data file {source} cannot be read ({error.strerror}); check its name and permissions"
        ) from error


def read(
    file: BinaryIO,
    name: str,
    reading: Reading = Reading(),  # frozen
    say: Callable[[str], None] = lambda _: None,
) -> Dataset:
    """Read a data file that is open at its start; `name` is for messages.

    Raises
    ------
    UserError
        If the file cannot be used.
    """
    start = file.read(4096)
    file.seek(0)
    if start.startswith((b"PK", b"\x80")):
        reading.refuse(name, "no table", label=True, impute=True)
        arrays = _read_npz(file, name, lambda present: _chosen(present, name)) if start[:1] == b"P" else None
        if arrays is None:
            everything = _read_pickle(file, name)
            arrays = {key: everything[key] for key in _chosen(everything, name)}
        return _checked(arrays, name, say)
    if start.startswith((b"PAR1", *UTF_16)) or _is_text(start):
        from fcnet.data import tables  # and its library

        return tables.read(file, name, reading, say)
    raise UserError(
        f"{name} is neither an .npz archive, nor a pickle of protocol 2 or later, nor a table as text or"
        " Parquet; save train_data, train_labels, test_data, test_labels with numpy.savez"
    )


def _is_text(start: bytes) -> bool:
    """Tell whether a file begins with text: letters and numbers, lines, no other bytes below the blank."""
    printable = start.translate(None, delete=bytes([*range(9), *range(14, 32), 11, 12, 127]))
    return bool(start.strip()) and len(printable) == len(start)


def _first(present: Iterable[str], names: Iterable[str]) -> list[str]:
    """Return the first of some names that is present, in capitals or not, as it is written there."""
    written = {key.lower(): key for key in present}
    return next(([written[name]] for name in names if name in written), [])


def _chosen(present: Iterable[str], source: str) -> list[str]:
    """Return the names of images and labels, and of those of the test part if there is one.

    Raises
    ------
    UserError
        If there is no such pair, or half of one.
    """
    written = {key.lower(): key for key in present}
    pairs = {part: [pair for pair in pairs if {*pair} & {*written}] for part, pairs in _PARTS.items()}
    chosen = []
    for part, found in pairs.items():
        whole = [pair for pair in found if {*pair} <= {*written}]
        if whole:
            chosen += [written[name] for name in whole[0]]
        elif found or part == "development":
            lacking = [name for name in (found or _DEVELOPMENT)[0] if name not in written]
            raise UserError(
                f"{source} lacks {' and '.join(lacking)}; save train_data and train_labels in it, and"
                " test_data and test_labels if there is a test part"
            )
    return chosen


def _read_pickle(file: BinaryIO, name: str) -> dict[str, NDArray[Any]]:
    from fcnet.data.pickles import read_pickle  # few files are any

    return read_pickle(file.read(MAX_BYTES), name)


def _read_npz(file: BinaryIO, name: str, choose: Callable[[list[str]], list[str]]) -> dict[str, NDArray[Any]]:
    """Read those arrays of an archive that are chosen from the names of all."""
    arrays = {}
    budget = MAX_BYTES
    try:
        with zipfile.ZipFile(file) as archive:
            present = [
                member.removesuffix(".npy") for member in archive.namelist() if member.endswith(".npy")
            ]
            for key in choose(present):
                arrays[key] = _read_member(archive, archive.getinfo(f"{key}.npy"), name, budget)
                budget -= arrays[key].nbytes
    except UserError:
        raise
    # The zip and npy parsers meet bytes of any kind here; whatever they trip over, the file is unreadable.
    except Exception as error:
        raise UserError(
            f"{name} is a damaged .npz archive ({type(error).__name__}); save it again with numpy.savez"
        ) from error
    return arrays


def _read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str, budget: int) -> NDArray[Any]:
    """Read one array; its header must agree with the member's size before anything is allocated."""
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise UserError(f"{name} uses a compression other than deflate; save it again with numpy.savez")
    if member.file_size > budget:
        raise UserError(f"{name} holds arrays of more than 1 GiB; keep fewer images in it")
    with archive.open(member) as stream:
        return _read_array(stream, member.file_size, f"{member.filename} in {name}")


def _read_array(stream: IO[bytes], size: int, where: str) -> NDArray[Any]:
    """Read an array in NumPy's format from a stream of `size` bytes."""
    version = np.lib.format.read_magic(stream)
    header = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    shape, fortran, dtype = header[version](stream)
    if dtype.kind == "O":
        raise UserError(f"{where} holds object, that is pickles, which are not read: {TURN_OBJECTS}")
    if not (dtype.kind in "biuf" and dtype.itemsize <= 8) and not (dtype.kind in "US" and dtype.itemsize):
        raise UserError(f"{where} holds {dtype}, but it must hold plain numbers")
    n_values = 1
    for length in shape:
        n_values *= length
    if n_values * dtype.itemsize != size - stream.tell():
        raise UserError(f"{where} is damaged: its size and its shape {shape} disagree")
    values = np.frombuffer(stream.read(), dtype=dtype)
    return values.reshape(shape, order="F" if fortran else "C")


def _checked(arrays: Mapping[str, NDArray[Any]], name: str, say: Callable[[str], None]) -> Dataset:
    try:
        dataset = Dataset.assemble(list(arrays.values()), list(arrays), name)
    except ValueError as error:
        raise UserError(" ".join(str(error).split())) from error
    if len(arrays) == 2:
        say(set_aside(dataset))
    return dataset
