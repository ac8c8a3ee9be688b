"""The program itself, as its README says: a sweep for so long, then the final training of its winner."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

PROGRAM = Path(__file__).resolve().parents[2] / "sweep.py"


def search(folder: Path, seconds: float, seed: int, options: list[str] | None = None) -> dict[str, Any]:
    """Sweep for so many seconds."""
    data = next(folder.glob("data.*"))
    given = ["--data", str(data), "--trials", "100000", "--workers", "2", "--seed", str(seed)]
    best = run(folder, *given, "--timeout", str(seconds), *(options or []))
    counts = best["n_trials"]
    return {"value": best["value"], "trials": counts["complete"] + counts["pruned"], **best["params"]}


def test(folder: Path, configuration: dict[str, Any], seeds: list[int]) -> list[float]:
    """Train what was found on all development rows."""
    values: list[float] = run(folder, "train", "--seeds", str(len(seeds)))["test_accuracy"]["values"]
    return values


def run(folder: Path, *words: str) -> dict[str, Any]:
    """Run the program in a folder of its own."""
    done = subprocess.run(
        [sys.executable, str(PROGRAM), *words, "--format", "json"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stderr)
    found: dict[str, Any] = json.loads(done.stdout)
    return found
