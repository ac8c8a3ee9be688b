"""PostgreSQL: its addresses, and how several coordinators share a study through advisory locks."""

import contextlib
import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import sqlalchemy
from sqlalchemy.engine import URL
from sqlalchemy.exc import OperationalError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from fcnet.errors import UserError
from studies.storage.errors import redact, schema_error
from studies.storage.retrying import LockLost, PatientStorage

BEAT_SECONDS = 2.0

# Notice within half a minute that the other end is gone without a word; the address may say otherwise.
_KEEPALIVE = {
    "connect_timeout": 10,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}


def connect_postgres(parsed: URL, *, create: bool, say: Callable[[str], None]) -> PatientStorage:
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
    engine = sqlalchemy.create_engine(address, connect_args=connect_args, poolclass=NullPool)
    try:
        with engine.connect() as connection:
            ready = sqlalchemy.inspect(connection).has_table("alembic_version")
            if not ready and not create:
                raise UserError(
                    f"there is no study in {where} yet: start one with python sweep.py --storage {where}"
                )
            if not ready:  # one at a time; the lock ends with this connection
                connection.execute(sqlalchemy.select(sqlalchemy.func.pg_advisory_lock(_key("schema"))))
            return PatientStorage(
                address.replace("{", "{{").replace("}", "}}"),  # Optuna takes it for a format string
                engine_kwargs={
                    "connect_args": connect_args,
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


class PostgresPeers:
    """The coordinators of one study on a server.

    Each holds a session's advisory lock on its own identity as long as it lives: the server frees it when the
    process dies, and a thread takes it again when the connection was lost. A second lock, on the study,
    gives the exclusive right.

    Parameters
    ----------
    storage : PatientStorage
        What `connect_postgres` returned.
    study_name : str
        Name of the study.
    identity : str
        16 hexadecimal digits, this coordinator's own.
    grace : float
        Seconds for which another coordinator's lock must be seen free before it counts as dead: a living one
        takes it again within about `BEAT_SECONDS` of a server's restart.
    """

    def __init__(self, storage: PatientStorage, study_name: str, identity: str, grace: float) -> None:
        self._storage = storage
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
            self._storage.patiently(self._live)
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
        """Keep the other coordinators of the study from starting trials."""
        self._storage.patiently(self._acquire)
        try:
            yield
        finally:
            # a lost connection has given the lock back already
            with contextlib.suppress(OperationalError):
                self._ask(self._connection, "SELECT pg_advisory_unlock(%s)", self._study_key)

    def guard(self) -> None:
        """Raise LockLost if the connection that holds the exclusive right is gone."""
        self._checked("SELECT 1")

    def is_dead(self, coordinator: str) -> bool:
        """Tell whether a coordinator's lock has been free for the grace period; for use in `exclusive`."""
        key = int(coordinator, 16)
        held = self._checked(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1 AND granted"
            " AND classid::bigint = %s AND objid::bigint = %s"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
            key >> 32,
            key & 0xFFFFFFFF,
        )
        if held:
            self._absent.pop(coordinator, None)
            return False
        since = self._absent.setdefault(coordinator, time.monotonic())
        return time.monotonic() - since >= self._grace

    def _acquire(self) -> None:
        if self._connection is None or self._connection.closed:
            self._connection = self._open()
            self._absent.clear()  # whoever was away may be back by now
        self._ask(self._connection, "SELECT pg_advisory_lock(%s)", self._study_key)

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
        try:
            connection = psycopg.connect(**parameters)
            # the server, too, notices soon that this process's machine is gone
            for setting, value in (("idle", 10), ("interval", 5), ("count", 3)):
                connection.execute(f"SET tcp_keepalives_{setting} = {value}")
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
        import psycopg

        try:
            return connection.execute(statement, parameters).fetchone()[0]
        except psycopg.Error as error:
            connection.close()
            raise OperationalError(statement, None, error) from error


def _key(text: str) -> int:
    """Return a number for an advisory lock, the same in every process."""
    return int.from_bytes(hashlib.sha256(f"fcnet-sweep {text}".encode()).digest()[:8], "big", signed=True)
