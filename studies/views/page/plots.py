"""The page's figures as plain Plotly data: colours are names, which the script looks up in the style."""

from collections.abc import Sequence
from math import log10
from typing import Any

from studies.experiments.marginal import EffectsInfo, Panel
from studies.experiments.overview import Overview, Row
from studies.views.figures.marginals import y_range
from studies.views.figures.panels import powers_axis, rounded
from studies.views.words import validation_percent

Figure = dict[str, Any]

MARKS: dict[str, tuple[str, str, float, str]] = {
    "complete": ("complete", "circle", 6, "@point"),
    "pruned": ("pruned early", "line-ns-open", 8, "@faint"),
    "diverged": ("diverged", "x-thin-open", 7, "@bad"),
}
"""How trials are drawn, by their state: words, symbol, size, colour."""

_SINGLES = {
    "baseline": ("diamond", 11, "@ink", {"width": 1, "color": "@paper"}),
    "best": ("star", 17, "@best", {"width": 1, "color": "@paper"}),
    "winner": ("star-open", 17, "@best", {"width": 2, "color": "@best"}),
    "chosen": ("circle-open", 15, "@chosen", {"width": 2, "color": "@chosen"}),
}


def winner_beside(overview: Overview) -> Row | None:
    """Return the winner where it is another than the best of the search: a confirmation may say so."""
    scores = overview.summary.scores
    if scores is None or scores.trial == overview.summary.trial:
        return None
    return next((row for row in overview.rows if row.trial == scores.trial), None)


def effect_figure(overview: Overview, panel: Panel) -> Figure:
    """Draw one hyperparameter: the tuned effect with its band, trials by state, baseline, best, winner."""
    info, rows = overview.effects, overview.rows
    bottom, top = y_range(info)
    name, traces = panel.name, []
    if info.noise_width is not None and info.best is not None:
        traces.append(_noise_band([panel.low / 2, panel.high * 2], info))
    if panel.tuned is not None:
        grid, mean, low, high = ([rounded(v) for v in line] for line in _lines(panel))
        edge = {"mode": "lines", "x": grid, "line": {"width": 0, "shape": "spline"}, "hoverinfo": "skip"}
        traces += [
            {**edge, "y": low},
            {**edge, "y": high, "fill": "tonexty", "fillcolor": "@band"},
            {
                "mode": "lines",
                "x": grid,
                "y": mean,
                "line": {"color": "@effect", "width": 2.5, "shape": "spline"},
                "hovertemplate": "tuned effect at %{x}: %{y} %<extra></extra>",
            },
        ]
    shown = {point.trial for point in info.points}
    for state in MARKS:
        drawn = [
            row
            for row in rows
            if row.state == state and name in row.params and (state != "complete" or row.trial in shown)
        ]
        # What was not trained to its end has no place on this axis: it stands at the bottom.
        height = None if state == "complete" else rounded(bottom + 0.03 * (top - bottom))
        x = [rounded(row.params[name], 3) for row in drawn]
        y = [height or rounded(100 * (row.accuracy or 0)) for row in drawn]
        traces.append(_marks(state, x, y, drawn, at="%{x}"))
    for point, words in ((info.baseline, "baseline"), (info.best, "best")):
        if point is not None and name in point.params:
            x, y = [rounded(point.params[name])], [rounded(point.accuracy)]
            traces.append(_single(words, [point.trial], x, y))
    if (winner := winner_beside(overview)) is not None and name in winner.params:
        x, y = [rounded(winner.params[name])], [rounded(100 * (winner.accuracy or 0))]
        traces.append(_single("winner", [winner.trial], x, y))
    traces.append(_single("chosen"))
    axis = powers_axis(panel.low, panel.high) if panel.log and panel.low > 0 else _plain_axis(panel)
    if panel.log and panel.high / panel.low < 4:
        axis = _plain_axis(panel)
    return {
        "data": traces,
        "layout": layout_of(axis, {"range": [bottom, top], **percent_axis(info.metric, titled=True)}),
        "param": name,
    }


