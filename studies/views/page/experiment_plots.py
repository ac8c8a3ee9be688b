"""The figures on the page of an experiment as plain Plotly data; colours are names, as in `plots`."""

from collections.abc import Sequence
from math import isfinite
from typing import Any

import numpy as np

from fcnet.hyperparameters import Hyperparameters
from fcnet.metrics import EpochMetrics
from fcnet.text import counted
from studies.experiments.one_factor import EXPERIMENTS, ControlledInfo, OneFactor
from studies.experiments.overview import Row
from studies.experiments.report import REPORTED, best_epoch
from studies.views.figures.one_factor import interval, values_axis
from studies.views.figures.panels import rounded
from studies.views.page.plots import Figure, layout_of

_CHOSEN = {
    "name": "chosen",
    "x": [],
    "y": [],
    "mode": "markers",
    "marker": {"symbol": "circle-open", "size": 15, "color": "@chosen", "line": {"width": 2}},
    "cliponaxis": False,
    "hoverinfo": "skip",
}


def factor_figures(info: ControlledInfo, rows: Sequence[Row], *, judged: str) -> dict[str, Figure]:
    """Draw each factor over one scale of accuracies; none before the first training has ended."""
    shown = [y for e in info.experiments for y in _heights(e)]
    if not shown:
        return {}
    pad = max(0.06 * (max(shown) - min(shown)), 0.25)
    scale = [rounded(max(min(shown) - pad, -0.5)), rounded(min(max(shown) + pad, 100.5))]
    figures: dict[str, Figure] = {}
    for e in info.experiments:
        title = {} if figures else {"title": {"text": f"{judged.capitalize()} (%)", "standoff": 6}}
        layout = layout_of(values_axis(e.values), {"range": scale, "nticks": 7, **title})
        figures[f"factor-{e.factor}"] = {"data": _factor_traces(e, rows), "layout": layout}
    return figures


def _heights(e: OneFactor) -> list[float]:
    found = [100.0 * x for level in e.levels for x in (*interval(level), *level.accuracies) if isfinite(x)]
    return [*found, *([100.0 * e.reported[1]] if found and e.reported else [])]


def _factor_traces(e: OneFactor, rows: Sequence[Row]) -> list[dict[str, Any]]:
    seeds = [
        (float(getattr(h, e.factor)), 100.0 * row.accuracy, row.trial)
        for h in EXPERIMENTS[e.factor]
        for row in rows
        if row.state == "complete" and row.accuracy is not None and _is_of(row, h)
    ]
    means = {
        "x": [level.value for level in e.levels],
        "y": [rounded(100.0 * level.mean) for level in e.levels],
        "cliponaxis": False,
    }
    traces: list[dict[str, Any]] = [
        {
            **means,
            "error_y": _error_bars(e),
            "mode": "lines",
            "line": {"color": "@effect", "width": 2},
            "hoverinfo": "skip",
        },
        {
            "name": "seeds",
            "x": [x for x, _, _ in seeds],
            "y": [rounded(y) for _, y, _ in seeds],
            "customdata": [trial for _, _, trial in seeds],
            "mode": "markers",
            "marker": {"size": 7, "color": "@point", "line": {"width": 1, "color": "@paper"}},
            "cliponaxis": False,
            "hovertemplate": "trial %{customdata}: %{y} % at %{x}<extra></extra>",
        },
        {
            **means,
            "name": "mean",
            "text": [counted(level.n, "seed") for level in e.levels],
            "mode": "markers",
            "marker": {"size": 9, "color": "@effect", "line": {"width": 1, "color": "@paper"}},
            "hovertemplate": "mean of %{text} at %{x}: %{y} %<extra></extra>",
        },
    ]
    if e.reported is not None and e.reported[0] in [level.value for level in e.levels]:
        traces.append(_published([e.reported[0]], [e.reported[1]]))
    return [*traces, _CHOSEN]


