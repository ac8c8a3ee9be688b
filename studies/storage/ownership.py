"""The right to run trainings of a study: who holds it, and whose trials were interrupted."""

import contextlib
import secrets
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

from optuna.exceptions import UpdateFinishedTrialError
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState

from studies.record import COORDINATOR, INTERRUPTED, REASON, retry_attrs, retry_of
from studies.record import reason as reason_of
from studies.storage.retrying import LockLost, RetryingStorage
from studies.storage.sqlite import check_integrity, only_one, use_wal

MAX_RETRIES = 3
GRACE_SECONDS = 10.0

_T = TypeVar("_T")


class Peers(Protocol):
    """What a coordinator knows of the other coordinators of its study."""

    def exclusive(self) -> contextlib.AbstractContextManager[None]:
        """Keep the others from starting trials."""

    def guard(self) -> None:
        """Raise LockLost if the exclusive right was lost since it was given."""

    def is_dead(self, coordinator: str) -> bool:
        """Tell whether a coordinator is gone for good."""


class _Alone:
    """The peers of a SQLite database: there are none, whoever left a trial running is dead."""

    def exclusive(self) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()

    def guard(self) -> None:
        pass

    def is_dead(self, coordinator: str) -> bool:
        return True


class Coordinator:
    """One process's right to run trainings of a study; made by `coordinate`."""

    def __init__(self, storage: RetryingStorage, study: Study, identity: str, peers: Peers) -> None:
        self._storage = storage
        self._study = study
        self._identity = identity
        self._peers = peers
        self._lock = threading.RLock()
        self._depth = 0
        self._handed_out: set[int] = set()  # storage ids of running trials; any other of ours is interrupted

    @contextlib.contextmanager
    def exclusive(self) -> Iterator[None]:
        """Exclude this process's other threads and, on a server, the other coordinators.

        Within it, count the trials and start one: the count stays true, and a waiting trial is started once.
        A thread may enter it again. Keep trainings out of it.

        Raises
        ------
        LockLost
            From starting or enqueueing a trial, if the right was lost meanwhile; `exclusively` begins anew.
        """
        with self._lock:
            if self._depth:
                yield
                return
            with self._peers.exclusive(), self._storage.guarded(self._peers.guard):
                self._depth = 1
                try:
                    yield
                finally:
                    self._depth = 0

    def ask(self, may_start: Callable[[Sequence[FrozenTrial]], bool]) -> Trial | None:
        """Start the next trial, unless the study's trials say that there is nothing to start.

        Parameters
        ----------
        may_start : callable
            Takes all trials of the study, unchangeable, and tells whether one more may be started.

        Returns
        -------
        Trial or None
            A running trial, or None if `may_start` said no.
        """

        def ask() -> Trial | None:
            if not may_start(self._study.get_trials(deepcopy=False)):
                return None
            trial = self._study.ask()
            self._handed_out.add(trial._trial_id)
            return trial

        return self.exclusively(ask)

    def recover(self) -> list[int]:
        """Give back every running trial that nobody runs any more.

        Call it at the start, and again whenever no trial may be started while some are still running
        elsewhere: their coordinator may have died.

        Returns
        -------
        list of int
            Numbers of the trials that were interrupted. Each is failed, with the reason in its user
            attributes, and waits again under a new number with the same parameters and seed. A trial that had
            no parameters yet is only failed.
        """
        numbers: list[int] = []

        def recover() -> list[int]:
            trials = self._study.get_trials(deepcopy=False)
            self._drop_doubles(trials)
            for trial in trials:
                if self._is_interrupted(trial):
                    self._give_back(trial, INTERRUPTED, again=True)
                    numbers.append(trial.number)
            return numbers

        return self.exclusively(recover)

    def requeue(self, trial_number: int, reason: str) -> int | None:
        """Fail a running trial of this coordinator and let it wait again under a new number.

        Parameters
        ----------
        trial_number : int
            Number of the trial.
        reason : str
            Why it failed, kept in its user attribute "reason".

        Returns
        -------
        int or None
            Number under which it waits again, or None if it had no parameters yet, or failed and was retried
            `MAX_RETRIES` times already. An interruption is no failure.
        """

        def requeue() -> int | None:
            trials = self._study.get_trials(deepcopy=False)
            if trials[trial_number].state == TrialState.RUNNING:  # else somebody has taken it over
                again = reason == INTERRUPTED or _retries(trials, trial_number) < MAX_RETRIES
                self._give_back(trials[trial_number], reason, again=again)
            return self._successor(trial_number)

        return self.exclusively(requeue)

    def give_up(self) -> None:
        """End every wait for the database, for a program that is asked to stop."""
        self._storage.give_up()

    def exclusively(self, action: Callable[[], _T]) -> _T:
        """Return what an action returns within `exclusive`, begun anew where the right was lost meanwhile."""
        while True:
            with self._lock:
                nested = self._depth > 0
                try:
                    with self.exclusive():
                        return action()
                except LockLost:
                    if nested:
                        raise

    def _successor(self, number: int) -> int | None:
        trials = self._study.get_trials(deepcopy=False)
        return next((trial.number for trial in trials if retry_of(trial) == number), None)

    def _is_interrupted(self, trial: FrozenTrial) -> bool:
        if trial.state != TrialState.RUNNING:
            return False
        owner = trial.system_attrs.get(COORDINATOR)
        if owner == self._identity:
            return trial._trial_id not in self._handed_out
        # Starting a trial and marking it happens within exclusive(): what bears no mark here was abandoned.
        return owner is None or self._peers.is_dead(owner)

    def _give_back(self, trial: FrozenTrial, reason: str, *, again: bool) -> None:
        # In this order, being killed between two steps leaves a running trial that has its successor already.
        params = {**trial.system_attrs.get("fixed_params", {}), **trial.params}
        if again and params and self._successor(trial.number) is None:
            self._study.enqueue_trial(params, user_attrs=retry_attrs(trial))
        with contextlib.suppress(UpdateFinishedTrialError):  # who has got the right meanwhile was quicker
            self._storage.set_trial_user_attr(trial._trial_id, REASON, reason)
            self._storage.set_trial_state_values(trial._trial_id, TrialState.FAIL)
        self._handed_out.discard(trial._trial_id)

    def _drop_doubles(self, trials: Sequence[FrozenTrial]) -> None:
        """Fail the second of two successors, left by a creation whose answer was lost."""
        seen = set()
        for trial in trials:
            origin = retry_of(trial)
            if origin is not None and origin in seen and trial.state == TrialState.WAITING:
                self._storage.set_trial_user_attr(trial._trial_id, REASON, "enqueued twice")
                self._storage.set_trial_state_values(trial._trial_id, TrialState.FAIL)
            seen.add(origin)