def progress_figure(overview: Overview, *, against: str) -> Figure | None:
    """Draw each trial and the best so far, with the noise below it, against trials or against time."""
    info = overview.effects.progress
    if not info.records:
        return None
    timed = against == "time"
    rows = {row.trial: row for row in overview.rows}

    def at(trial: int) -> float | None:
        ended = rows[trial].ended
        return (None if ended is None else ended / unit) if timed else float(trial)

    ends = [row.ended for row in overview.rows if row.ended is not None]
    total = max(ends, default=0.0)
    unit, unit_name = time_unit(total)
    best = best_so_far([(x, row) for row in overview.rows if (x := at(row.trial)) is not None])
    if not best:
        return None
    last = total / unit if timed else float(info.last)
    xs = [rounded(x) for x, _ in best] + [rounded(last)]
    ys = [rounded(100 * (row.accuracy or 0.0)) for _, row in [*best, best[-1]]]
    bottom, top = _progress_range(lowest_first(overview.rows), ys[-1], info.noise_width)
    traces: list[dict[str, Any]] = []
    if info.noise_width is not None:
        edge = {"x": xs, "mode": "lines", "line": {"width": 0, "shape": "hv"}, "hoverinfo": "skip"}
        traces += [
            {**edge, "y": [rounded(y - info.noise_width) for y in ys]},
            {**edge, "y": ys, "fill": "tonexty", "fillcolor": "@noise"},
        ]
    for state in MARKS:
        drawn = [row for row in overview.rows if row.state == state and at(row.trial) is not None]
        if state == "complete":
            shown = {p.trial for p in info.points}
            drawn = [row for row in drawn if row.trial in shown and 100 * (row.accuracy or 0) >= bottom]
        height = None if state == "complete" else rounded(bottom + 0.04 * (top - bottom))
        times = [rounded(at(row.trial) or 0.0) for row in drawn]
        heights = [height or rounded(100 * (row.accuracy or 0)) for row in drawn]
        traces.append(_marks(state, times, heights, drawn, at=""))
    traces.append(
        {
            "x": xs,
            "y": ys,
            "mode": "lines",
            "line": {"color": "@ink", "width": 2, "shape": "hv"},
            "hovertemplate": "best so far: %{y} %<extra></extra>",
        }
    )
    traces.append(_single("best", [best[-1][1].trial], xs[-2:-1], ys[-1:]))
    if (winner := winner_beside(overview)) is not None and (x := at(winner.trial)) is not None:
        y = rounded(100 * (winner.accuracy or 0))
        traces.append(_single("winner", [winner.trial], [rounded(x)], [y]))
    traces.append(_single("chosen"))
    pad = 0.02 * (last or 1)
    words = f"{unit_name.capitalize()} of work" if timed else "Trial"
    axis: dict[str, Any] = {"range": [-pad, last + pad], **axis_title(words, 8)}
    if not timed and last < 10:
        axis["dtick"] = 1
    return {
        "data": traces,
        "layout": layout_of(
            axis, {"range": [bottom, top], **percent_axis(overview.effects.metric, titled=not timed)}
        ),
        "per": unit if timed else 0,
    }


def best_so_far(rows: Sequence[tuple[float, Row]]) -> list[tuple[float, Row]]:
    """Return the complete trials that were better than all before them, by where each stands on the axis.

    Trials that ran side by side end in another order than that of their numbers.
    """
    best: list[tuple[float, Row]] = []
    for x, row in sorted(rows, key=lambda one: one[0]):
        top = best[-1][1].accuracy if best else None
        if row.state == "complete" and row.accuracy is not None and (top is None or row.accuracy > top):
            best.append((x, row))
    return best


def lowest_first(rows: Sequence[Row]) -> float:
    """Return the lower of the scores, in per cent, that the best so far begins with in both figures.

    By their ends another trial may be the first than by their numbers: the figures share a scale.
    """
    by_number = best_so_far([(row.trial, row) for row in rows])
    by_end = best_so_far([(row.ended, row) for row in rows if row.ended is not None])
    return min(
        (100.0 * (row.accuracy or 0.0) for line in (by_number, by_end) for _, row in line[:1]), default=100.0
    )


def time_unit(total: float) -> tuple[float, str]:
    """Return the unit in which so many seconds are drawn: its seconds and its name."""
    units = ((3600.0, "hours"), (60.0, "minutes"))
    return next(((unit, name) for unit, name in units if total > 3 * unit), (1.0, "seconds"))


