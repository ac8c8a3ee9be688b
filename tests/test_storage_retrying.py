"""A database that is busy is waited for, for a bounded time, and nothing is written twice."""

import contextlib
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import optuna
import pytest
import sqlalchemy
from conftest import facts
from optuna.trial import TrialState

from fcnet.errors import UserError
from studies.storage import retrying, sqlite
from studies.storage.database import connect
from studies.storage.retrying import LockLost, RetryingStorage
from studies.storage.study import open_study

FACTS = facts(data_name="synthetic", epochs=20, space={"lr": "0.1..1"})

LOCKED = sqlalchemy.exc.OperationalError("COMMIT", None, sqlite3.OperationalError("database is locked"))


@pytest.fixture
def locked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[RetryingStorage, sqlite3.Connection]]:
    """Give a storage that is quick to notice a lock, and another connection that can hold one."""
    path = tmp_path / "sweep.db"
    monkeypatch.setattr(sqlite, "ANSWER_SECONDS", 0.01)
    monkeypatch.setattr(retrying, "PAUSE_SECONDS", 0.01)
    with (
        contextlib.closing(connect(f"sqlite:///{path}", create=True)) as storage,
        contextlib.closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other,
    ):
        yield storage, other


def test_a_locked_database_is_waited_for(locked):
    storage, other = locked
    study = open_study(storage, "a", facts=FACTS)
    trial = study.ask()
    said: list[str] = []

    def say(sentence: str) -> None:
        said.append(sentence)
        if "waiting" in sentence:
            other.execute("ROLLBACK")

    storage.say = say
    other.execute("BEGIN IMMEDIATE")
    trial.report(0.5, 1)
    study.tell(trial, 0.5)
    assert study.trials[0].intermediate_values == {1: 0.5}
    assert study.trials[0].value == 0.5
    assert [sentence.rpartition("sweep.db ")[2] for sentence in said] == [
        "does not answer: waiting for it",
        "answers again",
    ]


def test_a_database_that_stays_locked_ends_in_a_sentence(locked, monkeypatch):
    storage, other = locked
    study = open_study(storage, "a", facts=FACTS)
    monkeypatch.setattr(retrying, "PATIENCE_SECONDS", 0.0)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(UserError, match="nothing is lost, give the same command again"):
        study.set_user_attr("a", 1)
    other.execute("ROLLBACK")
    study.set_user_attr("a", 2)
    assert study.user_attrs["a"] == 2


def test_waiting_ends_when_the_program_is_asked_to_stop(locked, monkeypatch):
    storage, other = locked
    study = open_study(storage, "a", facts=FACTS)
    monkeypatch.setattr(retrying, "PAUSE_SECONDS", 60.0)
    waiting = threading.Event()
    storage.say = lambda sentence: waiting.set()
    other.execute("BEGIN IMMEDIATE")
    ended: list[Exception] = []

    def write() -> None:
        try:
            study.set_user_attr("a", 1)
        except UserError as error:
            ended.append(error)

    thread = threading.Thread(target=write)
    thread.start()
    assert waiting.wait(30)
    storage.give_up()
    thread.join(30)
    assert len(ended) == 1


def test_after_giving_up_a_trial_is_enqueued_at_once_or_not_at_all(locked):
    storage, other = locked
    study = open_study(storage, "a", facts=FACTS)
    storage.give_up()
    study.enqueue_trial({"x": 1.0})
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(UserError, match="did not answer"):
        study.enqueue_trial({"x": 2.0})
    assert storage._creation.attempts == 2  # the second one is refused before it waits
    other.execute("ROLLBACK")
    assert len(study.trials) == 1


def test_a_result_whose_confirmation_was_lost_is_told_once(storage, monkeypatch):
    study = open_study(storage, "a", facts=FACTS)
    monkeypatch.setattr(retrying, "PAUSE_SECONDS", 0.0)
    real, lost = optuna.storages.RDBStorage.set_trial_state_values, []

    def lose_the_first_answer(self, *arguments):
        answer = real(self, *arguments)
        if not lost:
            lost.append(answer)
            raise LOCKED
        return answer

    trial = study.ask()
    monkeypatch.setattr(optuna.storages.RDBStorage, "set_trial_state_values", lose_the_first_answer)
    study.tell(trial, 0.75)
    assert study.trials[0].value == 0.75


@pytest.mark.parametrize(("state", "values"), [("COMPLETE", [0.5]), ("COMPLETE", None), ("FAIL", [0.75])])
def test_a_result_is_not_told_by_the_different_one_that_somebody_else_stored(
    storage, monkeypatch, state, values
):
    study = open_study(storage, "a", facts=FACTS)
    monkeypatch.setattr(retrying, "PAUSE_SECONDS", 0.0)
    real, tried = optuna.storages.RDBStorage.set_trial_state_values, []

    def somebody_is_quicker(self, trial_id, *result):
        if not tried:
            tried.append(result)
            real(self, trial_id, TrialState.COMPLETE, [0.75])
            raise LOCKED
        return real(self, trial_id, *result)

    trial = study.ask()
    monkeypatch.setattr(optuna.storages.RDBStorage, "set_trial_state_values", somebody_is_quicker)
    with pytest.raises(optuna.exceptions.UpdateFinishedTrialError):
        storage.set_trial_state_values(trial._trial_id, TrialState[state], values)
    assert study.trials[0].values == [0.75]


def test_the_patience_of_one_call_does_not_begin_anew_at_each_try(storage, monkeypatch):
    monkeypatch.setattr(retrying, "PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(retrying, "PATIENCE_SECONDS", 1.0)
    tries = []

    def fail() -> None:
        tries.append(1)
        assert len(tries) < 500, "it tries for ever"
        raise LOCKED

    with pytest.raises(UserError, match="did not answer"):
        storage.retried(fail)
    assert len(tries) > 1


@pytest.mark.parametrize("waiting", [True, False])
def test_a_guard_prevents_the_start_of_a_new_trial_and_of_a_waiting_one(storage, waiting):
    study = open_study(storage, "a", facts=FACTS)
    if waiting:
        study.enqueue_trial({"x": 1.0})

    def forbid() -> None:
        raise LockLost

    with storage.guarded(forbid):
        with pytest.raises(LockLost):
            study.ask()
        with pytest.raises(LockLost):
            study.enqueue_trial({"x": 2.0})
    assert [trial.state.name for trial in study.trials] == ["WAITING"] * waiting
    study.ask()
    assert [trial.state.name for trial in study.trials] == ["RUNNING"]


def test_a_waiting_trial_is_at_no_moment_started_without_its_mark(storage):
    study = open_study(storage, "a", facts=FACTS)
    study.enqueue_trial({"x": 1.0})
    unmarked = (
        "SELECT count(*) FROM trials WHERE state = 'RUNNING' AND trial_id NOT IN"
        " (SELECT trial_id FROM trial_system_attributes WHERE key = 'coordinator' AND value_json = '\"me\"')"
    )
    seen: list[int] = []

    @sqlalchemy.event.listens_for(storage.engine, "commit")
    def look(connection: sqlalchemy.Connection) -> None:
        seen.append(connection.exec_driver_sql(unmarked).scalar_one())

    with storage.marking("me"):
        assert study.ask().number == 0
    assert set(seen) == {0}
    assert [trial.state.name for trial in study.trials] == ["RUNNING"]
