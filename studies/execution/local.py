"""Training in this process, or in a pool of worker processes on this machine."""

import contextlib
import multiprocessing
import queue
import signal
import threading
from collections.abc import Callable, Iterator
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from fcnet.blas import one_blas_thread
from fcnet.data import Split
from fcnet.errors import Diverged, UserError
from fcnet.metrics import EpochMetrics
from studies.choices import EPOCH_LIMIT_SECONDS
from studies.execution.backend import Job, RunningTraining, TrainingFailed, WorkerLost
from studies.execution.environment import environment
from studies.execution.signals import kept_from_children

_STOP = "stop"
_STOP_SECONDS = 10.0  # for a worker to hear that its training ended; it listens every 1,024 rows


class InProcess:
    """One training at a time, here: for tests, and for looking at one training closely."""

    slots = 1
    ahead = 0

    @contextlib.contextmanager
    def train(self, job: Job) -> Iterator[RunningTraining]:
        """Train in this process on one BLAS thread."""
        with one_blas_thread():
            yield LocalTraining(job, Split.open(job.split))

    def close(self) -> None:
        """Do nothing."""


class LocalTraining:
    """A job on a split that is open already; see `fcnet.Training` for the check."""

    def __init__(self, job: Job, split: Split, check: Callable[[], None] = lambda: None) -> None:
        self.digest: str | None = None
        self.right: NDArray[np.bool_] | None = None
        self.environment = environment()
        self._job, self._split, self._check = job, split, check

    def __iter__(self) -> Iterator[EpochMetrics]:
        """Train, then save the model if the job asks for it."""
        # Here, as the coordinator of a pool or of a cluster never trains itself.
        from fcnet.model import Model
        from fcnet.trainer import Training

        job, split = self._job, self._split
        training = Training(split, job.hyperparameters, epochs=job.epochs, seed=job.seed, check=self._check)
        yield from training
        network = training.network  # folded once
        self.digest = network.digest()
        if split.protocol == "holdout":
            self.right = training.right
        if job.model is not None:
            Model(
                networks=(network,),
                normalisation=split.normalisation,
                class_names=split.class_names,
                hyperparameters=job.hyperparameters,
                data_fingerprint=split.fingerprint,
                seeds=(job.seed,),
                epochs=job.epochs,
                form=split.form,
            ).save(job.model)


class ProcessPool:
    """Worker processes on this machine, one BLAS thread each, all reading one copy of the data.

    Parameters
    ----------
    slots : int
        Number of worker processes; each is started when it is first needed, and replaced when it dies.
    epoch_limit : float, default=900.0
        Seconds of silence after which a worker is taken for hung.
    """

    def __init__(self, slots: int, *, epoch_limit: float = EPOCH_LIMIT_SECONDS) -> None:
        self.slots = slots
        self.ahead = 1 if slots > 1 else 0  # with one worker the same seed finds the same trials
        self._epoch_limit = epoch_limit
        self._idle: queue.LifoQueue[_Worker | None] = queue.LifoQueue()
        for _ in range(slots):
            self._idle.put(None)
        self._all: set[_Worker] = set()
        self._lock = threading.Lock()
        self._closed = False

    @contextlib.contextmanager
    def train(self, job: Job) -> Iterator[RunningTraining]:
        """Train on an idle worker; waits for one."""
        worker = self._idle.get()
        try:
            if worker is not None and not worker.process.is_alive():
                self._dismiss(worker)
                worker = None
            if worker is None:
                worker = self._hire()
            yield _RemoteTraining(worker, job, self._epoch_limit)
        finally:
            if worker is not None and not worker.let_go():
                self._dismiss(worker)
                worker = None
            self._idle.put(worker)

    def close(self) -> None:
        """Kill all workers: they hold nothing that could be lost."""
        with self._lock:
            self._closed = True
            for worker in self._all:
                worker.process.kill()

    def pids(self) -> list[int]:
        """Return the process numbers of the living workers."""
        with self._lock:
            return [worker.process.pid for worker in self._all if worker.process.pid is not None]

    def _hire(self) -> "_Worker":
        with self._lock:
            if self._closed:
                raise WorkerLost("the pool of workers was closed")
            worker = _Worker()
            self._all.add(worker)
        return worker

    def _dismiss(self, worker: "_Worker") -> None:
        with self._lock:
            self._all.discard(worker)
        worker.process.kill()
        worker.process.join()
        worker.process.close()
        worker.connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Worker:
    """A worker process, seen from the coordinator.

    Attributes
    ----------
    idle : bool
        Whether it waits for a job.
    """

    def __init__(self) -> None:
        # "spawn", for the coordinator has threads, which a fork does not survive.
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=_work, args=(theirs,), daemon=True)
        resource_tracker.ensure_running()  # Python's own helper; starting it would lift the mask set below
        with kept_from_children():
            self.process.start()
        theirs.close()
        self.idle = True

    def let_go(self) -> bool:
        """End a training that nobody listens to; tell whether the worker is ready for another job."""
        if not self.idle:
            with contextlib.suppress(OSError, EOFError):
                self.connection.send(_STOP)
                while not self.idle and self.connection.poll(_STOP_SECONDS):
                    kind, _ = self.connection.recv()
                    self.idle = kind != "epoch"  # which it may have sent before it heard
        return self.idle


