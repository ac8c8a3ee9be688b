"""The line to a Dask scheduler: who is there, questions to single workers, and what to say when it breaks."""

import contextlib
import logging
import pickle
import queue
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import CancelledError
from typing import Any

from fcnet.errors import UsageError, UserError
from studies.execution.backend import BackendLost, WorkerLost

CONNECT_SECONDS = 5.0
LOOK_SECONDS = 0.5  # between two looks at who is there


class Link:
    """A connection to a scheduler and, through it, to its workers.

    Parameters
    ----------
    address : str
        Of the scheduler.
    patience : float
        Seconds of silence after which a worker is taken for hung and no longer used.

    Attributes
    ----------
    change : threading.Condition
        Notified after every look at who is there; guards `workers`.
    workers : dict of str to int
        Number of threads of each worker that is there, by its address.

    Raises
    ------
    UserError, UsageError
        See `studies.execution.cluster.DaskCluster`.
    """

    def __init__(self, address: str, *, patience: float) -> None:
        self.address, self.patience = address, patience
        self.change = threading.Condition()
        self.workers: dict[str, int] = {}
        self._shunned: set[str] = set()
        self._closed = self._gone = False
        self._client = _connect(address)
        self._look()
        threading.Thread(target=self._follow, name="cluster", daemon=True).start()

    def ask(self, worker: str, function: Callable[..., Any], *arguments: object) -> Any:
        """Return what a function returns on a worker.

        Raises
        ------
        WorkerLost
            If the worker leaves, or is silent for too long; or if this connection is closed.
        BackendLost
            If the scheduler is gone.
        """
        try:
            future = self._submit(worker, function, *arguments)
            deadline = time.monotonic() + self.patience
            while True:
                # Of a wait that ends in the wrong moment, Dask says UnboundLocalError.
                with contextlib.suppress(TimeoutError, UnboundLocalError):
                    return future.result(timeout=LOOK_SECONDS)
                self.check()
                with self.change:
                    if worker not in self.workers:
                        raise WorkerLost(f"the worker {worker} left the cluster")
                if time.monotonic() > deadline:
                    self.shun(worker)
                    raise WorkerLost(f"the worker {worker} was silent for {self.patience:g} s: left alone")
        except CancelledError as error:  # by Dask, when the connection breaks or is closed
            raise self._broken() from error

    def tell(self, worker: str, function: Callable[..., Any], *arguments: object) -> None:
        """Run a function on a worker, if it is still there, without waiting for it."""
        import distributed

        with self.change:
            if worker not in self.workers:
                return
        with contextlib.suppress(WorkerLost, UserError):
            distributed.fire_and_forget(self._submit(worker, function, *arguments))  # type: ignore[no-untyped-call]

    def shun(self, worker: str) -> None:
        """Use a worker no more, until it leaves and comes again."""
        with self.change:
            self._shunned.add(worker)
            self.workers.pop(worker, None)

    def check(self) -> None:
        """Raise WorkerLost if this connection was closed, BackendLost if the scheduler is gone."""
        if self._closed or self._gone or self._client.status != "running":
            raise self._broken()

    def close(self) -> None:
        """Leave the cluster; its workers stay for others."""
        with self.change:
            if self._closed:
                return
            self._closed = True
            self.change.notify_all()
        with contextlib.suppress(Exception):  # whatever state the connection is in
            self._client.close(timeout=CONNECT_SECONDS)

    def _submit(self, worker: str, function: Callable[..., Any], *arguments: object) -> Any:
        self.check()
        try:
            return self._client.submit(
                _unpacker(),
                pickle.dumps((function, arguments)),
                key=f"{function.__name__}-{uuid.uuid4().hex}",
                workers=[worker],
                allow_other_workers=False,
                pure=False,
            )
        except Exception as error:
            if self._client.status == "running":
                raise
            raise self._broken() from error

    def _broken(self) -> Exception:
        """Return the error to raise when nobody can be asked any more."""
        if self._closed:
            return WorkerLost("the cluster was left")
        self._gone = True
        return BackendLost(
            f"the Dask scheduler at {self.address} is gone: nothing is lost,"
            " give the same command again when it is back"
        )

    def _follow(self) -> None:
        while not (self._closed or self._gone):
            self._look()
            time.sleep(LOOK_SECONDS)

    def _look(self) -> None:
        try:
            present: dict[str, int] = dict(self._client.nthreads())
        except Exception:  # of many kinds; the state of the connection decides
            self._gone = self._client.status != "running"
            return
        with self.change:
            self._shunned &= present.keys()
            self.workers = {worker: n for worker, n in present.items() if worker not in self._shunned}
            self.change.notify_all()


def _unpacker() -> Callable[[bytes], Any]:
    """Return a function that travels by value: a scheduler, which unpacks it too, needs no fcnet-sweep."""

    def call(packed: bytes) -> Any:
        import pickle

        function, arguments = pickle.loads(packed)
        return function(*arguments)

    return call


def _connect(address: str) -> Any:
    """Connect to a scheduler; the waiting is bounded even where something else answers at the address."""
    try:
        from distributed import Client
        from distributed.comm.addressing import get_address_host_port
    except ImportError as error:
        raise UserError('a cluster needs Dask: run pip install "fcnet-sweep[cluster]"') from error
    try:  # a client that finds it out hangs in its end, and prints a traceback
        get_address_host_port(address, strict=False)
    except ValueError as error:
        raise UsageError(
            f"{address!r} is not the address of a Dask scheduler: write --cluster tcp://HOST:8786"
        ) from error
    # What matters of it is told in sentences of our own.
    for name in ("asyncio", "distributed", "distributed.client", "distributed.core", "distributed.utils"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    answer: queue.Queue[Any] = queue.Queue()
    client: Callable[..., Any] = Client

    def connect() -> None:
        try:
            answer.put(client(address, timeout=CONNECT_SECONDS, set_as_default=False))
        except Exception as error:
            answer.put(error)

    threading.Thread(target=connect, name="connect", daemon=True).start()
    try:
        found = answer.get(timeout=CONNECT_SECONDS + 2)
    except queue.Empty:
        found = TimeoutError()
    if isinstance(found, Exception):
        raise UserError(
            f"no Dask scheduler answers at {address}: start one with dask scheduler, or check the address"
        ) from found
    return found
