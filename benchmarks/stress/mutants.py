"""Change one thing in the program at a time, and see whether its tests notice.

``python -m benchmarks.stress.mutants --number 300 --seed 0 --minutes 180`` draws that many mutants of `fcnet`
and `studies` from all that cosmic-ray makes (``pip install cosmic-ray``, in whatever environment;
``--cosmic-ray`` names its command) and runs each in a copy of the tree against the tests of its module,
`TESTS`: the quick ones, then the slow ones. What became of each is printed at once, with the test that
noticed, or with the line where none did. ``--again`` passes over those that an earlier output calls killed;
``--list`` shows what is drawn and runs nothing.
"""

import argparse
import ast
import difflib
import importlib
import multiprocessing
import os
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from benchmarks.machine import describe

ROOT = Path(__file__).resolve().parent.parent.parent
TESTS = {  # the beginning of a module's path: the tests that cover it, the narrowest first
    "fcnet/data/checks": "data_arrays data_files details",
    "fcnet/data/cifar10": "data_cifar10 data_archive",
    "fcnet/data/files": "data_files data_arrays",
    "fcnet/data/pickles": "data_pickles data_files",
    "fcnet/data/prepared": "data_prepared data_split",
    "fcnet/data/split": "data_split data_prepared",
    "fcnet/data/synthetic": "data_synthetic data_split",
    "fcnet/data": "data_arrays data_files data_split data_cifar10",
    "fcnet/inputs": "inputs",
    "fcnet/layers": "layers trainer",
    "fcnet/losses": "layers trainer",
    "fcnet/metrics": "one_factor objective public report",
    "fcnet/model": "model public inputs",
    "fcnet": "trainer model inputs public details",
    "studies/analysis/advice": "advice history",
    "studies/analysis/axis": "details advice surrogate marginals",
    "studies/analysis/scores": "scores statistics details",
    "studies/analysis/surrogate": "surrogate marginals",
    "studies/analysis/thinning": "details history marginals surrogate",
    "studies/analysis": "verdicts statistics confirm",
    "studies/choices": "options samplers",
    "studies/commands/effects": "options effects cli",
    "studies/commands": "options samplers details cli advised",
    "studies/dashboard/serving": "serving guard access",
    "studies/dashboard": "access guard serving",
    "studies/execution/cluster_worker": "cluster_worker cluster cluster_lost",
    "studies/execution/cluster": "cluster cluster_lost",
    "studies/execution/experiment": "runner details honesty reproduce winner",
    "studies/execution/local": "local runner",
    "studies/execution/progress": "details",
    "studies/execution": "details objective runner local honesty interruptions",
    "studies/experiments/confirm": "confirm verdicts",
    "studies/experiments/effects": "effects details",
    "studies/experiments/ledger": "winner honesty",
    "studies/experiments/marginal": "marginals history details",
    "studies/experiments/one_factor": "one_factor details effects",
    "studies/experiments/report": "report details",
    "studies/experiments/reproduce": "reproduce",
    "studies/experiments/results": "winner details honesty confirm",
    "studies/experiments": "honesty winner confirm runner",
    "studies/program": "details options cli installed",
    "studies/ranges": "space details advice",
    "studies/record": "storage_study winner details reproduce",
    "studies/samplers": "samplers space",
    "studies/space": "space samplers advice",
    "studies/storage/artifacts": "winner faults",
    "studies/storage/bulk": "storage_bulk",
    "studies/storage/copying": "copy",
    "studies/storage/ownership": "storage_ownership storage_study runner",
    "studies/storage/postgres": "postgres postgres_ownership postgres_stopped",
    "studies/storage/retrying": "storage_retrying storage_ownership",
    "studies/storage": "storage storage_study storage_ownership faults",
    "studies/views/effects": "details effects",
    "studies/views/figures/curves": "one_factor",
    "studies/views/figures/history": "history details",
    "studies/views/figures/marginals": "marginals history details",
    "studies/views/figures/one_factor": "one_factor",
    "studies/views/figures": "details marginals history",
    "studies/views/report": "report",
    "studies/views": "details winner scores honesty cli",
    "studies": "public honesty details runner",
}
PYTEST = ("-x", "-q", "-p", "no:cacheprovider", "-n", "0")
FORKS = multiprocessing.get_context("fork")  # each run has imported already what others have written
IMPORTED = "numpy optuna plotly.graph_objects rich.console scipy.stats sklearn.gaussian_process"
PARTS = ("not slow", "slow")


