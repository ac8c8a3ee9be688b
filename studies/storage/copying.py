"""Move a study with everything on it from one database to another."""

import contextlib
import re
from collections.abc import Iterator
from itertools import islice, zip_longest
from typing import Any

from optuna.exceptions import StorageInternalError
from optuna.storages._rdb.models import BaseModel
from sqlalchemy import Connection, Table, insert, select
from sqlalchemy.exc import SQLAlchemyError

from fcnet.errors import UserError
from studies.storage.database import connect, load_study
from studies.storage.errors import explain, redact
from studies.storage.retrying import PatientStorage

_CHUNK_ROWS = 2_000
_TABLES = BaseModel.metadata.tables
_STUDIES, _TRIALS = _TABLES["studies"], _TABLES["trials"]
# In the order in which the copy writes them; heartbeats belong to the process that sent them.
_PARTS = [
    table
    for table in BaseModel.metadata.sorted_tables
    if table not in (_STUDIES, _TRIALS)
    and table.name != "trial_heartbeats"
    and ("study_id" in table.c or "trial_id" in table.c)
]
# The dashboard keeps the note of a trial under the trial's id in its database, which differs in the copy.
_TRIAL_NOTE = re.compile(r"dashboard:(\d+):(?=note_)")


def copy_study(source_url: str, target_url: str, name: str) -> None:
    """Copy a study with its trials, figures, notes, attributes and the metadata of its artifacts.

    Optuna's own copy takes one transaction for each trial and a query for each value (0.1 s per trial of 20
    epochs), and gives the notes of trials to others. This one copies rows: all in one transaction, read back
    and compared before it is committed. The artifacts' files stay where they are.

    Parameters
    ----------
    source_url : str
        Address of the database to read. A study that is being swept is copied as it stands at one moment.
    target_url : str
        Address of the database to write, made if it is not there. It must hold no study of that name.
    name : str
        Name of the study.

    Raises
    ------
    UserError
        If there is no such study, the target has one of that name, or either database fails; nothing of the
        study is in the target then.
    """
    with contextlib.closing(connect(source_url, create=False)) as source:
        load_study(source, name)
        with contextlib.closing(connect(target_url, create=True)) as target:
            if any(study.study_name == name for study in target.get_all_studies()):
                raise UserError(
                    f"there is a study {name!r} in {redact(target_url)} already: nothing was copied"
                )
            try:
                with _snapshot(source) as old, target.engine.begin() as new:
                    _copy(old, new, name)
                    _verify(old, new, name)
            except (StorageInternalError, SQLAlchemyError) as error:
                raise explain(error, target.url) or error from error


@contextlib.contextmanager
def _snapshot(storage: PatientStorage) -> Iterator[Connection]:
    """Give a connection that sees the database as it is at one moment."""
    with storage.engine.connect() as connection:
        if storage.engine.name == "sqlite":
            connection.exec_driver_sql("BEGIN")  # the driver itself begins with the first write only
            yield connection
        else:
            yield connection.execution_options(isolation_level="REPEATABLE READ")


def _copy(old: Connection, new: Connection, name: str) -> None:
    new.execute(insert(_STUDIES), {"study_name": name})
    study_id = _study_id(new, name)
    for rows in _chunks(_rows(old, _TRIALS, name)):
        new.execute(insert(_TRIALS), [{"study_id": study_id, **row} for row in rows])
    ids = {number: trial_id for trial_id, number in _numbers(new, name).items()}

    def place(row: dict[str, Any]) -> dict[str, Any]:
        """Give a row its owner's id in the new database."""
        if "trial" in row:
            return {"trial_id": ids[row.pop("trial")], **row}
        if "key" in row:
            row["key"] = re.sub(r"dashboard:#(\d+):", lambda m: f"dashboard:{ids[int(m[1])]}:", row["key"])
        return {"study_id": study_id, **row}

    for table in _PARTS:
        for rows in _chunks(_rows(old, table, name)):
            new.execute(insert(table), [place(row) for row in rows])


def _verify(old: Connection, new: Connection, name: str) -> None:
    for table in (_TRIALS, *_PARTS):
        for before, after in zip_longest(_rows(old, table, name), _rows(new, table, name)):
            if before != after:
                raise UserError(
                    f"the copy of the study {name!r} differs from the original in {table.name}"
                    f" ({after} instead of {before}): nothing was copied"
                )


def _rows(connection: Connection, table: Table, name: str) -> Iterator[dict[str, Any]]:
    """Yield a study's rows of one table in a form that is the same in every database.

    Ids are left out; a trial's row has its number as "trial".
    """
    (key,) = table.primary_key
    values = [
        column for column in table.c if column is not key and column.name not in ("study_id", "trial_id")
    ]
    if "study_id" in table.c:
        query = select(*values).where(table.c.study_id == _study_id(connection, name))
        query = query.order_by(table.c.number if table is _TRIALS else key)
    else:
        query = select(_TRIALS.c.number.label("trial"), *values)
        query = query.join(_TRIALS, table.c.trial_id == _TRIALS.c.trial_id)
        query = query.where(_TRIALS.c.study_id == _study_id(connection, name)).order_by(_TRIALS.c.number, key)
    numbers = _numbers(connection, name) if table.name == "study_system_attributes" else {}

    def by_number(match: re.Match[str]) -> str:
        number = numbers.get(int(match[1]))
        return match[0] if number is None else f"dashboard:#{number}:"

    for row in connection.execution_options(yield_per=_CHUNK_ROWS).execute(query).mappings():
        plain = dict(row)
        if numbers:
            plain["key"] = _TRIAL_NOTE.sub(by_number, plain["key"])
        yield plain


def _study_id(connection: Connection, name: str) -> int:
    query = select(_STUDIES.c.study_id).where(_STUDIES.c.study_name == name)
    return int(connection.execute(query).scalar_one())


def _numbers(connection: Connection, name: str) -> dict[int, int]:
    """Return the number of each trial by its id."""
    query = select(_TRIALS.c.trial_id, _TRIALS.c.number)
    query = query.where(_TRIALS.c.study_id == _study_id(connection, name))
    return {row.trial_id: row.number for row in connection.execute(query)}


def _chunks(rows: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    while chunk := list(islice(rows, _CHUNK_ROWS)):
        yield chunk