class _RemoteTraining:
    """The epochs of a job that a worker trains."""

    def __init__(self, worker: _Worker, job: Job, epoch_limit: float) -> None:
        self.digest: str | None = None
        self.right: NDArray[np.bool_] | None = None
        self.environment = environment()  # of this machine, its workers' too
        self._worker, self._job, self._epoch_limit = worker, job, epoch_limit

    def __iter__(self) -> Iterator[EpochMetrics]:
        self._worker.idle = False
        self._send(self._job)
        while True:
            kind, content = self._receive()
            if kind == "epoch":  # the worker goes on with the next one meanwhile
                yield content
                continue
            self._worker.idle = True
            if kind == "done":
                self.digest, self.right = content
                return
            raise Diverged(content) if kind == "diverged" else TrainingFailed(content)

    def _send(self, message: object) -> None:
        try:
            self._worker.connection.send(message)
        except OSError as error:
            raise self._lost() from error

    def _receive(self) -> Any:
        connection = self._worker.connection
        try:
            if not connection.poll(self._epoch_limit):
                self._worker.process.kill()
                raise WorkerLost(
                    f"a worker was silent for {self._epoch_limit:g} s (--epoch-limit) and was replaced"
                )
            return connection.recv()
        except (EOFError, OSError) as error:
            raise self._lost() from error

    def _lost(self) -> WorkerLost:
        self._worker.process.join(5)
        code = self._worker.process.exitcode
        hint = ", perhaps for want of memory" if code == -9 else ""  # SIGKILL
        return WorkerLost(f"a worker process died (exit code {code}{hint})")


class _Stopped(Exception):
    """The coordinator wants no more of this training."""


def _heed(connection: Connection) -> None:
    """End the training if the coordinator says so, or is gone."""
    if connection.poll():
        connection.recv()
        raise _Stopped


def _work(connection: Connection) -> None:
    """Train job after job until the coordinator is gone."""
    # Ctrl-C reaches the whole console where there are no process groups; the coordinator decides about it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    split: tuple[Path, Split] | None = None
    with one_blas_thread(), contextlib.suppress(EOFError, OSError):
        while True:
            job = connection.recv()
            if job == _STOP:  # of a training that ended meanwhile
                continue
            try:
                if split is None or split[0] != job.split:
                    split = job.split, Split.open(job.split)
                training = LocalTraining(job, split[1], check=lambda: _heed(connection))
                for metrics in training:
                    connection.send(("epoch", metrics))
                connection.send(("done", (training.digest, training.right)))
            except _Stopped:
                connection.send(("stopped", None))
            except Diverged as error:
                connection.send(("diverged", str(error)))
            except UserError as error:
                connection.send(("failed", str(error)))
            except (EOFError, ConnectionError):
                return
            except Exception as error:
                connection.send(("failed", f"{type(error).__name__}: {error}"))
