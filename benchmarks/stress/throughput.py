"""What the coordinator costs: seconds per trial and per epoch report, with trainings that take no time.

    python -m benchmarks.stress.throughput                              # SQLite, the whole table
    python -m benchmarks.stress.throughput --trials 2000 --slots 16     # one row
    python -m benchmarks.stress.throughput --storage postgresql://...   # a PostgreSQL server
    python -m benchmarks.stress.throughput --cluster                    # trainings travel to one Dask worker

Trainings take no time, so that all the time that is measured is the coordinator's. A row of `epochs` e gives
the cost of a trial with e reports; the cost of a report is the slope between two rows. Bounded in time: a
row that takes longer than `--limit` is ended and told as far as it came.
"""

import argparse
import contextlib
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import optuna

from benchmarks.machine import describe
from benchmarks.stress.local_cluster import LocalCluster
from fcnet.metrics import EpochMetrics
from studies.execution.backend import Backend, Job, RunningTraining
from studies.execution.cluster import DaskCluster
from studies.execution.environment import environment
from studies.execution.experiment import FINISHED
from studies.execution.objective import Objective
from studies.execution.runner import Runner
from studies.experiments.data import load_data
from studies.experiments.plan import Plan
from studies.experiments.search import Search
from studies.record import Wish
from studies.space import BASELINE
from studies.storage.database import connect
from studies.storage.ownership import coordinate
from studies.storage.study import open_study


class Instant:
    """A backend whose trainings take no time; its figures are random."""

    ahead = 0

    def __init__(self, slots: int) -> None:
        self.slots = slots

    @contextlib.contextmanager
    def train(self, job: Job) -> Iterator[RunningTraining]:
        """Yield random figures."""
        yield _InstantTraining(job)

    def close(self) -> None:
        """Do nothing."""


class _InstantTraining:
    def __init__(self, job: Job) -> None:
        self.digest: str | None = None
        self.right = None
        self.environment = environment()
        self._job = job

    def __iter__(self) -> Iterator[EpochMetrics]:
        values = np.random.default_rng(self._job.seed).random(self._job.epochs)
        for epoch, value in enumerate(values):
            yield EpochMetrics(epoch, 0.0, 0.0, 0.0, 0.0, float(value), 0.0)
        self.digest = ""


def measure(
    url: str, backend: Backend, data: Path, *, trials: int, epochs: int, args: argparse.Namespace
) -> tuple[int, float, float]:
    """Run one sweep; return finished trials, seconds, and the processor seconds of this process."""
    plan = Plan(
        study=uuid.uuid4().hex,
        trials=trials,
        epochs=epochs,
        sampler=args.sampler,
        pruner=args.pruner,
        timeout=args.limit,
    )
    experiment = Search(plan, *load_data(str(data), (), say=print))
    experiment.split(BASELINE, Wish())  # prepared before the clock runs
    storage = connect(url, create=True)
    study = open_study(storage, experiment.name, facts=experiment.facts)
    experiment.prepare(study)
    with coordinate(storage, study) as coordinator:
        runner = Runner(experiment, study, coordinator, Objective(experiment, backend), backend)
        wall, processor = time.perf_counter(), time.process_time()
        runner.run()
        wall, processor = time.perf_counter() - wall, time.process_time() - processor
    finished = sum(trial.state in FINISHED for trial in study.get_trials(deepcopy=False))
    storage.close()
    return finished, wall, processor


def rows(args: argparse.Namespace, folder: Path) -> None:
    url = args.storage or f"sqlite:///{folder / 'sweep.db'}"
    data = _images(folder / "images.npz")
    print("| slots | epochs | trials | trials/s | ms/trial | CPU ms/trial |")
    print("|------:|-------:|-------:|---------:|---------:|-------------:|")
    for slots in args.slots:
        for epochs in args.epochs:
            with _backend(args, slots, folder) as backend:
                n, wall, cpu = measure(url, backend, data, trials=args.trials, epochs=epochs, args=args)
            wall_each, cpu_each = (1000 * seconds / max(n, 1) for seconds in (wall, cpu))
            cells = f"{slots:5} | {epochs:6} | {n:6} | {n / wall:8.1f} | {wall_each:8.1f} | {cpu_each:12.1f}"
            print(f"| {cells} |", flush=True)


@contextlib.contextmanager
def _backend(args: argparse.Namespace, slots: int, folder: Path) -> Iterator[Backend]:
    if not args.cluster:
        yield Instant(slots)
        return
    scratch = Path(tempfile.mkdtemp(dir=folder))
    with LocalCluster(scratch) as local, DaskCluster(local.address) as cluster:
        local.add_worker(threads=slots)
        while cluster.slots < slots:
            threading.Event().wait(0.1)
        yield cluster


def _images(path: Path) -> Path:
    """Write images of which an epoch takes about a millisecond."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (20, 4), dtype=np.uint8)
    labels = np.arange(20) % 2
    np.savez(path, train_data=images, train_labels=labels, test_data=images, test_labels=labels)
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--storage", help="database (default: a SQLite file of its own)")
    parser.add_argument("--cluster", action="store_true", help="trainings on a Dask worker on this machine")
    parser.add_argument("--slots", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--epochs", type=int, nargs="+", default=[1, 20])
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--sampler", default="tpe")
    parser.add_argument("--pruner", default="none")
    parser.add_argument("--limit", type=float, default=120.0, help="seconds for a row (default: %(default)s)")
    args = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with tempfile.TemporaryDirectory() as folder:
        rows(args, Path(folder))
    for name, words in describe(["optuna", "sqlalchemy", "psycopg", "distributed"]).items():
        print(f"{name}: {words}")


if __name__ == "__main__":
    main()
