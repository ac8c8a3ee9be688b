"""SQLite: a database file that appears complete, and is opened with care."""

import contextlib
import glob
import json
import os
import secrets
import sqlite3
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from urllib.parse import quote

from filelock import FileLock, Timeout
from optuna.exceptions import StorageInternalError
from sqlalchemy.engine import URL
from sqlalchemy.exc import SQLAlchemyError

from fcnet.errors import UserError
from fcnet.writing import drop_abandoned, flush_folder
from studies import program
from studies.storage.errors import explain, schema_error
from studies.storage.retrying import RetryingStorage, ignore

BUSY_SECONDS = 60.0
ANSWER_SECONDS = 2.0  # of one call of the storage, which repeats it and tells the user


def connect_sqlite(parsed: URL, *, create: bool, say: Callable[[str], None]) -> RetryingStorage:
    """Open a SQLite file; see `studies.storage.database.connect`."""
    path = Path(str(parsed.database))
    if create:
        drop_abandoned(path.parent, f".{glob.escape(path.name)}.*.new*")
    if not path.exists():
        if not create:
            raise UserError(f"there is no database {path} here: make one with {program.command()}")
        _create_sqlite(path)
    _check_sqlite(path)
    return _open(f"sqlite:///{path}", say, skip_table_creation=True)


def _open(url: str, say: Callable[[str], None], *, skip_table_creation: bool) -> RetryingStorage:
    try:
        return RetryingStorage(
            url.replace("{", "{{").replace("}", "}}"),  # Optuna takes the address for a format string
            engine_kwargs={
                "connect_args": {"timeout": ANSWER_SECONDS},
                "pool_events": [(_set_pragmas, "connect")],
                "pool_size": 20,
                "max_overflow": 20,
            },
            skip_table_creation=skip_table_creation,
            say=say,
        )
    except RuntimeError as error:  # Optuna's verdict on the schema
        raise schema_error(url, error) from error
    except (StorageInternalError, SQLAlchemyError) as error:
        raise explain(error, url) or error from error


def use_wal(path: Path) -> None:
    """Let readers and the one writer go on side by side; a property of the file, changed once."""
    with contextlib.closing(sqlite3.connect(path, timeout=BUSY_SECONDS)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")


def _set_pragmas(connection: sqlite3.Connection, _: object) -> None:
    # What is committed is on the disk, whatever was chosen where SQLite was built: a power cut loses nothing.
    connection.execute("PRAGMA synchronous=FULL")


def _create_sqlite(path: Path) -> None:
    """Make the tables in a neighbour that then takes the name, so that nobody sees half a schema."""
    neighbour = path.with_name(f".{path.name}.{secrets.token_hex(4)}.new")
    try:
        neighbour.touch(exist_ok=False)
        use_wal(neighbour)
        _open(f"sqlite:///{neighbour}", ignore, skip_table_creation=False).close()
        if Path(f"{neighbour}-wal").exists():  # all that tells that its pages could not be brought home
            raise sqlite3.OperationalError("its pages cannot be written")
        _take_name(neighbour, path)
        flush_folder(path.parent)
    except (OSError, sqlite3.Error) as error:
        raise UserError(
            f"cannot make the database {path}: {getattr(error, 'strerror', None) or error};"
            " choose a folder that exists and can be written with --storage sqlite:///FILE"
        ) from error
    finally:
        for ending in ("", "-journal", "-wal", "-shm"):
            Path(f"{neighbour}{ending}").unlink(missing_ok=True)


def _take_name(neighbour: Path, path: Path) -> None:
    try:
        os.link(neighbour, path)
    except FileExistsError:
        pass  # another process was quicker: its database is as good
    except OSError:  # a file system without links
        if not path.exists():
            neighbour.rename(path)


def _check_sqlite(path: Path) -> None:
    """Refuse a file that is no database of Optuna's, without touching it."""
    try:
        with path.open("rb") as file:
            header = file.read(16)
    except OSError as error:
        raise UserError(f"cannot read the database {path}: {error.strerror or error}") from error
    if header != b"SQLite format 3\0":
        raise UserError(f"{path} is not a SQLite database: name another file with --storage sqlite:///FILE")
    try:
        with _reading(path) as connection:
            tables = {
                name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type='table'")
            }
            known = {"alembic_version", "studies", "trials"} <= tables
            known = known and connection.execute("SELECT 1 FROM alembic_version").fetchone() is not None
    except sqlite3.OperationalError as error:
        raise UserError(f"cannot open the database {path}: {error}") from error
    except sqlite3.DatabaseError as error:
        raise _damaged(path, str(error)) from error
    if not known:
        raise UserError(
            f"{path} is a database of another program: name another file with --storage sqlite:///FILE"
        )


def check_integrity(path: Path) -> None:
    """Refuse a damaged file before anything is written to it; reads all of it once."""
    try:
        with _reading(path) as connection:
            (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.DatabaseError as error:
        raise _damaged(path, str(error)) from error
    if verdict != "ok":
        raise _damaged(path, verdict.strip().splitlines()[-1])


def _damaged(path: Path, symptom: str) -> UserError:
    return UserError(
        f"the database {path} is damaged ({symptom}): it was left as it is; restore a copy or start another"
        " with --storage sqlite:///FILE"
    )


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[sqlite3.Connection]:
    uri = f"file:{quote(str(path.absolute()))}?mode=ro"
    with contextlib.closing(sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS)) as connection:
        yield connection


@contextlib.contextmanager
def only_one(database: Path) -> Iterator[None]:
    """Hold the lock file beside a database; the system frees it when this process ends in any way."""
    database = database.resolve()  # one lock, by whatever name the file is called
    holder = database.with_name(database.name + ".owner")
    lock = FileLock(f"{database}.lock", timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise UserError(
            f"{database.name} is in use by another sweep{_describe(holder)}: wait for it or stop it"
        ) from error
    except OSError as error:
        raise UserError(f"cannot write beside the database {database}: {error.strerror or error}") from error
    try:
        started = datetime.now().astimezone().isoformat(sep=" ", timespec="seconds")
        holder.write_text(json.dumps({"process": os.getpid(), "started": started}), encoding="utf-8")
        yield
    finally:
        holder.unlink(missing_ok=True)
        lock.release()


def _describe(holder: Path) -> str:
    try:
        facts = json.loads(holder.read_text(encoding="utf-8"))
        return f" (process {facts['process']}, started {facts['started']})"
    except (OSError, ValueError, KeyError, TypeError):
        return ""  # between the lock and the note
