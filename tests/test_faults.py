"""Faults of the world around the real program: a sentence, a clean study, and the same command goes on."""

import json
import os
import sqlite3
import subprocess
from pathlib import Path

import pytest
from scripted import Asked, Scripted
from started import FAST, assert_whole, finished, locked, trials_of

from fcnet.data import load
from studies.execution.run import run
from studies.record import Source


@pytest.fixture
def small_disk(tmp_path):
    """A disk of a few megabytes."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("a small disk needs the right to mount one")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_in_mid_sweep(start, sweep, images, small_disk):
    running = start("--trials", 10000, "--data", images, *FAST, folder=small_disk)
    running.until("3/10000")
    ballast = small_disk / "ballast"
    with pytest.raises(OSError, match="No space left"), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(b"\0" * 4096)
    code, said = running.end()
    assert code == 1
    assert "no room left on its disk: free some space" in said
    ballast.unlink()
    total = len(finished(trials_of(small_disk))) + 2
    sweep("--trials", total, "--data", images, *FAST, cwd=small_disk)
    assert_whole(small_disk, total)


def test_a_full_disk_under_models_and_artifacts(sweep, images, tmp_path, small_disk):
    sweep("--trials", 1, "--data", images, *FAST)
    with (small_disk / "ballast").open("wb") as file:
        file.write(b"\0" * (12 * 2**20 - 8192))
    for option in ("--out", "--artifacts"):
        out = sweep("train", "--seeds", 1, option, small_disk / "files", check=False)
        assert out.returncode == 1
        assert "No space left" in out.stderr
        assert len(out.stderr.strip().splitlines()[-1].split(": ")) >= 3  # what, where, how to mend it
    (small_disk / "ballast").unlink()
    final = json.loads(sweep("train", "--seeds", 1, "--out", small_disk / "files", "--format", "json").stdout)
    assert Path(final["model"]).exists()
    assert not list(small_disk.rglob(".*"))


def test_a_disk_that_becomes_read_only(start, sweep, images, small_disk):
    running = start("--trials", 10000, "--data", images, *FAST, folder=small_disk)
    running.until("2/10000")
    subprocess.run(["mount", "-o", "remount,ro,size=12m", str(small_disk)], check=False)
    if os.access(small_disk, os.W_OK):
        pytest.skip("the disk cannot be made read-only while files on it are open")
    code, said = running.end()
    assert code == 1
    assert "cannot be" in said


def test_a_database_that_another_program_locks(start, sweep, images, tmp_path):
    running = start("--trials", 60, "--data", images, *FAST)
    running.until("2/60")
    with locked(tmp_path):
        running.until("does not answer: waiting for it")
    running.until("answers again")
    code, _ = running.end()
    assert code == 0
    assert_whole(tmp_path, 60)


@pytest.mark.parametrize("option", ["--artifacts", "--out"])
def test_a_file_where_a_folder_should_be_is_told_before_any_work(sweep, images, tmp_path, option):
    sweep("--trials", 1, "--data", images, *FAST)
    (tmp_path / "taken").write_text("mine")
    out = sweep("train", "--seeds", 1, option, "taken", check=False)
    assert out.returncode == 1
    assert "cannot write the folder taken: " in out.stderr
    assert "epochs" not in out.stderr  # no training ran
    assert json.loads(sweep("best", "--format", "json").stdout)["test_openings"] == 0
    assert (tmp_path / "taken").read_text() == "mine"


def test_artifacts_that_are_gone_come_back(sweep, images, tmp_path):
    sweep("--trials", 1, "--data", images, *FAST)
    attached = []
    for _ in range(2):
        sweep("train", "--seeds", 1)
        attached.append(sorted(path.name for path in (tmp_path / "artifacts").iterdir()))
        for path in (tmp_path / "artifacts").iterdir():
            path.unlink()
        (tmp_path / "artifacts").rmdir()
    assert attached[0] == attached[1]  # the same files are the same artifacts: nothing piles up
    sweep("best")


@pytest.mark.parametrize(
    ("version", "mend"),
    [("v3.0.0.d", "optuna storage upgrade --storage sqlite:///"), ("v9.9.9.a", "pip install --upgrade")],
)
def test_a_database_of_another_optuna(sweep, images, tmp_path, version, mend):
    sweep("--trials", 1, "--data", images, *FAST)
    with sqlite3.connect(tmp_path / "sweep.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", (version,))
        connection.commit()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    before = (tmp_path / "sweep.db").read_bytes()
    for command in (("--trials", 2, "--data", images, *FAST), ("best",), ("train",)):
        out = sweep(*command, check=False)
        assert out.returncode == 1
        assert mend in out.stderr
    assert (tmp_path / "sweep.db").read_bytes() == before


def test_a_damaged_database_is_told_and_left_as_it_is(sweep, images, tmp_path):
    sweep("--trials", 4, "--data", images, *FAST)
    database = tmp_path / "sweep.db"
    with sqlite3.connect(database) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    content = bytearray(database.read_bytes())
    content[8192:-4096] = b"\xff" * (len(content) - 8192 - 4096)
    database.write_bytes(content)
    for command in (("--trials", 6, "--data", images, *FAST), ("train",), ("best",)):
        out = sweep(*command, check=False)
        assert out.returncode == 1
        assert "damaged" in out.stderr
    assert database.read_bytes() == content


def test_a_clock_that_was_set_back(sweep, images, tmp_path):
    sweep("--trials", 2, "--data", images, *FAST)
    with sqlite3.connect(tmp_path / "sweep.db") as connection:
        connection.execute(
            "UPDATE trials SET datetime_start = '2050-01-01', datetime_complete = '2049-01-01'"
        )
    sweep("--trials", 4, "--data", images, *FAST)
    assert_whole(tmp_path, 4)
    sweep("best")


def test_figures_that_cannot_be_published_are_told_once_and_end_nothing(opened, images):
    def fail(_):
        raise ValueError("no ink")

    told = []
    asked = Asked(0)
    asked.name, asked.source, asked.dataset = "sweep", Source("images.npz"), load(str(images))
    run(asked, opened[0], Scripted(lambda job: 0.8), say=told.append, publish=fail)
    assert told.count("the figures on the dashboard are not up to date: ValueError: no ink") == 1
