"""Kill the program at random moments, give the same command again, and check that nothing was lost.

``python -m benchmarks.chaos --rounds 50 --minutes 20`` kills searches, confirmations and final trainings of
one study with SIGKILL: the coordinator, a worker, or the whole process group. It exits with 1 and says what
is wrong if anything is.
"""

import argparse
import importlib.util
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.machine import describe

ROOT = Path(__file__).resolve().parent.parent
EPOCHS, SEEDS, MORE = 4, 2, 5  # per training, per final training, trials that each lap adds
VICTIMS = ("coordinator", "worker", "all")


@dataclass
class Chaos:
    """One study in one folder, and what happened to it."""

    folder: Path
    rng: np.random.Generator
    total: int = MORE
    kills: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    finished: dict[int, tuple[Any, ...]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    def commands(self) -> list[tuple[str, ...]]:
        """Return the commands of one lap, each to be given until it succeeds."""
        search = ("run", "--trials", str(self.total), "--data", "images.npz", "--epochs", str(EPOCHS))
        found = [(*search, "--workers", "2"), ("train", "--seeds", str(SEEDS), "--workers", "2")]
        if importlib.util.find_spec("studies.commands.confirm") is not None:
            found.insert(1, ("confirm", "--top", "2", "--seeds", "2", "--workers", "2"))
        return found

    def start(self, command: Sequence[str]) -> subprocess.Popen[bytes]:
        """Start a command in a process group of its own; its messages go to a file."""
        environment = {
            **os.environ,
            "XDG_CACHE_HOME": str(self.folder / "cache"),
            "TMPDIR": str(self.folder / "tmp"),
            "OPENBLAS_NUM_THREADS": "1",
        }
        with (self.folder / "messages.txt").open("wb") as messages:
            return subprocess.Popen(
                [sys.executable, str(ROOT / "sweep.py"), *command],
                cwd=self.folder,
                stdout=messages,
                stderr=messages,
                env=environment,
                start_new_session=True,
            )

    def finish(self, process: subprocess.Popen[bytes], command: Sequence[str]) -> bool:
        """Wait for a command and tell whether it succeeded; anything but success and death is a problem."""
        try:
            code = process.wait(timeout=300)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(timeout=60)
            self.problems.append(f"{command[0]} did not end")
            return False
        said = (self.folder / "messages.txt").read_text(errors="replace")
        if code not in (0, -signal.SIGKILL) or "Traceback" in said:
            self.problems.append(f"{command[0]} ended with {code}: {said[-600:]}")
        return code == 0

    def round(self, command: Sequence[str]) -> tuple[bool, str]:
        """Start a command, kill somebody at a random moment; tell whether it succeeded, and who was hit."""
        began = time.monotonic()
        process = self.start(command)
        victim = str(self.rng.choice(VICTIMS))
        moment = self.rng.uniform(0, self.seconds.get(command[0], 5.0))
        hit = self._kill(process, victim, began + moment)
        self.kills[f"{command[0]}, {hit}"] += 1
        succeeded = self.finish(process, command)
        if hit == "nobody" or (hit == "worker" and succeeded):
            self.seconds[command[0]] = time.monotonic() - began
        self._wait_for_orphans(process.pid)
        self.check()
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
                self.problems.append(f"processes {left} outlived their coordinator")
                return
            time.sleep(0.02)

    def check(self) -> None:
        """Check what must hold after every round: whole files, and no finished trial lost or changed."""
        for model in [*self.folder.glob("models/*/*.safetensors"), *self.folder.glob("artifacts/*")]:
            content = model.read_bytes()
            if content[8:10] == b'{"' and not loads(model):
                self.problems.append(f"{model.name} is visible and does not load")
        if not (self.folder / "sweep.db").exists():
            return
        with sqlite3.connect(self.folder / "sweep.db") as connection:
            verdict = connection.execute("PRAGMA integrity_check").fetchone()[0]
        if verdict != "ok":
            self.problems.append(f"integrity check: {verdict}")
        seen = {
            trial.number: (trial.state, trial.value, trial.params, trial.intermediate_values)
            for trial in self.trials()
            if trial.state.name in ("COMPLETE", "PRUNED")
        }
        for number, before in self.finished.items():
            if seen.get(number) != before:
                self.problems.append(f"trial {number} was finished, and is lost or changed")
        self.finished = seen

    def trials(self) -> list[Any]:
        """Return the trials of the study; none if it was not made yet."""
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        storage = optuna.storages.RDBStorage(f"sqlite:///{self.folder}/sweep.db")
        try:
            return optuna.load_study(study_name="sweep", storage=storage).get_trials(deepcopy=False)
        except KeyError:
            return []
        finally:
            storage.engine.dispose()

    def check_end(self) -> None:
        """Check what must hold once every command was given until it succeeded."""
        trials = self.trials()
        states = Counter(trial.state.name for trial in trials)
        if states["COMPLETE"] + states["PRUNED"] != self.total:
            self.problems.append(f"{states}, but {self.total} finished trials were asked for")
        if states["RUNNING"]:
            self.problems.append(f"{states['RUNNING']} rows are still RUNNING")
        if [trial.number for trial in trials] != list(range(len(trials))):
            self.problems.append("trial numbers are missing or appear twice")
        repeated = Counter(trial.user_attrs.get("retry_of") for trial in trials)
        for trial in trials:
            epochs = list(trial.intermediate_values)
            record = trial.system_attrs.get("record", {}).get("epochs", [])
            if trial.state.name in ("COMPLETE", "PRUNED") and repeated[trial.number]:
                self.problems.append(f"trial {trial.number} is finished and was repeated")
            if trial.state.name == "COMPLETE" and (
                epochs != list(range(EPOCHS)) or trial.value != trial.intermediate_values[EPOCHS - 1]
            ):
                self.problems.append(f"trial {trial.number} is complete with epochs {epochs}")
            if trial.state.name in ("COMPLETE", "PRUNED") and len(record) != len(epochs):
                self.problems.append(
                    f"trial {trial.number} has {len(epochs)} epochs, its record {len(record)}"
                )
            if repeated[trial.number] > 1:
                self.problems.append(f"trial {trial.number} was repeated {repeated[trial.number]} times")

    def leftovers(self) -> list[str]:
        """Return what no command needs any more: temporary files, in any folder."""
        found = [*self.folder.rglob(".*"), *(self.folder / "tmp").iterdir(), *self.folder.rglob("draft-*")]
        return sorted({str(path.relative_to(self.folder)) for path in found})

    def age(self) -> None:
        """Make all leftovers two hours old."""
        for name in self.leftovers():
            os.utime(self.folder / name, (time.time() - 7200,) * 2)


def loads(model: Path) -> bool:
    """Tell whether a model file is whole."""
    from fcnet.errors import UserError
    from fcnet.model import Model

    try:
        Model.load(model)
    except UserError:
        return False
    return True


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
    arrays = {}
    for part, n in (("train", 400), ("test", 100)):
        labels = np.arange(n) % 2
        images = centres[labels] + rng.normal(0, 45, (n, 24))
        arrays |= {f"{part}_data": images.clip(0, 255).astype(np.uint8), f"{part}_labels": labels}
    np.savez(path, allow_pickle=False, **arrays)


def run(rounds: int, minutes: float, seed: int, folder: Path) -> list[str]:
    """Run the rounds, print one line for each, and return what is wrong."""
    chaos = Chaos(folder, np.random.default_rng(seed))
    write_images(folder / "images.npz")
    (folder / "tmp").mkdir()
    began, done, step = time.monotonic(), 0, 0
    while done < rounds and time.monotonic() - began < 60 * minutes and not chaos.problems:
        command = chaos.commands()[step]
        succeeded, hit = chaos.round(command)
        done += hit != "nobody"
        print(
            f"{done:3d}  {command[0]:8s} hit: {hit:12s} {'succeeded' if succeeded else 'again'}", flush=True
        )
        if succeeded:
            step += 1
            if step == len(chaos.commands()):
                step, chaos.total = 0, chaos.total + MORE
    before = len(chaos.leftovers())
    chaos.age()
    for command in chaos.commands():
        if not chaos.finish(chaos.start(command), command):
            chaos.problems.append(f"{command[0]} did not succeed when nobody was killed")
    chaos.check()
    chaos.check_end()
    if left := chaos.leftovers():
        chaos.problems.append(f"temporary files stay for ever: {', '.join(left)}")
    kills = ", ".join(f"{n} x {what}" for what, n in sorted(chaos.kills.items()) if "nobody" not in what)
    print(f"{done} rounds in {time.monotonic() - began:.0f} s, seed {seed}: {kills}")
    print(f"{chaos.total} finished trials asked for, {len(chaos.finished)} found; {before} leftovers swept")
    for key, value in describe(["optuna", "sqlalchemy", "numpy"]).items():
        print(f"{key}: {value}")
    return chaos.problems


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
