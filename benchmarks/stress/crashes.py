"""Break every call by which the program leaves something behind, one at a time; go on; check.

``python -m benchmarks.stress.crashes --minutes 60`` counts the calls of a short sweep, a confirmation, a
final training, an export and a copy that open for writing, write, sync, rename, link, unlink or send, then
runs the command once for each call and each way in which that call can break: the process is killed there,
the disk errs (EIO), a signal interrupts (EINTR), half is written, the disk is full from there on. The
coordinator's calls and those of its worker count alike. The same command then goes on undisturbed and must
succeed, and `benchmarks.stress.checks` holds what must be right. One fault of each kind comes first, then
another of each. It needs a C compiler (cc) and exits with 1 if anything is wrong.
"""

import argparse
import copy
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks.machine import describe
from benchmarks.stress.chaos import processes, write_images
from benchmarks.stress.checks import Checks, half_written, is_copied

HERE = Path(__file__).resolve().parent
WRITES = {"write", "pwrite", "writev", "fwrite"}
NEED_ROOM = {*WRITES, "open", "fsync", "fdatasync", "ftruncate", "rename", "link", "mkdir"}
WAYS = {  # what each way can break
    "kill": {*NEED_ROOM, "unlink", "rmdir", "send", "sendmsg"},
    "eio": {*NEED_ROOM, "unlink", "rmdir"},
    "eintr": {*WRITES, "open", "send", "fsync", "fdatasync"},
    "short": {*WRITES, "send"},
    "full": NEED_ROOM,
}
TRAINING = {"run": 3, "confirm": 2, "train": 2}  # how many trials it makes; these alone have workers
STEPS = (*TRAINING, "export", "copy")


@dataclass(frozen=True)
class Fault:
    """One call of one process of one command, and how it breaks."""

    step: str
    role: str
    way: str
    at: int
    call: str
    file: str

    def __str__(self) -> str:
        """Return it in words."""
        return f"{self.step}, {self.role}, {self.way} at call {self.at} ({self.call} {self.file})"

    @property
    def kind(self) -> tuple[str, ...]:
        """What it has in common with others: the same way of breaking the same call on the same file."""
        return self.step, self.role, self.way, self.call, self.file


class Program:
    """The preloaded program; one for each thread that runs commands."""

    def __init__(self, shim: Path) -> None:
        environment = os.environ | {
            "LD_PRELOAD": str(shim),
            "FAULTS_WAIT": "1",
            "OPENBLAS_NUM_THREADS": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / "preloaded.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
            start_new_session=True,
        )

    def run(self, folder: Path, words: Sequence[str], **faults: object) -> tuple[int, str]:
        """Run a command in a folder; return its exit code and all that it said."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        environment = {
            "XDG_CACHE_HOME": str(folder / "cache"),
            "TMPDIR": str(folder / "tmp"),
            **{f"FAULTS_{name.upper()}": str(value) for name, value in faults.items()},
        }
        asked = {"folder": str(folder), "words": list(words), "environment": environment}
        print(json.dumps(asked), file=self._process.stdin, flush=True)
        stuck = threading.Timer(120, self._kill, [folder])
        stuck.start()
        code = int(self._process.stdout.readline())
        stuck.cancel()
        while any(_lives_in(pid, folder) for pid, *_ in processes()):
            time.sleep(0.005)  # a killed coordinator's worker notices, and ends
        return code, (folder / "messages.txt").read_text(errors="replace")

    def _kill(self, folder: Path) -> None:
        for pid, *_ in processes():
            if _lives_in(pid, folder):
                os.kill(pid, signal.SIGKILL)

    def close(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(timeout=60)
        self._process.stdout.close()


def _lives_in(pid: int, folder: Path) -> bool:
    try:
        return Path(f"/proc/{pid}/cwd").readlink() == folder
    except OSError:
        return False


class Enumeration:
    """Folders before each command, the calls of each, and what came of breaking them.

    Parameters
    ----------
    folder : Path
        An empty one.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.problems = folder, list[str]()
        self.counts: Counter[str] = Counter()
        self.shim = folder / "faults.so"
        command = ["cc", "-O2", "-shared", "-fPIC", "-o", str(self.shim), str(HERE / "faults.c"), "-ldl"]
        subprocess.run([*command, "-pthread"], check=True)
        write_images(folder / "images.npz")
        self.words = {
            "run": f"--trials 3 --workers 1 --epochs 2 --data {folder}/images.npz".split(),
            "confirm": ["confirm", "--top", "1", "--seeds", "2", "--workers", "1"],
            "train": ["train", "--seeds", "2", "--workers", "1"],
            "export": ["export", "page.html"],
            "copy": ["copy", "--from", "sqlite:///sweep.db", "--to", "sqlite:///other.db"],
        }
        self._checks: dict[str, Checks] = {}
        self._lanes = threading.local()

    def program(self) -> Program:
        """Return this thread's program."""
        if not hasattr(self._lanes, "program"):
            self._lanes.program = Program(self.shim)
        found: Program = self._lanes.program
        return found

    def prepare(self) -> list[Fault]:
        """Run every command once, keep the folder as it was before each, and return what can break."""
        now, faults = self.folder / "now", list[Fault]()
        (now / "tmp").mkdir(parents=True)
        checks = Checks(now)
        for step in STEPS:
            shutil.copytree(now, self.folder / step)
            self._checks[step] = copy.deepcopy(checks)
            for role in ("worker", "coordinator")[step not in TRAINING :]:  # the last goes on
                shutil.rmtree(now)
                shutil.copytree(self.folder / step, now)
                log = self.folder / f"{step}.{role}.log"
                code, said = self.program().run(now, self.words[step], role=role, log=log, once=now / "once")
                (now / "once").unlink(missing_ok=True)
                assert code == 0, said
                lines = log.read_text().splitlines() if log.exists() else []
                calls = [line.split(" ", 2)[1:] for line in lines]
                faults += [
                    Fault(step, role, way, number, name, _plain(path))
                    for way, breaks in WAYS.items()
                    for number, (name, path) in enumerate(calls, 1)
                    if name in breaks
                ]
            _note(checks, step)
        checks.after_a_kill()
        checks.at_the_end()
        assert not checks.problems, checks.problems
        return faults

    def run(self, fault: Fault) -> list[str]:
        """Break a call, give the command again, and return what is wrong."""
        with tempfile.TemporaryDirectory(dir=self.folder) as temporary:
            folder = Path(temporary) / "now"
            shutil.copytree(self.folder / fault.step, folder)
            checks = replace(copy.deepcopy(self._checks[fault.step]), folder=folder)
            words = self.words[fault.step]
            code, said = self.program().run(
                folder, words, role=fault.role, kind=fault.way, at=fault.at, once=folder / "once"
            )
            problems = []
            wrong = {"Traceback", "fault of the program", "Fatal", "Exception ignored"}
            if code not in (0, 1, 2, -9) or any(each in said for each in wrong):
                problems.append(f"ended with {code}: {said[-500:]}")
            elif code in (1, 2) and not said.splitlines()[-1:]:
                problems.append(f"ended with {code} and said nothing")
            self.counts[{0: "did its work", -9: "was killed"}.get(code, "said what to mend")] += 1
            problems += half_written(folder)
            (folder / "once").unlink(missing_ok=True)
            checks.after_a_kill()
            if not problems:
                copied = fault.step == "copy" and is_copied(folder)
                code, said = self.program().run(folder, words)
                if mending := re.search(r"take it away with optuna (.*), then give the same", said):
                    optuna = [Path(sys.executable).with_name("optuna"), *shlex.split(mending[1])]
                    subprocess.run(optuna, cwd=folder, check=True, capture_output=True)
                    code, said = self.program().run(folder, words)
                there = copied and code == 1 and "nothing was copied" in said
                if (code != 0 and not there) or "Traceback" in said:
                    problems.append(f"the same command ended with {code}: {said[-500:]}")
                else:
                    _note(checks, fault.step)
                    checks.after_a_kill()
                    checks.at_the_end()
                    problems += half_written(folder)
            return [f"{fault}: {problem}" for problem in [*problems, *checks.problems]]

    def close(self) -> None:
        """End the programs, in the thread of each."""
        if hasattr(self._lanes, "program"):
            self._lanes.program.close()


