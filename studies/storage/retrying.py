"""An Optuna storage that outlasts a busy or absent database and marks the trials that it starts."""

import contextlib
import functools
import json
import logging
import threading
import time
from collections.abc import Callable, Container, Iterator, Sequence
from datetime import datetime
from typing import Any, TypeVar

import sqlalchemy
from optuna.exceptions import StorageInternalError, UpdateFinishedTrialError
from optuna.storages._rdb.models import BaseModel
from optuna.trial import FrozenTrial, TrialState, create_trial
from sqlalchemy.exc import SQLAlchemyError

from fcnet.errors import UserError
from studies.record import COORDINATOR
from studies.storage.bulk import read_trial, read_trials
from studies.storage.errors import explain, passes, redact
from studies.storage.gathering import Gathering, GatheringStorage

PATIENCE_SECONDS = 300.0
PAUSE_SECONDS = 1.0
TICK_SECONDS = 0.1  # between two looks at whether the program gave up

_T = TypeVar("_T")
_TRIALS = BaseModel.metadata.tables["trials"]

# Optuna would print a statement of SQL for every read that a lost connection cuts off, and every new study.
logging.getLogger("optuna.storages._rdb.storage").setLevel(logging.ERROR)


class LockLost(Exception):
    """The exclusive right went away with the connection to the server: count again and ask again."""


def ignore(sentence: str) -> None:
    """Say nothing."""


def _allow() -> None:
    """Guard nothing."""


