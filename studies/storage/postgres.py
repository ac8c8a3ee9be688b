"""PostgreSQL: its addresses, and how several coordinators share a study through advisory locks."""

import contextlib
import hashlib
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import sqlalchemy
from sqlalchemy.engine import URL
from sqlalchemy.exc import OperationalError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from fcnet.errors import UserError
from studies import program
from studies.storage.errors import redact, schema_error
from studies.storage.retrying import LockLost, RetryingStorage

BEAT_SECONDS = 2.0
LOOK_SECONDS = 5.0  # for which a lock is waited for before its holder is named
IDLE_SECONDS = 60.0  # for which a program that does not go on may keep a lock

# Notice within half a minute that the other end is gone without a word; the address may say otherwise.
_KEEPALIVE = {
    "connect_timeout": 10,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}


def connect_postgres(parsed: URL, *, create: bool, say: Callable[[str], None]) -> RetryingStorage:
    """Open a PostgreSQL database; see `studies.storage.database.connect`."""
    try:
        import psycopg  # noqa: F401
    except ImportError as error:
        raise UserError('PostgreSQL needs its driver: run pip install "fcnet-sweep[postgres]"') from error
    # The password goes to the driver alone, so that no address kept in memory can give it away.
    query = {key: value for key, value in parsed.query.items() if key != "password"}
    password = parsed.password or parsed.query.get("password")
    bare = URL.create(
        parsed.drivername, parsed.username, None, parsed.host, parsed.port, parsed.database, query
    )
    address = bare.render_as_string()
    connect_args: dict[str, Any] = {key: value for key, value in _KEEPALIVE.items() if key not in query}
    if password:
        connect_args["password"] = password
    where = redact(address)
    bound = [(_bound_transactions, "connect")]
    engine = sqlalchemy.create_engine(
        address, connect_args=connect_args, pool_events=bound, poolclass=NullPool
    )
    try:
        with engine.connect() as connection:
            ready = sqlalchemy.inspect(connection).has_table("alembic_version")
            if not ready and not create:
                start = program.command(f"--storage {where}")
                raise UserError(f"there is no study in {where} yet: start one with {start}")
            if not ready:  # one at a time; the lock ends with this connection
                connection.execute(sqlalchemy.select(sqlalchemy.func.pg_advisory_lock(_key("schema"))))
            return RetryingStorage(
                address.replace("{", "{{").replace("}", "}}"),  # Optuna takes it for a format string
                engine_kwargs={
                    "connect_args": connect_args,
                    "pool_events": bound,
                    "pool_pre_ping": True,
                    "pool_size": 20,
                    "max_overflow": 20,
                },
                skip_table_creation=ready,
                say=say,
            )
    except (SQLAlchemyError, ValueError) as error:
        reason = str(getattr(error, "orig", None) or error).strip().splitlines()[0].rstrip(".:")
        raise UserError(
            f"cannot use the database {where} ({reason}): check the address, the password and the server"
        ) from error
    except RuntimeError as error:  # Optuna's verdict on the schema
        raise schema_error(where, error) from error
    finally:
        engine.dispose()


def _bound_transactions(connection: Any, _: object) -> None:
    """Let the server end a connection whose program stops within a transaction, and holds its locks."""
    connection.execute(f"SET idle_in_transaction_session_timeout = {IDLE_SECONDS * 1000:.0f}")
    connection.commit()


_HOLDERS = (  # of an advisory lock, by the halves of its number
    "FROM pg_locks LEFT JOIN pg_stat_activity USING (pid)"
    " WHERE locktype = 'advisory' AND objsubid = 1 AND granted"
    " AND classid::bigint = %s AND objid::bigint = %s"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)


