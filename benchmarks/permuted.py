"""How often the one-factor experiments name a difference where there is none: labels that mean nothing.

``nice python -m benchmarks.permuted DATA --runs 400`` gives the labels of DATA to its images at random, anew
in each run, trains the experiments of ``python sweep.py effects --seeds 3``, and asks for their verdicts.
Every difference that one of them names is wrong; the aim is one in at most 5 % of the runs.
"""

import argparse
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.machine import describe
from fcnet import Dataset, Training, load
from fcnet.data.holdout import FOLDS
from fcnet.errors import Diverged
from studies.experiments.one_factor import configurations, controlled_info
from studies.record import Outcomes


def named(run: int, data: str, *, rows: int, epochs: int, seeds: int) -> tuple[list[str], int]:
    """Return the factors for which one run names a difference, and how many of its trainings diverged."""
    rng = np.random.default_rng(run)
    images = load(data).images
    chosen = rng.permutation(len(images))[:rows]
    labels = rng.permutation(np.arange(rows) % 2)
    dataset = Dataset.from_arrays(images[chosen], labels, images[:10], np.arange(10) % 2)  # no test here
    splits = [dataset.split(fold=fold) for fold in range(min(seeds, FOLDS))]
    records, outcomes, diverged = {}, {}, 0
    with threadpool_limits(1):
        for key in ((h, seed) for seed in range(seeds) for h in configurations()):
            training = Training(splits[key[1] % FOLDS], key[0], epochs=epochs, seed=key[1])
            try:
                *_, last = training
            except Diverged:
                diverged += 1
                continue
            assert training.right is not None
            records[key] = last.validation_accuracy
            outcomes[key] = Outcomes.of(training.right, split_seed=0, fold=key[1] % FOLDS)
    tests = {e.factor: e.test for e in controlled_info(records, outcomes=outcomes).experiments}
    return [factor for factor, test in tests.items() if test is not None and test.real], diverged


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data")
    parser.add_argument("--runs", type=int, default=400)
    parser.add_argument("--rows", type=int, default=1000, help="development images of a run")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--seeds", type=int, default=3, help="trainings of each configuration")
    parser.add_argument("--processes", type=int, default=1)
    args = parser.parse_args()
    one = partial(named, data=args.data, rows=args.rows, epochs=args.epochs, seeds=args.seeds)
    began, found, wrong, diverged = time.monotonic(), Counter[str](), 0, 0
    with ProcessPoolExecutor(args.processes) as pool:
        for run, (factors, lost) in enumerate(pool.map(one, range(args.runs)), 1):
            found.update(factors)
            wrong, diverged = wrong + bool(factors), diverged + lost
            if run % 50 == 0:
                print(f"{run} runs, {wrong} name a difference, {time.monotonic() - began:.0f} s", flush=True)
    by_factor = ", ".join(f"{factor} {n}" for factor, n in found.most_common()) or "none"
    print(f"{wrong} of {args.runs} runs name a difference ({100 * wrong / args.runs:.2f} %): {by_factor}")
    print(f"{diverged} of {args.runs * args.seeds * len(configurations())} trainings diverged")
    print(*describe(("numpy", "scipy")).values(), sep="; ")
    return 0


if __name__ == "__main__":
    sys.exit(main())
