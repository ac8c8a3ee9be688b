"""Whole sweeps over several spaces on the same data: what each costs, and what its winner is worth.

``python -m benchmarks.spaces DATA --seeds 5 --minutes 60`` sweeps each space with each seed, 100 trials on
two workers, trains the winner anew with five fresh seeds on all development images and tests it. Winners are
taken by their validation score alone. DATA should be images whose test part may be looked at: nothing is
chosen on those that results are reported on.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.machine import describe

ROOT = Path(__file__).resolve().parent.parent
_PLAIN = ["mirror=False", "schedule=constant"]
SPACES: dict[str, list[str]] = {
    "default": [],
    "wider": ["hidden_units=32:1024"],
    "components, whitening": _PLAIN,
    "all four": ["mirror=False,True", "schedule=constant,cosine"],
    "six": ["components=1000000", "whitening=0", *_PLAIN],
}
"""What each gives to ``--range`` beside the default."""


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--minutes", type=float, default=60.0, help="no sweep is begun after that")
    parser.add_argument("--spaces", nargs="+", choices=SPACES, default=list(SPACES))
    parser.add_argument("--options", default="", help="further options of every sweep")
    args = parser.parse_args()
    end = time.monotonic() + 60 * args.minutes
    found: dict[str, list[dict[str, float]]] = {name: [] for name in args.spaces}
    for seed in range(args.first, args.first + args.seeds):
        for name in args.spaces:
            if time.monotonic() < end:
                found[name].append(swept(args.data, SPACES[name], seed, args.trials, args.options.split()))
                told = ", ".join(f"{key} {value:.4g}" for key, value in found[name][-1].items())
                print(f"{name}, seed {seed}: {told}", flush=True)
    print("| space | sweeps | s | validation | test, one network | spread | ensemble |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for name, rows in found.items():
        if rows:
            means = {key: np.mean([row[key] for row in rows]) for key in rows[0]}
            spread = np.std([row["test"] for row in rows], ddof=1) if len(rows) > 1 else np.nan
            print(
                f"| {name} | {len(rows)} | {means['seconds']:.0f} | {means['validation']:.2f} |"
                f" {means['test']:.2f} | {spread:.2f} | {means['ensemble']:.2f} |"
            )
    print(*describe(("numpy", "scipy", "optuna")).values(), sep="; ")
    return 0


def swept(data: str, ranges: list[str], seed: int, trials: int, options: list[str]) -> dict[str, float]:
    """Return wall time in seconds and the winner's accuracies in per cent."""
    with tempfile.TemporaryDirectory() as folder:
        given = ["--data", data, "--trials", str(trials), "--seed", str(seed), "--workers", "2", *options]
        began = time.monotonic()
        best = run(folder, *given, *(word for each in ranges for word in ("--range", each)))
        seconds = time.monotonic() - began
        final = run(folder, "train")
        return {
            "seconds": seconds,
            "validation": 100 * best["value"],
            "test": 100 * final["test_accuracy"]["mean"],
            "std": 100 * final["test_accuracy"]["std"],
            "ensemble": 100 * final["ensemble_accuracy"],
        }


def run(folder: str, *arguments: str) -> dict[str, Any]:
    """Run the program in a folder of its own and return what it found."""
    command = [sys.executable, str(ROOT / "sweep.py"), *arguments, "--format", "json"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(arguments)}: {done.stderr}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


if __name__ == "__main__":
    sys.exit(main())
