"""CIFAR-10: the official binary archive, downloaded once, verified, read without unpacking it to disk."""

import gzip
import queue
import tarfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
import platformdirs
from numpy.typing import NDArray

from fcnet.data.dataset import Dataset
from fcnet.errors import UsageError, UserError

CLASS_NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
_RECORD = 1 + 3 * 32 * 32  # bytes: a label, then the red, green and blue plane, row by row
_DEVELOPMENT = tuple(f"cifar-10-batches-bin/data_batch_{number}.bin" for number in range(1, 6))
_TEST = "cifar-10-batches-bin/test_batch.bin"
_MAX_MEMBERS = 64
_SILENCE_SECONDS = 30.0  # a server that sends nothing for so long has gone


@dataclass(frozen=True)
class Archive:
    """Where the archive is, and what it must be."""

    url: str = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
    sha256: str = "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"
    rows_per_batch: int = 10_000

    @property
    def path(self) -> Path:
        """Place of the archive in the user's cache."""
        return platformdirs.user_cache_path("fcnet") / "cifar-10-binary.tar.gz"


ARCHIVE = Archive()


class Unavailable(UserError):
    """CIFAR-10 is neither cached nor can it be downloaded."""


def load(classes: Sequence[str], *, patience: float | None = None) -> Dataset:
    """Load the images of some classes; the first class gets label 0.

    Parameters
    ----------
    classes : sequence of str
        Two or more different CIFAR-10 classes.
    patience : float, optional
        Seconds in which the server must answer; by default as long as the network lets it try.

    Raises
    ------
    UsageError
        If a class is unknown or named twice, or there are fewer than two.
    Unavailable
        If the archive is neither cached nor can it be downloaded.
    UserError
        If the archive is damaged.
    """
    unknown = [name for name in classes if name not in CLASS_NAMES]
    if unknown:
        raise UsageError(f"{unknown[0]!r} is no CIFAR-10 class; choose from {', '.join(CLASS_NAMES)}")
    if len(classes) < 2 or len(set(classes)) < len(classes):
        raise UsageError(f"the classes are {','.join(classes)!r}; name two or more different ones")
    batches = read_archive(_fetched(ARCHIVE, patience), rows_per_batch=ARCHIVE.rows_per_batch)
    images, labels = _chosen(np.concatenate([batches[name] for name in _DEVELOPMENT]), classes)
    return Dataset(
        name=f"CIFAR-10 {'/'.join(classes)}",
        images=images,
        labels=labels,
        class_names=tuple(classes),
        image_shape=(3, 32, 32),
        _test=_chosen(batches[_TEST], classes),
    )


def read_archive(path: Path, *, rows_per_batch: int) -> dict[str, NDArray[np.uint8]]:
    """Read the six batches, each of shape (rows_per_batch, 3073), and nothing else of a ``.tar.gz``.

    Raises
    ------
    UserError
        If a batch is missing or has another size, or the file is no such archive.
    """
    batches: dict[str, NDArray[np.uint8]] = {}
    wanted = {*_DEVELOPMENT, _TEST}
    size = rows_per_batch * _RECORD
    try:
        with gzip.open(path) as unzipped:
            # Twice the batches: enough for headers and a text file, too little to fill the memory.
            limited = _Limited(unzipped, 2 * len(wanted) * size + (1 << 20))
            with tarfile.open(fileobj=limited, mode="r|") as archive:  # type: ignore[call-overload]
                for _ in range(_MAX_MEMBERS):
                    member = archive.next()
                    if member is None or len(batches) == len(wanted):
                        break
                    if member.name not in wanted or not member.isreg() or member.size != size:
                        continue
                    content = archive.extractfile(member).read(size)
                    batches[member.name] = np.frombuffer(content, np.uint8).reshape(rows_per_batch, _RECORD)
    # The two libraries meet bytes of any kind here; whatever they trip over, the file is damaged.
    except Exception as error:
        raise UserError(
            f"{path} is damaged ({type(error).__name__}); delete it, so that it is downloaded again"
        ) from error
    missing = wanted - set(batches)
    if missing:
        raise UserError(
            f"{path} lacks {min(missing)} of {size:,} bytes; delete it, so that it is downloaded again"
        )
    if any(batch[:, 0].max() >= len(CLASS_NAMES) for batch in batches.values()):
        raise UserError(f"{path} holds a label above 9; delete it, so that it is downloaded again")
    return batches


class _Limited:
    """A stream that ends at a limit: what is decompressed may be far larger than the file."""

    def __init__(self, stream: IO[bytes] | gzip.GzipFile, limit: int) -> None:
        self._stream = stream
        self._left = limit

    def read(self, size: int) -> bytes:
        content = self._stream.read(min(size, self._left))
        self._left -= len(content)
        return content


def _chosen(
    records: NDArray[np.uint8], classes: Sequence[str]
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    label_of = np.full(len(CLASS_NAMES), -1, dtype=np.int64)
    for label, name in enumerate(classes):
        label_of[CLASS_NAMES.index(name)] = label
    labels = label_of[records[:, 0]]
    rows = labels >= 0
    return np.ascontiguousarray(records[rows, 1:]), labels[rows]


def _fetched(source: Archive, patience: float | None) -> Path:
    """Path of the verified archive; a file that fails its checksum is never used and replaced if possible."""
    import pooch

    pooch.get_logger().setLevel("WARNING")
    path = source.path
    try:
        cached = path.is_file() and pooch.file_hash(str(path)) == source.sha256
        if not cached and patience is not None and not _answers(source.url, patience):
            raise OSError("no answer from the server")
        if not cached:
            downloader = pooch.HTTPDownloader(progressbar=True, chunk_size=1 << 16, timeout=_SILENCE_SECONDS)
            pooch.retrieve(
                source.url, f"sha256:{source.sha256}", path.name, path.parent, downloader=downloader
            )
    except (OSError, ValueError) as error:
        raise Unavailable(
            f"CIFAR-10 could not be downloaded from {source.url} ({_reason(error)}); "
            f"try again later, or put that file at {path} by hand, or use --data FILE"
        ) from error
    return path


def _answers(url: str, patience: float) -> bool:
    """Tell whether a server answers at all; in a thread, because looking up a name has no time limit."""
    import requests

    answers: queue.SimpleQueue[bool] = queue.SimpleQueue()

    def ask() -> None:
        try:
            requests.head(url, timeout=patience).close()
        except (OSError, ValueError):  # what requests raises is an OSError
            answers.put(False)
        else:
            answers.put(True)

    threading.Thread(target=ask, daemon=True).start()
    try:
        return answers.get(timeout=patience)
    except queue.Empty:
        return False


def _reason(error: Exception) -> str:
    import requests

    match error:
        case requests.HTTPError(response=response) if response is not None:
            return f"the server says {response.status_code}"
        case requests.RequestException():
            return "no connection, or it broke"
        case ValueError():  # pooch's word for another checksum
            return "what came has another checksum"
        case OSError(strerror=str(text)):
            return text
    return str(error)
