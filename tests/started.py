"""The real program left running in a process group of its own, and what its study must hold in the end."""

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import threading

import optuna
from conftest import ROOT
from optuna.trial import TrialState

FAST = ("--epochs", "3", "--workers", "2")
PYTHON = (sys.executable, str(ROOT / "sweep.py"))


def trials_of(folder, study="sweep"):
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna.load_study(study_name=study, storage=f"sqlite:///{folder}/sweep.db").get_trials()


def finished(trials):
    return [trial for trial in trials if trial.state in (TrialState.COMPLETE, TrialState.PRUNED)]


def assert_whole(folder, total):
    trials = trials_of(folder)
    assert len(finished(trials)) == total
    assert TrialState.RUNNING not in {trial.state for trial in trials}
    with sqlite3.connect(folder / "sweep.db") as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


@contextlib.contextmanager
def locked(folder):
    """Keep everybody else from writing to the folder's database."""
    with contextlib.closing(sqlite3.connect(folder / "sweep.db", isolation_level=None)) as other:
        other.execute("PRAGMA busy_timeout=30000")
        other.execute("BEGIN IMMEDIATE")
        yield


class Started:
    """The real program in a process group of its own, its messages read as they come."""

    def __init__(self, folder, *arguments, **options):
        self.process = subprocess.Popen(
            [*PYTHON, *map(str, arguments)],
            cwd=folder,
            stdout=options.pop("stdout", subprocess.PIPE),
            stderr=options.pop("stderr", subprocess.PIPE),
            text=True,
            start_new_session=True,
            env={**os.environ, "COLUMNS": "200"},
            **options,
        )
        self.said = ""
        self._watchdog = threading.Timer(120, self.process.kill)  # a wait below never lasts for ever
        self._watchdog.start()

    def until(self, word):
        """Read until a line holds the word: a sign that the program is where it should be."""
        for line in self.process.stderr:
            self.said += line
            if word in line:
                return
        raise AssertionError(f"the program ended without {word!r}: {self.said}")

    def end(self):
        """Wait for the end and return the exit code and all that was said."""
        out, err = self.process.communicate(timeout=120)
        self._watchdog.cancel()
        self.said += (err or "") + (out or "")
        assert "Traceback" not in self.said, self.said
        return self.process.returncode, self.said

    def kill(self):
        """Kill the whole process group, as a power cut would."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.end()

    def workers(self):
        found = subprocess.run(
            ["pgrep", "-P", str(self.process.pid), "-f", "spawn_main"],
            capture_output=True,
            text=True,
            check=True,
        )
        return [int(pid) for pid in found.stdout.split()]
