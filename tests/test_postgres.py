"""PostgreSQL: several coordinators on one study, a server that goes away, passwords that stay secret."""

import contextlib
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from conftest import PASSWORD, ROOT, until
from optuna.study import Study
from optuna.trial import TrialState
from test_copy import contents, fill

from fcnet.errors import UserError
from studies.storage import postgres, retrying
from studies.storage.copying import copy_study
from studies.storage.database import connect, load_study, open_study
from studies.storage.ownership import coordinate
from studies.storage.retrying import PatientStorage

pytest.importorskip("psycopg", reason="needs the extra postgres")


# Runs trials until the study has as many as asked for, or stops within one and waits to be killed.
CHILD = """
import sys, time
from optuna.trial import TrialState
from studies.storage.ownership import coordinate
from studies.storage.database import connect, open_study
url, total, stuck = sys.argv[1], int(sys.argv[2]), sys.argv[3] == "stuck"
storage = connect(url, create=True)
study = open_study(storage, "a", facts={"epochs": 2})
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


@pytest.fixture
def empty(server: Any) -> str:
    """Return the address of a database without tables."""
    server.psql("DROP DATABASE IF EXISTS empty;")
    server.psql("CREATE DATABASE empty;")
    return str(server.get_uri(database="empty"))


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retrying, "PAUSE_SECONDS", 0.05)
    monkeypatch.setattr(postgres, "BEAT_SECONDS", 0.05)


@contextlib.contextmanager
def opened(url: str, name: str = "a", **options: Any) -> Iterator[tuple[PatientStorage, Study]]:
    with contextlib.closing(connect(url, create=True, **options)) as storage:
        yield storage, open_study(storage, name, facts={"epochs": 2})


@contextlib.contextmanager
def child(url: str, total: int, mode: str = "") -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", CHILD, url, str(total), mode]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def go(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()


def states(study: Study) -> list[str]:
    return [trial.state.name for trial in study.get_trials(deepcopy=False)]


def restart(server: Any) -> None:
    server.stop()
    server.ensure_postgres_running()


def test_three_coordinators_one_killed_give_the_exact_total_and_none_twice(url):
    with child(url, 20) as one, child(url, 20) as two, child(url, 20, "stuck") as killed:
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


def test_an_empty_database_is_not_filled_for_reading(server, empty):
    with pytest.raises(UserError, match=r"no study in postgresql://.* yet: start one with python sweep\.py"):
        connect(empty, create=False)
    tables = server.psql("\\connect empty\nSELECT count(*) FROM pg_tables WHERE schemaname = 'public';")
    assert " 0\n" in tables


def test_coordinators_that_fill_an_empty_database_at_once_all_succeed(empty):
    ended: list[str] = []
    start = threading.Barrier(3)

    def fill_it() -> None:
        start.wait(30)
        with opened(empty) as (_, study):
            ended.append(study.study_name)

    threads = [threading.Thread(target=fill_it) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert ended == ["a"] * 3


def test_a_schema_of_another_optuna_is_told(server, empty):
    connect(empty, create=True).close()
    server.psql("\\connect empty\nUPDATE alembic_version SET version_num = 'v3.0.0.d';")
    with pytest.raises(UserError, match=r"made by an older Optuna: .*storage upgrade --storage postgres"):
        connect(empty, create=True)


def test_no_server_is_a_sentence():
    with pytest.raises(UserError, match=r"cannot use the database postgresql://me@127.0.0.1:9/x \(.*\):"):
        connect("postgresql://me:secret@127.0.0.1:9/x", create=True)


def test_a_missing_driver_is_told_with_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(UserError, match=r'run pip install "fcnet-sweep\[postgres\]"'):
        connect("postgresql://me@host/db", create=True)


@pytest.mark.parametrize("way", ["address", "query", "variable", "file"])
def test_a_password_works_in_every_way_and_is_shown_in_none(tmp_path, login, monkeypatch, caplog, way):
    if way == "address":
        login = login.replace("sweeper@", f"sweeper:{quote(PASSWORD, safe='')}@")
    elif way == "query":
        login += f"&password={quote(PASSWORD, safe='')}"
    elif way == "variable":
        monkeypatch.setenv("PGPASSWORD", PASSWORD)
    else:
        passwords = tmp_path / ".pgpass"
        passwords.write_text("*:*:*:sweeper:" + PASSWORD.replace(":", "\\:"), encoding="utf-8")
        passwords.chmod(0o600)
        monkeypatch.setenv("PGPASSFILE", os.fspath(passwords))
    caplog.set_level(logging.DEBUG)
    with opened(login) as (storage, study), coordinate(storage, study) as coordinator:
        trial = coordinator.ask(lambda _: True)
        study.tell(trial, 1.0)
        shown = [storage.url, repr(storage.engine.url), caplog.text, str(study.user_attrs), str(study.trials)]
        with pytest.raises(UserError) as caught:
            load_study(storage, "none")
        assert not any("sesame" in text for text in [*shown, str(caught.value)])


def test_a_wrong_password_is_a_sentence_that_does_not_show_it(login):
    with pytest.raises(UserError, match="password authentication failed") as caught:
        connect(login.replace("sweeper@", "sweeper:sesame@"), create=True)
    assert "sesame" not in str(caught.value)


def test_a_study_moves_to_postgresql_and_back(tmp_path, url):
    first, last = f"sqlite:///{tmp_path / 'first.db'}", f"sqlite:///{tmp_path / 'last.db'}"
    with contextlib.closing(connect(first, create=True)) as storage:
        original = contents(fill(storage, tmp_path))
    copy_study(first, url, "a")
    copy_study(url, last, "a")
    for address in (url, last):
        with contextlib.closing(connect(address, create=False)) as storage:
            assert contents(load_study(storage, "a")) == original