class Mutant(NamedTuple):
    """A place in a module, and what is done there."""

    module: str
    operator: str
    occurrence: int
    row: int

    def __str__(self) -> str:
        """Return what an output calls it."""
        return f"{self.module}:{self.row} {self.operator.removeprefix('core/')} {self.occurrence}"

    @property
    def tests(self) -> tuple[str, ...]:
        """The files of tests that cover it."""
        names = next(names for start, names in TESTS.items() if self.module.startswith(start))
        return tuple(f"tests/test_{name}.py" for name in names.split())


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--number", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=180.0)
    parser.add_argument(
        "--limit", type=float, default=300.0, help="seconds for either part of a mutant's tests"
    )
    parser.add_argument("--only", default="", help="of those drawn, the ones whose name holds this")
    parser.add_argument("--cosmic-ray", default="cosmic-ray", help="its command")
    parser.add_argument(
        "--parts", nargs="+", choices=PARTS, default=PARTS, help="pytest's -m, one after another"
    )
    parser.add_argument("--again", type=Path, help="an earlier output, whose killed ones are passed over")
    parser.add_argument("--list", action="store_true", help="show what is drawn, and run nothing")
    args = parser.parse_args()
    everything = mutants(args.cosmic_ray)
    chosen = random.Random(args.seed).sample(everything, min(args.number, len(everything)))
    told = args.again.read_text(encoding="utf-8") if args.again else ""
    killed = {*re.findall(r"^killed \d+ s (.+) by ", told, re.MULTILINE)} & {*map(str, chosen)}
    for name in IMPORTED.split():
        importlib.import_module(name)
    began, outcomes = time.monotonic(), Counter[str]()
    with tempfile.TemporaryDirectory() as folder:
        tree = copied(Path(folder))
        subprocess.run(
            [sys.executable, "-m", "pytest", *PYTEST, "--collect-only"],  # which compiles all once
            cwd=tree,
            stdout=subprocess.DEVNULL,
            check=True,
        )
        for mutant in chosen:
            if args.only not in str(mutant) or str(mutant) in killed:
                continue
            if args.list:
                print(mutant)
                continue
            start = time.monotonic()
            outcome, more = "not run", ""
            if start < began + 60 * args.minutes:
                outcome, more = tried(mutant, tree, args.parts, args.limit, args.cosmic_ray)
            outcomes[outcome] += 1
            print(f"{outcome} {time.monotonic() - start:.0f} s {mutant}{more}", flush=True)
    counts = ", ".join(f"{n} {outcome}" for outcome, n in sorted(outcomes.items()))
    passed = f", {len(killed)} killed before" if killed else ""
    print(f"{len(chosen)} of {len(everything)} mutants, seed {args.seed}: {counts}{passed}")
    print(f"{time.monotonic() - began:.0f} s; {describe(['optuna', 'numpy'])}")
    return 0


def mutants(command: str) -> list[Mutant]:
    """Return all mutants of the two packages; those of type annotations change nothing and are left out."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        config, session = Path(folder) / "config.toml", Path(folder) / "session.sqlite"
        config.write_text(
            '[cosmic-ray]\nmodule-path = ["fcnet", "studies"]\ntimeout = 300.0\nexcluded-modules = []\n'
            'test-command = "true"\n[cosmic-ray.distributor]\nname = "local"\n'
        )
        subprocess.run([command, "init", str(config), str(session)], cwd=ROOT, check=True)
        with sqlite3.connect(session) as connection:
            columns = "module_path, operator_name, occurrence, start_pos_row, start_pos_col"
            rows = connection.execute(f"SELECT {columns} FROM mutation_specs").fetchall()
    annotated = {module: set(annotations(ROOT / module)) for module in {row[0] for row in rows}}
    for module, operator, occurrence, row, column in rows:
        if not any(first <= (row, column) < last for first, last in annotated[module]):
            found.append(Mutant(module, operator, occurrence, row))
    return sorted(found)


def annotations(path: Path) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    """Yield where the type annotations of a module begin and end."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        for name in ("annotation", "returns"):
            found = getattr(node, name, None)
            if isinstance(found, ast.expr):
                yield (
                    (found.lineno, found.col_offset),
                    (found.end_lineno or found.lineno, found.end_col_offset or 0),
                )


def copied(folder: Path) -> Path:
    """Copy what git knows of the tree."""
    names = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in names.splitlines():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, target)
    return folder


def tried(mutant: Mutant, tree: Path, parts: Sequence[str], limit: float, command: str) -> tuple[str, str]:
    """Return what became of a mutant, and by which test, or how it differs from the original."""
    arguments = [command, "apply", mutant.module, mutant.operator, str(mutant.occurrence)]
    subprocess.run(arguments, cwd=tree, check=True, capture_output=True)
    original, mutated = ((root / mutant.module).read_text(encoding="utf-8") for root in (ROOT, tree))
    try:
        compile(mutated, mutant.module, "exec")
        for part in parts:
            if failed := failing(tree, part, mutant.tests, limit):
                alone = mutant.tests if failed == "time" else (failed,)
                if not passes(part, alone, limit / 3):
                    return "unclear", f": {failed}"
                return "killed", f" by {failed}"
    except SyntaxError:
        return "killed", " by its syntax"
    finally:
        shutil.copy(ROOT / mutant.module, tree / mutant.module)
    lines = difflib.unified_diff(original.splitlines(), mutated.splitlines(), n=0, lineterm="")
    return "survived", "".join(f"\n    {line}" for line in lines if re.match(r"[-+](?![-+]{2} )", line))


@cache
def passes(part: str, tests: tuple[str, ...], limit: float) -> bool:
    """Whether tests pass without a mutant: what fails by itself has noticed nothing."""
    return not failing(ROOT, part, tests, limit)


def failing(tree: Path, part: str, tests: Sequence[str], limit: float) -> str:
    """Return the first of the tests that fails in a tree, or "time" where they take too long."""
    with tempfile.NamedTemporaryFile("w+", encoding="utf-8", errors="replace") as output:
        child = FORKS.Process(target=_test, args=(tree, output.name, [*PYTEST, "-m", part, *tests]))
        child.start()
        child.join(limit)
        if child.is_alive():
            os.killpg(child.pid or 0, signal.SIGKILL)  # with whatever the tests have started
            child.join()
            return "time"
        if child.exitcode in (0, 5):  # 5: all of the tests are of the other part
            return ""
        text = output.read()
    found = re.search(r"^(?:FAILED|ERROR) (tests/[^ \n[]+)", text, re.MULTILINE)
    return found[1] if found else text[-2000:]


def _test(tree: Path, output: str, arguments: list[str]) -> None:
    os.setsid()
    with Path(output).open("w", encoding="utf-8") as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
    os.chdir(tree)
    sys.path[:] = [path for path in sys.path if path not in ("", str(ROOT))]
    sys.dont_write_bytecode = True  # it could be taken for another mutant's
    os._exit(pytest.main(arguments))


if __name__ == "__main__":
    sys.exit(main())
