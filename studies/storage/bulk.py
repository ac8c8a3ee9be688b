"""Read many trials at once. Optuna's own reading makes an object of every row and takes ten times as long."""

import json
import math
from collections import defaultdict
from collections.abc import Container, Iterator, Sequence
from functools import cache
from typing import Any

from optuna.distributions import BaseDistribution, json_to_distribution
from optuna.storages._rdb.models import BaseModel
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import ColumnElement, Connection, Select, String, bindparam, select, type_coerce

_TABLES = BaseModel.metadata.tables
_TRIALS = _TABLES["trials"]
_NOT_FINITE = {"INF_POS": math.inf, "INF_NEG": -math.inf, "NAN": math.nan}
_MOST_NAMED = 500  # trials that a statement names one by one; databases limit their number


_STUDY = select(_TABLES["studies"]).where(_TABLES["studies"].c.study_id == bindparam("study"))
_READ = {
    "trial_params": ("param_name", "param_value", "distribution_json"),
    "trial_values": ("objective", "value", "value_type"),
    "trial_intermediate_values": ("step", "intermediate_value", "intermediate_value_type"),
    "trial_user_attributes": ("key", "value_json"),
    "trial_system_attributes": ("key", "value_json"),
}


def read_trials(
    connection: Connection, study_id: int, states: Container[TrialState] | None, named: set[int], after: int
) -> list[FrozenTrial]:
    """Return trials of a study, in the order of their ids.

    Parameters
    ----------
    connection : Connection
        Without a transaction; all is read as it is at one moment.
    study_id : int
    states : container of TrialState or None
        None takes trials in any state.
    named, after : set of int, int
        Ids of trials, and an id: the named ones and those with a higher id than `after` are read.

    Raises
    ------
    KeyError
        If there is no such study.
    """
    _at_one_moment(connection)
    named = {trial_id for trial_id in named if trial_id <= after}
    asked: dict[str, Any] = {"study": study_id, "after": after}
    if len(named) > _MOST_NAMED:
        asked["after"] = min(named) - 1
    elif named:
        asked["named"] = list(named)
    rows = connection.execute(_trials(frozenset(asked)), asked).all()
    if not rows and connection.execute(_STUDY, {"study": study_id}).first() is None:
        raise KeyError(f"there is no study with the id {study_id}")
    return _whole(
        connection,
        [
            row
            for row in rows
            if (row.trial_id > after or row.trial_id in named) and (states is None or row.state in states)
        ],
    )


def read_trial(connection: Connection, trial_id: int) -> FrozenTrial:
    """Return one trial, as it is at one moment.

    Raises
    ------
    KeyError
        If there is no such trial.
    """
    _at_one_moment(connection)
    found = _whole(connection, connection.execute(_trials(frozenset({"one"})), {"one": trial_id}).all())
    if not found:
        raise KeyError(f"there is no trial with the id {trial_id}")
    return found[0]


def _at_one_moment(connection: Connection) -> None:
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN")  # the driver itself begins with the first write only
    else:  # or a trial that ends meanwhile would be complete and have no value
        connection.execution_options(isolation_level="REPEATABLE READ")


@cache
def _trials(asked: frozenset[str]) -> Select[Any]:
    """Return the statement for rows of trials; made once, as that takes longer than to execute it."""
    if "one" in asked:
        return select(_TRIALS).where(_TRIALS.c.trial_id == bindparam("one"))
    wanted: ColumnElement[bool] = _TRIALS.c.trial_id > bindparam("after")
    if "named" in asked:
        wanted |= _TRIALS.c.trial_id.in_(bindparam("named", expanding=True))
    wanted &= _TRIALS.c.study_id == bindparam("study")
    return select(_TRIALS).where(wanted).order_by(_TRIALS.c.trial_id)


@cache
def _parts(table: str, *, few: bool) -> Select[Any]:
    """Return the statement for a table of what trials have: of few trials, or of a study's later ones."""
    source = _TABLES[table]
    (key,) = source.primary_key
    # The kinds of values are enumerations, of which the plain names are wanted.
    chosen = [type_coerce(source.c[n], String) if n.endswith("type") else source.c[n] for n in _READ[table]]
    query = select(source.c.trial_id, *chosen).order_by(key)
    if few:
        return query.where(source.c.trial_id.in_(bindparam("ids", expanding=True)))
    later = (_TRIALS.c.study_id == bindparam("study")) & (_TRIALS.c.trial_id >= bindparam("least"))
    return query.join(_TRIALS, source.c.trial_id == _TRIALS.c.trial_id).where(later)


def _whole(connection: Connection, trials: Sequence[Any]) -> list[FrozenTrial]:
    """Return trials of one study, given their rows, with all that they have."""
    if not trials:
        return []
    ids = [row.trial_id for row in trials]
    few = len(ids) <= _MOST_NAMED
    asked = {"ids": ids} if few else {"study": trials[0].study_id, "least": min(ids)}

    def rows(table: str) -> Iterator[Any]:
        return iter(connection.execute(_parts(table, few=few), asked))

    distribution = cache(json_to_distribution)
    params: dict[int, dict[str, Any]] = defaultdict(dict)
    distributions: dict[int, dict[str, BaseDistribution]] = defaultdict(dict)
    for trial_id, name, value, text in rows("trial_params"):
        distributions[trial_id][name] = found = distribution(text)
        params[trial_id][name] = found.to_external_repr(value)
    values: dict[int, dict[int, float]] = defaultdict(dict)
    for trial_id, objective, value, kind in rows("trial_values"):
        values[trial_id][objective] = _NOT_FINITE.get(kind, value)
    intermediate: dict[int, dict[int, float]] = defaultdict(dict)
    for trial_id, step, value, kind in rows("trial_intermediate_values"):
        intermediate[trial_id][step] = _NOT_FINITE.get(kind, value)
    attrs: dict[str, dict[int, dict[str, Any]]] = {}
    for whose in ("user", "system"):
        attrs[whose] = defaultdict(dict)
        for trial_id, key, text in rows(f"trial_{whose}_attributes"):
            attrs[whose][trial_id][key] = json.loads(text)
    return [
        FrozenTrial(
            number=row.number,
            state=row.state,
            value=None,
            values=[values[row.trial_id][i] for i in sorted(values[row.trial_id])] or None,
            datetime_start=row.datetime_start,
            datetime_complete=row.datetime_complete,
            params=params[row.trial_id],
            distributions=distributions[row.trial_id],
            user_attrs=attrs["user"][row.trial_id],
            system_attrs=attrs["system"][row.trial_id],
            intermediate_values=intermediate[row.trial_id],
            trial_id=row.trial_id,
        )
        for row in trials
    ]
