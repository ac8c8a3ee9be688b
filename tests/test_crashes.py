"""A sample of the faults that ``python -m benchmarks.stress.crashes`` enumerates."""

import shutil

import pytest

from benchmarks.stress.crashes import STEPS, TRAINING, WAYS, Enumeration

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("cc") is None, reason="the calls are broken by a library made with cc"),
]


@pytest.fixture(scope="module")
def enumeration(tmp_path_factory):
    enumeration = Enumeration(tmp_path_factory.mktemp("crashes"))
    yield enumeration
    enumeration.close()


@pytest.fixture(scope="module")
def faults(enumeration):
    return enumeration.prepare()


def test_every_step_writes_and_every_way_can_break_it(faults):
    assert {(fault.step, fault.way) for fault in faults} == {(step, way) for step in STEPS for way in WAYS}
    assert {fault.step for fault in faults if fault.role == "worker"} == set(TRAINING)


@pytest.mark.parametrize(
    ("step", "way"),
    [
        *((step, "kill") for step in STEPS),
        *(("run", "full"), ("confirm", "short"), ("train", "eio"), ("copy", "eintr")),
    ],
)
def test_after_any_fault_the_same_command_goes_on_and_nothing_is_lost(enumeration, faults, step, way):
    chosen = [fault for fault in faults if (fault.step, fault.way) == (step, way)]
    # Another one in each combination, the same ones in each run.
    fault = chosen[(STEPS.index(step) * 7919 + list(WAYS).index(way) * 104729) % len(chosen)]
    assert enumeration.run(fault) == []
