"""Coordinators of one study on PostgreSQL for tests: in this process, and in one of their own."""

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

from conftest import ROOT, facts
from optuna.study import Study

from studies.storage.database import connect
from studies.storage.retrying import RetryingStorage
from studies.storage.study import open_study


@contextlib.contextmanager
def opened(url: str, name: str = "a", **options: Any) -> Iterator[tuple[RetryingStorage, Study]]:
    """Open a study, or make it."""
    with contextlib.closing(connect(url, create=True, **options)) as storage:
        yield storage, open_study(storage, name, facts=facts())


@contextlib.contextmanager
def child(program: str, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    """Run a program of Python that is killed in the end."""
    with subprocess.Popen(
        [sys.executable, "-c", program, *map(str, arguments)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def line(process: subprocess.Popen[str]) -> str:
    """Return the next line that a child prints."""
    assert process.stdout is not None
    assert process.stderr is not None
    said = process.stdout.readline().strip()
    assert said, process.stderr.read()
    return said


def go(process: subprocess.Popen[str]) -> None:
    """Let a child go on that waits for a line."""
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()


def states(study: Study) -> list[str]:
    """Return the names of the states of all trials."""
    return [trial.state.name for trial in study.get_trials(deepcopy=False)]


def restart(server: Any) -> None:
    """Stop the server and start it again."""
    server.stop()
    server.ensure_postgres_running()
