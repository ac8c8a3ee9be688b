"""Learning curves of repeated trainings: loss and accuracy over epochs, as in the report's Figure 3."""

from collections.abc import Sequence

import numpy as np
from plotly import graph_objects as go

from fcnet.metrics import EpochMetrics

_PARTS = {"train": ("training", "#2b6cb0"), "validation": ("validation", "#c05621")}


def learning_curves_figure(
    runs: Sequence[Sequence[EpochMetrics]], *, title: str = "Learning curves", judged: str = "validation"
) -> go.Figure:
    """Draw every run thin and the mean over runs thick, if there are several.

    Parameters
    ----------
    runs : sequence of sequences of EpochMetrics
        One sequence per seed. Validation figures that are NaN (nothing was held out) are left out.
    title : str, default="Learning curves"
    judged : str, default="validation"
        What the second pair of curves was measured on, for the legend, such as ``"test"``.

    Returns
    -------
    Figure
        Two panels: loss in nats on the left, accuracy in per cent on the right.
    """
    figure = go.Figure()
    for i, measure in enumerate(("loss", "accuracy")):
        for part, (words, colour) in _PARTS.items():
            values = _series(runs, f"{part}_{measure}", scale=100.0 if i else 1.0)
            name = judged if part == "validation" else words
            several = len(values) > 1
            for n, run in enumerate(values, start=1):
                figure.add_trace(_line(run, i, colour, 1 if several else 2, f"{name}, seed {n}"))
            if several:
                length = min(len(run) for run in values)
                mean = np.mean([run[:length] for run in values], axis=0)
                figure.add_trace(_line(list(mean), i, colour, 3, f"{name}, mean"))
            if values:
                figure.data[-1].update(name=name, showlegend=i == 0, legendgroup=part)
    axis = {"gridcolor": "#e2e8f0", "zeroline": False}
    figure.update_layout(
        template="none",
        title={"text": title, "font": {"size": 13}, "x": 0.01, "y": 0.97},
        font={"size": 11, "color": "#2d3748"},
        xaxis={"domain": [0.0, 0.45], "title": {"text": "Epoch"}, **axis},
        xaxis2={"domain": [0.55, 1.0], "anchor": "y2", "title": {"text": "Epoch"}, **axis},
        yaxis={"title": {"text": "Loss (nats)"}, **axis},
        yaxis2={"anchor": "x2", "title": {"text": "Accuracy (%)"}, **axis},
        margin={"l": 55, "r": 12, "t": 34, "b": 80},
        legend={"orientation": "h", "x": 0, "y": 0, "yref": "container", "yanchor": "bottom"},
    )
    return figure


def _series(runs: Sequence[Sequence[EpochMetrics]], name: str, *, scale: float) -> list[list[float]]:
    series = [[scale * getattr(epoch, name) for epoch in run] for run in runs]
    return [run for run in series if run and np.isfinite(run).any()]


def _line(values: Sequence[float], panel: int, colour: str, width: int, hover: str) -> go.Scatter:
    suffix = "2" if panel else ""
    return go.Scatter(
        x=list(range(len(values))),
        y=[round(float(v), 2 if panel else 4) for v in values],
        mode="lines",
        line={"color": colour, "width": width},
        opacity=0.35 if width == 1 else 1.0,
        xaxis=f"x{suffix}",
        yaxis=f"y{suffix}",
        showlegend=False,
        hovertemplate=f"{hover}: %{{y}} in epoch %{{x}}<extra></extra>",
    )
