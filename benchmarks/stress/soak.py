"""A long sweep of short trainings with all that may stand beside it: does anything grow that should not?

``python -m benchmarks.stress.soak --minutes 60`` sweeps in a folder of its own, with the dashboard open and a
client that asks it as a browser does, `watch` beside it, and `export page.html` again and again. Memory, file
descriptors, threads, child processes, the folder of caches and the database are sampled, and a line is fitted
against the number of finished trials, after the first fifth of the time. What changes by less than a
twentieth, or by less than a stated amount, is flat; anything else grows, by so much per trial.
"""

import argparse
import contextlib
import os
import re
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil

from benchmarks.machine import describe
from benchmarks.stress.chaos import ROOT, write_images

WARM_UP = 0.2  # of the time is not fitted
SHARE = 0.05  # by which a flat figure may change, or, in its own unit:
QUANTA = {"MiB": 2.0, "KiB": 256.0, "": 2.0}
PATHS = ("/", "/api/studies", "/api/studies/1?after={known}")


@dataclass(frozen=True)
class Fit:
    """What became of one figure.

    Parameters
    ----------
    start, middle, end : float
    slope : float
        Per finished trial.
    change : float
        By the fit, from the end of the warm-up to the end.
    """

    start: float
    middle: float
    end: float
    slope: float
    change: float

    def says(self, unit: str) -> str:
        """Return the verdict in words."""
        size, shown = (1024 * self.slope, " KiB") if unit == "MiB" else (self.slope, unit and f" {unit}")
        if abs(self.change) > max(SHARE * abs(self.middle), QUANTA[unit]):
            return f"{'grows' if self.slope > 0 else 'falls'} by {abs(size):.3g}{shown} per trial"
        return "flat" if unit != "MiB" else f"flat ({size:+.3g} KiB per trial)"


