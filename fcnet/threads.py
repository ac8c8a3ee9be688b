"""BLAS on one thread, whoever in this process asks for it."""

import contextlib
import threading
from collections.abc import Iterator

from threadpoolctl import ThreadpoolController

__all__ = ["one_blas_thread"]


class _Bound:
    """The bound of this process: the first who enters sets it, the last who leaves lifts it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._limit = contextlib.ExitStack()

    def enter(self) -> None:
        with self._lock:
            if self._inside == 0:
                self._limit.enter_context(ThreadpoolController().limit(limits=1, user_api="blas"))
            self._inside += 1

    def leave(self) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                self._limit.close()


_bound = _Bound()


@contextlib.contextmanager
def one_blas_thread() -> Iterator[None]:
    """Bound BLAS to one thread: the same bits whatever the number of cores, and none that wait for others.

    The number of threads is the process's. Where several of its threads compute, one that sets and restores
    the number for itself would lift the bound of the others.
    """
    _bound.enter()
    try:
        yield
    finally:
        _bound.leave()
