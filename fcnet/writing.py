"""Files that appear whole or not at all, whatever happens to the process that writes them."""

import contextlib
import os
import tempfile
import time
from pathlib import Path

from fcnet.errors import UserError

ABANDONED_SECONDS = 3600.0  # a temporary file that old belongs to a process that was killed


def write_whole(path: Path, content: bytes) -> None:
    """Write a file under a temporary name, flush it to the disk, then give it its name.

    A process that is killed in between leaves its temporary file; the next writer removes it, an hour later.

    Raises
    ------
    UserError
        If the folder cannot be made or written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        drop_abandoned(path.parent, f".{path.name}.*")
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(temporary, 0o644)  # noqa: PTH101
            os.replace(temporary, path)  # noqa: PTH105
        except BaseException:
            os.unlink(temporary)  # noqa: PTH108
            raise
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
