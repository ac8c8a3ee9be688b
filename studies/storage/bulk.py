"""Read many trials at once. Optuna's own reading makes an object of every row and takes ten times as long."""

import json
import math
from collections import defaultdict
from collections.abc import Container, Iterator
from functools import cache
from typing import Any

from optuna.distributions import BaseDistribution, json_to_distribution
from optuna.storages._rdb.models import BaseModel
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import ColumnElement, Connection, String, select, type_coerce

_TABLES = BaseModel.metadata.tables
_TRIALS = _TABLES["trials"]
_NOT_FINITE = {"INF_POS": math.inf, "INF_NEG": -math.inf, "NAN": math.nan}
_MOST_NAMED = 500  # trials that a statement names one by one; databases limit their number


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
    """
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN")  # the driver itself begins with the first write only
    else:  # or a trial that ends meanwhile would be complete and have no value
        connection.execution_options(isolation_level="REPEATABLE READ")
    named = {trial_id for trial_id in named if trial_id <= after}
    wanted: ColumnElement[bool] = _TRIALS.c.trial_id > after
    if len(named) > _MOST_NAMED:
        wanted = _TRIALS.c.trial_id >= min(named)
    elif named:
        wanted |= _TRIALS.c.trial_id.in_(named)
    wanted &= _TRIALS.c.study_id == study_id

    def rows(table: str, *columns: str) -> Iterator[Any]:
        source = _TABLES[table]
        (key,) = source.primary_key
        # The kinds of values are enumerations, of which the plain names are wanted.
        chosen = [type_coerce(source.c[n], String) if n.endswith("type") else source.c[n] for n in columns]
        query = select(source.c.trial_id, *chosen).join(_TRIALS, source.c.trial_id == _TRIALS.c.trial_id)
        return iter(connection.execute(query.where(wanted).order_by(key)))

    distribution = cache(json_to_distribution)
    params: dict[int, dict[str, Any]] = defaultdict(dict)
    distributions: dict[int, dict[str, BaseDistribution]] = defaultdict(dict)
    for trial_id, name, value, text in rows("trial_params", "param_name", "param_value", "distribution_json"):
        distributions[trial_id][name] = found = distribution(text)
        params[trial_id][name] = found.to_external_repr(value)
    values: dict[int, dict[int, float]] = defaultdict(dict)
    for trial_id, objective, value, kind in rows("trial_values", "objective", "value", "value_type"):
        values[trial_id][objective] = _NOT_FINITE.get(kind, value)
    intermediate: dict[int, dict[int, float]] = defaultdict(dict)
    columns = ("step", "intermediate_value", "intermediate_value_type")
    for trial_id, step, value, kind in rows("trial_intermediate_values", *columns):
        intermediate[trial_id][step] = _NOT_FINITE.get(kind, value)
    attrs: dict[str, dict[int, dict[str, Any]]] = {}
    for whose in ("user", "system"):
        attrs[whose] = defaultdict(dict)
        for trial_id, key, text in rows(f"trial_{whose}_attributes", "key", "value_json"):
            attrs[whose][trial_id][key] = json.loads(text)

    trials = []
    for row in connection.execute(select(_TRIALS).where(wanted).order_by(_TRIALS.c.trial_id)):
        known = row.trial_id
        if (known <= after and known not in named) or (states is not None and row.state not in states):
            continue
        trials.append(
            FrozenTrial(
                number=row.number,
                state=row.state,
                value=None,
                values=[values[known][i] for i in sorted(values[known])] or None,
                datetime_start=row.datetime_start,
                datetime_complete=row.datetime_complete,
                params=params[known],
                distributions=distributions[known],
                user_attrs=attrs["user"][known],
                system_attrs=attrs["system"][known],
                intermediate_values=intermediate[known],
                trial_id=known,
            )
        )
    return trials
