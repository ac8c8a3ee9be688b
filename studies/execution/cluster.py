"""Trainings on the workers of a Dask cluster, behind the interface of the local pool.

The coordinator asks a worker for one epoch at a time (`studies.execution.cluster_worker`), each request a
Dask task that is bound to that worker. Dask carries the requests and knows who is there; nothing else is
asked of it, so its schedulers, nannies and deploy tools work as they are.
"""

import contextlib
import threading
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from fcnet.errors import Diverged, UserError
from fcnet.metrics import EpochMetrics
from fcnet.writing import write_whole
from studies.choices import EPOCH_LIMIT_SECONDS
from studies.execution.backend import Job, RunningTraining, TrainingFailed, WorkerLost
from studies.execution.cluster_link import LOOK_SECONDS, Link

_CHUNK_BYTES = 4 << 20  # Dask warns of messages above 10 MB


class DaskCluster:
    """The workers of a Dask scheduler, one training at a time for each of their threads.

    Workers may come and go at any time. One that goes costs each of its running trainings a `WorkerLost`.

    Parameters
    ----------
    address : str
        Of the scheduler, such as ``tcp://host:8786``.
    say : callable, optional
        Takes one-line notices for the user.
    epoch_limit : float, default=900.0
        Seconds of silence after which a worker is taken for hung and no longer used.

    Raises
    ------
    UserError
        If Dask is not installed, or no scheduler answers within a few seconds.
    UsageError
        If the address cannot be read.
    """

    ahead = 0

    def __init__(
        self,
        address: str,
        *,
        say: Callable[[str], None] = lambda _: None,
        epoch_limit: float = EPOCH_LIMIT_SECONDS,
    ) -> None:
        self._say = say
        self._link = Link(address, patience=epoch_limit)
        self._busy: Counter[str] = Counter()
        self._told_waiting = False
        self._stocked: set[tuple[str, str]] = set()
        self._environments: dict[str, dict[str, str]] = {}
        self._deliveries: dict[str, threading.Lock] = {}

    @property
    def slots(self) -> int:
        """Threads of the workers that are there now; 1 while there is none."""
        with self._link.change:
            return max(1, sum(self._link.workers.values()))

    @contextlib.contextmanager
    def train(self, job: Job) -> Iterator[RunningTraining]:
        """Train on an idle worker; waits for one.

        Raises
        ------
        BackendLost
            If the scheduler is gone, also while training.
        """
        worker = self._take(job.split)
        training = _ClusterTraining(self._link, worker, job, self._environments[worker])
        try:
            yield training
        except WorkerLost:  # whoever answers at its address next is another process
            with self._link.change:
                self._stocked = {known for known in self._stocked if known[0] != worker}
            raise
        finally:
            training.leave()
            self._give_back(worker)

    def close(self) -> None:
        """Leave the cluster; its workers stay for others."""
        self._link.close()

    def _take(self, split: Path) -> str:
        """Return an idle worker that has the data."""
        while True:
            worker = self._wait_for_worker()
            try:
                self._prepare(worker, split)
                return worker
            except WorkerLost:
                self._give_back(worker)
                self._link.check()
            except (UserError, OSError):
                self._give_back(worker)
                raise
            except Exception as error:
                self._give_back(worker)
                self._link.shun(worker)
                self._say(
                    f"The worker {worker} is not used, for it cannot run trainings"
                    f" ({type(error).__name__}: {error}): install this version of fcnet-sweep on it."
                )

    def _wait_for_worker(self) -> str:
        change = self._link.change
        with change:
            while True:
                self._link.check()
                workers = self._link.workers
                idle = [worker for worker, n in workers.items() if self._busy[worker] < n]
                if idle:  # the emptiest first, so that all machines share the work
                    worker = min(idle, key=lambda worker: self._busy[worker] / workers[worker])
                    self._busy[worker] += 1
                    self._told_waiting = False
                    return worker
                if not workers and not self._told_waiting:
                    self._told_waiting = True
                    self._say(f"The cluster {self._link.address} has no workers now: waiting for one.")
                change.wait(LOOK_SECONDS)

    def _give_back(self, worker: str) -> None:
        with self._link.change:
            self._busy[worker] -= 1
            self._link.change.notify_all()

    def _prepare(self, worker: str, split: Path) -> None:
        """See that a worker can train, and that its machine has the data; sent once to each machine."""
        from studies.execution import cluster_worker

        with self._link.change:
            if (worker, split.name) in self._stocked:
                return
            delivery = self._deliveries.setdefault(urlsplit(worker).hostname or "", threading.Lock())
        with delivery:
            ask = self._link.ask
            self._environments[worker] = ask(worker, cluster_worker.greet)
            if not ask(worker, cluster_worker.has_split, split.name):
                draft = uuid.uuid4().hex
                for file in sorted(split.iterdir()):
                    for offset, content in _pieces(file):
                        ask(worker, cluster_worker.receive, draft, file.name, offset, content)
                ask(worker, cluster_worker.complete, draft, split.name)
        with self._link.change:
            self._stocked.add((worker, split.name))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _ClusterTraining:
    """The epochs of a job on one worker."""

    def __init__(self, link: Link, worker: str, job: Job, environment: dict[str, str]) -> None:
        self.digest: str | None = None
        self.right: NDArray[np.bool_] | None = None
        self.environment = environment
        self._link, self._worker, self._job = link, worker, job
        self._run = uuid.uuid4().hex
        self._is_there = False

    def __iter__(self) -> Iterator[EpochMetrics]:
        from studies.execution.cluster_worker import advance

        job = self._job
        model = None if job.model is None else Path(job.model.name)
        sent = replace(job, split=Path(job.split.name), model=model)
        self._is_there = True
        for epoch in range(job.epochs):
            kind, content = self._ask(advance, self._run, sent, epoch, self._link.patience)
            if kind != "epoch":
                self._is_there = False
                raise _ERRORS[kind](content)
            metrics, end = content
            self._is_there = end is None
            yield metrics
            if end is not None:
                self.digest, self.right, trained = end
                if job.model is not None and trained is not None:
                    write_whole(job.model, trained)

    def leave(self) -> None:
        """Let the worker drop the training, if it did not end by itself."""
        if self._is_there:
            from studies.execution.cluster_worker import forget

            self._link.tell(self._worker, forget, self._run)

    def _ask(self, *call: Any) -> Any:
        try:
            return self._link.ask(self._worker, *call)
        except (UserError, WorkerLost):
            raise
        except Exception as error:  # Dask's own, about a task that it could not run
            kind = "lost" if type(error).__name__ == "KilledWorker" else "failed"
            raise _ERRORS[kind](f"{type(error).__name__}: {error}") from error


_ERRORS = {"diverged": Diverged, "failed": TrainingFailed, "lost": WorkerLost}


def _pieces(file: Path) -> Iterator[tuple[int, bytes]]:
    with file.open("rb") as source:
        while content := source.read(_CHUNK_BYTES):
            yield source.tell() - len(content), content
