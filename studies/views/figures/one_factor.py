"""The figure of the one-factor experiments: means, bands and single seeds over each value."""

from collections.abc import Sequence
from math import log10
from typing import Any

import numpy as np
from plotly import graph_objects as go

from studies.experiments.one_factor import ControlledInfo, Level, OneFactor
from studies.views.figures.panels import (
    BLUE,
    GREY,
    RUST,
    add_to_panel,
    band,
    log_axis,
    panelled,
    title_below,
)


def controlled_figure(info: ControlledInfo) -> go.Figure:
    """Draw mean, 95 % band and single seeds of each experiment, and the report's published point beside."""
    measure = "Test accuracy, best epoch (%)" if info.protocol == "report" else "Validation accuracy (%)"
    axes = []
    for experiment in info.experiments:
        axes.append({"title": title_below(experiment.factor), **values_axis(experiment.values)})
    figure = panelled(
        axes,
        title=f"Controlled effects: one factor at a time, others as in the report ({info.protocol} protocol)",
        y={"title": {"text": measure, "standoff": 4}},
    )
    for i, experiment in enumerate(info.experiments):
        add_to_panel(figure, i, _traces(experiment))
    return figure


def values_axis(values: Sequence[float]) -> dict[str, Any]:
    """Return the axis of a factor: a tick at each value; of rates, which stand close, some without words."""
    axis = log_axis(values[0], values[-1], values)
    if values[0] < 1:
        axis["ticktext"] = [f"{v:g}" if log10(v).is_integer() else "" for v in values]
    return {**axis, "tickangle": 0}


def interval(level: Level) -> tuple[float, float]:
    """Return the ends of an interval; Student's of few seeds does not know that accuracies end at 0 and 1."""
    return max(level.low, 0.0), min(level.high, 1.0)


def _traces(experiment: OneFactor) -> list[go.Scatter]:
    levels = experiment.levels
    x = [level.value for level in levels]
    banded = [level for level in levels if np.isfinite(level.low)]
    mean = go.Scatter(
        x=x,
        y=[_percent(level.mean) for level in levels],
        text=[f"{_percent(level.std)} points, n = {level.n}" for level in levels],
        mode="lines+markers",
        line={"color": f"rgb({BLUE})", "width": 2},
        marker={"size": 7},
        name="mean, 95 % interval",
        legendgroup="b",
        hovertemplate="%{x}: mean %{y} %, standard deviation %{text}<extra></extra>",
    )
    seeds = go.Scatter(
        x=[level.value for level in levels for _ in level.accuracies],
        y=[_percent(a) for level in levels for a in level.accuracies],
        mode="markers",
        marker={"color": GREY, "size": 5},
        name="single seed",
        legendgroup="s",
        hovertemplate="%{x}: %{y} %<extra></extra>",
    )
    low, high = ([_percent(interval(level)[end]) for level in banded] for end in (0, 1))
    traces = [*band([level.value for level in banded], low, high, BLUE, "b", shape="linear"), mean, seeds]
    if experiment.reported is not None:
        value, accuracy = experiment.reported
        traces.append(
            go.Scatter(
                x=[value],
                y=[_percent(accuracy)],
                mode="markers",
                marker={"symbol": "x", "size": 10, "color": f"rgb({RUST})"},
                name="the report's best (one run, best epoch, on its test set)",
                legendgroup="r",
                hovertemplate="report: %{y} % at %{x}<extra></extra>",
            )
        )
    return traces


def _percent(fraction: float) -> float:
    return round(100.0 * fraction, 2)
