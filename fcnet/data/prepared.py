"""One prepared copy of a split on disk, which every worker process maps instead of loading its own."""

import atexit
import contextlib
import os
import shutil
import tempfile
import time
import zlib
from pathlib import Path

import platformdirs

from fcnet.blas import one_blas_thread
from fcnet.data.dataset import Dataset
from fcnet.data.form import form_text
from fcnet.data.holding import drop, hold
from fcnet.data.split import ABOUT, FORMAT, Split
from fcnet.errors import UserError
from fcnet.writing import flush_folder

KEPT = 8  # prepared folders in the cache, or all in use; one of 10,000 images of 3,072 values takes 123 MB
_ABANDONED_SECONDS = 3600.0  # a temporary folder that old belongs to a process that was killed
_kept: dict[Path, int] = {}  # descriptors that hold what this process has prepared or found


def shared_split(
    dataset: Dataset, protocol: str = "holdout", *, seed: int = 0, fold: int = 0, n_axes: int = 0
) -> Path:
    """Prepare a split in the user's cache, unless it is there already.

    Parameters
    ----------
    dataset : Dataset
        The data.
    protocol : {"holdout", "report", "final"}, default="holdout"
        See `Dataset.split`.
    seed, fold : int, default=0
        See `Dataset.split`.
    n_axes : int, default=0
        See `Split.principal`.

    Returns
    -------
    Path
        A folder for `Split.open`, which nobody drops while this process lives. Where the cache cannot be
        written, it is a temporary folder that is removed when this process ends.

    Raises
    ------
    UserError
        If neither the cache nor the temporary folder can hold the data.
    """
    part = f"{seed}.{fold}" if fold else f"{seed}"
    # The same values are other data as images, which have mirror images, or from another form of file.
    seen = str(dataset.image_shape) if dataset.are_images else ""
    seen += "" if dataset.form is None else form_text(dataset.form)
    kind = f"-{zlib.crc32(seen.encode()):08x}" if seen else ""
    name = f"{dataset.fingerprint}-{protocol}-{part}-{n_axes}{kind}-v{FORMAT}"
    cache = platformdirs.user_cache_path("fcnet") / "splits"
    ready = cache / name
    if _usable(ready):
        with contextlib.suppress(OSError):
            os.utime(ready)  # the cache drops what was not used for longest
            _keep(ready)
            return ready
    with one_blas_thread():
        split = dataset.split(protocol, seed=seed, fold=fold).principal(n_axes)
    try:
        cache.mkdir(parents=True, exist_ok=True)
        _write(split, ready)
        _keep(ready)
    except OSError:
        return _write_temporary(split, name)
    return ready


def _keep(ready: Path) -> None:
    """Hold a folder until this process ends: its path is given to workers that may start at any time."""
    descriptor = hold(ready / ABOUT)
    before = _kept.pop(ready, None)
    _kept[ready] = descriptor
    if before is not None:
        os.close(before)


def _usable(folder: Path) -> bool:
    try:
        Split.open(folder)
    except UserError:
        return False
    return True


def adopt(draft: Path, ready: Path) -> None:
    """Give a draft its final name in the same folder, which is therefore either absent or complete.

    Parameters
    ----------
    draft : Path
        A folder written by `Split.save`, or a copy of one; it is gone afterwards in any case.
    ready : Path
        The final name. If another process was faster, its folder stays.

    Raises
    ------
    OSError
        If the folder cannot be written.
    UserError
        If the draft is not a complete split.
    """
    try:
        Split.open(draft)
        damaged = Path(tempfile.mkdtemp(prefix="draft-", dir=ready.parent))
        try:
            if ready.exists() and not _usable(ready):
                ready.rename(damaged)
            try:
                draft.rename(ready)
            except OSError:
                if not _usable(ready):  # another process may have been faster
                    raise
            flush_folder(ready.parent)
        finally:
            shutil.rmtree(damaged, ignore_errors=True)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    _drop_old(ready.parent, keep=ready)


def _write(split: Split, ready: Path) -> None:
    draft = Path(tempfile.mkdtemp(prefix="draft-", dir=ready.parent))
    try:
        split.save(draft)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    adopt(draft, ready)


def _write_temporary(split: Split, name: str) -> Path:
    try:
        parent = Path(tempfile.mkdtemp(prefix="fcnet-"))
        atexit.register(_remove, parent, owner=os.getpid())
        folder = parent / name
        folder.mkdir()
        split.save(folder)
    except OSError as error:
        raise UserError(
            f"the prepared data can be written neither to the user's cache nor to {tempfile.gettempdir()} "
            f"({error.strerror}); make room or set TMPDIR to a folder that can be written"
        ) from error
    return folder


def _remove(folder: Path, *, owner: int) -> None:
    if os.getpid() == owner:  # not in a forked worker
        shutil.rmtree(folder, ignore_errors=True)


def _drop_old(cache: Path, *, keep: Path) -> None:
    used = {}
    for folder in cache.iterdir():
        with contextlib.suppress(FileNotFoundError):  # another process's draft is gone meanwhile
            used[folder] = folder.stat().st_mtime
    by_use = sorted(used, key=used.__getitem__, reverse=True)
    prepared = [folder for folder in by_use if not folder.name.startswith("draft-") and folder != keep]
    abandoned = time.time() - _ABANDONED_SECONDS
    drafts = [folder for folder in by_use if folder.name.startswith("draft-") and used[folder] < abandoned]
    for folder in prepared[KEPT - 1 :]:
        drop(folder, ABOUT)
    for folder in drafts:
        shutil.rmtree(folder, ignore_errors=True)
