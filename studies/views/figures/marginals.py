"""The sweep's own view of batch size, learning rate and hidden units: three panels over its progress."""

import numpy as np
from plotly import graph_objects as go

from studies.experiments.marginal import EffectsInfo, Panel
from studies.views.figures.history import add_progress
from studies.views.figures.panels import (
    BLUE,
    GOLD,
    GREY,
    INK,
    RUST,
    WORDS,
    add_to_panel,
    band,
    panelled,
    powers_axis,
    rounded,
    title_below,
)
from studies.views.words import number, validation_percent


def effects_figure(info: EffectsInfo) -> go.Figure:
    """Draw `info` as one figure: panels over one accuracy axis, and the progress of the sweep below."""
    figure = panels_figure(info)
    add_progress(figure, info.progress, len(_panels(info)))
    return figure


def panels_figure(info: EffectsInfo) -> go.Figure:
    """Draw the panels alone."""
    panels = _panels(info)
    bottom, top = y_range(info)
    figure = panelled(
        [
            {"title": title_below(panel.name), **(powers_axis(panel.low, panel.high) if panel.log else {})}
            for panel in panels
        ],
        title=_title(info, bottom),
        y={"range": [bottom, top], "title": {"text": validation_percent(info.metric), "standoff": 4}},
    )
    for i, panel in enumerate(panels):
        add_to_panel(figure, i, [*_traces(info, panel), _pruned(info, panel, bottom + 0.02 * (top - bottom))])
    if info.noise_width is not None and info.best is not None:
        figure.add_shape(
            type="rect",
            xref="paper",
            x0=0,
            x1=1,
            y0=rounded(info.best.accuracy - info.noise_width),
            y1=rounded(info.best.accuracy),
            fillcolor=GOLD,
            opacity=0.18,
            line_width=0,
            layer="below",
            name="no more than noise below the best",
            showlegend=True,
        )
    return figure


def _panels(info: EffectsInfo) -> list[Panel]:
    return info.panels or [Panel(name, 1.0, 2.0, False, None, None) for name in WORDS]


def _title(info: EffectsInfo, bottom: float) -> str:
    if not info.points:
        return "No complete trial yet"
    count = f"{info.n_complete} complete trial" + "s" * (info.n_complete != 1)
    if len(info.points) < info.n_complete:
        count = f"{len(info.points)} of {count} drawn"
    parts = [f"Marginal effects in this sweep: {count}"]
    hidden = sum(p.accuracy < bottom for p in info.points)
    if hidden:
        parts.append(f"{hidden} below {bottom:.0f} % not shown")
    if info.n_pruned:
        parts.append(f"{info.n_pruned} pruned as ticks")
    if info.label:
        parts.append(info.label)
    return ", ".join(parts)


def _traces(info: EffectsInfo, panel: Panel) -> list[go.Scatter]:
    traces = []
    for trend, rgb, group, words in (
        (panel.average, BLUE, "a", "other parameters averaged"),
        (panel.tuned, RUST, "t", "other parameters tuned (bands: 95 %)"),
    ):
        if trend is not None:
            lines = (trend.grid, trend.mean, trend.low, trend.high)
            grid, mean, low, high = ([rounded(v) for v in line] for line in lines)
            traces += band(grid, low, high, rgb, group)
            traces.append(
                go.Scatter(
                    x=grid,
                    y=mean,
                    mode="lines",
                    name=words,
                    legendgroup=group,
                    line={"color": f"rgb({rgb})", "width": 2, "shape": "spline"},
                    hovertemplate="%{x}: %{y} %<extra></extra>",
                )
            )
    points = [p for p in info.points if panel.name in p.params]
    traces.append(
        go.Scatter(
            x=[rounded(p.params[panel.name], 3) for p in points],
            y=[rounded(p.accuracy) for p in points],
            text=[p.trial for p in points],
            mode="markers",
            name="trial",
            legendgroup="p",
            marker={"size": 5, "color": GREY},
            hovertemplate="trial %{text}: %{y} % at %{x}<extra></extra>",
        )
    )
    for point, name, symbol, size, colour in (
        (info.baseline, "baseline", "diamond", 10, INK),
        (info.best, "best trial", "star", 15, GOLD),
    ):
        if point is not None and panel.name in point.params:
            settings = "<br>".join(f"{k} {number(v)}" for k, v in point.params.items())
            traces.append(
                go.Scatter(
                    x=[rounded(point.params[panel.name])],
                    y=[rounded(point.accuracy)],
                    mode="markers",
                    name=f"{name} ({point.accuracy:.2f} %)",
                    legendgroup=name,
                    marker={
                        "symbol": symbol,
                        "size": size,
                        "color": colour,
                        "line": {"width": 1, "color": "#444"},
                    },
                    cliponaxis=False,
                    hovertemplate=f"{name}: trial {point.trial}, %{{y}} %<br>{settings}<extra></extra>",
                )
            )
    return traces


def _pruned(info: EffectsInfo, panel: Panel, height: float) -> go.Scatter:
    """Show where trainings were given up; the title explains the ticks, the legend is full."""
    values = [rounded(params[panel.name], 3) for params in info.pruned if panel.name in params]
    return go.Scatter(
        x=values,
        y=[rounded(height)] * len(values),
        mode="markers",
        marker={"symbol": "line-ns-open", "size": 6, "color": GREY, "line": {"width": 1}},
        hovertemplate="pruned at %{x}<extra></extra>",
    )


def y_range(info: EffectsInfo) -> tuple[float, float]:
    """A range that shows the top: a few hopeless trainings do not squeeze the rest into a line."""
    if not info.points:
        return 50.0, 100.0
    values = np.array([p.accuracy for p in info.points])
    best = float(values.max())
    depth = max(3.0 * (best - float(np.median(values))), 2.0)
    tops = [v for p in info.panels if p.tuned for v in p.tuned.high]
    lowest = max(float(values.min()), best - depth)
    if info.baseline is not None:
        lowest = min(lowest, info.baseline.accuracy)
    top = max([best, *(v for v in tops if v < best + 0.3 * depth)])
    pad = 0.06 * max(top - lowest, 1.0)
    return round(lowest - pad, 2), round(min(top + pad, 100.0), 2)
