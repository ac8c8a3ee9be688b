"""Trainings in this process and in a pool: the same bits, and how lost or hung workers are told."""

import os
import signal
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from conftest import job

from fcnet.errors import Diverged
from fcnet.hyperparameters import Hyperparameters
from studies.execution.backend import TrainingFailed, WorkerLost, cores
from studies.execution.local import InProcess, ProcessPool


def train(pool, split):
    with pool.train(job(split)) as training:
        return list(training)


@pytest.fixture(scope="module")
def pool():
    with ProcessPool(1) as backend:
        yield backend


def test_a_worker_trains_the_same_bits_as_this_process(split, pool):
    results = []
    for backend in (InProcess(), pool):
        with backend.train(job(split)) as training:
            epochs = [(m.epoch, m.train_loss, m.validation_loss, m.validation_accuracy) for m in training]
        results.append((epochs, training.digest, list(training.right)))
    assert results[0] == results[1]
    assert len(results[0][0]) == 3
    assert np.mean(results[0][2]) == results[0][0][-1][-1]
    assert results[0][1] is not None


def test_a_stopped_training_leaves_its_worker_ready_for_the_next(split, pool):
    with pool.train(job(split)) as training:
        assert next(iter(training)).epoch == 0
    before = pool.pids()
    with pool.train(job(split)) as training:
        assert len(list(training)) == 3
    assert pool.pids() == before


def test_nothing_of_a_training_that_was_left_reaches_the_next(split, pool):
    for left in (3, 10**6):  # trained to its end meanwhile, or not
        with pool.train(job(split, epochs=left)) as training:
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


def test_a_worker_that_died_idle_leaves_nothing_behind(split):
    def n_descriptors():
        return len(os.listdir("/dev/fd"))  # noqa: PTH208

    with ProcessPool(1) as pool:
        train(pool, split)
        (pid,), before = pool.pids(), n_descriptors()
        gone = []  # kept, so that nothing is closed only because nobody knows it any more
        for _ in range(3):
            gone += pool._all
            os.kill(pid, signal.SIGKILL)
            os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
            train(pool, split)
            (new,) = pool.pids()
            assert new != pid
            pid = new
        assert n_descriptors() == before


def test_more_trainings_than_slots_wait_for_a_worker(split):
    with ProcessPool(2) as pool, ThreadPoolExecutor(6) as threads:
        for training in [threads.submit(train, pool, split) for _ in range(6)]:
            assert len(training.result()) == 3
        assert len(pool.pids()) == 2


def test_a_closed_pool_has_no_workers_and_takes_none(split):
    pool = ProcessPool(1)
    with (
        pytest.raises(WorkerLost, match="exit code -9, perhaps for want of memory"),
        pool.train(job(split, epochs=10**6)) as training,
    ):
        for _ in training:
            pool.close()
    with pytest.raises(WorkerLost, match="the pool of workers was closed"):
        train(pool, split)
    assert pool.pids() == []


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


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system binds no process to cores")
def test_the_cores_are_those_that_this_process_may_use():
    before = os.sched_getaffinity(0)
    assert cores() == len(before)
    try:
        os.sched_setaffinity(0, {min(before)})
        assert cores() == 1
    finally:
        os.sched_setaffinity(0, before)