def _error_bars(e: OneFactor) -> dict[str, Any]:
    ends = [(interval(level), level.mean) for level in e.levels]
    return {
        "type": "data",
        "symmetric": False,
        "array": [_points(high - mean) for (_, high), mean in ends],
        "arrayminus": [_points(mean - low) for (low, _), mean in ends],
        "color": "@effect",
        "thickness": 2,
        "width": 5,
    }


def _points(difference: float) -> float:
    return rounded(100.0 * difference) if isfinite(difference) else 0  # one seed has no interval


def _is_of(row: Row, h: Hyperparameters) -> bool:
    return all(value == getattr(h, name) for name, value in row.params.items())


def curve_figures(
    runs: Sequence[Sequence[EpochMetrics]], *, judged: str, published: bool
) -> dict[str, Figure]:
    """Draw loss and accuracy of each run, with their mean and the best epochs; none without a run.

    Parameters
    ----------
    runs : sequence of sequences of EpochMetrics
        Of one length each.
    judged : str
        The part of the data that judges, for the words that appear at a point.
    published : bool
        Whether the report's own best and last epoch stand beside.
    """
    if not runs:
        return {}
    epochs: dict[str, Any] = {"title": {"text": "Epoch", "standoff": 8}, "rangemode": "tozero"}
    if len(runs[0]) < 10:  # there are no halves
        epochs["dtick"] = 1
    figures = {}
    for measure, unit, scale in (("loss", "nats", 1.0), ("accuracy", "%", 100.0)):
        traces = []
        for part, words, colour, dash in (
            ("train", "training", "@point", "dot"),
            ("validation", judged, "@effect", "solid"),
        ):
            values = [[scale * getattr(epoch, f"{part}_{measure}") for epoch in run] for run in runs]
            means = [[float(y) for y in np.mean(values, axis=0)]] if len(values) > 1 else []
            for n, line in enumerate([*values, *means]):
                of = "mean" if n == len(values) else f"run {n + 1}"
                thin = len(values) > 1 and n < len(values)
                traces.append(
                    {
                        "x": [epoch.epoch for epoch in runs[0]],
                        "y": [round(y, 4) if isfinite(y) else None for y in line],
                        "mode": "lines",
                        "line": {"color": colour, "width": 1 if thin else 2.5, "dash": dash},
                        "opacity": 0.5 if thin else 1,
                        "hovertemplate": f"{words}, {of}: %{{y}} in epoch %{{x}}<extra></extra>",
                    }
                )
        if measure == "accuracy":
            traces.append(_best_epochs([best_epoch(run) for run in runs]))
            if published:
                own = [REPORTED["best"], REPORTED["last"]]
                traces.append(_published([r["epoch"] for r in own], [r["validation_accuracy"] for r in own]))
        title = {"text": f"{measure.capitalize()} ({unit})", "standoff": 6}
        figures[f"curve-{measure}"] = {"data": traces, "layout": layout_of(epochs, {"title": title})}
    return figures


def _best_epochs(best: Sequence[EpochMetrics]) -> dict[str, Any]:
    return {
        "name": "best",
        "x": [epoch.epoch for epoch in best],
        "y": [rounded(100.0 * epoch.validation_accuracy) for epoch in best],
        "mode": "markers",
        "marker": {"symbol": "star", "size": 13, "color": "@best", "line": {"width": 1, "color": "@paper"}},
        "hovertemplate": "best epoch %{x}: %{y} %<extra></extra>",
    }


def _published(x: Sequence[float], accuracies: Sequence[float]) -> dict[str, Any]:
    return {
        "name": "published",
        "x": [*x],
        "y": [rounded(100.0 * accuracy) for accuracy in accuracies],
        "mode": "markers",
        "marker": {"symbol": "diamond", "size": 11, "color": "@ink", "line": {"width": 1, "color": "@paper"}},
        "hovertemplate": "the report: %{y} % at %{x}<extra></extra>",
    }