@contextlib.contextmanager
def coordinate(
    storage: RetryingStorage, study: Study, *, grace: float = GRACE_SECONDS
) -> Iterator[Coordinator]:
    """Hold the right to run trainings of a study; commands that only read need no right.

    Parameters
    ----------
    storage : RetryingStorage
        What `connect` returned.
    study : Study
        A study in it.
    grace : float, default=10.0
        On PostgreSQL, seconds for which another coordinator must be gone before its trials are taken over.

    Yields
    ------
    Coordinator
        On SQLite the only one of the database file, on PostgreSQL one of several.

    Raises
    ------
    UserError
        If another process holds the right; the message has its number and start time.
    """
    identity = secrets.token_hex(8)
    with contextlib.ExitStack() as stack:
        peers: Peers
        if storage.engine.name == "postgresql":
            from studies.storage.postgres import PostgresPeers

            peers = postgres = PostgresPeers(storage, study.study_name, identity, grace)
            stack.enter_context(postgres.alive())
        else:
            database = Path(str(storage.engine.url.database))
            stack.enter_context(only_one(database))
            check_integrity(database)
            with contextlib.suppress(sqlite3.OperationalError):  # works without, only slower
                use_wal(database)
            peers = _Alone()
        stack.enter_context(storage.marking(identity))
        yield Coordinator(storage, study, identity, peers)


def _retries(trials: Sequence[FrozenTrial], number: int | None) -> int:
    """Count how often a trial was retried because it failed, interruptions apart."""
    count = 0
    while number is not None and (number := retry_of(trials[number])) is not None:
        count += reason_of(trials[number]) != INTERRUPTED
    return count
