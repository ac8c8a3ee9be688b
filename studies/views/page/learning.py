"""The learning curves as plain data; the script draws those of the trials that are asked for."""

from typing import Any

import numpy as np

from studies.experiments.overview import Overview
from studies.views.page.plots import axis_title, layout_of


def curve_columns(overview: Overview) -> dict[int, list[list[float | None]]]:
    """Return each training's epochs, losses and accuracies, as the script draws them."""
    return {
        trial: [
            [epoch.epoch + 1 for epoch in epochs],
            [_finite(epoch.train_loss, 4) for epoch in epochs],
            [_finite(epoch.validation_loss, 4) for epoch in epochs],
            [_finite(100 * epoch.train_accuracy, 2) for epoch in epochs],
            [_finite(100 * epoch.validation_accuracy, 2) for epoch in epochs],
        ]
        for trial, epochs in overview.curves.items()
    }


def curve_layouts(n_epochs: int) -> dict[str, dict[str, Any]]:
    """Return the layouts of the learning curves; the script draws the trials that are asked for."""
    pad = 0.02 * (n_epochs - 1) or 0.5
    epochs: dict[str, Any] = {**axis_title("Epoch", 8), "range": [1 - pad, n_epochs + pad]}
    if n_epochs < 10:  # there are no halves
        epochs |= {"tick0": 1, "dtick": 1}
    return {
        "loss": layout_of(epochs, axis_title("Loss (nats)")),
        "accuracy": layout_of(epochs, axis_title("Accuracy (%)")),
    }


def _finite(value: float, digits: int) -> float | None:
    return round(value, digits) if np.isfinite(value) else None
