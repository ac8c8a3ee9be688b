"""The sweep over time: each complete trial, the best so far, and what is no more than noise below it."""

from typing import Any

from plotly import graph_objects as go

from studies.experiments.marginal import ProgressInfo
from studies.views.figures.panels import GOLD_RGB, GREY, INK, band, panelled, rounded

_TOP = 0.23  # of the figure's height; what is left belongs to the panels above
_PANELS = 0.41  # where those begin: in between are their ticks and titles


def history_figure(info: ProgressInfo) -> go.Figure:
    """Draw the progress as a figure of its own; without a complete trial it is empty."""
    if not info.records:
        return panelled([{}], title="No complete trial yet", y={})
    x, y = _axes(info)
    figure = panelled([x], title="Each complete trial, and the best so far", y={**y, "nticks": 8})
    return figure.add_traces([trace.update(showlegend=False) for trace in _traces(info)])


def add_progress(figure: go.Figure, info: ProgressInfo, panels: int) -> None:
    """Add the row below the `panels` panels of `figure`, which give up a good third of their height.

    Nothing is added before the first complete trial.
    """
    if not info.records:
        return
    x_axis, y_axis = _axes(info)
    x, y = f"x{panels + 1}", "y2"
    figure.update_layout(
        {
            "margin": {"b": 100},
            "yaxis": {"domain": [_PANELS, 1], "nticks": 8},
            f"xaxis{panels + 1}": {
                "anchor": y,
                "ticks": "outside",
                "showgrid": False,
                "zeroline": False,
                **x_axis,
            },
            "yaxis2": {
                "anchor": x,
                "domain": [0, _TOP],
                "nticks": 4,
                "gridcolor": "#e2e8f0",
                "zeroline": False,
                **y_axis,
            },
        }
    )
    for trace in _traces(info):
        figure.add_trace(trace.update(xaxis=x, yaxis=y, showlegend=False))


def _axes(info: ProgressInfo) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what is special about both axes: ranges that show the steps, and their titles."""
    bottom, top = _y_range(info)
    hidden = sum(p.accuracy < bottom for p in info.points)
    words = f"Trial ({hidden} below {bottom:.0f} % not shown)" if hidden else "Trial"
    end, pad = max(info.last, 1), 0.01 * max(info.last, 1)
    x = {
        "range": [round(-pad, 2), round(end + pad, 2)],
        **({"dtick": 1} if end < 10 else {}),
        "title": {"text": words, "standoff": 9},
    }
    return x, {"range": [bottom, top], "title": {"text": "Best so far (%)", "standoff": 4}}


def _traces(info: ProgressInfo) -> list[go.Scatter]:
    steps = [*info.records, info.records[-1]]
    numbers: list[float] = [*(p.trial for p in info.records), info.last]
    best = [rounded(p.accuracy) for p in steps]
    traces = []
    if info.noise_width is not None:
        low = [rounded(p.accuracy - info.noise_width) for p in steps]
        traces += band(numbers, low, best, GOLD_RGB, "n", shape="hv")
    return [
        *traces,
        go.Scatter(
            x=[p.trial for p in info.points],
            y=[rounded(p.accuracy) for p in info.points],
            mode="markers",
            legendgroup="p",
            marker={"size": 3, "color": GREY},
            hovertemplate="trial %{x}: %{y} %<extra></extra>",
        ),
        go.Scatter(
            x=numbers,
            y=best,
            text=[p.trial for p in steps],
            mode="lines",
            line={"color": INK, "width": 2, "shape": "hv"},
            hovertemplate="best so far: %{y} %, trial %{text}<extra></extra>",
        ),
    ]


def _y_range(info: ProgressInfo) -> tuple[float, float]:
    """A range that shows the steps; trials far below them are in the panels above."""
    best, first = info.records[-1].accuracy, info.records[0].accuracy
    depth = min(max(best - first + (info.noise_width or 0.0), 2.0), 8.0)
    pad = 0.12 * depth
    return round(best - depth - pad, 2), round(min(best + pad, 100.0), 2)
