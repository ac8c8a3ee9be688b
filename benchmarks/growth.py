"""How the time of a training grows: with rows, inputs, hidden units, layers and the batch size.

``python -m benchmarks.growth`` doubles one of them at a time on random rows, one thread, and fits the
exponent of each doubling's seconds per epoch by least squares over the logarithms.
"""

import sys

from benchmarks.trial import use_one_core

use_one_core()

import numpy as np  # noqa: E402

from benchmarks.machine import describe  # noqa: E402
from fcnet import Dataset, Hyperparameters, Training  # noqa: E402

START = {"rows": 10_000, "inputs": 256, "hidden units": 128, "layers": 3, "batch size": 32}
VALUES = {
    "rows": (2_500, 5_000, 10_000, 20_000, 40_000),
    "inputs": (64, 128, 256, 512, 1_024, 2_048),
    "hidden units": (32, 64, 128, 256, 512, 1_024),
    "layers": (2, 3, 4, 6, 8),
    "batch size": (8, 16, 32, 64, 128, 256),
}
EPOCHS = 4


def main() -> int:
    """Run the command."""
    epoch(**START)  # to warm up
    print("| | values | seconds per epoch | exponent |")
    print("| --- | --- | --- | ---: |")
    for name, values in VALUES.items():
        seconds = [epoch(**{**START, name: value}) for value in values]
        slope = np.polyfit(np.log(values), np.log(seconds), 1)[0]
        cells = (", ".join(f"{value:,}" for value in values), ", ".join(f"{s:.3f}" for s in seconds))
        print(f"| {name} | {cells[0]} | {cells[1]} | {slope:.2f} |")
    print(*describe(("numpy", "scipy")).values(), sep="; ")
    return 0


def epoch(**size: int) -> float:
    """Return the median seconds of an epoch, validation on a fifth of the rows included."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((size["rows"], size["inputs"]), dtype=np.float32)
    labels = rng.integers(2, size=len(x))
    split = Dataset.from_arrays(x, labels, x[:10], labels[:10], name="random").split()
    h = Hyperparameters(
        batch_size=size["batch size"],
        hidden_units=size["hidden units"],
        n_layers=size["layers"],
        learning_rate=1e-4,
    )
    return float(np.median([e.seconds for e in Training(split, h, epochs=EPOCHS, seed=0)]))


if __name__ == "__main__":
    sys.exit(main())
