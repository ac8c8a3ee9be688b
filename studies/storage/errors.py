"""What databases say when something is wrong, and what the user can do about it."""

import re

import sqlalchemy
from optuna.exceptions import StorageInternalError
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError

from fcnet.errors import UserError

_TROUBLE = {
    "readonly": "cannot be written: allow writing to the file and its folder",
    "is full": "has no room left on its disk: free some space",
    "No space left": "has no room left on its server's disk: free some space",
    "disk I/O error": "cannot be read or written (disk I/O error): check the disk and its free space",
    "malformed": "is damaged: it was left as it is; restore a copy or name another file with --storage",
    "not a database": "is damaged: it was left as it is; restore a copy or name another file with --storage",
    "unable to open": "cannot be opened: check that its folder is there and can be written",
    "no such table": "has lost its tables: restore a copy or name another file with --storage",
}


def redact(url: str) -> str:
    """Return the address without its password, fit for any message."""
    try:
        parsed = make_url(url)
    except (SQLAlchemyError, ValueError):
        parsed = None
    if parsed is None or "@" in (
        parsed.host or ""
    ):  # where the password ends is a guess: hide what may be it
        return re.sub(r"//.*@", "//***@", url).split("?")[0]
    query = {key: value for key, value in parsed.query.items() if "pass" not in key}
    return parsed.set(query=query).render_as_string(hide_password=True).replace("+psycopg", "", 1)


def schema_error(url: str, error: RuntimeError) -> UserError:
    """Say how to mend a database whose tables belong to another version of Optuna."""
    where = redact(url)
    if "storage upgrade" in str(error):
        return UserError(
            f"{where} was made by an older Optuna: keep a copy,"
            f" then run optuna storage upgrade --storage {where}"
        )
    return UserError(f"{where} was made by a newer Optuna: run pip install --upgrade optuna")


def passes(error: BaseException) -> bool:
    """Tell whether waiting may mend it: a locked file, a lost connection, a server that starts or stops."""
    cause = error.__cause__ if isinstance(error, StorageInternalError) else error
    if isinstance(cause, sqlalchemy.exc.TimeoutError):  # all connections are in use by calls that wait
        return True
    if not isinstance(cause, DBAPIError):
        return False
    if cause.connection_invalidated:
        return True
    if not isinstance(cause, OperationalError):
        return False
    if type(cause.orig).__module__.startswith("sqlite3"):
        return "locked" in str(cause.orig) or "busy" in str(cause.orig)
    # PostgreSQL: no code (the connection broke), connection, rollback, resources, operator intervention
    state = getattr(cause.orig, "sqlstate", None)
    return state is None or state[:2] in ("08", "40", "57") or state == "53300"


def explain(error: BaseException, url: str) -> UserError | None:
    """Say in a sentence what is wrong with a database, or return None for an error of the program's own."""
    cause = error.__cause__ if isinstance(error, StorageInternalError) else error
    if isinstance(cause, DBAPIError):
        for symptom, sentence in _TROUBLE.items():
            if symptom in str(cause.orig):
                return UserError(f"the database {redact(url)} {sentence}")
    if isinstance(cause, OperationalError):
        said = str(cause.orig).strip().splitlines()[0].rstrip(".")
        return UserError(f"the database {redact(url)} cannot go on: {said}")
    return None
