"""The right to run trainings, and the trials that were interrupted, on SQLite."""

import contextlib
import re
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest
from conftest import ROOT, facts
from optuna.study import Study
from optuna.trial import TrialState

from fcnet.errors import UserError
from studies.record import COORDINATOR
from studies.storage.database import connect
from studies.storage.ownership import MAX_RETRIES, Coordinator, coordinate
from studies.storage.retrying import RetryingStorage
from studies.storage.study import load_study, open_study

# Starts a study with an enqueued trial, starts two trials, and waits to be killed.
CHILD = """
import sys
from studies.storage.ownership import coordinate
from studies.storage.database import connect
from studies.record import Facts
from studies.storage.study import open_study
storage = connect(sys.argv[1], create=True)
study = open_study(storage, "a", facts=Facts(data="a", data_name="a", protocol="holdout", epochs=3, space={}))
with coordinate(storage, study) as coordinator:
    study.enqueue_trial({"x": 0.25, "y": 0.5})
    for seed in (7, 8):
        trial = coordinator.ask(lambda trials: True)
        trial.set_user_attr("seed", seed)
        trial.suggest_float("x", 0, 1)
        trial.report(0.5, 1)
    coordinator.ask(lambda trials: True)
    print("running", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def study(storage: RetryingStorage) -> Study:
    return open_study(storage, "a", facts=facts())


@pytest.fixture
def coordinator(storage: RetryingStorage, study: Study) -> Iterator[Coordinator]:
    with coordinate(storage, study) as held:
        yield held


@contextlib.contextmanager
def child(url: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", CHILD, url], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "running\n"
        yield process
        process.kill()


def states(study: Study) -> list[str]:
    return [trial.state.name for trial in study.get_trials(deepcopy=False)]


def always(_: object) -> bool:
    return True


def leave_running(study: Study) -> None:
    """Start a trial that is handed out to nobody, as if its thread had died right after its start."""
    study.ask().suggest_float("x", 0, 1)


def test_a_second_sweep_is_refused_with_process_and_start_until_the_first_is_killed(url):
    with child(url) as first, contextlib.closing(connect(url, create=False)) as storage:
        study = load_study(storage, "a")
        pattern = (
            rf"sweep\.db is in use by another sweep \(process {first.pid}, started 20\d\d-\d\d-\d\d .*\)"
        )
        with pytest.raises(UserError, match=pattern), coordinate(storage, study):
            pass
        assert study.trials[0].state == TrialState.RUNNING
        first.send_signal(signal.SIGKILL)
        assert first.wait(30) == -signal.SIGKILL
        with coordinate(storage, study) as coordinator:
            assert coordinator.recover() == [0, 1, 2]


def test_what_a_killed_sweep_ran_waits_again_with_its_parameters_and_seed(url):
    with child(url) as first:
        first.kill()
        first.wait(30)
    with contextlib.closing(connect(url, create=False)) as storage:
        study = load_study(storage, "a")
        with coordinate(storage, study) as coordinator:
            assert coordinator.recover() == [0, 1, 2]
            assert coordinator.recover() == []
            assert states(study) == ["FAIL", "FAIL", "FAIL", "WAITING", "WAITING"]
            assert [trial.user_attrs["reason"] for trial in study.trials[:3]] == ["interrupted"] * 3
            again = [coordinator.ask(always), coordinator.ask(always)]
            assert all(again)
            assert [trial.suggest_float("x", 0, 1) for trial in again] == [
                0.25,
                study.trials[1].params["x"],
            ]
            assert again[0].suggest_float("y", 0, 1) == 0.5  # enqueued, not suggested before the kill
            assert [trial.user_attrs for trial in again] == [
                {"retry_of": 0, "seed": 7},
                {"retry_of": 1, "seed": 8},
            ]
            assert [trial.number for trial in again] == [3, 4]
            assert coordinator.recover() == []  # its own trials are alive


@pytest.mark.parametrize("step", ["set_trial_user_attr", "set_trial_state_values"])
def test_a_recovery_that_is_killed_between_its_steps_goes_on(storage, study, coordinator, monkeypatch, step):
    leave_running(study)

    def die(*arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(storage, step, die)
        with pytest.raises(KeyboardInterrupt):
            coordinator.recover()
    assert states(study) == ["RUNNING", "WAITING"]
    assert coordinator.recover() == [0]
    assert states(study) == ["FAIL", "WAITING"]


def test_a_successor_that_was_created_twice_runs_once(storage, study, coordinator):
    leave_running(study)
    coordinator.recover()
    study.enqueue_trial(study.trials[0].params, user_attrs={"retry_of": 0})
    coordinator.recover()
    assert states(study) == ["FAIL", "WAITING", "FAIL"]
    assert study.trials[2].user_attrs["reason"] == "enqueued twice"


def test_a_trial_that_was_started_but_not_handed_out_is_recovered(storage, study, coordinator, monkeypatch):
    study.enqueue_trial({"x": 0.5})

    class Stop(Exception):
        pass

    def fail(*_: object) -> None:
        raise Stop

    with monkeypatch.context() as patch:
        patch.setattr(study.sampler, "before_trial", fail)
        with pytest.raises(Stop):
            coordinator.ask(always)
    assert states(study) == ["RUNNING"]
    assert coordinator.recover() == [0]
    assert states(study) == ["FAIL", "WAITING"]


def test_a_failing_trial_is_retried_a_few_times(storage, study, coordinator):
    study.enqueue_trial({"x": 0.5}, user_attrs={"seed": 3})
    for attempt in range(MAX_RETRIES + 1):
        trial = coordinator.ask(always)
        assert trial.suggest_float("x", 0, 1) == 0.5
        assert trial.user_attrs["seed"] == 3
        successor = coordinator.requeue(trial.number, "the worker died")
        assert successor == (attempt + 1 if attempt < MAX_RETRIES else None)
    assert states(study) == ["FAIL"] * (MAX_RETRIES + 1)
    assert {trial.user_attrs["reason"] for trial in study.trials} == {"the worker died"}


def test_interruptions_are_no_failures(storage, study, coordinator):
    study.enqueue_trial({"x": 0.5})
    for _ in range(MAX_RETRIES + 2):
        leave_running(study)
        assert len(coordinator.recover()) == 1
    trial = coordinator.ask(always)
    assert coordinator.requeue(trial.number, "a worker died") == trial.number + 1


def test_requeueing_twice_makes_one_successor(study, coordinator):
    trial = coordinator.ask(always)
    trial.suggest_float("x", 0, 1)
    assert coordinator.requeue(trial.number, "a worker died") == 1
    assert coordinator.requeue(trial.number, "a worker died") == 1
    assert states(study) == ["FAIL", "WAITING"]


def test_threads_never_start_more_than_they_may_nor_a_waiting_trial_twice(study, coordinator):
    for i in range(10):
        study.enqueue_trial({"x": i / 10})
    start = threading.Barrier(8)

    def work() -> None:
        start.wait(30)
        while trial := coordinator.ask(
            lambda trials: sum(t.state != TrialState.WAITING for t in trials) < 25
        ):
            study.tell(trial, trial.suggest_float("x", 0, 1))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert states(study) == ["COMPLETE"] * 25
    assert [trial.value for trial in study.trials[:10]] == [i / 10 for i in range(10)]


def test_the_exclusive_right_may_be_entered_again_by_its_thread_only(coordinator):
    entered = threading.Event()

    def enter() -> None:
        with coordinator.exclusive():
            entered.set()

    other = threading.Thread(target=enter)
    with coordinator.exclusive(), coordinator.exclusive():
        other.start()
        assert not entered.wait(0.05)
    other.join(30)
    assert entered.is_set()


def test_what_is_started_after_the_right_has_ended_bears_no_mark(storage, study):
    for _ in range(2):
        with coordinate(storage, study) as coordinator:
            coordinator.ask(always)
    study.ask()
    study.enqueue_trial({"x": 0.5})
    study.ask()
    marks = [trial.system_attrs.get(COORDINATOR) for trial in study.trials]
    assert len(set(marks)) == 3
    assert marks[2:] == [None, None]


def test_a_second_recovery_finds_nothing_to_do(storage, study, coordinator):
    study.enqueue_trial({"x": 0.5})
    for _ in range(2):
        leave_running(study)
    assert coordinator.recover() == [0, 1]
    after = study.trials
    assert coordinator.recover() == []
    assert study.trials == after
    assert states(study) == ["FAIL", "FAIL", "WAITING", "WAITING"]
    coordinator.ask(always)
    assert coordinator.recover() == []
    assert states(study) == ["FAIL", "FAIL", "RUNNING", "WAITING"]


def test_the_right_ends_with_its_block_and_leaves_only_the_lock_file(tmp_path, storage, study):
    for _ in range(2):
        with coordinate(storage, study):
            pass
    storage.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["sweep.db", "sweep.db.lock"]


def test_the_lock_holds_under_another_name_of_the_file(tmp_path, storage, study):
    (tmp_path / "link.db").symlink_to(tmp_path / "sweep.db")
    with (
        coordinate(storage, study),
        contextlib.closing(connect(f"sqlite:///{tmp_path / 'link.db'}", create=False)) as other,
        pytest.raises(UserError, match=re.escape("sweep.db is in use")),
        coordinate(other, load_study(other, "a")),
    ):
        pass


def test_a_database_of_the_stock_program_gets_its_write_ahead_log(tmp_path, storage, study):
    storage.close()
    with contextlib.closing(sqlite3.connect(tmp_path / "sweep.db")) as connection:
        assert connection.execute("PRAGMA journal_mode=DELETE").fetchone() == ("delete",)
    with coordinate(storage, study), storage.engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
