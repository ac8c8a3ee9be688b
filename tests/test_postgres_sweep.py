"""The command itself on PostgreSQL: several coordinators, a server that goes away, a secret password."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from urllib.parse import quote

import optuna
import pytest
from conftest import PASSWORD, PROGRAM, ROOT
from optuna.trial import TrialState

from studies.storage.database import connect
from studies.storage.study import load_study

pytest.importorskip("psycopg", reason="needs the extra postgres")

from benchmarks.stress import witness
from benchmarks.stress.history_check import Outage, check


@contextlib.contextmanager
def sweeping(folder, address, images, *options):
    """Start a sweep in the background; it is killed in the end if it still runs."""
    command = [
        sys.executable,
        str(ROOT / "sweep.py"),
        "--storage",
        address,
        "--data",
        str(images),
        "--workers",
        "1",
    ]
    with (
        (folder / f"{time.monotonic_ns()}.log").open("w+") as log,
        subprocess.Popen(
            [*command, *map(str, options)],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**os.environ, "COLUMNS": "200"},
        ) as process,
    ):
        process.said = lambda: (log.flush(), log.seek(0), log.read())[2]
        try:
            yield process
        finally:
            process.kill()


def trials_of(address):
    with contextlib.closing(connect(address, create=False)) as storage:
        return load_study(storage, "sweep").get_trials(deepcopy=False)


def finished(address):
    with contextlib.suppress(Exception):  # the study is not there yet
        return sum(t.state in (TrialState.COMPLETE, TrialState.PRUNED) for t in trials_of(address))
    return 0


def wait_for(n, address, *processes):
    """Wait until so many trials are finished."""
    deadline = time.monotonic() + 150
    while finished(address) < n:
        assert time.monotonic() < deadline
        for process in processes:
            assert process.poll() is None, process.said()
        time.sleep(0.1)


def check_exact(address, total):
    trials = trials_of(address)
    counts = {state: sum(trial.state == state for trial in trials) for state in TrialState}
    assert counts[TrialState.COMPLETE] + counts[TrialState.PRUNED] == total
    assert counts[TrialState.RUNNING] == 0
    retried = [t.user_attrs["retry_of"] for t in trials if "retry_of" in t.user_attrs]
    assert len(retried) == len(set(retried))
    assert all(trials[number].state == TrialState.FAIL for number in retried)


@pytest.fixture
def address(login):
    """Return the address of the database with a password that the server asks for."""
    return login.replace("sweeper@", f"sweeper:{quote(PASSWORD, safe='')}@")


def test_three_coordinators_one_killed_share_an_exact_total_and_show_no_password(address, images, tmp_path):
    options = ("--trials", 12, "--epochs", 2)
    witness.install(address)
    with contextlib.ExitStack() as stack:
        one, two, doomed = (
            stack.enter_context(
                sweeping(tmp_path, f"{address}&application_name={name}", images, *options, "--seed", seed)
            )
            for seed, name in enumerate(("one", "two", "doomed"))
        )
        wait_for(3, address, one, two)
        doomed.send_signal(signal.SIGKILL)
        for process in (one, two):
            assert process.wait(100) == 0, process.said()
        for process in (one, two, doomed):
            assert "sesame" not in process.said()
    check_exact(address, 12)
    changes, kept = witness.read(address, "sweep")
    killed = Outage("doomed", "killed", 0.0)
    assert check(changes, kept, [killed], total=12, limit=100.0, grace=0.0).problems == []
    assert {"one", "two"} <= {change.who for change in changes} <= {"one", "two", "doomed"}
    with contextlib.closing(connect(address, create=False)) as storage:
        study = load_study(storage, "sweep")
        system = storage.get_study_system_attrs(study._study_id)
        assert "sesame" not in str((study.user_attrs, system, study.trials))


def test_an_interrupted_sweep_names_its_command_without_the_password(address, images, tmp_path):
    with sweeping(tmp_path, address, images, "--trials", 10**6, "--epochs", 1) as process:
        wait_for(1, address, process)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
        assert f"To go on: {PROGRAM} " in process.said()
        assert "sweeper:***@" in process.said()
        assert "sesame" not in process.said()


def test_a_server_stopped_in_mid_sweep_is_waited_for_and_nothing_is_lost(server, database, images, tmp_path):
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with sweeping(tmp_path, database, images, "--trials", 12, "--epochs", 3) as process:
        wait_for(3, database, process)
        server.stop()
        deadline = time.monotonic() + 30
        while "does not answer: waiting for it" not in process.said():
            assert time.monotonic() < deadline, process.said()
            time.sleep(0.1)
        server.ensure_postgres_running()
        assert process.wait(100) == 0, process.said()
        assert "answers again" in process.said()
    check_exact(database, 12)
    assert [trial.state for trial in trials_of(database)].count(TrialState.FAIL) == 0
