"""A Dask scheduler and workers on this machine, each a process of its own, started by Dask's own commands."""

import contextlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Self

ROOT = Path(__file__).resolve().parents[2]


class LocalCluster:
    """Processes of a cluster; they end with the context.

    Parameters
    ----------
    folder : Path
        For logs, the workers' scratch files and the caches of the pretended machines.
    """

    def __init__(self, folder: Path, *, host: str = "127.0.0.1") -> None:
        self._folder, self._host = folder, host
        self._processes: list[subprocess.Popen[bytes]] = []
        about = folder / "scheduler.json"
        self.scheduler = self.start("scheduler", "--port", "0", "--scheduler-file", str(about))
        self.address = self._wait_for(about)

    def _wait_for(self, about: Path) -> str:
        """Return the scheduler's address, once its file is there and whole."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and self.scheduler.poll() is None:
            with contextlib.suppress(FileNotFoundError, json.JSONDecodeError):
                return str(json.loads(about.read_text(encoding="utf-8"))["address"])
            time.sleep(0.02)
        raise RuntimeError(f"the scheduler did not start, see {self._folder}")

    def add_worker(
        self, *options: str, threads: int = 1, machine: str = "machine", **environment: str
    ) -> "Worker":
        """Start a worker; those of one machine share a cache."""
        variables = {"XDG_CACHE_HOME": str(self._folder / machine), "PYTHONPATH": str(ROOT), **environment}
        scratch = ("--local-directory", str(self._folder / "scratch"))
        return self.start(
            "worker", self.address, "--nthreads", str(threads), "--no-nanny", *scratch, *options, **variables
        )

    def start(self, *command: str, **environment: str) -> "Worker":
        """Start one of Dask's commands."""
        number = len(self._processes)
        with (self._folder / f"{command[0]}-{number}.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "dask", *command, "--host", self._host, "--no-dashboard"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self._folder,
                env={**os.environ, **environment},
            )
        self._processes.append(process)
        return process

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in reversed(self._processes):
            process.kill()
            process.wait(30)


Worker = subprocess.Popen[bytes]
