"""PostgreSQL: several coordinators on one study, killed ones, and a server that goes away."""

import threading
from typing import Any

import pytest
from conftest import until
from coordinators import child, go, line, opened, restart, states
from optuna.trial import TrialState

from studies.storage import postgres, retrying
from studies.storage.ownership import coordinate

pytest.importorskip("psycopg", reason="needs the extra postgres")

# Runs trials until the study has as many as asked for, or stops within one and waits to be killed.
CHILD = """
import sys, time
from optuna.trial import TrialState
from studies.storage.ownership import coordinate
from studies.storage.database import connect
from studies.record import Facts
from studies.storage.study import open_study
url, total, stuck = sys.argv[1], int(sys.argv[2]), sys.argv[3] == "stuck"
storage = connect(url, create=True)
study = open_study(storage, "a", facts=Facts(data="a", data_name="a", protocol="holdout", epochs=3, space={}))
with coordinate(storage, study, grace=0.0) as coordinator:
    print("ready", flush=True)
    sys.stdin.readline()
    failed = (TrialState.FAIL, TrialState.WAITING)
    while True:
        trial = coordinator.ask(lambda trials: sum(trial.state not in failed for trial in trials) < total)
        if trial is None and not coordinator.recover():
            if not any(trial.state == TrialState.RUNNING for trial in study.get_trials(deepcopy=False)):
                break
            time.sleep(0.02)
        if trial is not None:
            x = trial.suggest_float("x", 0, 1)
            trial.report(x, 1)
            if stuck:
                print("stuck", flush=True)
                sys.stdin.readline()
            study.tell(trial, x, skip_if_finished=True)
"""


@pytest.fixture
def url(database: str) -> str:
    return database


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retrying, "PAUSE_SECONDS", 0.05)
    monkeypatch.setattr(postgres, "BEAT_SECONDS", 0.05)


def test_three_coordinators_one_killed_give_the_exact_total_and_none_twice(url):
    with (
        child(CHILD, url, 20, "") as one,
        child(CHILD, url, 20, "") as two,
        child(CHILD, url, 20, "stuck") as killed,
    ):
        for process in (one, two, killed):
            assert line(process) == "ready"
        with opened(url) as (_, study):
            for x in range(10):
                study.enqueue_trial({"x": x / 10})
        go(killed)
        assert line(killed) == "stuck"
        go(one)
        go(two)
        killed.kill()
        for process in (one, two):
            _, errors = process.communicate(timeout=60)
            assert process.returncode == 0, errors
    with opened(url) as (_, study):
        counts = {state: states(study).count(state) for state in set(states(study))}
        assert counts == {"COMPLETE": 20, "FAIL": 1}
        (failed,) = study.get_trials(states=(TrialState.FAIL,))
        assert failed.user_attrs["reason"] == "interrupted"
        enqueued = [t for t in study.trials if t.value is not None and "fixed_params" in t.system_attrs]
        assert sorted(trial.value for trial in enqueued) == [x / 10 for x in range(10)]
        assert [t.number for t in study.trials] == list(range(21))


def test_the_trials_of_the_living_are_left_alone_those_of_the_dead_taken_over(url):
    with (
        opened(url) as (storage, study),
        opened(url) as (other_storage, other_study),
        coordinate(storage, study, grace=0.0) as coordinator,
    ):
        with coordinate(other_storage, other_study, grace=0.0) as other:
            other.ask(lambda _: True).suggest_float("x", 0, 1)
            assert coordinator.recover() == []
            assert states(study) == ["RUNNING"]
        assert coordinator.recover() == [0]
        assert states(study) == ["FAIL", "WAITING"]


def test_the_dead_have_a_time_of_grace(url):
    with (
        opened(url) as (storage, study),
        opened(url) as (other_storage, other_study),
        coordinate(storage, study, grace=3600.0) as coordinator,
    ):
        with coordinate(other_storage, other_study) as other:
            other.ask(lambda _: True).suggest_float("x", 0, 1)
        assert coordinator.recover() == []
        assert states(study) == ["RUNNING"]


def test_a_server_that_stops_and_starts_again_is_waited_for(server, url, caplog):
    said: list[str] = []

    def say(sentence: str) -> None:
        said.append(sentence)
        if "waiting" in sentence:
            server.ensure_postgres_running()

    with opened(url, say=say) as (storage, study), coordinate(storage, study, grace=0.0) as coordinator:
        trial = coordinator.ask(lambda _: True)
        x = trial.suggest_float("x", 0, 1)
        for step in range(2):
            server.stop()
            trial.report(x, step)
        study.tell(trial, x)
        server.stop()
        assert coordinator.ask(lambda trials: len(trials) < 2) is not None
        assert coordinator.recover() == []
        assert states(study) == ["COMPLETE", "RUNNING"]
        assert study.trials[0].intermediate_values == dict.fromkeys(range(2), x)
    assert {sentence.rpartition(" ")[2] for sentence in said} == {"it", "again"}
    assert "sqlalchemy" not in caplog.text


def test_a_coordinator_takes_its_lock_again_after_a_restart(server, url):
    with (
        opened(url) as (storage, study),
        opened(url) as (other_storage, other_study),
        coordinate(storage, study) as coordinator,
        coordinate(other_storage, other_study, grace=0.0) as other,
    ):
        coordinator.ask(lambda _: True).suggest_float("x", 0, 1)
        restart(server)
        locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory';"
        until(lambda: " 2\n" in server.psql(locks))
        assert other.recover() == []
        assert states(study) == ["RUNNING"]


def test_the_count_is_repeated_when_the_exclusive_right_was_lost_after_it(server, url):
    with opened(url) as (storage, study), coordinate(storage, study) as coordinator:
        counts: list[int] = []

        def may_start(trials: Any) -> bool:
            counts.append(len(trials))
            if len(counts) == 1:
                restart(server)
                with opened(url) as (_, other):  # another coordinator is quicker
                    other.ask()
            return len(trials) < 1

        assert coordinator.ask(may_start) is None
        assert counts == [0, 1]
        assert states(study) == ["RUNNING"]


def test_one_coordinator_at_a_time_has_the_exclusive_right(url):
    with (
        opened(url) as (storage, study),
        opened(url) as (other_storage, other_study),
        coordinate(storage, study) as coordinator,
        coordinate(other_storage, other_study) as other,
    ):
        entered = threading.Event()

        def enter() -> None:
            with other.exclusive():
                entered.set()

        thread = threading.Thread(target=enter)
        with coordinator.exclusive():
            thread.start()
            assert not entered.wait(0.1)
        thread.join(30)
        assert entered.is_set()


def test_coordinators_of_different_studies_do_not_wait_for_each_other(url):
    with (
        opened(url, "a") as (storage, study),
        opened(url, "b") as (other_storage, other_study),
        coordinate(storage, study) as coordinator,
        coordinate(other_storage, other_study) as other,
        coordinator.exclusive(),
        other.exclusive(),
    ):
        assert study.study_name != other_study.study_name
