"""A Dask cluster whose workers are killed, added and stopped, behind a link that can be cut."""

import contextlib
import os
import signal
import threading
from pathlib import Path
from typing import Self

import numpy as np

from benchmarks.stress.link import Link
from benchmarks.stress.local_cluster import LocalCluster, Worker


class DaskDisturbed:
    """The cluster, and what can be done to it.

    Parameters
    ----------
    folder : Path
        For logs and scratch files.
    """

    WAYS = ("kill a Dask worker", "add a Dask worker", "stop a Dask worker", "cut the scheduler's link")

    def __init__(self, folder: Path) -> None:
        self._folder, self._stack = folder, contextlib.ExitStack()
        self._workers: list[Worker] = []

    def __enter__(self) -> Self:
        self._local = self._stack.enter_context(LocalCluster(self._folder))
        port = int(self._local.address.rpartition(":")[2])
        self._link = self._stack.enter_context(Link.to_port(port))
        self.address = f"tcp://127.0.0.1:{self._link.port}"
        self._workers = [self._local.add_worker() for _ in range(2)]
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def do(self, way: str, rng: np.random.Generator) -> bool:
        """Do one of `WAYS`, and tell whether it was possible."""
        match way:
            case "kill a Dask worker" if len(self._workers) > 1:
                self._workers.pop(rng.integers(len(self._workers))).kill()
            case "add a Dask worker" if len(self._workers) < 4:
                self._workers.append(self._local.add_worker())
            case "stop a Dask worker":
                worker = self._workers[rng.integers(len(self._workers))]
                os.kill(worker.pid, signal.SIGSTOP)
                self._later(rng.uniform(1, 20), lambda: os.kill(worker.pid, signal.SIGCONT))
            case "cut the scheduler's link":
                self._link.cut()
                self._later(rng.uniform(0, 5), self._link.mend)
            case _:
                return False
        return True

    def _later(self, seconds: float, act: object) -> None:
        assert callable(act)

        def undo() -> None:
            with contextlib.suppress(ProcessLookupError):  # it was killed meanwhile
                act()

        timer = threading.Timer(seconds, undo)
        timer.daemon = True
        timer.start()
