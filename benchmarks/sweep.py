"""What a sweep costs around its trainings: start, idle workers, growth with the number of trials, memory.

``python -m benchmarks.sweep --data DATA`` runs the real command in a temporary folder and prints a table.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import optuna

from benchmarks.machine import describe
from studies.record import trained

PROGRAM = str(Path(__file__).parent.parent / "sweep.py")


def sweep(folder: Path, *arguments: object) -> tuple[list[optuna.trial.FrozenTrial], float, float]:
    """Run a sweep; return its trials, the wall-clock time of its start, and the peak of a worker's memory."""
    memory = _WorkerMemory()
    start = time.time()
    process = subprocess.Popen(
        [sys.executable, PROGRAM, *map(str, arguments)],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    memory.watch(process)
    process.wait()
    if process.returncode:
        raise SystemExit(f"sweep.py {' '.join(map(str, arguments))} ended with {process.returncode}")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.load_study(study_name="sweep", storage=f"sqlite:///{folder}/sweep.db")
    return study.get_trials(), start, memory.peak


class _WorkerMemory:
    """The largest memory of its own in MB that a worker of a process was seen to have.

    Anonymous memory, that is: the data and the libraries are mapped from files, which workers share.
    """

    def __init__(self) -> None:
        self.peak = 0.0

    def watch(self, process: "subprocess.Popen[bytes]") -> None:
        threading.Thread(target=self._look, args=(process,), daemon=True).start()

    def _look(self, process: "subprocess.Popen[bytes]") -> None:
        while process.poll() is None:
            for child in Path(f"/proc/{process.pid}/task").glob("*/children"):
                for pid in _read(child).split():
                    if "spawn_main" in _read(Path(f"/proc/{pid}/cmdline")):
                        self.peak = max(self.peak, _own(_read(Path(f"/proc/{pid}/smaps_rollup"))))
            time.sleep(0.25)


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def _own(rollup: str) -> float:
    return sum(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Anonymous")) / 1e3


def training_seconds(trial: optuna.trial.FrozenTrial) -> float:
    """Return the time that a trial's epochs took in its worker."""
    left = trained(trial)
    assert left is not None
    return left.seconds


def span(trials: list[optuna.trial.FrozenTrial]) -> float:
    """Return the seconds from the first start to the last end."""
    return (max(t.datetime_complete for t in trials) - min(t.datetime_start for t in trials)).total_seconds()


def overhead(trials: list[optuna.trial.FrozenTrial], around: int) -> float:
    """Return the seconds per trial that are not training, for one worker, around a trial's number."""
    window = trials[around - 20 : around + 20]
    first, last = window[0].datetime_start, window[-1].datetime_start
    return ((last - first).total_seconds() - sum(map(training_seconds, window[:-1]))) / (len(window) - 1)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="synthetic")
    parser.add_argument("--trials", type=int, default=24)
    args = parser.parse_args()
    rows: list[tuple[str, str, str]] = []
    helps = []
    for _ in range(7):
        start = time.perf_counter()
        subprocess.run([sys.executable, PROGRAM, "--help"], check=True, stdout=subprocess.DEVNULL)
        helps.append(time.perf_counter() - start)
    rows.append(("python sweep.py --help", f"{statistics.median(helps):.2f} s", "0.4 s"))

    spans = {}
    options = ("--data", args.data, "--trials", args.trials, "--sampler", "random", "--pruner", "none")
    for workers in (1, 2):
        with tempfile.TemporaryDirectory() as folder:
            trials, began, memory = sweep(Path(folder), *options, "--workers", workers)
        first = min(t.datetime_start.timestamp() for t in trials) - began
        spans[workers] = span(trials)
        busy = sum(map(training_seconds, trials)) / (workers * spans[workers])
        rows.append((f"first trial started, {workers} workers", f"{first:.1f} s", "3 s"))
        rows.append((f"worker time that is not training, {workers} workers", f"{1 - busy:.1%}", "3 %"))
        rows.append((f"memory of a worker of its own, {workers} workers", f"{memory:.0f} MB", "150 MB"))
    rows.append(("throughput of two workers over one", f"{spans[1] / spans[2]:.2f}", "1.9"))

    with tempfile.TemporaryDirectory() as folder:
        rng = np.random.default_rng(0)
        images = rng.integers(0, 255, (100, 16)).astype(np.uint8)
        labels = np.arange(100) % 2
        file = Path(folder) / "tiny.npz"
        np.savez(file, train_data=images, train_labels=labels, test_data=images, test_labels=labels)
        options = ("--data", file, "--trials", 1020, "--epochs", 1, "--pruner", "none", "--workers", 1)
        trials, _, memory = sweep(Path(folder), *options)
    early, late = overhead(trials, 100), overhead(trials, 1000)
    rows.append(("overhead of a trial around trial 100", f"{early * 1e3:.0f} ms", ""))
    rows.append(("overhead of a trial around trial 1,000", f"{late * 1e3:.0f} ms", "twice that"))

    print("| what | measured | target, at most (throughput: at least) |")
    print("| --- | ---: | ---: |")
    for row in rows:
        print(f"| {' | '.join(row)} |")
    about = ", ".join(
        f"{k} {v}" for k, v in describe(["numpy", "scipy", "optuna", "optuna-dashboard"]).items()
    )
    print(f"\n{about}; --trials {args.trials}")


if __name__ == "__main__":
    main()