def fit(trials: Sequence[float], values: Sequence[float]) -> Fit:
    """Fit a line through what was sampled after the warm-up.

    Parameters
    ----------
    trials : sequence of float
        Finished trials at each sample, ascending.
    values : sequence of float
    """
    n = len(values)
    first = int(WARM_UP * n)
    x, y = np.asarray(trials[first:], float), np.asarray(values[first:], float)
    slope = float(np.polyfit(x, y, 1)[0]) if np.ptp(x) > 0 else 0.0
    return Fit(values[first], values[(first + n - 1) // 2], values[-1], slope, slope * float(np.ptp(x)))


class Soak:
    """One folder, its processes, and what was sampled of them."""

    def __init__(self, folder: Path, minutes: float, epochs: int) -> None:
        self.folder, self.seconds = folder, 60 * minutes
        self.samples: dict[tuple[str, str], list[float]] = defaultdict(list)
        self.trials: list[float] = []
        self.ended: set[str] = set()  # before the sweep did
        self.polls = self.exports = 0
        self._stop = threading.Event()
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._words = (
            f"--trials 1000000 --timeout {self.seconds:g} --workers 1 --epochs {epochs} --data images.npz"
        )
        (folder / "cache").mkdir()

    def start(self, name: str, words: str) -> subprocess.Popen[bytes]:
        """Start a command of the program; what it says goes to a file."""
        with (self.folder / f"{name}.log").open("wb") as log:
            return subprocess.Popen(
                [sys.executable, str(ROOT / "sweep.py"), *words.split()],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=os.environ | {"XDG_CACHE_HOME": str(self.folder / "cache"), "OPENBLAS_NUM_THREADS": "1"},
            )

    def run(self, every: float) -> None:
        """Sweep for the whole time, and sample every few seconds."""
        write_images(self.folder / "images.npz")
        sweep = self._processes["sweep"] = self.start("sweep", self._words)
        began = time.monotonic()
        threads = [threading.Thread(target=run, daemon=True) for run in (self._poll, self._export)]
        try:
            while self._finished() < 1 and sweep.poll() is None:
                time.sleep(0.2)
            self._processes["dashboard"] = self.start("dashboard", "dashboard --no-browser --port 0")
            self._processes["watch"] = self.start("watch", "watch --every 2")
            for thread in threads:
                thread.start()
            while sweep.poll() is None:
                self._sample()
                if time.monotonic() < began + self.seconds:
                    self.ended |= {name for name, each in self._processes.items() if each.poll() is not None}
                time.sleep(every)
        finally:
            self._stop.set()
            for process in self._processes.values():
                process.terminate()
                process.wait(60)

    def _finished(self) -> int:
        with contextlib.suppress(sqlite3.OperationalError):  # the tables are not there yet
            address = f"file:{self.folder / 'sweep.db'}?mode=ro"
            with contextlib.closing(sqlite3.connect(address, uri=True, timeout=30)) as connection:
                query = "SELECT count(*) FROM trials WHERE state IN ('COMPLETE', 'PRUNED')"
                return int(connection.execute(query).fetchone()[0])
        return 0

    def _sample(self) -> None:
        now: dict[tuple[str, str], float] = {}
        with contextlib.suppress(psutil.NoSuchProcess, IndexError, FileNotFoundError):  # the sweep ends
            for name, process in self._processes.items():
                of = psutil.Process(process.pid)
                now |= self._of(name, of)
                children = of.children(recursive=True)
                now[name, "child processes"] = len(children)
                if name == "sweep":
                    workers = [child for child in children if "spawn_main" in " ".join(child.cmdline())]
                    now |= self._of("its worker", workers[0])
            now["cache folder", "KiB"] = _size(self.folder / "cache") / 1024
            for name, file in (("database", "sweep.db"), ("its write-ahead log", "sweep.db-wal")):
                now[name, "MiB"] = (self.folder / file).stat().st_size / 2**20
            self.trials.append(self._finished())
            for key, value in now.items():
                self.samples[key].append(value)

    def _of(self, name: str, process: psutil.Process) -> dict[tuple[str, str], float]:
        with process.oneshot():
            return {
                (name, "memory, MiB"): process.memory_info().rss / 2**20,
                (name, "file descriptors"): process.num_fds(),
                (name, "threads"): process.num_threads(),
            }

    def _poll(self) -> None:
        """Ask the dashboard as an open browser does."""
        log, found = self.folder / "dashboard.log", None
        while found is None and not self._stop.wait(0.2):
            found = re.search(r"http://127\.0\.0\.1:\d+", log.read_text())
        while found is not None and not self._stop.wait(5.0):
            known = max(int(self.trials[-1]) - 50 if self.trials else 0, 0)
            for path in PATHS:
                with contextlib.suppress(OSError):
                    urllib.request.urlopen(found[0] + path.format(known=known), timeout=60).read()
                    self.polls += 1

    def _export(self) -> None:
        while not self._stop.wait(20.0):
            self.exports += self.start("export", "export page.html").wait() == 0

    def report(self) -> list[str]:
        """Return a table of all figures, and what is flat."""
        lines = ["| of | figure | start | middle | end | |", "| --- | --- | ---: | ---: | ---: | --- |"]
        for (name, what), values in self.samples.items():
            found = fit(self.trials[-len(values) :], values)
            unit = next((unit for unit in ("MiB", "KiB") if unit in what), "")
            numbers = (found.start, found.middle, found.end)
            places = [f"{number:.1f}" if unit else f"{number:.0f}" for number in numbers]
            lines.append(f"| {name} | {what} | {' | '.join(places)} | {found.says(unit)} |")
        return lines


def _size(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(FileNotFoundError):  # swept in this moment
            total += path.stat().st_size
    return total


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--every", type=float, default=5.0, help="seconds between two samples")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        soak = Soak(Path(folder), args.minutes, args.epochs)
        soak.run(args.every)
        said = {name: (Path(folder) / f"{name}.log").read_text() for name in ("sweep", "dashboard", "watch")}
    print(
        f"{soak.trials[-1]:.0f} trials in {args.minutes:g} min; {soak.polls} answers of the dashboard,",
        end=" ",
    )
    print(f"{soak.exports} pages exported; the first fifth is not fitted\n")
    print("\n".join(soak.report()))
    for key, value in describe(["optuna", "optuna-dashboard", "sqlalchemy", "numpy"]).items():
        print(f"\n{key}: {value}")
    wrong = [name for name, text in said.items() if "Traceback" in text or name in soak.ended]
    for name in wrong:
        print(f"WRONG: {name}: {said[name][-1500:]}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
