"""A sample of the faults that ``python -m benchmarks.stress.crashes`` enumerates."""

import shutil

import pytest

from benchmarks.stress.crashes import STEPS, WAYS, Enumeration, Fault

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
    assert {fault.step for fault in faults if fault.role == "worker"} == {"run", "confirm", "train"}


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("way", WAYS)
def test_after_any_fault_the_same_command_goes_on_and_nothing_is_lost(enumeration, faults, step, way):
    chosen: list[Fault] = [fault for fault in faults if (fault.step, fault.way) == (step, way)]
    # One of each: another one in each combination, the same ones in each run.
    fault = chosen[(STEPS.index(step) * 7919 + list(WAYS).index(way) * 104729) % len(chosen)]
    assert enumeration.run(fault) == []