def _lines(panel: Panel) -> list[list[float]]:
    assert panel.tuned is not None
    return [panel.tuned.grid, panel.tuned.mean, panel.tuned.low, panel.tuned.high]


def _noise_band(x: list[float], info: EffectsInfo) -> dict[str, Any]:
    assert info.best is not None
    assert info.noise_width is not None
    top = rounded(info.best.accuracy)
    low = rounded(info.best.accuracy - info.noise_width)
    return {
        "x": [x[0], x[1], x[1], x[0]],
        "y": [low, low, top, top],
        "mode": "lines",
        "line": {"width": 0},
        "fill": "toself",
        "fillcolor": "@noise",
        "hoverinfo": "skip",
    }


def _marks(state: str, x: list[float], y: list[float], rows: Sequence[Row], *, at: str) -> dict[str, Any]:
    words, symbol, size, colour = MARKS[state]
    where = f" at {at}" if at else ""
    said = "%{y} %" if state == "complete" else words
    return {
        "x": x,
        "y": y,
        "mode": "markers",
        "customdata": [row.trial for row in rows],
        "marker": {"symbol": symbol, "size": size, "color": colour, "line": {"width": 1, "color": colour}},
        "hovertemplate": f"trial %{{customdata}}: {said}{where}<extra></extra>",
    }


def _single(
    name: str, trials: Sequence[int] = (), x: Sequence[float] = (), y: Sequence[float] = ()
) -> dict[str, Any]:
    symbol, size, colour, line = _SINGLES[name]
    return {
        "name": name,
        "x": [*x],
        "y": [*y],
        "mode": "markers",
        "customdata": [*trials],
        "marker": {"symbol": symbol, "size": size, "color": colour, "line": line},
        "cliponaxis": False,
        "hovertemplate": f"{name}: trial %{{customdata}}, %{{y}} %<extra></extra>",
    }


def _plain_axis(panel: Panel) -> dict[str, Any]:
    pad = 0.04 * (panel.high - panel.low) or 0.5
    axis: dict[str, Any] = {"range": [panel.low - pad, panel.high + pad]}
    if panel.log:
        axis = {"type": "log", "range": [log10(panel.low) - 0.01, log10(panel.high) + 0.01]}
    elif (
        panel.low == int(panel.low)
        and panel.high == int(panel.high)
        and panel.high - panel.low < 9
        and panel.high > 1
    ):
        axis["dtick"] = 1
    return axis


def percent_axis(metric: str | None, *, titled: bool) -> dict[str, Any]:
    """Return the settings of a vertical axis of scores; None are scores of several metrics."""
    words = "Validation score (%)" if metric is None else validation_percent(metric)
    if metric != "accuracy":  # the one line would be longer than the axis
        words = words.replace(" accuracy", "<br>accuracy")
    return {**(axis_title(words) if titled else {}), "nticks": 7}


def axis_title(words: str, standoff: int = 6) -> dict[str, Any]:
    """Return the setting of an axis' title, so small that the lowest figure, that of paper, holds it."""
    return {"title": {"text": words, "standoff": standoff, "font": {"size": 13}}}


def layout_of(x: dict[str, Any], y: dict[str, Any]) -> dict[str, Any]:
    """Return the layout that all figures share, with the settings of both axes."""
    axis = {
        "gridcolor": "@grid",
        "zeroline": False,
        "linecolor": "@line",
        "tickcolor": "@line",
        "automargin": True,
    }
    return {
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": "@font", "size": 13, "color": "@soft"},
        "margin": {"l": 44, "r": 12, "t": 10, "b": 40},
        "xaxis": {**axis, "showgrid": False, "showline": True, "ticks": "outside", "ticklen": 4, **x},
        "yaxis": {**axis, **y},
        "showlegend": False,
        "hovermode": "closest",
        "dragmode": "zoom",
        "hoverlabel": {"bgcolor": "@paper", "bordercolor": "@line", "font": {"color": "@ink", "size": 13}},
    }


def _progress_range(first: float, best: float, noise: float | None) -> tuple[float, float]:
    depth = min(max(best - first + (noise or 0.0), 2.0), 8.0)
    return round(best - 1.15 * depth, 2), round(min(best + 0.12 * depth, 100.0), 2)
