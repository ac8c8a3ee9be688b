"""How the time of a training grows: with rows, inputs, hidden units, layers and the batch size.

``python -m benchmarks.growth`` doubles one of them at a time on random rows, one thread, and fits the
exponent of each doubling's seconds per epoch by least squares over the logarithms. ``--figure`` draws it.
"""

import argparse
import sys
from pathlib import Path

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
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--figure", type=Path, help="a picture (PNG) to write")
    args = parser.parse_args()
    epoch(**START)  # to warm up
    measured: dict[str, list[float]] = {}
    print("| | values | seconds per epoch | exponent |")
    print("| --- | --- | --- | ---: |")
    for name, values in VALUES.items():
        measured[name] = seconds = [epoch(**{**START, name: value}) for value in values]
        cells = (", ".join(f"{value:,}" for value in values), ", ".join(f"{s:.3f}" for s in seconds))
        print(f"| {name} | {cells[0]} | {cells[1]} | {exponent(name, seconds):.2f} |", flush=True)
    print(*describe(("numpy", "scipy")).values(), sep="; ")
    if args.figure:
        draw(measured, args.figure)
    return 0


def exponent(name: str, seconds: list[float]) -> float:
    """Return the slope of the straight line through the logarithms."""
    return float(np.polyfit(np.log(VALUES[name]), np.log(seconds), 1)[0])


def draw(measured: dict[str, list[float]], path: Path) -> None:
    """Write a picture: seconds against the value, each as a multiple of what it was at the start."""
    from plotly import graph_objects as go

    from benchmarks.browser import picture

    figure = go.Figure()
    for name, seconds in measured.items():
        at_start = seconds[VALUES[name].index(START[name])]
        figure.add_scatter(
            x=[value / START[name] for value in VALUES[name]],
            y=[each / at_start for each in seconds],
            mode="lines+markers",
            name=f"{name}, exponent {exponent(name, seconds):.2f}",
        )
    figure.update_layout(legend={"x": 0.02, "y": 0.98})
    ticks = [0.25, 0.5, 1, 2, 4, 8, 16]
    figure.update_xaxes(title="value, times that at the start", type="log", tickvals=ticks)
    figure.update_yaxes(title="seconds of an epoch, times those at the start", type="log", tickvals=ticks)
    picture(figure, path)


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
