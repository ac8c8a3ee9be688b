"""Change one thing in the program at a time, and see whether its tests notice.

``python -m benchmarks.stress.mutants --number 300 --seed 0 --minutes 60`` draws that many mutants of `fcnet`
and `studies` from all that cosmic-ray makes (``pip install cosmic-ray``, in whatever environment;
``--cosmic-ray`` names its command) and runs each in a copy of the tree: against the quick tests that execute
the changed line, then against the slow ones; against the real program where no test executes it in its own
process. What became of each is printed at once; ``--again`` passes over those that earlier ones call killed.
"""

import argparse
import ast
import json
import random
import re
import shlex
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import LifoQueue
from typing import NamedTuple

import coverage

from benchmarks.machine import describe

ROOT = Path(__file__).resolve().parent.parent.parent
PROGRAM = ("tests/test_options.py", "tests/test_cli.py", "tests/test_advised.py")
NEVER = ("test_style", "test_docs", "test_installed")  # what they notice is not behaviour
PYTEST = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider")
SECONDS = 1800.0  # for either part of a mutant's tests


class Mutant(NamedTuple):
    """A place in a module, and what is done there."""

    module: str
    operator: str
    occurrence: int
    row: int

    def __str__(self) -> str:
        """Return what an output calls it."""
        return f"{self.module}:{self.row} {self.operator} {self.occurrence}"


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--number", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", default="", help="modules whose path holds this")
    parser.add_argument("--cosmic-ray", default="cosmic-ray", help="its command")
    parser.add_argument("--tests", choices=["quick", "slow", "all"], default="all")
    parser.add_argument("--again", type=Path, help="an earlier output, whose killed ones are passed over")
    args = parser.parse_args()
    everything = [m for m in mutants(args.cosmic_ray) if args.only in m.module]
    chosen = random.Random(args.seed).sample(everything, min(args.number, len(everything)))
    if args.again:
        told = args.again.read_text(encoding="utf-8").splitlines()
        killed = {line.split(" s ")[1] for line in told if line.startswith("killed ")}
        chosen = [mutant for mutant in chosen if str(mutant) not in killed]
    end = time.monotonic() + 60 * args.minutes
    outcomes: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        trees: LifoQueue[Path] = LifoQueue()
        for job in range(args.jobs):
            trees.put(copied(Path(folder) / str(job)))
        parts = [
            executing(Path(folder) / "0", marked)
            for name, marked in (("quick", "not slow"), ("slow", "slow"))
            if args.tests in (name, "all")
        ]

        def run(mutant: Mutant) -> None:
            began = time.monotonic()
            if began > end:
                outcomes["not run"] += 1
                return
            tree = trees.get()
            outcome, difference = "survived", ""
            try:
                found = [tests for part in parts if (tests := part(mutant))]
                for tests in found or [PROGRAM]:
                    if outcome == "survived":
                        outcome, difference = tried(mutant, tree, tests, args.cosmic_ray)
            finally:
                trees.put(tree)
            outcomes[outcome] += 1
            survived = f"\n{difference}" if outcome == "survived" else ""
            print(f"{outcome} {time.monotonic() - began:.0f} s {mutant}{survived}", flush=True)

        began = time.monotonic()
        with ThreadPoolExecutor(args.jobs) as pool:
            list(pool.map(run, chosen))
    counts = ", ".join(f"{n} {outcome}" for outcome, n in sorted(outcomes.items()))
    seconds = time.monotonic() - began
    print(f"{len(chosen)} of {len(everything)} mutants, seed {args.seed}: {counts}; {seconds:.0f} s")
    print(describe(["optuna", "numpy"]))
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


def executing(tree: Path, marked: str) -> Callable[[Mutant], list[str]]:
    """Run tests once, and return what finds those that execute a mutant, the narrowest first."""
    command = [*PYTEST, "-m", marked, "--cov-context=test", "--cov-report="]
    command += [f"--ignore=tests/{stem}.py" for stem in NEVER]
    subprocess.run(command, cwd=tree, check=False)  # whoever fails in it is found out in `tried`
    data = coverage.CoverageData(str(tree / ".coverage"))
    data.read()
    lines = {
        str(Path(file).relative_to(tree.resolve())): {
            line: {re.split(r"[|[]", context)[0] for context in contexts if context}
            for line, contexts in data.contexts_by_lineno(file).items()
        }
        for file in data.measured_files()
    }
    width = Counter(test for module in lines.values() for tests in module.values() for test in tests)

    def found(mutant: Mutant) -> list[str]:
        module = lines.get(mutant.module, {})
        tree_of_module = ast.parse((ROOT / mutant.module).read_text(encoding="utf-8"))
        bodies = [node.body for node in ast.walk(tree_of_module) if isinstance(node, ast.FunctionDef)]
        if any(body[0].lineno <= mutant.row <= (body[-1].end_lineno or 0) for body in bodies):
            tests = module.get(max((line for line in module if line <= mutant.row), default=0), set())
        else:  # executed when the module is imported, whoever does that
            tests = set().union(*module.values())
        return sorted(tests, key=lambda test: (width[test], test))

    return found


def copied(folder: Path) -> Path:
    """Copy what git knows of the tree."""
    names = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in names.splitlines():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, target)
    return folder


def tried(mutant: Mutant, tree: Path, tests: Sequence[str], command: str) -> tuple[str, str]:
    """Return what became of a mutant, and how it differs from the original."""
    test = shlex.join([*PYTEST, "-x", "-n", "0", "--no-cov", *tests])
    arguments = [mutant.module, mutant.operator, str(mutant.occurrence), test]
    try:
        done = subprocess.run(
            [command, "mutate-and-test", *arguments],
            cwd=tree,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        shutil.copy(ROOT / mutant.module, tree / mutant.module)
        return "killed", ""
    try:
        answer = json.loads(done.stdout)
    except ValueError:
        return "not made", done.stderr
    failed = re.findall(r"^(?:FAILED|ERROR) (tests/[^ \n[]+)", str(answer.get("output")), re.MULTILINE)
    if failed:  # a test that fails by itself has noticed nothing
        alone = [*PYTEST, "-n", "0", "--no-cov", failed[0]]
        if subprocess.run(alone, cwd=tree, capture_output=True, check=False).returncode:
            return "survived", f"{failed[0]} fails without it too\n{answer.get('diff', '')}"
    return str(answer["test_outcome"]), str(answer.get("diff", ""))


if __name__ == "__main__":
    sys.exit(main())
