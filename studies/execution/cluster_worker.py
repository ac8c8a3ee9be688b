"""What runs on a Dask worker: one epoch for each request, on data that its machine receives once.

Every function here is a Dask task of its own. A training lives in the worker between two requests, so that
nobody who stops asking leaves anything running behind.
"""

import contextlib
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import platformdirs
from threadpoolctl import threadpool_limits

from fcnet.data import Split
from fcnet.data.prepared import adopt
from fcnet.errors import Diverged, UserError
from fcnet.metrics import EpochMetrics
from studies.execution.backend import Job
from studies.execution.environment import environment
from studies.execution.local import LocalTraining

Reply = tuple[str, Any]
"""``("epoch", (metrics, end))``, `end` being None but for the last epoch: digest, outcomes and model (bytes);
or one of "diverged", "failed" and "lost" with a sentence."""

_live: dict[str, "_Live"] = {}
_lock = threading.Lock()
_clock = time.monotonic


class _Live:
    """A training between two requests."""

    def __init__(self, run: str, job: Job, epoch_limit: float) -> None:
        self.model = None if job.model is None else Path(tempfile.gettempdir()) / f"fcnet-{run}.safetensors"
        split = _opened(str(_cache() / job.split.name))
        self.training = LocalTraining(replace(job, model=self.model), split)
        self.epochs: Iterator[EpochMetrics] = iter(self.training)
        self.next_epoch = 0
        self.epoch_limit = epoch_limit
        self.asked = _clock()


def greet() -> dict[str, str]:
    """Say what this worker's results depend on."""
    return environment()


def has_split(name: str) -> bool:
    """Tell whether this machine holds a prepared split already."""
    try:
        _opened(str(_cache() / name))
    except UserError:
        return False
    return True


def receive(draft: str, file: str, offset: int, content: bytes) -> None:
    """Write a piece of a file into a draft of a prepared split; to do it twice is harmless."""
    folder = _cache() / f"draft-{draft}"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with os.fdopen(os.open(folder / file, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as target:
        target.seek(offset)
        target.write(content)


def complete(draft: str, name: str) -> None:
    """Give a complete draft its name; another process may have been faster."""
    adopt(_cache() / f"draft-{draft}", _cache() / name)


def advance(run: str, job: Job, epoch: int, epoch_limit: float) -> Reply:
    """Train one epoch; epoch 0 begins the training.

    A training is kept for twice `epoch_limit` seconds after it was last asked for: its coordinator gives a
    worker up after that limit, so whoever has not come by then never will.
    """
    try:
        if epoch == 0:
            _bound_threads()
            if not has_split(job.split.name):
                return "lost", "a worker has lost its data, as it was started anew"
            _begin(run, job, epoch_limit)
        with _lock:
            live = _live.get(run)
        if live is None or live.next_epoch != epoch:
            return "lost", "a worker forgot its training, as it was started anew"
        live.asked = _clock()
        metrics = next(live.epochs)
        live.next_epoch += 1
        if live.next_epoch < job.epochs:
            return "epoch", (metrics, None)
        for _ in live.epochs:  # saves the model
            pass
        forget(run, keep_model=True)
        return "epoch", (metrics, (live.training.digest, live.training.right, _take(live.model)))
    except Exception as error:
        forget(run)
        if isinstance(error, Diverged):
            return "diverged", str(error)
        return "failed", str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}"


def forget(run: str, *, keep_model: bool = False) -> None:
    """Drop a training."""
    with _lock:
        live = _live.pop(run, None)
    if live is not None and not keep_model:
        _take(live.model)


def _begin(run: str, job: Job, epoch_limit: float) -> None:
    """Keep a new training, and drop those whose coordinator is gone."""
    live = _Live(run, job, epoch_limit)
    with _lock:
        for name in [
            name for name, other in _live.items() if live.asked > other.asked + 2 * other.epoch_limit
        ]:
            del _live[name]
        _live[run] = live


def _take(model: Path | None) -> bytes | None:
    """Return the content of a temporary file and remove it."""
    if model is None or not model.exists():
        return None
    try:
        return model.read_bytes()
    finally:
        model.unlink()


def _cache() -> Path:
    """Return where this machine keeps prepared splits: the user's cache, or else the temporary folder."""
    cache = platformdirs.user_cache_path("fcnet") / "splits"
    with contextlib.suppress(OSError):
        cache.mkdir(parents=True, exist_ok=True)
        if os.access(cache, os.W_OK):
            return cache
    return Path(tempfile.gettempdir()) / f"fcnet-{getattr(os, 'getuid', int)()}" / "splits"


@lru_cache(maxsize=32)  # what is opened is not dropped from the cache
def _opened(folder: str) -> Split:
    return Split.open(Path(folder))


@cache
def _bound_threads() -> None:
    """Bound BLAS to one thread for the rest of this process: side by side, trainings share the cores."""
    threadpool_limits(1)
