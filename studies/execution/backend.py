"""Where training runs: worker processes on this machine, or the workers of a Dask cluster.

A backend turns a `Job` into a `RunningTraining`, an iterable of epochs; closing it ends the training. The
loop that iterates is the same wherever the training runs, and workers know nothing of the storage.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from fcnet.errors import UserError
from fcnet.hyperparameters import Hyperparameters
from fcnet.metrics import EpochMetrics

if TYPE_CHECKING:  # the command line's help needs no NumPy
    import numpy as np
    from numpy.typing import NDArray


def cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True)
class Job:
    """One training, in a form that can travel to a worker.

    Parameters
    ----------
    hyperparameters : Hyperparameters
    epochs, seed : int
    split : Path
        Folder of the prepared split, see `fcnet.data.shared_split`.
    model : Path, optional
        Where the trained model is saved.
    """

    hyperparameters: Hyperparameters
    epochs: int
    seed: int
    split: Path
    model: Path | None = None


class TrainingFailed(Exception):
    """A training ended with an error of its own, which it would meet again."""


class WorkerLost(Exception):
    """A worker died or hung; its training may well succeed on another one."""


class BackendLost(UserError):
    """The place where trainings run is gone; those that ran there were interrupted."""


class RunningTraining(Protocol):
    """An iterable of epochs.

    Attributes
    ----------
    digest : str or None
        SHA-256 of the trained parameters, once all epochs were seen.
    right : ndarray of bool, shape (n_validation,), or None
        Which validation images the trained network gets right, once all epochs were seen; None where there
        are none, or where they are the test set.
    environment : dict of str to str
        What the last bits depend on where it runs, see `studies.execution.environment`.
    """

    digest: str | None
    right: NDArray[np.bool_] | None
    environment: dict[str, str]

    def __iter__(self) -> Iterator[EpochMetrics]:
        """Yield each epoch's figures; raises Diverged, TrainingFailed or WorkerLost."""


class Backend(Protocol):
    """A place where training runs.

    Attributes
    ----------
    slots : int
        Number of trainings that can run at the same time; it may change as workers come and go.
    ahead : int
        How many trials more are asked for than can run, so that a free worker need not wait for one.
    """

    ahead: int

    @property
    def slots(self) -> int:
        """Number of trainings that can run at the same time."""

    def train(self, job: Job) -> contextlib.AbstractContextManager[RunningTraining]:
        """Start a training; leaving the context ends it."""

    def close(self) -> None:
        """End all trainings, and the workers."""
