"""A sample of the faults that ``python -m benchmarks.stress.crashes`` enumerates."""

import json
import os
import shutil
import subprocess
import sys

import pytest
from conftest import ROOT

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


MAKES_DATABASES = """
import ctypes, json, os, sqlite3, sys
from contextlib import closing
from pathlib import Path
from fcnet.errors import UserError
from studies.storage.database import connect

def make(folder, **faults):
    child = os.fork()
    if child == 0:
        os.chdir(folder)
        os.environ.update({f"FAULTS_{name.upper()}": str(value) for name, value in faults.items()})
        ctypes.CDLL(None).faults_arm()
        try:
            connect("sqlite:///sweep.db", create=True).close()
        except UserError as error:
            os._exit(1 if str(error).startswith("cannot make the database sweep.db: ") else 3)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

def verdict(path):
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("PRAGMA integrity_check").fetchone()[0]

here = Path(sys.argv[1])
(here / "whole").mkdir()
assert make(here / "whole", role="coordinator", log=here / "log") == 0
calls = [line.split() for line in (here / "log").read_text().splitlines()]
pages = [int(n) for n, call, *path in calls if call == "pwrite" and path[0].endswith(".new")]
problems = []
for at in pages[:: max(1, len(pages) // 12)]:
    folder = here / str(at)
    folder.mkdir()
    code = make(folder, role="coordinator", kind="eio", at=at)
    try:
        left = [path.name for path in folder.iterdir()]
        assert left == ([] if code else ["sweep.db"]) and code in (0, 1), f"{code}, {left}"
        assert code or verdict(folder / "sweep.db") == "ok"
    except (AssertionError, sqlite3.Error) as error:
        problems.append(f"EIO at call {at}: {error!r}")
print(json.dumps([len(pages), problems]))
"""


def test_a_new_database_is_whole_or_not_there_when_a_page_cannot_be_written(enumeration, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", MAKES_DATABASES, str(tmp_path)],
        env={**os.environ, "LD_PRELOAD": str(enumeration.shim), "FAULTS_WAIT": "1", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    n_pages, problems = json.loads(done.stdout)
    assert n_pages > 12
    assert problems == []
