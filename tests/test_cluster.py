"""Trainings on a Dask cluster: a real scheduler and real workers give what the pool gives."""

import threading

import optuna
import pytest
from clustered import check_exact, run, until
from conftest import job, write_images
from optuna.trial import TrialState

from fcnet.data import load, shared_split
from fcnet.errors import Diverged
from fcnet.hyperparameters import Hyperparameters
from fcnet.model import Model
from studies.execution.backend import TrainingFailed
from studies.execution.local import InProcess, ProcessPool

pytest.importorskip("distributed", reason="needs the extra cluster")

from benchmarks.stress.local_cluster import LocalCluster
from studies.execution.cluster import DaskCluster


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


def test_a_cluster_trains_the_same_bits_as_the_pool(split, cluster):
    results = []
    with ProcessPool(1) as pool:
        for backend in (pool, cluster):
            with backend.train(job(split)) as training:
                epochs = [(m.epoch, m.train_loss, m.validation_loss, m.validation_accuracy) for m in training]
            results.append((epochs, training.digest, list(training.right)))
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
    assert there.networks[0].digest() == here.networks[0].digest()
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
        with cluster.train(job(split, epochs=10**6)) as training:
            assert next(iter(training)).epoch == 0
    with cluster.train(job(split)) as training:
        assert len(list(training)) == 3

    def n_live():
        from studies.execution import cluster_worker

        return len(cluster_worker._live)

    until(lambda: set(cluster._link._client.run(n_live).values()) == {0})


def test_the_epoch_limit_travels_with_every_request(own, split):
    own.add_worker()

    def limits():
        from studies.execution import cluster_worker

        return [live.epoch_limit for live in cluster_worker._live.values()]

    with (
        DaskCluster(own.address, epoch_limit=1234.0) as backend,
        backend.train(job(split, epochs=10**6)) as training,
    ):
        next(iter(training))
        assert list(backend._link._client.run(limits).values()) == [[1234.0]]


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
        record = opened[0].get_trial(trial._trial_id).system_attrs["record"]
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


def test_the_command_sweeps_and_trains_on_a_cluster(local, cluster, images, sweep, tmp_path):
    there = ("--cluster", local.address)
    sweep("--trials", 3, "--data", images, "--epochs", 2, *there)
    study = optuna.load_study(study_name="sweep", storage=f"sqlite:///{tmp_path}/sweep.db")
    check_exact(study, 3)
    sweep("train", "--seeds", 1, *there)
    assert len(list((tmp_path / "models" / "sweep").glob("*.safetensors"))) == 2


def test_the_worker_with_the_largest_share_of_free_slots_is_the_next(own):
    for threads in (2, 4):
        own.add_worker(threads=threads)
    with DaskCluster(own.address) as backend:
        until(lambda: backend.slots == 6)
        for _ in range(3):
            backend._wait_for_worker()
        assert {n: backend._busy[worker] for worker, n in backend._link.workers.items()} == {2: 1, 4: 2}
