"""A Dask cluster whose workers and scheduler are killed, hang, join, or never were there."""

import os
import random
import re
import signal
import socket
import sys
import threading

import pytest
from clustered import check_exact, run, train, until
from conftest import job
from optuna.trial import TrialState
from scripted import Asked

from fcnet.errors import UsageError, UserError
from studies.execution.backend import BackendLost, WorkerLost
from studies.execution.local import InProcess
from studies.execution.runner import Runner
from studies.space import DEFAULT_SPACE, suggest
from studies.storage.ownership import coordinate

pytest.importorskip("distributed", reason="needs the extra cluster")

from studies.execution.cluster import DaskCluster


def test_a_killed_worker_costs_one_retry_and_those_that_join_are_used(own, opened, split):
    storage, study = opened
    doomed = own.add_worker()
    with DaskCluster(own.address) as backend:

        def objective(trial):
            suggest(trial, DEFAULT_SPACE)
            with backend.train(job(split, epochs=5)) as training:
                for metrics in training:
                    if trial.number == 1 and metrics.epoch == 1:
                        for _ in range(2):
                            own.add_worker()
                        until(lambda: backend.slots == 3)
                        doomed.kill()
            return metrics.validation_accuracy

        with coordinate(storage, study) as coordinator:
            Runner(Asked(12), study, coordinator, objective, backend).run()
        assert len(backend._environments) == 3
        assert len(backend._link.workers) == 2
    check_exact(study, 12)
    (failed,) = [trial for trial in study.get_trials() if trial.state == TrialState.FAIL]
    assert failed.number == 1
    assert "left the cluster" in failed.user_attrs["reason"]
    (again,) = [trial for trial in study.get_trials() if trial.user_attrs.get("retry_of") == 1]
    assert again.params == failed.params


def test_a_hung_worker_is_left_alone(own, split):
    worker = own.add_worker()
    with DaskCluster(own.address) as backend:
        train(backend, split)
        backend._link.patience = 1.0
        with pytest.raises(WorkerLost, match="silent for 1 s"), backend.train(job(split, epochs=10**6)) as t:
            for _ in t:
                os.kill(worker.pid, signal.SIGSTOP)
        backend._link._look()  # the scheduler still counts it
        assert not backend._link.workers


def test_a_worker_without_the_package_is_told_and_not_used(own, split, tmp_path):
    said = []
    # An editable installation is found last of all: this stands before it.
    (tmp_path / "studies.py").write_text("raise ModuleNotFoundError('No module named studies')")
    own.add_worker(PYTHONPATH=str(tmp_path))
    with DaskCluster(own.address, say=said.append) as backend:
        until(lambda: backend._link.workers)
        result = []
        thread = threading.Thread(target=lambda: result.extend(train(backend, split)))
        thread.start()
        until(lambda: len(said) == 2)
        own.add_worker()
        thread.join(60)
        assert len(result) == 3
        assert not +backend._busy
    assert re.search(
        r"is not used, for it cannot run trainings \(ModuleNotFoundError: .*\): install", said[0]
    )
    assert "has no workers now: waiting for one" in said[1]


def test_a_worker_that_dies_while_it_is_prepared_is_passed_over(own, split, monkeypatch):
    doomed = own.add_worker()
    with DaskCluster(own.address) as backend:
        ask = backend._link.ask

        def killing(worker, function, *arguments):
            if function.__name__ == "receive" and doomed.poll() is None:
                doomed.kill()
                doomed.wait()
                own.add_worker()
            return ask(worker, function, *arguments)

        monkeypatch.setattr(backend._link, "ask", killing)
        assert len(train(backend, split)) == 3
        assert doomed.poll() is not None
        assert not +backend._busy


def test_another_machine_at_a_known_address_receives_the_data_at_the_second_try(own, split):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])

    def start(machine):
        return own.add_worker("--worker-port", port, machine=machine)

    with DaskCluster(own.address) as backend:
        first = start("one")
        assert len(train(backend, split)) == 3
        first.kill()
        until(lambda: not backend._link.workers)
        start("two")
        with pytest.raises(WorkerLost, match="has lost its data"):
            train(backend, split)
        assert len(train(backend, split)) == 3


def test_a_cluster_without_workers_is_told_each_time(own, split):
    said = []
    with DaskCluster(own.address, say=said.append) as backend:
        for times in (1, 2):
            waiting = threading.Thread(target=train, args=(backend, split))
            waiting.start()
            until(lambda times=times: len(said) == times)
            worker = own.add_worker()
            waiting.join(60)
            worker.kill()
            until(lambda: not backend._link.workers)
    assert all("has no workers now: waiting for one" in sentence for sentence in said)


def test_a_lost_scheduler_ends_the_sweep_with_a_sentence_and_it_can_go_on(own, opened, split):
    own.add_worker()
    with DaskCluster(own.address) as backend:

        def show(progress):
            if progress.finished >= 2:
                own.scheduler.kill()

        with pytest.raises(
            BackendLost, match=r"scheduler at tcp://.* is gone: nothing is lost, give the same"
        ):
            run(opened, backend, split, total=10**6, epochs=40, show=show)
    trials = opened[1].get_trials()
    assert {trial.state for trial in trials} <= {TrialState.COMPLETE, TrialState.FAIL, TrialState.WAITING}
    waiting = [trial for trial in trials if trial.state == TrialState.WAITING]
    assert len(waiting) == 1
    assert trials[waiting[0].user_attrs["retry_of"]].user_attrs["reason"] == "interrupted"
    run(opened, InProcess(), split, total=10)
    check_exact(opened[1], 10)


def test_workers_killed_and_added_at_random_leave_an_exact_total(own, opened, split):
    rng = random.Random(0)
    workers = [own.add_worker(), own.add_worker()]
    acts = iter([10, 20, 30, 10**6])
    due = next(acts)

    def show(progress):
        nonlocal due
        if progress.finished >= due:
            due = next(acts)
            workers.append(own.add_worker())
            workers.pop(rng.randrange(len(workers))).kill()

    with DaskCluster(own.address) as backend:
        run(opened, backend, split, total=40, epochs=2, show=show)
    assert due == 10**6
    check_exact(opened[1], 40)


def test_no_scheduler_is_a_sentence(monkeypatch):
    monkeypatch.setattr("studies.execution.cluster_link.CONNECT_SECONDS", 1.0)
    with socket.socket() as silent:  # something else listens there and never says a word
        silent.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(UserError, match=f"no Dask scheduler answers at {address}: start one"):
            DaskCluster(address)


@pytest.mark.parametrize("address", ["here", "http://127.0.0.1:80", "tcp://127.0.0.1"])
def test_an_address_that_cannot_be_read_is_a_wrong_usage(address):
    with pytest.raises(
        UsageError, match=r"is not the address of a Dask scheduler: write --cluster tcp://HOST"
    ):
        DaskCluster(address)


def test_an_address_that_cannot_be_read_is_one_sentence_of_the_command(sweep, images, tmp_path):
    before = sorted(tmp_path.iterdir())
    out = sweep("--data", images, "--cluster", "tcp://127.0.0.1", check=False)
    assert out.returncode == 2
    assert out.stderr.startswith("sweep.py: 'tcp://127.0.0.1' is not the address")
    assert len(out.stderr.splitlines()) == 1
    assert sorted(tmp_path.iterdir()) == before


def test_a_missing_extra_is_a_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(UserError, match=r'run pip install "fcnet-sweep\[cluster\]"'):
        DaskCluster("tcp://127.0.0.1:8786")
