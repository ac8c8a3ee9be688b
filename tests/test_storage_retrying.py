"""A database that is busy is waited for, for a bounded time, and nothing is written twice."""

import contextlib
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import optuna
import pytest
import sqlalchemy

from fcnet.errors import UserError
from studies.storage import retrying, sqlite
from studies.storage.database import connect, open_study
from studies.storage.retrying import PatientStorage

FACTS = {"data": "ab12", "data_name": "synthetic", "epochs": 20, "space": {"lr": [0.1, 1.0]}, "format": 1}


@pytest.fixture
def locked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[PatientStorage, sqlite3.Connection]]:
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
    attempts = []
    storage.guard = lambda: attempts.append(1)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(UserError, match="did not answer"):
        study.enqueue_trial({"x": 2.0})
    assert len(attempts) == 2  # the second one is refused before it waits
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
            raise sqlalchemy.exc.OperationalError(
                "COMMIT", None, sqlite3.OperationalError("database is locked")
            )
        return answer

    trial = study.ask()
    monkeypatch.setattr(optuna.storages.RDBStorage, "set_trial_state_values", lose_the_first_answer)
    study.tell(trial, 0.75)
    assert study.trials[0].value == 0.75
    lost.clear()
    other = study.ask()
    with pytest.raises(optuna.exceptions.UpdateFinishedTrialError):  # another result than the stored one
        storage.set_trial_state_values(trial._trial_id, optuna.trial.TrialState.COMPLETE, [0.5])
    assert other.number == 1
