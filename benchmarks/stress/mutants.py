"""Change one thing in the program at a time, and see whether its tests notice.

``python -m benchmarks.stress.mutants --number 300 --seed 0 --minutes 60`` draws that many mutants of `fcnet`
and `studies` from all that cosmic-ray makes (``pip install cosmic-ray``, in whatever environment;
``--cosmic-ray`` names its command), runs each in a copy of the tree against the test files that import the
changed module, the quick ones first, and lists the survivors.
"""

import argparse
import ast
import json
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import LifoQueue
from typing import NamedTuple

from benchmarks.machine import describe

ROOT = Path(__file__).resolve().parent.parent.parent
PROGRAM = ("test_options", "test_cli")  # for a module that no test imports
LAST = ("test_cli", "test_interruptions", "test_advised", "test_browser_sweep", "test_fuzz")
NEVER = ("test_style", "test_docs", "test_installed")  # what they notice is not behaviour


class Mutant(NamedTuple):
    """A place in a module, and what is done there."""

    module: str
    operator: str
    occurrence: int
    row: int


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--number", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", default="", help="modules whose path holds this")
    parser.add_argument("--cosmic-ray", default="cosmic-ray", help="its command")
    args = parser.parse_args()
    everything = [m for m in mutants(args.cosmic_ray) if args.only in m.module]
    chosen = random.Random(args.seed).sample(everything, min(args.number, len(everything)))
    tests = tests_by_module()
    end = time.monotonic() + 60 * args.minutes
    outcomes: Counter[str] = Counter()
    survivors: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        trees: LifoQueue[Path] = LifoQueue()
        for job in range(args.jobs):
            trees.put(copied(Path(folder) / str(job)))

        def run(mutant: Mutant) -> None:
            if time.monotonic() > end:
                outcomes["not run"] += 1
                return
            tree = trees.get()
            try:
                outcome, difference = tried(mutant, tree, tests.get(mutant.module, []), args.cosmic_ray)
            finally:
                trees.put(tree)
            outcomes[outcome] += 1
            if outcome == "survived":
                survivors.append(f"{mutant.module}:{mutant.row} {mutant.operator}\n{difference}")
                print(survivors[-1], flush=True)

        began = time.monotonic()
        with ThreadPoolExecutor(args.jobs) as pool:
            list(pool.map(run, chosen))
    told = ", ".join(f"{n} {outcome}" for outcome, n in sorted(outcomes.items()))
    seconds = time.monotonic() - began
    print(f"{len(chosen)} of {len(everything)} mutants, seed {args.seed}: {told}; {seconds:.0f} s")
    print(describe())
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


def tests_by_module() -> dict[str, list[str]]:
    """Return the test files that import each module, the quick ones first, then those of the real program."""
    found: dict[str, list[str]] = {}
    files = [f for f in sorted((ROOT / "tests").glob("test_*.py")) if f.stem not in NEVER]
    imports = {file: set(imported(file)) for file in files}
    for path in [*(ROOT / "fcnet").rglob("*.py"), *(ROOT / "studies").rglob("*.py")]:
        module = str(path.relative_to(ROOT))
        name = module.removesuffix("/__init__.py").removesuffix(".py").replace("/", ".")
        own = [f.stem for f in files if name in imports[f]]
        ordered = sorted(own or PROGRAM, key=lambda stem: (stem in LAST, stem))
        found[module] = [f"tests/{stem}.py" for stem in ordered]
    return found


def imported(file: Path) -> Iterator[str]:
    """Yield the modules that a test imports, and those that these import within the same folder."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def copied(folder: Path) -> Path:
    """Copy what git knows of the tree."""
    names = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in names.splitlines():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, target)
    return folder


def tried(mutant: Mutant, tree: Path, tests: list[str], command: str) -> tuple[str, str]:
    """Return what became of a mutant, and how it differs from the original."""
    test = [sys.executable, "-m", "pytest", "-x", "-q", "-n", "0", "-p", "no:cacheprovider", *tests]
    arguments = [mutant.module, mutant.operator, str(mutant.occurrence), " ".join(test)]
    try:
        done = subprocess.run(
            [command, "mutate-and-test", *arguments],
            cwd=tree,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
    except subprocess.TimeoutExpired:
        shutil.copy(ROOT / mutant.module, tree / mutant.module)
        return "killed by time", ""
    try:
        answer = json.loads(done.stdout)
    except ValueError:
        return "not made", done.stderr
    return str(answer["test_outcome"]), str(answer.get("diff", ""))


if __name__ == "__main__":
    sys.exit(main())
