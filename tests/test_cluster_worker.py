"""A Dask worker's own part, called in this process: which trainings it keeps, and for how long."""

import pytest
from conftest import job

from studies.execution import cluster_worker
from studies.execution.cluster_worker import advance, forget


class Clock:
    """Seconds, put forward by the test."""

    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(cluster_worker, "_clock", clock)
    monkeypatch.setattr(cluster_worker, "_live", {})
    return clock


@pytest.fixture
def here(split):
    """Return a job whose data the worker has in its cache, which here is the coordinator's."""
    return job(split, epochs=100)


def kind(run, here, epoch, epoch_limit):
    return advance(run, here, epoch, epoch_limit)[0]


def test_a_training_is_kept_for_twice_its_own_coordinators_limit(here, clock):
    assert kind("patient", here, 0, 3600.0) == "epoch"
    assert kind("hasty", here, 0, 10.0) == "epoch"
    clock.now += 20.0
    assert kind("other", here, 0, 900.0) == "epoch"
    assert set(cluster_worker._live) == {"patient", "hasty", "other"}
    clock.now += 1.0
    assert kind("another", here, 0, 900.0) == "epoch"
    assert set(cluster_worker._live) == {"patient", "other", "another"}
    clock.now = 7200.0
    assert kind("new", here, 0, 900.0) == "epoch"
    assert set(cluster_worker._live) == {"patient", "new"}
    assert kind("patient", here, 1, 3600.0) == "epoch"  # asked for now: kept twice as long from here
    clock.now += 7200.0
    assert kind("newer", here, 0, 900.0) == "epoch"
    assert set(cluster_worker._live) == {"patient", "newer"}
    clock.now += 1.0
    assert kind("newest", here, 0, 900.0) == "epoch"
    assert advance("patient", here, 2, 3600.0) == (
        "lost",
        "a worker forgot its training, as it was started anew",
    )


def test_an_epoch_out_of_turn_is_refused(here, clock):
    assert kind("a", here, 0, 900.0) == "epoch"
    assert kind("a", here, 2, 900.0) == "lost"


def test_a_training_that_ended_or_was_dropped_is_forgotten(split, here, clock):
    for epoch in range(3):
        assert kind("whole", job(split), epoch, 900.0) == "epoch"
    assert kind("dropped", here, 0, 900.0) == "epoch"
    forget("dropped")
    forget("dropped")
    assert cluster_worker._live == {}


def test_data_that_are_gone_are_a_lost_worker(split, clock, tmp_path):
    reply = advance("a", job(tmp_path / "absent"), 0, 900.0)
    assert reply == ("lost", "a worker has lost its data, as it was started anew")
