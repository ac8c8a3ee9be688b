"""A bank of real trainings whose outcomes are kept: what `benchmarks.calibration` draws from.

``nice python -m benchmarks.bank DATA bank.npz`` trains `CONFIGURATIONS` on the folds of five partitions of
the development images, with eight seeds each: 14 configurations x 40 seeds x 5 folds, each well below a
second on one thread. What a configuration is truly worth is then the mean over all of its trainings.
"""

import argparse
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.machine import describe
from fcnet import Hyperparameters, Training, load
from fcnet.data.holdout import FOLDS, holdout_rows
from fcnet.errors import Diverged

_BASE = Hyperparameters(
    batch_size=64,
    learning_rate=0.02,
    hidden_units=64,
    momentum=0.7,
    weight_decay=1e-3,
    n_layers=3,
    components=96,
    whitening=0.7,
    mirror=True,
    schedule="cosine",
)
CONFIGURATIONS = [
    _BASE,
    replace(_BASE, hidden_units=72),
    replace(_BASE, components=128),
    replace(_BASE, components=64),
    replace(_BASE, hidden_units=24),
    replace(_BASE, batch_size=128),
    replace(_BASE, batch_size=32),
    replace(_BASE, learning_rate=0.008),
    replace(_BASE, whitening=0.4),
    replace(_BASE, mirror=False),
    replace(_BASE, learning_rate=0.07, momentum=0.9),  # noisy
    replace(_BASE, learning_rate=0.1, momentum=0.9),  # noisier
    replace(_BASE, schedule="constant"),  # as noisy as the report's configuration
    replace(_BASE, schedule="constant", learning_rate=0.05),
]


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data")
    parser.add_argument("bank", type=Path)
    parser.add_argument("--partitions", type=int, default=5)
    parser.add_argument("--seeds", type=int, default=8, help="of each fold of each partition")
    parser.add_argument("--epochs", type=int, default=4)
    args = parser.parse_args()
    dataset = load(args.data)
    n, shape = len(dataset.labels), (len(CONFIGURATIONS), args.partitions, FOLDS, args.seeds)
    judged = np.zeros((args.partitions, FOLDS, n), dtype=np.bool_)
    held = np.zeros((args.partitions, FOLDS), dtype=int)
    right: dict[tuple[int, ...], np.ndarray] = {}
    began = time.monotonic()
    with threadpool_limits(1):
        for p, fold in np.ndindex(args.partitions, FOLDS):
            judged[p, fold] = holdout_rows(dataset.labels, seed=p, fold=fold)
            held[p, fold] = judged[p, fold].sum()
            split = dataset.split(seed=p, fold=fold).principal(128)
            for c, s in np.ndindex(len(CONFIGURATIONS), args.seeds):
                training = Training(
                    split, CONFIGURATIONS[c], epochs=args.epochs, seed=1000 * p + 100 * fold + s
                )
                try:
                    for _ in training:
                        pass
                except Diverged:
                    continue
                assert training.right is not None
                right[c, p, fold, s] = training.right
            print(f"partition {p}, fold {fold}: {time.monotonic() - began:.0f} s", flush=True)
    bits = np.zeros((*shape, held.max()), dtype=np.bool_)
    finished = np.zeros(shape, dtype=np.bool_)
    for key, mask in right.items():
        bits[key][: len(mask)], finished[key] = mask, True
    np.savez(args.bank, bits=np.packbits(bits, axis=-1), finished=finished, judged=judged, held=held)
    for c in range(len(CONFIGURATIONS)):
        values = [100 * mask.mean() for key, mask in right.items() if key[0] == c]
        print(f"{c}: {np.mean(values):.2f} %, {np.std(values):.2f} between trainings, {len(values)} of them")
    print(*describe(("numpy", "scipy")).values(), sep="; ")
    return 0


if __name__ == "__main__":
    sys.exit(main())
