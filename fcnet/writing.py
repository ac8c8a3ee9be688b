"""Files that appear whole or not at all, whatever happens to the process or the power."""

import contextlib
import glob
import os
import secrets
import sys
import time
from pathlib import Path

from fcnet.errors import UserError

ABANDONED_SECONDS = 3600.0  # a temporary file that old belongs to a process that was killed
_FOLDERS_OPEN = sys.platform != "win32"


def write_whole(path: Path, content: bytes) -> None:
    """Write a file under a temporary name, flush it to the disk, then give it its name, and flush that.

    A process that is killed in between leaves its temporary file; the next writer removes it, an hour later.

    Raises
    ------
    UserError
        If the folder cannot be made or written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        drop_abandoned(path.parent, f".{glob.escape(path.name)}.*.draft")
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.draft")
        try:
            with temporary.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        flush_folder(path.parent)
    except OSError as error:
        raise UserError(
            f"cannot write {path}: {error.strerror or error}; choose a folder that can be written"
        ) from error


def drop_abandoned(folder: Path, pattern: str) -> None:
    """Remove temporary files that match `pattern` and that nobody has written to for an hour."""
    for file in folder.glob(pattern):
        with contextlib.suppress(OSError):
            if file.stat().st_mtime < time.time() - ABANDONED_SECONDS:
                file.unlink()


def flush_folder(folder: Path) -> None:
    """Bring the names in a folder to the disk; Windows opens no folder, and keeps names by its journal."""
    if not _FOLDERS_OPEN:
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
