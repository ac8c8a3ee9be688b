"""A sample of ``python -m benchmarks.stress.power``: what a power cut leaves, after whatever was said."""

import shutil

import numpy as np
import pytest

from benchmarks.stress.power import commands, record, replay

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("cc") is None, reason="calls are recorded by a library made with cc"),
]


def test_a_power_cut_loses_nothing_that_was_said(tmp_path):
    sweep, _, export = commands(2)
    calls = record(tmp_path, sweep, export)
    assert {call.kind for call in calls} == {*"ACLRSTUW"}
    said = [i for i, call in enumerate(calls, 1) if call.kind == "A" and b"trial" in call.content]
    assert len(said) > 2
    others = np.linspace(1, len(calls), 6).astype(int)
    places = [*said[:3] * 2, *others, *[len(calls)] * 3]
    assert replay(calls, tmp_path, map(int, places), np.random.default_rng(0)) == ([], 0)
