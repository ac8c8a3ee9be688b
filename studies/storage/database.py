"""Open the database of an address: what addresses there are, and which database stands behind each."""

from collections.abc import Callable

import sqlalchemy
from sqlalchemy.engine import URL, make_url

from fcnet.errors import UserError
from studies.storage.errors import redact
from studies.storage.retrying import RetryingStorage, ignore
from studies.storage.sqlite import connect_sqlite


def connect(url: str, *, create: bool, say: Callable[[str], None] = ignore) -> RetryingStorage:
    """Open the database of an address.

    Parameters
    ----------
    url : str
        ``sqlite:///FILE`` or ``postgresql://[USER[:PASSWORD]@]HOST[:PORT]/DATABASE``. A password may
        also come from the variable PGPASSWORD or the file ``~/.pgpass``.
    create : bool
        Whether a database that is not there yet is made. A SQLite file appears complete or not at all.
    say : callable, optional
        Takes a sentence for the user when a database is away and waited for.

    Returns
    -------
    RetryingStorage
        An Optuna storage that waits for a database that is busy or away.

    Raises
    ------
    UserError
        If the address is malformed, or there is no usable database behind it. Nothing is written then.
    """
    parsed = parse(url)
    if parsed.drivername.startswith("postgresql"):
        from studies.storage.postgres import connect_postgres

        return connect_postgres(parsed, create=create, say=say)
    return connect_sqlite(parsed, create=create, say=say)


def parse(url: str) -> URL:
    """Read the address of a database, see `connect`; nothing is opened."""
    if "://" not in url:
        raise UserError(f"{url} is not a database address: write --storage sqlite:///{url}")
    try:
        parsed = make_url(url)
    except (sqlalchemy.exc.ArgumentError, ValueError) as error:
        raise UserError(
            f"the database address {redact(url)} cannot be read:"
            " write sqlite:///FILE or postgresql://USER@HOST/DATABASE"
        ) from error
    backend = parsed.get_backend_name()
    if backend == "sqlite":
        if parsed.host:
            raise UserError(f"{redact(url)} has a slash too few: write --storage sqlite:///{url[9:]}")
        if not parsed.database or parsed.database.startswith((":memory:", "file:")):
            raise UserError(f"{url} names no file to keep trials in: write --storage sqlite:///FILE")
    elif backend in ("postgresql", "postgres"):
        if "@" in (parsed.host or ""):
            raise UserError(
                "the password in the database address has a character that must be written as a code:"
                " write %40 for @, or keep the password in PGPASSWORD"
            )
        parsed = parsed.set(drivername="postgresql+psycopg")
    else:
        raise UserError(
            f"databases of the kind {parsed.drivername!r} are not supported:"
            " write sqlite:///FILE or postgresql://USER@HOST/DATABASE"
        )
    return parsed
