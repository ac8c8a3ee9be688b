"""Trainings in this process and in a pool: the same bits, and how lost or hung workers are told."""

import os
import signal

import pytest
from conftest import job

from fcnet.hyperparameters import Hyperparameters
from fcnet.trainer import Diverged
from studies.execution.backend import TrainingFailed, WorkerLost
from studies.execution.local import InProcess, ProcessPool


@pytest.fixture(scope="module")
def pool():
    with ProcessPool(1) as backend:
        yield backend


@pytest.mark.parametrize("may_stop", [True, False])
def test_a_worker_trains_the_same_bits_as_this_process(split, pool, may_stop):
    results = []
    for backend in (InProcess(), pool):
        with backend.train(job(split, may_stop=may_stop)) as training:
            epochs = [(m.epoch, m.train_loss, m.validation_loss, m.validation_accuracy) for m in training]
        results.append((epochs, training.digest))
    assert results[0] == results[1]
    assert len(results[0][0]) == 3
    assert results[0][1] is not None


def test_a_stopped_training_leaves_its_worker_ready_for_the_next(split, pool):
    with pool.train(job(split, may_stop=True)) as training:
        assert next(iter(training)).epoch == 0
    before = pool.pids()
    with pool.train(job(split)) as training:
        assert len(list(training)) == 3
    assert pool.pids() == before


def test_an_unstoppable_training_that_is_left_costs_its_worker(split, pool):
    with pool.train(job(split, epochs=10**6)) as training:
        assert next(iter(training)).epoch == 0
    with pool.train(job(split)) as training:
        assert [metrics.epoch for metrics in training] == [0, 1, 2]


def test_a_killed_worker_is_told_and_replaced(split, pool):
    with pytest.raises(WorkerLost, match="exit code -9"), pool.train(job(split, epochs=10**6)) as training:
        for _ in training:
            for pid in pool.pids():
                os.kill(pid, signal.SIGKILL)
    with pool.train(job(split)) as training:
        assert len(list(training)) == 3


def test_a_hung_worker_is_told_and_replaced(split):
    with ProcessPool(1, epoch_limit=0.5) as impatient:
        with (
            pytest.raises(WorkerLost, match=r"silent for 0\.5 s"),
            impatient.train(job(split, epochs=10**6)) as training,
        ):
            for _ in training:
                for pid in impatient.pids():
                    os.kill(pid, signal.SIGSTOP)
        assert impatient.pids() == []


def test_a_worker_tells_of_divergence_and_of_errors(split, pool, tmp_path):
    wild = Hyperparameters(learning_rate=10.0, n_layers=4)
    with (
        pytest.raises(Diverged, match="no longer finite"),
        pool.train(job(split, hyperparameters=wild, epochs=500)) as t,
    ):
        list(t)
    with pytest.raises(TrainingFailed, match="cannot be used"), pool.train(job(tmp_path / "absent")) as t:
        list(t)
