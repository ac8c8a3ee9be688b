"""What a user has after so many minutes: this program's sweeps beside what one would pick instead.

``python -m benchmarks.whole_sweep DATA --budgets 2 --repeats 3 --results sweeps.jsonl`` gives each competitor
the same wall time on two cores, in fresh processes with cold caches, interleaved, then trains what it hands
over with five fresh seeds on all development rows, by its own code, and tests it. What is in the file of
results already is not run again; ``--minutes`` bounds the rest. DATA is a file that `fcnet.load` reads.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from benchmarks.machine import describe
from fcnet import load
from fcnet.data import Part

ROOT = Path(__file__).resolve().parent.parent
COMPETITORS = {
    "fcnet": ("ours", {}),
    "fcnet, no pruner": ("ours", {"options": ["--pruner", "none"]}),
    "Optuna + PyTorch": ("optuna_pytorch", {}),
    "Optuna + PyTorch, our inputs": ("optuna_pytorch_inputs", {}),
    "Ray Tune, ASHA, PyTorch": ("ray_asha", {}),
    "scikit-learn halving": ("sklearn_halving", {}),
    "scikit-learn halving, PCA": ("sklearn_halving_pca", {}),
}
SEEDS = [101, 102, 103, 104, 105]


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--budgets", type=float, nargs="+", default=[1.0, 2.0, 4.0, 8.0], help="minutes")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--competitors", nargs="+", choices=COMPETITORS, default=list(COMPETITORS))
    parser.add_argument("--results", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=600.0, help="nothing is begun after that")
    args = parser.parse_args()
    end = time.monotonic() + 60 * args.minutes
    done = (
        [json.loads(line) for line in args.results.read_text().splitlines()] if args.results.exists() else []
    )
    known = {(row["data"], row["budget"], row["repeat"], row["competitor"]) for row in done}
    for repeat in range(args.repeats):
        for budget in args.budgets:
            for name in args.competitors:
                key = (args.data.stem, budget, repeat, name)
                if key in known or time.monotonic() > end:
                    continue
                row = dict(zip(("data", "budget", "repeat", "competitor"), key, strict=True))
                row |= measured(args.data, name, 60 * budget, repeat)
                done.append(row)
                with args.results.open("a") as file:
                    file.write(json.dumps(row) + "\n")
                print({k: v for k, v in row.items() if k != "found"}, flush=True)
    print(table([row for row in done if row["data"] == args.data.stem]))
    print(*describe(("numpy", "optuna", "torch", "scikit-learn")).values(), sep="; ")
    return 0


def measured(data: Path, name: str, seconds: float, repeat: int) -> dict[str, Any]:
    """Let a competitor search and test what it found."""
    module, extra = COMPETITORS[name]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        prepare(data, folder)
        found, took, memory = child(module, "search", folder, seconds=seconds, seed=repeat, **extra)
        tested, _, _ = child(module, "test", folder, configuration=found, seeds=SEEDS)
    return {"seconds": took, "peak_gib": memory, "found": found, "test": tested}


def prepare(data: Path, folder: Path) -> None:
    """Write the same rows for everybody: as they are, and normalised in float32."""
    shutil.copyfile(data, folder / f"data{data.suffix}")
    dataset = load(str(data))
    images, labels = dataset.open_test()
    search, final = dataset.split(), dataset.split("final")
    assert search.validation is not None
    parts = {"train": search.train, "validation": search.validation, "development": final.train}
    parts["test"] = Part(final.normalisation.apply(images), labels)
    for name, part in parts.items():
        np.save(folder / f"x_{name}.npy", np.asarray(part.x, np.float32))
        np.save(folder / f"y_{name}.npy", np.asarray(part.labels))


def child(module: str, what: str, folder: Path, **words: Any) -> tuple[Any, float, float]:
    """Run one call in a fresh process; return its result, seconds, and peak memory of all its processes."""
    command = [sys.executable, "-m", "benchmarks.competitors", module, what, str(folder), json.dumps(words)]
    began, stop, peak = time.monotonic(), threading.Event(), [0.0]
    environment = os.environ | {"XDG_CACHE_HOME": str(folder / "cache")}
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, text=True, env=environment | threads
    )

    def watch() -> None:
        while not stop.wait(1.0):
            try:
                family = [psutil.Process(process.pid)]
                family += family[0].children(recursive=True)
                memory = sum(each.memory_full_info().pss for each in family)
            except psutil.Error:
                continue
            peak[0] = max(peak[0], memory / 2**30)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        output, _ = process.communicate()
    finally:
        stop.set()
        watcher.join()
    if process.returncode:
        raise RuntimeError(f"{module} {what} ended with exit code {process.returncode}")
    return json.loads(output.splitlines()[-1]), time.monotonic() - began, peak[0]


def table(done: list[dict[str, Any]]) -> str:
    """Return Markdown: per budget and competitor the true accuracy of what was handed over."""
    lines = [
        "| minutes | competitor | sweeps | s | configurations | accuracy, % | lowest to highest | GiB |",
        "| ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for budget in sorted({row["budget"] for row in done}):
        for name in COMPETITORS:
            rows = [row for row in done if (row["budget"], row["competitor"]) == (budget, name)]
            if not rows:
                continue
            means = np.array([100 * np.mean(row["test"]) for row in rows])
            spread = f" ± {means.std(ddof=1):.2f}" if len(means) > 1 else ""
            lines.append(
                f"| {budget:g} | {name} | {len(rows)} | {np.mean([row['seconds'] for row in rows]):.0f} |"
                f" {np.mean([row['found']['trials'] for row in rows]):.0f} | {means.mean():.2f}{spread} |"
                f" {means.min():.2f} to {means.max():.2f} | {max(row['peak_gib'] for row in rows):.1f} |"
            )
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
