"""Kill the program at random moments, give the same command again, and check that nothing was lost.

``python -m benchmarks.stress.chaos --rounds 50 --minutes 20`` kills every command that trains, in one folder,
with SIGKILL: the coordinator, a worker, or the whole process group. It exits with 1 and says what is wrong if
anything is; `benchmarks.stress.checks` holds what must be right.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.machine import describe
from benchmarks.stress.checks import Checks

ROOT = Path(__file__).resolve().parents[2]
VICTIMS = ("coordinator", "worker", "all")
# What each lap adds, so that no command has done all its work before.
TRIALS, FINAL_SEEDS, REPORT_SEEDS, EFFECTS_SEEDS = 5, 2, 2, 1


@dataclass(frozen=True)
class Command:
    """A command, and the number of trials or seeds that it is asked for."""

    name: str
    number: int
    options: str

    @property
    def words(self) -> list[str]:
        """What is typed after the program's name."""
        count = "--trials" if self.name == "run" else "--seeds"
        return [self.name, count, str(self.number), "--workers", "2", *self.options.split()]


def commands(lap: int) -> list[Command]:
    """Return the commands of a lap, from 1, each to be given until it succeeds."""
    data = "--data images.npz --epochs"
    return [
        Command("run", TRIALS * lap, f"{data} 4"),
        Command("confirm", 2, "--top 2"),
        Command("train", FINAL_SEEDS * lap, ""),
        Command("report", REPORT_SEEDS * lap, f"{data} 4"),
        Command("effects", EFFECTS_SEEDS * lap, f"{data} 2"),
    ]


@dataclass
class Chaos:
    """One folder, and what happened in it."""

    folder: Path
    rng: np.random.Generator
    checks: Checks
    kills: Counter[str] = field(default_factory=Counter)
    seconds: dict[str, float] = field(default_factory=dict)

    def start(self, command: Command) -> subprocess.Popen[bytes]:
        """Start a command in a process group of its own; its messages go to a file."""
        environment = {
            **os.environ,
            "XDG_CACHE_HOME": str(self.folder / "cache"),
            "TMPDIR": str(self.folder / "tmp"),
            "OPENBLAS_NUM_THREADS": "1",
        }
        with (self.folder / "messages.txt").open("wb") as messages:
            return subprocess.Popen(
                [sys.executable, str(ROOT / "sweep.py"), *command.words],
                cwd=self.folder,
                stdout=messages,
                stderr=messages,
                env=environment,
                start_new_session=True,
            )

    def finish(self, process: subprocess.Popen[bytes], command: Command) -> bool:
        """Wait for a command and tell whether it succeeded; anything but success and death is a problem."""
        try:
            code = process.wait(timeout=300)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(timeout=60)
            self.checks.problems.append(f"{command.name} did not end")
            return False
        said = (self.folder / "messages.txt").read_text(errors="replace")
        if code not in (0, -signal.SIGKILL) or "Traceback" in said:
            self.checks.problems.append(f"{command.name} ended with {code}: {said[-600:]}")
        return code == 0

    def round(self, command: Command) -> tuple[bool, str]:
        """Start a command, kill somebody at a random moment; tell whether it succeeded, and who was hit."""
        began = time.monotonic()
        process = self.start(command)
        victim = str(self.rng.choice(VICTIMS))
        moment = self.rng.uniform(0, self.seconds.get(command.name, 5.0))
        hit = self._kill(process, victim, began + moment)
        self.kills[f"{command.name}, {hit}"] += 1
        succeeded = self.finish(process, command)
        if hit == "nobody" or (hit == "worker" and succeeded):
            self.seconds[command.name] = time.monotonic() - began
        self._wait_for_orphans(process.pid)
        self.checks.after_a_kill()
        if succeeded:
            self.checks.succeeded(command.name, command.number)
        return succeeded, hit

    def _kill(self, process: subprocess.Popen[bytes], victim: str, moment: float) -> str:
        while time.monotonic() < moment or (victim == "worker" and not workers_of(process.pid)):
            if process.poll() is not None:
                return "nobody"
            time.sleep(0.005)
        try:
            match victim:
                case "coordinator":
                    process.kill()
                case "worker":
                    workers = workers_of(process.pid)
                    os.kill(workers[self.rng.integers(len(workers))], signal.SIGKILL)
                case _:
                    os.killpg(process.pid, signal.SIGKILL)
        except (ProcessLookupError, ValueError):  # it ended on its own in the last millisecond
            return "nobody"
        return victim

    def _wait_for_orphans(self, session: int) -> None:
        deadline = time.monotonic() + 60
        while left := [pid for pid, _, its, _ in processes() if its == session]:
            if time.monotonic() > deadline:
                self.checks.problems.append(f"processes {left} outlived their coordinator")
                return
            time.sleep(0.02)

    def leftovers(self) -> list[str]:
        """Return what no command needs any more: temporary files, in any folder."""
        found = [*self.folder.rglob(".*"), *(self.folder / "tmp").iterdir(), *self.folder.rglob("draft-*")]
        return sorted({str(path.relative_to(self.folder)) for path in found})

    def age(self) -> None:
        """Make all leftovers two hours old."""
        for name in self.leftovers():
            os.utime(self.folder / name, (time.time() - 7200,) * 2)