def _plain(path: str) -> str:
    """Return the name of a file without what is random or counted in it."""
    return re.sub(r"(?<=[-.])[a-z0-9_]{8}$|[0-9a-f-]{8,}|\d+", "*", Path(path).name)


def in_turn(faults: Sequence[Fault], rng: np.random.Generator) -> list[Fault]:
    """Return faults so that one of each kind comes first, then another of each, at random otherwise."""
    seen: Counter[tuple[str, ...]] = Counter()
    ranked = []
    for i in rng.permutation(len(faults)):
        fault = faults[i]
        ranked.append((seen[fault.kind], fault))
        seen[fault.kind] += 1
    return [fault for _, fault in sorted(ranked, key=lambda each: each[0])]


def _note(checks: Checks, step: str) -> None:
    if step in TRAINING:
        checks.succeeded(step, TRAINING[step])


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--faults", type=int, help="so many, of all kinds in turn (default: every one)")
    parser.add_argument("--minutes", type=float, default=60.0, help="longest time (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the order and the sample")
    parser.add_argument("--steps", nargs="+", choices=STEPS, default=list(STEPS))
    parser.add_argument("--lanes", type=int, default=2, help="commands side by side")
    args = parser.parse_args()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell's background lets be ignored
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="crashes-") as folder:
        enumeration = Enumeration(Path(folder))
        faults = [fault for fault in enumeration.prepare() if fault.step in args.steps]
        number = Counter(f"{fault.step} ({fault.role})" for fault in faults)
        print(f"{len(faults)} faults:", ", ".join(f"{what} {n}" for what, n in number.items()), flush=True)
        kinds = {fault.kind for fault in faults}
        print(f"{len(kinds)} kinds: the same way of breaking the same call on the same file", flush=True)
        order = in_turn(faults, np.random.default_rng(args.seed))[: args.faults]
        done, stopped = 0, threading.Event()

        def one(fault: Fault) -> list[str] | None:
            if stopped.is_set() or time.monotonic() - began > 60 * args.minutes:
                return None
            return enumeration.run(fault)

        with ThreadPoolExecutor(args.lanes) as pool:
            try:
                for problems in pool.map(one, order):
                    done += problems is not None
                    enumeration.problems += problems or []
                    for problem in problems or []:
                        print("WRONG:", problem, flush=True)
                    if done % 100 == 0 and problems is not None:
                        print(f"{done} faults, {time.monotonic() - began:.0f} s", flush=True)
            except KeyboardInterrupt:  # what was done is summed up all the same
                stopped.set()
        enumeration.close()
    met = len({fault.kind for fault in order[:done]})
    took = f"{time.monotonic() - began:.0f} s, seed {args.seed}:"
    print(f"{done} of {len(faults)} faults, {met} of {len(kinds)} kinds, in {took}", end=" ")
    print(", ".join(f"{n} commands {what}" for what, n in enumeration.counts.most_common()))
    print(*describe(("numpy", "optuna", "sqlalchemy")).values(), sep="; ")
    print("nothing lost" if not enumeration.problems else f"{len(enumeration.problems)} problems")
    return 1 if enumeration.problems else 0


if __name__ == "__main__":
    sys.exit(main())
