"""SciPy's BLAS, which can accumulate, loaded quickly; and BLAS on one thread, whoever asks for it."""

import contextlib
import importlib.util
import sys
import threading
from collections.abc import Iterator
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any

import numpy as np
import scipy
from numpy.typing import DTypeLike
from threadpoolctl import ThreadpoolController

__all__ = ["one_blas_thread", "routines"]


def _load() -> Any:
    """Return the module with SciPy's BLAS, without the package around it.

    `scipy.linalg` takes longer to import than NumPy, and every process of a sweep would wait for it.
    Whoever imports it later finds the same module.
    """
    name = "scipy.linalg._fblas"
    spec = PathFinder.find_spec(name, [str(Path(scipy.__file__).parent / "linalg")])
    if name in sys.modules or spec is None or spec.loader is None:
        return importlib.import_module("scipy.linalg.blas")
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


_BLAS = _load()


def routines(*names: str, dtype: DTypeLike) -> list[Any]:
    """Return BLAS routines for float32 or float64 by their names without type, such as ``"gemm"``."""
    prefix = {"float32": "s", "float64": "d"}[np.dtype(dtype).name]
    return [getattr(_BLAS, prefix + name) for name in names]


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
