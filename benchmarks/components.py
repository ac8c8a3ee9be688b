"""What fewer principal inputs cost and save: the trainer's 14 configurations, one thread, paired seeds.

``python -m benchmarks.components --data DATA --seeds 5 --minutes 20`` trains each configuration with all
inputs and with the first 1,024, 512, 256 and 128 principal ones, interleaved, and prints how much faster
each is and what it gains in validation accuracy, with Student's 95 % interval over the seeds.
"""

import os

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # before NumPy

import argparse
import sys
import time
from dataclasses import replace

import numpy as np
from scipy import stats

from benchmarks.machine import describe
from benchmarks.trainer import CONFIGURATIONS
from fcnet import Split, Training, load

COMPONENTS = (None, 1024, 512, 256, 128)


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="synthetic")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--minutes", type=float, default=20.0, help="no training is begun after that")
    args = parser.parse_args()
    end = time.monotonic() + 60 * args.minutes
    split: Split = load(args.data).split()
    began = time.perf_counter()
    split.principal(max(c for c in COMPONENTS if c))
    print(f"The axes, found and projected on: {time.perf_counter() - began:.2f} s")
    found: dict[str, list[list[tuple[float, float]]]] = {name: [] for name in CONFIGURATIONS}
    for seed in range(args.seeds):
        for name, h in CONFIGURATIONS.items():
            if time.monotonic() > end:
                break
            row = []
            for components in COMPONENTS:
                epochs = list(
                    Training(split, replace(h, components=components), epochs=args.epochs, seed=seed)
                )
                seconds = float(np.median([epoch.seconds for epoch in epochs]))
                row.append((seconds, 100 * epochs[-1].validation_accuracy))
            found[name].append(row)
    print(table({name: np.array(rows) for name, rows in found.items() if rows}))
    print(*describe(("numpy", "scipy")).values(), sep="; ")
    return 0


def table(found: dict[str, np.ndarray]) -> str:
    """Return Markdown of arrays (n_seeds, n_components, 2) of seconds per epoch and per cent."""
    few = [str(c) for c in COMPONENTS[1:]]
    lines = [
        f"| batch, rate, hidden | seeds | all, s | {' | '.join(f'{c}: times faster' for c in few)} | all, % |"
        f" {' | '.join(f'{c}: points' for c in few)} |",
        "| --- |" + " ---: |" * (3 + 2 * len(few)),
    ]
    speeds = []
    for name, rows in found.items():
        seconds = np.median(rows[..., 0], axis=0)
        speeds.append(seconds[0] / seconds[1:])
        accuracy = rows[..., 1]
        gains = accuracy[:, 1:] - accuracy[:, :1]
        cells = [f"{speed:.1f}" for speed in speeds[-1]] + [f"{accuracy[:, 0].mean():.1f}"]
        lines.append(f"| {name} | {len(rows)} | {seconds[0]:.3f} | {' | '.join(cells + gained(gains))} |")
    means = " | ".join(f"{speed:.2f}" for speed in np.exp(np.mean(np.log(speeds), axis=0)))
    lines.append(f"| geometric mean | | | {means} |" + " |" * (1 + len(few)))
    return "\n".join(lines)


def gained(gains: np.ndarray) -> list[str]:
    """Return mean differences of shape (n_seeds, n) with half of their 95 % intervals."""
    n = len(gains)
    if n < 2:
        return [f"{gain:+.2f}" for gain in gains[0]]
    half = stats.t.ppf(0.975, n - 1) * gains.std(axis=0, ddof=1) / np.sqrt(n)
    return [f"{gain:+.2f} ± {width:.2f}" for gain, width in zip(gains.mean(axis=0), half, strict=True)]


if __name__ == "__main__":
    sys.exit(main())