def processes() -> Iterator[tuple[int, int, int, str]]:
    """Yield number, parent, session and command line of every living process."""
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
                command = (folder / "cmdline").read_text()
            except OSError:
                continue
            if fields[0] != "Z":
                yield int(folder.name), int(fields[1]), int(fields[3]), command


def workers_of(pid: int) -> list[int]:
    """Return the worker processes of a coordinator."""
    return [child for child, parent, _, command in processes() if parent == pid and "spawn_main" in command]


def write_images(path: Path) -> None:
    """Write a small data set of two overlapping classes."""
    rng = np.random.default_rng(0)
    centres = rng.normal(128, 25, (2, 24))
    arrays: dict[str, NDArray[np.generic]] = {}
    for part, n in (("train", 400), ("test", 100)):
        labels = np.arange(n) % 2
        images = centres[labels] + rng.normal(0, 45, (n, 24))
        arrays |= {f"{part}_data": images.clip(0, 255).astype(np.uint8), f"{part}_labels": labels}
    np.savez(path, allow_pickle=False, **arrays)


def run(rounds: int, minutes: float, seed: int, folder: Path) -> list[str]:
    """Run the rounds, print one line for each, and return what is wrong."""
    checks = Checks(folder)
    chaos = Chaos(folder, np.random.default_rng(seed), checks)
    write_images(folder / "images.npz")
    (folder / "tmp").mkdir()
    began, done, lap, step = time.monotonic(), 0, 1, 0
    while done < rounds and time.monotonic() - began < 60 * minutes and not checks.problems:
        command = commands(lap)[step]
        succeeded, hit = chaos.round(command)
        done += hit != "nobody"
        outcome = "succeeded" if succeeded else "again"
        print(f"{done:3d}  {command.name:8s} hit: {hit:12s} {outcome}", flush=True)
        if succeeded:
            lap, step = (lap, step + 1) if step + 1 < len(commands(lap)) else (lap + 1, 0)
    before = len(chaos.leftovers())
    chaos.age()
    for command in commands(lap):
        if chaos.finish(chaos.start(command), command):
            checks.succeeded(command.name, command.number)
        else:
            checks.problems.append(f"{command.name} did not succeed when nobody was killed")
    checks.after_a_kill()
    checks.at_the_end()
    if left := chaos.leftovers():
        checks.problems.append(f"temporary files stay for ever: {', '.join(left)}")
    kills = ", ".join(f"{n} x {what}" for what, n in sorted(chaos.kills.items()) if "nobody" not in what)
    print(f"{done} rounds in {time.monotonic() - began:.0f} s, seed {seed}: {kills}")
    print(f"{checks.found()}; {before} leftovers swept")
    for key, value in describe(["optuna", "sqlalchemy", "numpy"]).items():
        print(f"{key}: {value}")
    return checks.problems


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=50, help="kills (default: %(default)s)")
    parser.add_argument("--minutes", type=float, default=20.0, help="longest time (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
        problems = run(args.rounds, args.minutes, args.seed, Path(folder))
    for problem in problems:
        print("WRONG:", problem)
    print("nothing lost" if not problems else f"{len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
