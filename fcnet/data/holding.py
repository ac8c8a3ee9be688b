"""Folders in use: whoever holds one keeps every process of this machine from dropping it."""

import contextlib
import errno
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

if sys.platform != "win32":
    import fcntl


def hold(file: Path) -> int:
    """Open a file, so that `drop` spares its folder until the descriptor is closed or this process ends.

    Returns
    -------
    int
        The descriptor, for `os.close`.

    Raises
    ------
    OSError
        If the file is missing, or its folder is being dropped.
    """
    descriptor = os.open(file, os.O_RDONLY)
    try:
        if sys.platform != "win32":  # there, an open file alone keeps its folder from being renamed
            with _without_support_for_locks():
                fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        if not os.path.samestat(os.fstat(descriptor), file.stat()):
            raise FileNotFoundError(errno.ENOENT, "replaced while it was opened")
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def drop(folder: Path, file: str) -> None:
    """Remove a folder, unless somebody holds its `file`; where that cannot be told, it stays."""
    doomed = folder.with_name(f"draft-{os.getpid()}-{folder.name}")
    try:
        with _alone(folder / file):
            folder.rename(doomed)  # from here on nobody finds it
    except OSError:
        return
    shutil.rmtree(doomed, ignore_errors=True)


@contextlib.contextmanager
def _alone(file: Path) -> Iterator[None]:
    """Keep others from holding a file; fail if somebody does."""
    with contextlib.ExitStack() as stack:
        if sys.platform != "win32" and file.exists():
            descriptor = os.open(file, os.O_RDWR)
            stack.callback(os.close, descriptor)
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield


@contextlib.contextmanager
def _without_support_for_locks() -> Iterator[None]:
    """Go on where the file system knows no locks: `drop` fails there, too."""
    try:
        yield
    except BlockingIOError:
        raise
    except OSError:
        pass
