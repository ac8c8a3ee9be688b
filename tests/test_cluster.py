"""Trainings on a Dask cluster: a real scheduler and real workers, killed and added while a sweep runs."""

import os
import random
import re
import signal
import socket
import sys
import threading
from functools import partial

import conftest
import optuna
import pytest
from conftest import job, write_images
from optuna.trial import TrialState

from fcnet.data import load, shared_split
from fcnet.errors import UsageError, UserError
from fcnet.hyperparameters import Hyperparameters
from fcnet.model import Model
from fcnet.trainer import Diverged
from studies.execution.backend import BackendLost, TrainingFailed, WorkerLost
from studies.execution.local import InProcess, ProcessPool
from studies.execution.objective import RECORD, Objective
from studies.execution.runner import Sweep
from studies.space import DEFAULT_SPACE, suggest
from studies.storage.ownership import coordinate

pytest.importorskip("distributed", reason="needs the extra cluster")

from benchmarks.local_cluster import LocalCluster
from studies.execution.cluster import DaskCluster

FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)
until = partial(conftest.until, seconds=60.0)  # a worker starts in seconds


@pytest.fixture(scope="module")
def local(tmp_path_factory):
    """A scheduler with two workers on one pretended machine."""
    with LocalCluster(tmp_path_factory.mktemp("dask")) as running:
        for _ in range(2):
            running.add_worker()
        yield running


@pytest.fixture(scope="module")
def cluster(local):
    with DaskCluster(local.address) as backend:
        until(lambda: backend.slots == 2)
        yield backend


@pytest.fixture
def own(tmp_path):
    """A scheduler of the test's own, without workers yet."""
    (tmp_path / "dask").mkdir()
    with LocalCluster(tmp_path / "dask") as running:
        yield running


def run(opened, backend, split, *, total, epochs=2, may_prune=False, **options):
    storage, study = opened
    objective = Objective(backend, split=split, epochs=epochs, seed=5, may_prune=may_prune)
    with coordinate(storage, study) as coordinator:
        Sweep(study, coordinator, objective, backend, total=total, **options).run()


def check_exact(study, total):
    """Assert that the total is exact, nothing is left running, and no retried trial was finished twice."""
    trials = study.get_trials(deepcopy=False)
    assert sum(trial.state in FINISHED for trial in trials) == total
    assert TrialState.RUNNING not in {trial.state for trial in trials}
    origins = []
    for trial in trials:
        if trial.state in FINISHED:
            origin = trial
            while (earlier := origin.user_attrs.get("retry_of")) is not None:
                origin = trials[earlier]
                assert origin.state == TrialState.FAIL
            origins.append(origin.number)
    assert len(set(origins)) == total


def test_a_cluster_trains_the_same_bits_as_the_pool(split, cluster):
    results = []
    with ProcessPool(1) as pool:
        for backend in (pool, cluster):
            with backend.train(job(split, may_stop=True)) as training:
                epochs = [(m.epoch, m.train_loss, m.validation_loss, m.validation_accuracy) for m in training]
            results.append((epochs, training.digest))
    assert results[0] == results[1]
    assert len(results[1][0]) == 3
    assert len(results[1][1]) == 64


def test_the_trained_model_lands_on_the_coordinator(split, cluster, tmp_path):
    models = []
    for name, backend in (("here", InProcess()), ("there", cluster)):
        models.append(tmp_path / name / "model.safetensors")
        with backend.train(job(split, model=models[-1])) as training:
            assert len(list(training)) == 3
    here, there = map(Model.load, models)
    assert there.network.digest() == here.network.digest()
    assert there.data_fingerprint == here.data_fingerprint


