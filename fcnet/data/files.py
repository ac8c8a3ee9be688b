"""Data files: recognised by content, read within a stated limit of memory, checked before use."""

import contextlib
import os
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from fcnet.data.checks import as_rows, checked_parts, shape_of_image
from fcnet.data.dataset import Dataset
from fcnet.errors import UserError

MAX_BYTES = 1 << 30  # of a file, and of the arrays in it
_KEYS = {
    "train_data": "x_train",
    "train_labels": "y_train",
    "test_data": "x_test",
    "test_labels": "y_test",
}


def load(source: str) -> Dataset:
    """Load an ``.npz`` archive or the assignment's pickle, whatever the file is called.

    Parameters
    ----------
    source : str
        Path of the file. It holds ``train_data``, ``train_labels``, ``test_data`` and ``test_labels`` (an
        archive may also say ``x_train``, ``y_train``, ``x_test``, ``y_test``): images (n, ...) of uint8 or
        finite floats, labels (n,) or (n, 1) that are 0 or 1.

    Returns
    -------
    Dataset
        With class names ``"0"`` and ``"1"``.

    Raises
    ------
    UserError
        If the file is missing, unreadable, not of this form, or takes more than 1 GiB.
    """
    with _opened(source) as file:
        return read(file, Path(source).name)


def load_images(source: str) -> NDArray[Any]:
    """Load images without labels, for predictions.

    Parameters
    ----------
    source : str
        Path of an ``.npy`` file, or of an ``.npz`` archive that holds ``images``, or of a data file, whose
        test images are taken.

    Returns
    -------
    ndarray, shape (n, n_features), uint8 or float32

    Raises
    ------
    UserError
        If the file is missing, unreadable, not of this form, or takes more than 1 GiB.
    """
    with _opened(source) as file:
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
    elif magic.startswith(b"PK"):
        arrays = _read_npz(file, name, {"images": "x", "test_data": "x_test"})
        found = next((arrays[key] for key in ("images", "test_data") if key in arrays), None)
        if found is None:
            raise UserError(f"{name} holds no images; save them as numpy.savez(FILE, images=...)")
        images = found
    elif magic.startswith(b"\x80"):
        images = _read_pickle(file, name).get("test_data", np.empty(0))
    else:
        raise UserError(f"{name} is neither an .npy nor an .npz file; save images with numpy.save")
    if images.ndim < 2 or 0 in images.shape:
        raise UserError(f"{name} has images of shape {images.shape}, but it must be (images, values)")
    try:
        return as_rows(images, f"images in {name}")
    except ValueError as error:
        raise UserError(str(error)) from error


@contextlib.contextmanager
def _opened(source: str) -> Iterator[BinaryIO]:
    try:
        path = Path(source)
        if path.is_dir():
            raise UserError(f"the data file {source} is a folder; name a file in it")
        if not path.exists():
            raise UserError(
                f"the data file {source} does not exist; "
                "name an .npz or pickle file, or say auto, cifar10 or synthetic"
            )
        if not path.is_file():
            raise UserError(f"the data file {source} is a device or pipe; name a regular file")
        if path.stat().st_size > MAX_BYTES:
            raise UserError(f"the data file {source} is larger than 1 GiB; keep fewer images in it")
        with path.open("rb") as file:
            yield file
    except OSError as error:
        raise UserError(
            f"the data file {source} cannot be read ({error.strerror}); check its name and permissions"
        ) from error


def read(file: BinaryIO, name: str) -> Dataset:
    """Read a data file that is open at its start; `name` is for messages.

    Raises
    ------
    UserError
        If the file cannot be used.
    """
    magic = file.read(4)
    file.seek(0)
    if magic.startswith(b"PK"):
        return _checked(_read_npz(file, name), name)
    if magic.startswith(b"\x80"):
        return _checked(_read_pickle(file, name), name)
    raise UserError(
        f"{name} is neither an .npz archive nor a pickle of protocol 2 or later; "
        f"save {', '.join(_KEYS)} with numpy.savez"
    )


def _read_pickle(file: BinaryIO, name: str) -> dict[str, NDArray[Any]]:
    from fcnet.data.pickles import read_pickle  # few files are any

    return read_pickle(file.read(MAX_BYTES), name)


def _read_npz(file: BinaryIO, name: str, keys: Mapping[str, str] = _KEYS) -> dict[str, NDArray[Any]]:
    arrays = {}
    budget = MAX_BYTES
    try:
        with zipfile.ZipFile(file) as archive:
            present = set(archive.namelist())
            for key, other in keys.items():
                member = next((f"{k}.npy" for k in (key, other) if f"{k}.npy" in present), None)
                if member is not None:
                    arrays[key] = _read_member(archive, archive.getinfo(member), name, budget)
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
    if dtype.kind not in "biuf" or dtype.itemsize > 8:
        raise UserError(f"{where} holds {dtype}, but it must hold plain numbers")
    n_values = 1
    for length in shape:
        n_values *= length
    if n_values * dtype.itemsize != size - stream.tell():
        raise UserError(f"{where} is damaged: its size and its shape {shape} disagree")
    values = np.frombuffer(stream.read(), dtype=dtype)
    return values.reshape(shape, order="F" if fortran else "C")


def _checked(arrays: Mapping[str, NDArray[Any]], name: str) -> Dataset:
    missing = [key for key in _KEYS if key not in arrays]
    if missing:
        raise UserError(f"{name} lacks {', '.join(missing)}; save all of {', '.join(_KEYS)} in it")
    try:
        development, test = checked_parts([arrays[key] for key in _KEYS], [*_KEYS], name, n_classes=2)
    except ValueError as error:
        raise UserError(str(error)) from error
    return Dataset(name, *development, ("0", "1"), shape_of_image(arrays["train_data"]), _test=test)
