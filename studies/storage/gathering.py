"""What a thread sets of its trials, gathered and written in one transaction instead of in one each."""

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from optuna.distributions import BaseDistribution, check_distribution_compatibility, distribution_to_json
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import BaseStorage, RDBStorage
from optuna.storages._rdb.models import BaseModel, TrialIntermediateValueModel
from optuna.study import Study
from optuna.trial import TrialState
from sqlalchemy import Connection, select
from sqlalchemy.dialects import postgresql, sqlite

_TABLES = BaseModel.metadata.tables
_INSERT: dict[str, Callable[..., Any]] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}
_Row = dict[str, Any]


class Gathering:
    """Parameters, attributes and intermediate values of trials that wait to be written.

    Of two values that were set under the same name the last one counts, as in the database.
    """

    def __init__(self) -> None:
        self._waiting: dict[tuple[str, str], dict[tuple[int, Any], _Row]] = {}
        self._since: float | None = None

    def param(self, trial_id: int, name: str, value: float, distribution: BaseDistribution) -> None:
        """Take a parameter, in its internal representation."""
        row = {"param_value": value, "distribution_json": distribution_to_json(distribution)}
        self._take("trial_params", "param_name", trial_id, name, row)

    def attr(self, whose: str, trial_id: int, key: str, value: object) -> None:
        """Take an attribute of the user or of the system."""
        self._take(f"trial_{whose}_attributes", "key", trial_id, key, {"value_json": json.dumps(value)})

    def intermediate(self, trial_id: int, step: int, value: float) -> None:
        """Take an intermediate value."""
        stored, kind = TrialIntermediateValueModel.intermediate_value_to_stored_repr(value)
        row = {"intermediate_value": stored, "intermediate_value_type": kind}
        self._take("trial_intermediate_values", "step", trial_id, step, row)

    def waits_for(self, seconds: float) -> bool:
        """Tell whether something has waited for so long."""
        return self._since is not None and time.monotonic() - self._since >= seconds

    def clear(self) -> None:
        """Forget all of it: it is written."""
        self._waiting.clear()
        self._since = None

    def write(self, connection: Connection) -> None:
        """Write all of it within the connection's transaction; once more does no harm.

        Raises
        ------
        optuna.exceptions.UpdateFinishedTrialError
            If a trial has ended meanwhile, by another process's hand.
        """
        insert = _INSERT[connection.dialect.name]
        trials = set()
        for (table, name), rows in self._waiting.items():
            into = insert(_TABLES[table])
            values = {c.name for c in _TABLES[table].columns if not c.primary_key} - {"trial_id", name}
            upsert = into.on_conflict_do_update(
                index_elements=["trial_id", name], set_={each: into.excluded[each] for each in values}
            )
            connection.execute(upsert, list(rows.values()))
            trials |= {trial_id for trial_id, _ in rows}
        # Only now: SQLite lets a transaction that begins by reading not write after others have.
        table = _TABLES["trials"]
        for number, state in connection.execute(
            select(table.c.number, table.c.state).where(table.c.trial_id.in_(trials))
        ):
            if TrialState(state).is_finished():
                raise UpdateFinishedTrialError(f"trial {number} has ended")

    def _take(self, table: str, column: str, trial_id: int, name: Any, row: _Row) -> None:
        rows = self._waiting.setdefault((table, column), {})
        rows[trial_id, name] = {"trial_id": trial_id, column: name, **row}
        self._since = self._since or time.monotonic()


class GatheringStorage(RDBStorage):
    """Optuna's database storage, which gathers what a thread sets of trials while it is told to."""

    def __init__(self, url: str, **options: Any) -> None:
        self._thread = threading.local()
        super().__init__(url, **options)

    @contextlib.contextmanager
    def gathered(self) -> Iterator[Callable[[float], None]]:
        """Gather what this thread sets of trials, and write it when it leaves.

        Yields
        ------
        callable
            Writes what has waited for at least so many seconds.
        """
        gathering = self._thread.gathering = Gathering()

        def write(seconds: float) -> None:
            if gathering.waits_for(seconds):
                self._write(gathering)

        try:
            yield write
        finally:
            self._thread.gathering = None
            write(0.0)

    def write_gathered(self, gathering: Gathering) -> None:
        """Write what was gathered, in one transaction."""
        with self.engine.begin() as connection:
            gathering.write(connection)

    def set_trial_intermediate_value(self, trial_id: int, step: int, intermediate_value: float) -> None:
        """Set or gather it; see `optuna.storages.BaseStorage`."""
        if (gathering := self._gathering()) is None:
            return super().set_trial_intermediate_value(trial_id, step, intermediate_value)
        return gathering.intermediate(trial_id, step, intermediate_value)

    def set_trial_user_attr(self, trial_id: int, key: str, value: Any) -> None:
        """Set or gather it; see `optuna.storages.BaseStorage`."""
        if (gathering := self._gathering()) is None:
            return super().set_trial_user_attr(trial_id, key, value)
        return gathering.attr("user", trial_id, key, value)

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        """Set it at once, with all that waits: a pruner reads its own again after the next epoch."""
        if (gathering := self._gathering()) is None:
            return super().set_trial_system_attr(trial_id, key, value)
        gathering.attr("system", trial_id, key, value)
        return self._write(gathering)

    def _set_trial_param(
        self,
        trial_id: int,
        param_name: str,
        param_value_internal: float,
        distribution: BaseDistribution,
        previous_distribution: BaseDistribution | None,
    ) -> None:
        gathering = self._gathering()
        if gathering is None or previous_distribution is None:  # the database holds what it must agree with
            if gathering is not None and gathering.waits_for(0.0):  # a trial's parameters keep their order
                self._write(gathering)
            return super()._set_trial_param(
                trial_id, param_name, param_value_internal, distribution, previous_distribution
            )
        check_distribution_compatibility(previous_distribution, distribution)
        return gathering.param(trial_id, param_name, param_value_internal, distribution)

    def _write(self, gathering: Gathering) -> None:
        self.write_gathered(gathering)
        gathering.clear()

    def _gathering(self) -> Gathering | None:
        return getattr(self._thread, "gathering", None)


def storage_of(study: Study) -> BaseStorage:
    """Return the storage of a study, without the cache that Optuna puts before a database."""
    storage: BaseStorage = getattr(study._storage, "_backend", study._storage)
    return storage


def gathered(study: Study) -> contextlib.AbstractContextManager[Callable[[float], None]]:
    """Gather what this thread sets of a study's trials, where its storage can; see `GatheringStorage`."""
    storage = storage_of(study)
    if isinstance(storage, GatheringStorage):
        return storage.gathered()
    return contextlib.nullcontext(lambda _: None)
