"""The sweep's own view of batch size, learning rate and hidden units: three panels over its progress."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from optuna.trial import FrozenTrial, TrialState
from plotly import graph_objects as go

from fcnet.hyperparameters import Hyperparameters
from studies.analysis.axis import Axis
from studies.analysis.surrogate import MIN_TRIALS, Effect, Surrogate
from studies.views.figures.history import ProgressInfo, add_progress, records
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
from studies.views.figures.points import MAX_POINTS, Point, noise_width, thinned

_GRID = 11


@dataclass(frozen=True)
class Trend:
    """A fitted line with its pointwise 95 % band, in per cent, along `grid`."""

    grid: list[float]
    mean: list[float]
    low: list[float]
    high: list[float]


@dataclass(frozen=True)
class Panel:
    """What is drawn over one hyperparameter.

    Parameters
    ----------
    name : str
    low, high : float
        The range.
    log : bool
        Whether the axis is logarithmic.
    average, tuned : Trend or None
        Accuracy expected when the others are averaged over, or tuned; None with too few trials.
    """

    name: str
    low: float
    high: float
    log: bool
    average: Trend | None
    tuned: Trend | None


@dataclass(frozen=True)
class EffectsInfo:
    """Everything that the figure shows, as plain data.

    Parameters
    ----------
    panels : list of Panel
    points : list of Point
        Trials to be drawn, by number: all complete ones, or at most `MAX_POINTS` of them.
    progress : ProgressInfo
        The same trials one after another.
    pruned : list of mapping
        Hyperparameters of pruned trials, an even pick; ticks, as their accuracy is an unfinished training's.
    n_complete, n_pruned : int
    best, baseline : Point or None
        The best complete trial; the first complete one with the course report's hyperparameters.
    noise : float or None
        Standard deviation of a single training in percentage points.
    label : str
    """

    panels: list[Panel]
    points: list[Point]
    progress: ProgressInfo
    pruned: list[Mapping[str, float]]
    n_complete: int
    n_pruned: int
    best: Point | None = None
    baseline: Point | None = None
    noise: float | None = None
    label: str = ""


def effects_info(
    trials: Sequence[FrozenTrial], *, noise: float | None = None, label: str = ""
) -> EffectsInfo:
    """Collect the points and fit the trends.

    Parameters
    ----------
    trials : sequence of FrozenTrial
        The study's trials in any state; values are validation accuracies as fractions.
    noise : float, optional
        Standard deviation of a single training, as a fraction, where it has been measured.
    label : str, default=""
        Data and protocol, for the title.
    """
    complete = sorted(
        (t for t in trials if t.state == TrialState.COMPLETE and np.isfinite(t.value or 0.0)),
        key=lambda t: t.number,
    )
    points = [Point(t.number, 100.0 * (t.value or 0.0), t.params) for t in complete]
    best = max(points, key=lambda p: (p.accuracy, -p.trial), default=None)
    report = asdict(Hyperparameters())
    baseline = next((p for p in points if p.params and p.params.items() <= report.items()), None)
    pruned = [t for t in trials if t.state == TrialState.PRUNED]
    finished = [t.number for t in [*complete, *pruned]]
    noise = None if noise is None else 100.0 * noise
    drawn = thinned(points)
    return EffectsInfo(
        panels=_panels(complete),
        points=drawn,
        progress=ProgressInfo(drawn, records(points), max(finished, default=0), noise),
        pruned=[t.params for t in pruned[:: 2 * len(pruned) // MAX_POINTS + 1]],
        n_complete=len(points),
        n_pruned=len(pruned),
        best=best,
        baseline=baseline,
        noise=noise,
        label=label,
    )


def _panels(complete: Sequence[FrozenTrial]) -> list[Panel]:
    space = complete[-1].distributions if complete else {}
    surrogate = None
    if len(complete) >= MIN_TRIALS:
        shared = {n: d for n, d in space.items() if all(n in t.params for t in complete)}
        surrogate = Surrogate([t.params for t in complete], [t.value or 0.0 for t in complete], shared)
    panels = []
    for name in WORDS:
        if name not in space:
            continue
        axis = Axis.of(space[name])
        average = tuned = None
        if surrogate is not None:
            grid = axis.grid(_GRID)
            average = _trend(surrogate.mean_effect(name, grid))
            tuned = _trend(surrogate.best_effect(name, grid))
        panels.append(Panel(name, axis.low, axis.high, axis.log, average, tuned))
    return panels


def _trend(effect: Effect) -> Trend:
    bands = (effect.mean, effect.low, effect.high)
    return Trend([rounded(v) for v in effect.grid], *([rounded(100.0 * v) for v in band] for band in bands))


def effects_figure(info: EffectsInfo) -> go.Figure:
    """Draw `info` as one figure: panels over one accuracy axis, and the progress of the sweep below."""
    panels = info.panels or [Panel(name, 1.0, 2.0, False, None, None) for name in WORDS]
    bottom, top = _y_range(info)
    figure = panelled(
        [
            {"title": title_below(panel.name), **(powers_axis(panel.low, panel.high) if panel.log else {})}
            for panel in panels
        ],
        title=_title(info, bottom),
        y={"range": [bottom, top], "title": {"text": "Validation accuracy (%)", "standoff": 4}},
    )
    for i, panel in enumerate(panels):
        add_to_panel(figure, i, [*_traces(info, panel), _pruned(info, panel, bottom + 0.02 * (top - bottom))])
    if info.noise is not None and info.best is not None:
        figure.add_shape(
            type="rect",
            xref="paper",
            x0=0,
            x1=1,
            y0=rounded(info.best.accuracy - noise_width(info.noise)),
            y1=rounded(info.best.accuracy),
            fillcolor=GOLD,
            opacity=0.18,
            line_width=0,
            layer="below",
            name="no more than noise below the best",
            showlegend=True,
        )
    add_progress(figure, info.progress, len(panels))
    return figure


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
            traces += band(trend.grid, trend.low, trend.high, rgb, group)
            traces.append(
                go.Scatter(
                    x=trend.grid,
                    y=trend.mean,
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
            settings = "<br>".join(f"{k} {v:.4g}" for k, v in point.params.items())
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


def _y_range(info: EffectsInfo) -> tuple[float, float]:
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
