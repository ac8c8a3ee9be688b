"""Cut the power, not only the process: replay what was written without what no sync had brought to the disk.

``python -m benchmarks.stress.power --trials 40 --cuts 2000`` records every call by which a sweep, a final
training and an export write (``recorder.c``, which needs a C compiler), then makes the folders that a power
cut may leave and opens them with the program. A cut comes after any call. What a file held at its last sync
is there; of the later writes nothing, all, the first few with the last one torn, or any sectors (512 or 4,096
bytes) in any order, or zeros in their place. Of the names made, changed and removed in a folder since its own
last sync, the first few are there: a journal keeps their order, and nothing else is relied upon. The shared
memory of SQLite (``-shm``) is gone. It exits with 1 if a database does not open or is damaged, a file that
can be seen is not whole, or anything is missing that the program had said.
"""

import argparse
import contextlib
import os
import re
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from optuna.trial import TrialState

from benchmarks.machine import describe
from benchmarks.stress.disk import Call, Disk
from fcnet.errors import UserError
from fcnet.model import Model
from studies.execution.experiment import FINISHED
from studies.storage.database import connect
from studies.storage.sqlite import check_integrity
from studies.views.words import percent

HERE = Path(__file__).resolve().parent
SWEEP = HERE.parents[1] / "sweep.py"


def record(folder: Path, *commands: Sequence[str]) -> list[Call]:
    """Run commands of the program in a folder, one after the other, and return their calls.

    The prepared data, which anybody can prepare again, lie elsewhere.
    """
    library, log = folder / "recorder.so", folder / "calls"
    command = [
        "cc",
        "-O2",
        "-shared",
        "-fPIC",
        "-o",
        str(library),
        str(HERE / "recorder.c"),
        "-ldl",
        "-pthread",
    ]
    subprocess.run(command, check=True)
    place = folder / "sweep"
    place.mkdir()
    environment = os.environ | {
        "LD_PRELOAD": str(library),
        "RECORD_UNDER": str(place.resolve()),
        "RECORD_LOG": str(log),
        "XDG_CACHE_HOME": str(folder / "cache"),
    }
    for words in commands:
        subprocess.run(
            [sys.executable, str(SWEEP), *words], cwd=place, env=environment, check=True, capture_output=True
        )
    return list(_calls(log.read_bytes(), str(place.resolve())))


def _calls(noted: bytes, under: str) -> Iterator[Call]:
    place = 0
    while place < len(noted):
        end = noted.index(b"\n", place)
        kind, offset, length, path = noted[place:end].decode().split(" ", 3)
        place = end + 1 + int(length)
        content = noted[end + 1 : place]
        if kind in "RL":
            content = os.path.relpath(content.decode(), under).encode()
        yield Call(kind, int(offset), path if kind == "A" else os.path.relpath(path, under), content)


def problems(folder: Path, said: str) -> tuple[list[str], int]:
    """Open what a cut has left; return what is wrong, and how many trials are missing that had been told."""
    found = []
    for file in folder.rglob("*.safetensors"):
        with contextlib.suppress(UserError):
            Model.load(file)
            continue
        found.append(f"{file.name} is visible and does not load")
    found += [
        f"{name} was told and is not there"
        for name in re.findall(r"^(?:Written|Model): (\S+)", said, re.MULTILINE)
        if not (folder / name).exists()
    ]
    page = folder / "page.html"
    if page.exists() and not page.read_text(encoding="utf-8").rstrip().endswith("</html>"):
        found.append("page.html is visible and not whole")
    told = dict(re.findall(r"^ *\d+/\d+  trial (\d+) +(\S+(?: %)?)", said, re.MULTILINE))
    try:
        there = _trials(folder / "sweep.db") if (folder / "sweep.db").exists() else {}
    except (UserError, sqlite3.Error) as error:
        return [*found, str(error)], len(told)
    missing = [number for number, outcome in told.items() if there.get(number) != outcome]
    if missing:
        found.append(f"trials {', '.join(missing)} were told and are missing or changed")
    return found, len(missing)


def _trials(database: Path) -> dict[str, str]:
    """Open a database as the program does; return its finished trials, and what is told of them."""
    with contextlib.closing(connect(f"sqlite:///{database}", create=False)) as storage:
        check_integrity(database)
        with contextlib.closing(sqlite3.connect(database)) as connection:
            (verdict,) = connection.execute("PRAGMA integrity_check").fetchone()
        if verdict != "ok":
            raise UserError(verdict)
        studies = [study for study in storage.get_all_studies() if study.study_name == "sweep"]
        trials = [trial for study in studies for trial in storage.get_all_trials(study._study_id)]
    return {
        str(t.number): "pruned" if t.state == TrialState.PRUNED else percent(t.value or 0.0)
        for t in trials
        if t.state in FINISHED
    }


def replay(
    calls: Sequence[Call], folder: Path, places: Iterable[int], rng: np.random.Generator
) -> tuple[list[str], int]:
    """Cut the power after so many calls each; return what is wrong and the trials missing in all."""
    disk, wrong, missing, done = Disk(), list[str](), 0, 0
    for place in sorted(places):
        for call in calls[done:place]:
            disk.do(call)
        done = place
        with tempfile.TemporaryDirectory(dir=folder) as name:
            for file, content in disk.left(rng).items():
                (Path(name) / file).parent.mkdir(parents=True, exist_ok=True)
                (Path(name) / file).write_bytes(content)
            found, lost = problems(Path(name), disk.said)
        wrong += [f"after call {place}: {problem}" for problem in found]
        missing += lost
    return wrong, missing


def commands(trials: int) -> list[list[str]]:
    """Return the words of a sweep, a final training and an export."""
    sweep = f"--trials {trials} --workers 2 --epochs 8 --data sklearn:digits".split()
    return [sweep, ["train", "--seeds", "2", "--workers", "1"], ["export", "page.html"]]


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--trials", type=int, default=40, help="of the sweep (default: %(default)s)")
    parser.add_argument("--cuts", type=int, default=2000, help="of the power (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the cuts")
    args = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="power-") as name:
        calls = record(Path(name), *commands(args.trials))
        numbers = Counter(call.kind for call in calls)
        print(f"{len(calls)} calls, {numbers['W']} writes, {numbers['S']} syncs", flush=True)
        rng = np.random.default_rng(args.seed)
        places = map(int, rng.integers(1, len(calls) + 1, args.cuts))
        wrong, missing = replay(calls, Path(name), places, rng)
    print(*wrong[:20], sep="\n", end="\n" if wrong else "")
    print(f"{args.cuts} cuts in {time.monotonic() - began:.0f} s, seed {args.seed}:", end=" ")
    print(f"{len(wrong)} problems, {missing} trials missing that had been told")
    print(*describe(("numpy", "optuna", "sqlalchemy")).values(), sep="; ")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
