"""The program itself, as its README says: a sweep for so long, then the final training of its winner."""

import json
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import optuna

from benchmarks.competitors.moments import best_at

PROGRAM = Path(__file__).resolve().parents[2] / "sweep.py"


def search(
    folder: Path, moments: list[float], seed: int, options: list[str] | None = None
) -> list[dict[str, Any]]:
    """Sweep; return the best at each of the moments, in seconds from here."""
    began, data = datetime.now(), next(folder.glob("data.*"))
    given = ["--data", str(data), "--trials", "100000", "--workers", "2", "--seed", str(seed)]
    run(folder, *given, "--timeout", str(max(moments)), *(options or []))
    study = optuna.load_study(study_name="sweep", storage=f"sqlite:///{folder}/sweep.db")
    return best_at(study, began, moments)


def test(folder: Path, configuration: dict[str, Any], seeds: list[int]) -> list[float]:
    """Train what was found on all development rows."""
    words = ["--trial", str(configuration["number"]), "--seeds", str(len(seeds))]
    values: list[float] = run(folder, "train", *words)["test_accuracy"]["values"]
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
