"""Where POSIX ends: what the program does on Windows and macOS, taken through the place where it asks.

That no other call is missing there is mypy's to say, for each of the two (`tests/test_style.py`).
"""

import os
import runpy
import signal
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from fcnet import writing
from fcnet.data import holding
from studies.dashboard import serving
from studies.execution import backend, cluster_worker, signals
from studies.storage import sqlite
from studies.storage.database import connect


def test_on_windows_folders_are_held_without_the_locks_that_it_lacks(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setitem(sys.modules, "fcntl", None)  # cannot be imported
    there = SimpleNamespace(**runpy.run_path(holding.__file__))
    (tmp_path / "split").mkdir()
    (tmp_path / "split" / "about.json").touch()
    descriptor = there.hold(tmp_path / "split" / "about.json")

    def refuse(*_):
        raise PermissionError(13, "a file in it is open")

    with monkeypatch.context() as held:  # as Windows does for whoever holds
        held.setattr("pathlib.Path.rename", refuse)
        there.drop(tmp_path / "split", "about.json")
        assert (tmp_path / "split" / "about.json").exists()
    os.close(descriptor)
    there.drop(tmp_path / "split", "about.json")
    assert list(tmp_path.iterdir()) == []


def test_windows_opens_no_folder_to_flush_it(tmp_path, monkeypatch):
    writing.flush_folder(tmp_path)
    with pytest.raises(FileNotFoundError):
        writing.flush_folder(Path("/nowhere"))
    monkeypatch.setattr(writing, "_FOLDERS_OPEN", False)
    writing.flush_folder(Path("/nowhere"))


def test_signals_that_a_system_lacks_are_not_asked_for(monkeypatch):
    monkeypatch.delattr(signal, "SIGHUP")
    monkeypatch.delattr(signal, "pthread_sigmask")
    monkeypatch.setattr(sys, "platform", "win32")
    there = SimpleNamespace(**runpy.run_path(signals.__file__))
    assert there.STOPPING == (signal.SIGINT, signal.SIGTERM)
    with there.as_interrupts(), there.noted(lambda: None) as event, there.kept_from_children():
        assert not event.is_set()


def test_cores_are_counted_where_they_cannot_be_bound(monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 7)
    assert backend.cores() == 7
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert backend.cores() == 1


def test_a_cache_without_room_is_the_temporary_folder_where_users_have_no_numbers(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setattr("platformdirs.user_cache_path", lambda _: tmp_path / "file")
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    monkeypatch.delattr(os, "getuid")
    assert cluster_worker._cache() == tmp_path / "fcnet-0" / "splits"


def test_a_database_is_made_where_files_cannot_be_linked(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(1, "no links here")

    monkeypatch.setattr(sqlite.os, "link", refuse)
    connect(f"sqlite:///{tmp_path / 'sweep.db'}", create=True).close()
    assert [file.name for file in tmp_path.iterdir()] == ["sweep.db"]


@pytest.mark.parametrize(
    ("platform", "environ", "expected"),
    [
        ("win32", {}, True),
        ("darwin", {}, True),
        ("darwin", {"SSH_CONNECTION": "x"}, False),
        ("linux", {}, False),
        ("linux", {"WAYLAND_DISPLAY": "x"}, True),
    ],
)
def test_who_sits_before_a_screen_is_told_by_each_system_in_its_way(monkeypatch, platform, environ, expected):
    for name in ("SSH_CONNECTION", "DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    assert serving._has_display() is expected
