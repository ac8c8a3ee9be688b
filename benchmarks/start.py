"""Where a sweep starts: the configuration that does well on data which results are not reported on.

``python -m benchmarks.start DATA`` draws configurations of the default space, trains each on one fold, and
goes on with the best, each time on further folds and with children nearer to their parents, so that nobody
stays by the luck of one training. The last few are trained twenty times, with seeds of their own.
"""

import argparse
import multiprocessing
import sys
import time
from dataclasses import asdict

import numpy as np
from optuna.distributions import CategoricalDistribution, IntDistribution

from benchmarks.machine import describe
from fcnet import Hyperparameters, Training, load
from fcnet.blas import one_blas_thread
from fcnet.data import Split
from fcnet.data.holdout import FOLDS
from fcnet.errors import Diverged
from studies.space import DEFAULT_SPACE, Space, fitted

# Configurations that go on, children of each, their distance as a share of the range, trainings of each.
_ROUNDS = ((128, 0, 0.0, 1), (16, 3, 0.12, 2), (16, 3, 0.06, 3), (12, 2, 0.03, 4), (6, 0, 0.0, 20))

Known = dict[Hyperparameters, list[tuple[float, float]]]
Task = tuple[Hyperparameters, int, int]


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    dataset, rng, began = load(args.data), np.random.default_rng(args.seed), time.monotonic()
    shape = dataset.image_shape if dataset.are_images else None
    space = fitted(DEFAULT_SPACE, dataset.images.shape[1], image_shape=shape, n_rows=len(dataset.labels))
    most = space["components"].high
    splits = [dataset.split(seed=p, fold=f).principal(most) for p in range(2) for f in range(FOLDS)]
    known: Known = {}
    with multiprocessing.get_context("fork").Pool(2, _begin, (splits, args.epochs)) as pool:
        for kept, children, distance, trainings in _ROUNDS:
            if known:
                parents = sorted(known, key=lambda h: -_mean(known[h]))[:kept]
                field = [*parents, *(near(h, space, distance, rng) for h in parents for _ in range(children))]
            else:
                field = [drawn(space, rng) for _ in range(kept)]
            known = {h: known.get(h, []) for h in dict.fromkeys(field)}
            tasks = [(h, n, int(rng.integers(2**31))) for h in known for n in range(len(known[h]), trainings)]
            for (h, _, _), result in zip(tasks, pool.map(_trained, tasks, chunksize=1), strict=True):
                known[h].append(result)
            best = max(known, key=lambda h: _mean(known[h]))
            print(
                f"{time.monotonic() - began:.0f} s: {len(known)}, best {100 * _mean(known[best]):.2f} %",
                flush=True,
            )
    for h in sorted(known, key=lambda h: -_mean(known[h])):
        accuracies, seconds = np.array(known[h]).T
        error = accuracies.std(ddof=1) / np.sqrt(len(accuracies))
        print(f"{100 * accuracies.mean():.2f} ± {100 * error:.2f} %, {np.median(seconds):.1f} s: {told(h)}")
    print(*describe(("numpy", "scipy")).values(), sep="; ")
    return 0


def drawn(space: Space, rng: np.random.Generator) -> Hyperparameters:
    """Return a configuration of the space."""
    return _at(space, {name: rng.random() for name in space})


def near(h: Hyperparameters, space: Space, distance: float, rng: np.random.Generator) -> Hyperparameters:
    """Return a configuration near another one."""
    at = {}
    for name, d in space.items():
        if not isinstance(d, CategoricalDistribution):
            low, high, value = (np.log(v) if d.log else v for v in (d.low, d.high, getattr(h, name)))
            at[name] = float(
                np.clip((value - low) / ((high - low) or 1.0) + distance * rng.standard_normal(), 0, 1)
            )
    return _at(space, at)


def _at(space: Space, at: dict[str, float]) -> Hyperparameters:
    values = {}
    for name, d in space.items():
        if isinstance(d, CategoricalDistribution):
            values[name] = d.choices[0]
            continue
        low, high = (np.log(v) if d.log else v for v in (d.low, d.high))
        value = low + at[name] * (high - low)
        value = float(np.exp(value) if d.log else value)
        values[name] = round(value) if isinstance(d, IntDistribution) else value
    return Hyperparameters(**values)


def told(h: Hyperparameters) -> str:
    """Return a configuration in words."""
    return ", ".join(
        f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in asdict(h).items()
    )


def _mean(results: list[tuple[float, float]]) -> float:
    return float(np.mean([accuracy for accuracy, _ in results]))


_splits: list[Split]  # of a process of the pool
_epochs: int


def _begin(splits: list[Split], epochs: int) -> None:
    global _splits, _epochs
    _splits, _epochs = splits, epochs


def _trained(task: Task) -> tuple[float, float]:
    """Return validation accuracy and seconds of a training, chance where it diverged."""
    h, n, seed = task
    began, accuracy = time.perf_counter(), 0.5
    with one_blas_thread():
        try:
            for metrics in Training(_splits[n % len(_splits)], h, epochs=_epochs, seed=seed):
                accuracy = metrics.validation_accuracy
        except Diverged:
            accuracy = 0.5
    return accuracy, time.perf_counter() - began


if __name__ == "__main__":
    sys.exit(main())