class PostgresPeers:
    """The coordinators of one study on a server.

    Each holds a session's advisory lock on its own identity as long as it lives: the server frees it when the
    process dies, and a thread takes it again when the connection was lost. A second lock, on the study,
    gives the exclusive right. It belongs to a transaction, so that the server takes it from a holder that is
    silent for `IDLE_SECONDS` (a stopped process, a machine that sleeps) and learns it from `guard`.

    Parameters
    ----------
    storage : RetryingStorage
        What `connect_postgres` returned.
    study_name : str
        Name of the study.
    identity : str
        16 hexadecimal digits, this coordinator's own.
    grace : float
        Seconds for which another coordinator's lock must be seen free before it counts as dead: a living one
        takes it again within about `BEAT_SECONDS` of a server's restart.
    """

    def __init__(self, storage: RetryingStorage, study_name: str, identity: str, grace: float) -> None:
        self._storage = storage
        self._study_name = study_name
        self._study_key = _key(f"study {study_name}")
        self._identity = identity
        self._grace = grace
        self._absent: dict[str, float] = {}
        self._connection: Any = None
        self._life: Any = None
        self._held = False
        self._stop = threading.Event()
        self._keeper = threading.Thread(target=self._keep_alive, name="coordinator's lock", daemon=True)

    @contextlib.contextmanager
    def alive(self) -> Iterator[None]:
        """Hold this coordinator's own lock."""
        try:
            self._storage.retried(self._live)
            self._keeper.start()
            yield
        finally:
            self._stop.set()
            if self._keeper.is_alive():
                self._keeper.join()
            for connection in (self._life, self._connection):
                if connection is not None:
                    connection.close()

    @contextlib.contextmanager
    def exclusive(self) -> Iterator[None]:
        """Keep the other coordinators of the study from starting trials.

        Raises
        ------
        UserError
            If the program is asked to stop while another coordinator has the right.
        """
        waited = False
        while holder := self._storage.retried(self._acquire):
            if not waited:
                self._storage.say(
                    f"{holder} holds the right to start trials of the study {self._study_name!r} and does not"
                    f" go on: waiting until the server takes it away after {IDLE_SECONDS:g} s"
                )
            waited = True
            self._storage.refuse_to_wait()
        if waited:
            self._storage.say(f"the study {self._study_name!r} goes on")
        try:
            yield
        finally:
            # a lost connection has given the lock back already
            with contextlib.suppress(OperationalError):
                self._ask(self._connection, "ROLLBACK")

    def guard(self) -> None:
        """Raise LockLost if the connection that holds the exclusive right is gone."""
        self._checked("SELECT 1")

    def is_dead(self, coordinator: str) -> bool:
        """Tell whether a coordinator's lock has been free for the grace period; for use in `exclusive`."""
        held = self._checked(f"SELECT count(*) {_HOLDERS}", *_halves(int(coordinator, 16)))
        if held:
            self._absent.pop(coordinator, None)
            return False
        since = self._absent.setdefault(coordinator, time.monotonic())
        return time.monotonic() - since >= self._grace

    def _acquire(self) -> str:
        """Take the exclusive right, or return who had it for `LOOK_SECONDS`."""
        if self._connection is None or self._connection.closed:
            self._connection = self._open()
            self._absent.clear()  # whoever was away may be back by now
        self._ask(self._connection, "BEGIN")
        if self._ask(self._connection, "SELECT pg_advisory_xact_lock(%s)", self._study_key) is not None:
            return ""
        self._ask(self._connection, "ROLLBACK")
        found = self._ask(
            self._connection, f"SELECT max(application_name) {_HOLDERS}", *_halves(self._study_key)
        )
        return found or "another program"  # the server hides the names of other users' programs

    def _live(self) -> None:
        if self._life is None or self._life.closed:
            self._life = self._open()
            self._held = False
        if self._held:
            self._ask(self._life, "SELECT 1")
        else:  # as long as the server believes in a former connection, that one holds it on our behalf
            key = int(self._identity, 16)
            self._held = self._ask(self._life, "SELECT pg_try_advisory_lock(%s)", key - (key >> 63 << 64))

    def _keep_alive(self) -> None:
        while not self._stop.wait(BEAT_SECONDS):
            with contextlib.suppress(OperationalError):
                self._live()

    def _open(self) -> Any:
        import psycopg

        engine = self._storage.engine
        _, parameters = engine.dialect.create_connect_args(engine.url)
        parameters.update(self._storage.engine_kwargs["connect_args"], autocommit=True)
        parameters.setdefault("application_name", f"process {os.getpid()} on {socket.gethostname()}"[:63])
        try:
            connection = psycopg.connect(**parameters)
            # the server, too, notices soon that this process's machine is gone
            for setting, value in (("idle", 10), ("interval", 5), ("count", 3)):
                connection.execute(f"SET tcp_keepalives_{setting} = {value}")
            connection.execute(f"SET lock_timeout = {LOOK_SECONDS * 1000:.0f}")
            _bound_transactions(connection, None)
        except psycopg.Error as error:
            raise OperationalError("connect", None, error) from error
        return connection

    def _checked(self, statement: str, *parameters: int) -> Any:
        """Ask on the connection that holds the exclusive right, which must not have been lost."""
        try:
            return self._ask(self._connection, statement, *parameters)
        except OperationalError as error:
            raise LockLost from error

    def _ask(self, connection: Any, statement: str, *parameters: int) -> Any:
        """Return the first value of an answer; None if it has none, or a lock could not be had in time."""
        import psycopg

        try:
            cursor = connection.execute(statement, parameters)
            return cursor.fetchone()[0] if cursor.description else None
        except psycopg.errors.LockNotAvailable:
            return None
        except psycopg.Error as error:
            connection.close()
            raise OperationalError(statement, None, error) from error


def _halves(key: int) -> tuple[int, int]:
    """Return the two numbers under which the server lists an advisory lock."""
    return key >> 32 & 0xFFFFFFFF, key & 0xFFFFFFFF


def _key(text: str) -> int:
    """Return a number for an advisory lock, the same in every process."""
    return int.from_bytes(hashlib.sha256(f"fcnet-sweep {text}".encode()).digest()[:8], "big", signed=True)