class RetryingStorage(GatheringStorage):
    """Optuna's database storage, which tries again what fails because the database is busy or away.

    Every call that finds the database busy, or its server away, waits and tries again for at most
    `PATIENCE_SECONDS`. A call may then have been carried out already before its answer was lost. Setting an
    attribute, a parameter or an intermediate value twice is harmless, and so is finishing a trial twice with
    the same result. A trial that was started but never handed out carries its coordinator's mark
    (see `marking`) and is found by `Coordinator.recover`.
    """

    def __init__(self, url: str, *, say: Callable[[str], None], **options: Any) -> None:
        self.say = say
        self._owner: str | None = None
        self._guard: Callable[[], None] = _allow
        self._away = threading.Lock()
        self._given_up = False
        self._creation = threading.local()
        try:
            super().__init__(url, **options)
        except BaseException:
            if hasattr(self, "engine"):
                self.engine.dispose()
            raise

    def close(self) -> None:
        """Give back every connection; the storage opens new ones if it is used again."""
        self.remove_session()
        self.engine.dispose()

    def give_up(self) -> None:
        """End every wait for the database now, for a program that is asked to stop.

        A signal handler may call it: it takes no lock that the interrupted code could hold.
        """
        self._given_up = True

    @contextlib.contextmanager
    def marking(self, owner: str) -> Iterator[None]:
        """Mark every trial as a coordinator's own in the moment when it is started within."""
        self._owner = owner
        try:
            yield
        finally:
            self._owner = None

    @contextlib.contextmanager
    def guarded(self, guard: Callable[[], None]) -> Iterator[None]:
        """Call `guard` when a trial is being started or enqueued within; what it raises prevents that."""
        self._guard = guard
        try:
            yield
        finally:
            self._guard = _allow

    def retried(self, attempt: Callable[[], _T]) -> _T:
        """Return what `attempt` returns, repeated while the database is busy or away.

        Raises
        ------
        UserError
            If the database stays away, or says something that the user can mend.
        """
        deadline = None
        speaks = False
        try:
            while True:
                try:
                    result = attempt()
                except (StorageInternalError, SQLAlchemyError) as error:
                    if not passes(error):
                        raise (explain(error, self.url) or error) from error
                    deadline = deadline or time.monotonic() + PATIENCE_SECONDS
                    if not self._given_up:
                        speaks = speaks or self._away.acquire(blocking=False)
                        if speaks:
                            self._speak(f"the database {redact(self.url)} does not answer: waiting for it")
                        self._pause()
                    if self._given_up or time.monotonic() > deadline:
                        raise self._no_answer() from error
                else:
                    if speaks:
                        self._speak(f"the database {redact(self.url)} answers again")
                    return result
        finally:
            if speaks:
                self._spoken = ""
                self._away.release()

    def refuse_to_wait(self) -> None:
        """Raise the sentence that ends a wait, after `give_up`."""
        if self._given_up:
            raise self._no_answer()

    def _no_answer(self) -> UserError:
        return UserError(
            f"the database {redact(self.url)} did not answer: nothing is lost,"
            " give the same command again when it is back"
        )

    def _pause(self) -> None:
        end = time.monotonic() + PAUSE_SECONDS
        while not self._given_up and (left := end - time.monotonic()) > 0:
            time.sleep(min(left, TICK_SECONDS))

    _spoken = ""

    def _speak(self, sentence: str) -> None:
        if sentence != self._spoken:
            self._spoken = sentence
            self.say(sentence)

    def add_study_system_attr(self, study_id: int, key: str, value: object) -> None:
        """Set an attribute unless it is set already: of two that try at once, the first wins."""
        insert = sqlalchemy.text(
            "INSERT INTO study_system_attributes (study_id, key, value_json) VALUES (:study, :key, :value)"
            " ON CONFLICT DO NOTHING"
        )

        def attempt() -> None:
            with self.engine.begin() as connection:
                connection.execute(insert, {"study": study_id, "key": key, "value": json.dumps(value)})

        self.retried(attempt)

    def _create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> FrozenTrial:
        if template_trial is None and self._owner is not None:  # one transaction for the row and its mark
            template_trial = create_trial(state=TrialState.RUNNING, system_attrs={COORDINATOR: self._owner})
        create = super()._create_new_trial
        self._creation.attempts = 0
        return self.retried(lambda: create(study_id, template_trial))

    def _get_trials(
        self,
        study_id: int,
        states: Container[TrialState] | None,
        included_trial_ids: set[int],
        trial_id_greater_than: int,
    ) -> list[FrozenTrial]:
        def attempt() -> list[FrozenTrial]:
            with self.engine.connect() as connection:
                return read_trials(connection, study_id, states, included_trial_ids, trial_id_greater_than)

        return self.retried(attempt)

    def get_trial(self, trial_id: int) -> FrozenTrial:
        """Read a trial; see `optuna.storages.BaseStorage`."""

        def attempt() -> FrozenTrial:
            with self.engine.connect() as connection:
                return read_trial(connection, trial_id)

        return self.retried(attempt)

    def _get_prepared_new_trial(self, study_id: int, template_trial: FrozenTrial | None, session: Any) -> Any:
        # Here, as Optuna repeats a failed creation by itself.
        self._creation.attempts += 1
        begins = template_trial is not None and template_trial.state == TrialState.RUNNING
        if self._given_up and (begins or self._creation.attempts > 1):
            raise self._no_answer()
        trial = super()._get_prepared_new_trial(study_id, template_trial, session)
        session.flush()
        # Last: in a silence from here on, the server ends this transaction before it takes the right away.
        self._guard()
        return trial

    def set_trial_state_values(
        self, trial_id: int, state: TrialState, values: Sequence[float] | None = None
    ) -> bool:
        """Set the state of a trial; see `optuna.storages.BaseStorage`."""
        if state == TrialState.RUNNING:
            return self._claim(trial_id)
        attempts = 0

        def attempt() -> bool:
            nonlocal attempts
            attempts += 1
            try:
                return super(RetryingStorage, self).set_trial_state_values(trial_id, state, values)
            except UpdateFinishedTrialError:
                if attempts > 1:  # the attempt whose answer was lost may have succeeded
                    stored = self.get_trial(trial_id)
                    if stored.state == state and stored.values == (None if values is None else list(values)):
                        return True
                raise

        return self.retried(attempt)

    def _claim(self, trial_id: int) -> bool:
        """Start a waiting trial and mark it in one transaction: without its mark it would seem abandoned."""
        waiting = (_TRIALS.c.trial_id == trial_id) & (_TRIALS.c.state == TrialState.WAITING)
        claim = sqlalchemy.update(_TRIALS).where(waiting)
        mark = Gathering()
        if self._owner is not None:
            mark.attr("system", trial_id, COORDINATOR, self._owner)

        def attempt() -> bool:
            with self.engine.begin() as connection:
                started = claim.values(state=TrialState.RUNNING, datetime_start=datetime.now())
                claimed: bool = connection.execute(started).rowcount == 1
                if claimed:
                    mark.write(connection)
                    self._guard()  # last, as above
                return claimed

        return self.retried(attempt)


def _retried(method: Callable[..., _T]) -> Callable[..., _T]:
    @functools.wraps(method)
    def call(self: RetryingStorage, *args: Any, **kwargs: Any) -> _T:
        return self.retried(lambda: method(self, *args, **kwargs))

    return call


# The calls that open a session of their own; all others of Optuna's are made of these.
for _name in (
    "create_new_study",
    "delete_study",
    "set_study_user_attr",
    "set_study_system_attr",
    "get_study_id_from_name",
    "get_study_name_from_id",
    "get_study_directions",
    "get_study_user_attrs",
    "get_study_system_attrs",
    "get_all_studies",
    "get_trial_user_attrs",
    "get_trial_system_attrs",
    "get_trial_param",
    "get_trial_id_from_study_id_trial_number",
    "set_trial_intermediate_value",
    "set_trial_user_attr",
    "set_trial_system_attr",
    "_set_trial_param",
    "write_gathered",
    "_get_best_trial_id",
):
    setattr(RetryingStorage, _name, _retried(getattr(GatheringStorage, _name)))