def test_the_data_goes_to_a_machine_once_and_in_whole(own, tmp_path, monkeypatch):
    monkeypatch.setattr("studies.execution.cluster._CHUNK_BYTES", 1000)
    split = shared_split(load(str(write_images(tmp_path / "other.npz", seed=9))))
    deliveries = []
    with DaskCluster(own.address) as backend:
        ask = backend._link.ask
        monkeypatch.setattr(
            backend._link, "ask", lambda w, f, *a: deliveries.append(f.__name__) or ask(w, f, *a)
        )
        for _ in range(2):
            own.add_worker()
        until(lambda: backend.slots == 2)

        def train():
            with backend.train(job(split)) as training:
                list(training)

        threads = [threading.Thread(target=train) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    assert deliveries.count("complete") == 1
    assert deliveries.count("greet") == 2
    assert deliveries.count("advance") == 12
    (there,) = tmp_path.glob(f"dask/machine/**/{split.name}")
    assert [file.name for file in there.parent.iterdir()] == [split.name]
    for file in split.iterdir():
        assert (there / file.name).read_bytes() == file.read_bytes()


def test_a_stopped_training_is_dropped_and_its_worker_goes_on(split, cluster):
    for _ in range(3):
        with cluster.train(job(split, epochs=10**6, may_stop=True)) as training:
            assert next(iter(training)).epoch == 0
    with cluster.train(job(split)) as training:
        assert len(list(training)) == 3

    def n_live():
        from studies.execution.backend import cluster_worker

        return len(cluster_worker._live)

    until(lambda: set(cluster._link._client.run(n_live).values()) == {0})


def test_a_worker_tells_of_divergence_and_of_errors(split, cluster):
    wild = Hyperparameters(learning_rate=10.0, n_layers=4)
    with (
        pytest.raises(Diverged, match="no longer finite"),
        cluster.train(job(split, hyperparameters=wild, epochs=500)) as training,
    ):
        list(training)
    huge = Hyperparameters(hidden_units=10**15)
    with (
        pytest.raises(TrainingFailed, match="MemoryError"),
        cluster.train(job(split, hyperparameters=huge)) as training,
    ):
        list(training)
    with cluster.train(job(split)) as training:
        assert len(list(training)) == 3


def test_the_pruner_ends_trials_and_the_workers_environment_is_recorded(opened, split, cluster):
    opened[1].pruner = optuna.pruners.ThresholdPruner(lower=2.0)
    run(opened, cluster, split, total=4, may_prune=True)
    check_exact(opened[1], 4)
    for trial in opened[1].get_trials():
        assert trial.state == TrialState.PRUNED
        assert list(trial.intermediate_values) == [0]
        record = opened[0].get_trial(trial._trial_id).system_attrs[RECORD]
        assert record["environment"] in cluster._environments.values()


def test_a_worker_with_threads_has_a_slot_for_each_and_one_blas_thread(own, split):
    own.add_worker(threads=3, OPENBLAS_NUM_THREADS="2")
    with DaskCluster(own.address) as backend:
        until(lambda: backend.slots == 3)
        with backend.train(job(split)) as first, backend.train(job(split)) as second:
            assert [m.train_loss for m in first] == [m.train_loss for m in second]

        def n_blas_threads():
            from threadpoolctl import threadpool_info

            return max(pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas")

        assert set(backend._link._client.run(n_blas_threads).values()) == {1}


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
            Sweep(study, coordinator, objective, backend, total=12).run()
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
    assert re.search(
        r"is not used, for it cannot run trainings \(ModuleNotFoundError: .*\): install", said[0]
    )
    assert "has no workers now: waiting for one" in said[1]


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


def train(backend, split):
    with backend.train(job(split)) as training:
        return list(training)


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


def test_a_missing_extra_is_a_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(UserError, match=r'run pip install "fcnet-sweep\[cluster\]"'):
        DaskCluster("tcp://127.0.0.1:8786")


def test_the_command_sweeps_and_trains_on_a_cluster(local, cluster, images, sweep, tmp_path):
    there = ("--cluster", local.address)
    sweep("--trials", 3, "--data", images, "--epochs", 2, *there)
    study = optuna.load_study(study_name="sweep", storage=f"sqlite:///{tmp_path}/sweep.db")
    check_exact(study, 3)
    sweep("train", "--seeds", 1, *there)
    assert len(list((tmp_path / "models" / "sweep").glob("*.safetensors"))) == 1
