"""From two searches side by side to a page's HTML; every name in it is text, whatever it holds."""

from collections.abc import Sequence
from typing import Any

from studies.experiments.comparison import Comparison, Side
from studies.experiments.overview import Row
from studies.program import command
from studies.views import comparison as say
from studies.views.figures.panels import rounded
from studies.views.page.plots import Figure, axis_title, best_so_far, layout_of, percent_axis, time_unit
from studies.views.page.rendering import Surroundings, framed
from studies.views.page.stages import Chart, Line, chart, measured
from studies.views.words import metric_words

KINDS = ("first", "second")
_COLOURS = ("@effect", "@best")


def render_comparison(
    found: Comparison, around: Surroundings | None = None, *, options: Sequence[str] = ("", "")
) -> str:
    """Return the page of two searches; `options` name each of them in a command to be typed."""
    steps = [
        (command("confirm" + options[i]), f"train the best of {found.sides[i].name} again on fresh seeds")
        for i in found.judged.more
    ]
    return framed(
        "compare.html.jinja",
        around or Surroundings(),
        {
            "figures": _figures(found),
            "running": any(side.standing.is_running for side in found.sides),
        },
        scripts=("compare.js",),
        sides=[*zip(found.sides, KINDS, strict=True)],
        found=found,
        stages=_stages(found),
        judged=metric_words(found.sides[0].summary.metric),
        next=steps,
        say=say,
    )


def _stages(found: Comparison) -> Chart | None:
    """Return the chart of both winners' scores, stage by stage; None before the first complete trial."""
    lines = [{line[0]: line for line in measured(side.summary)} for side in found.sides]
    labels = dict.fromkeys([*max(lines, key=len), *lines[0], *lines[1]])
    shown: list[Line] = [
        (label, side.name, kind, None if label not in own else own[label][3])
        for label in labels
        for side, kind, own in zip(found.sides, KINDS, lines, strict=True)
    ]
    return chart(shown) if labels else None


def _figures(found: Comparison) -> dict[str, Figure]:
    drawn = {name: _progress(found.sides, against=name) for name in ("trial", "time")}
    return {f"progress-{name}": figure for name, figure in drawn.items() if figure is not None}


def _progress(sides: Sequence[Side], *, against: str) -> Figure | None:
    """Draw the best score so far of each, against trials or against time."""
    timed = against == "time"
    unit, unit_name = time_unit(max((row.ended or 0.0 for side in sides for row in side.rows), default=0.0))

    def at(row: Row) -> float | None:
        return (None if row.ended is None else row.ended / unit) if timed else float(row.trial)

    traces: list[dict[str, Any]] = []
    firsts, ends = [], []
    for side, colour in zip(sides, _COLOURS, strict=True):
        ended = [(x, row) for row in side.rows if row.ended is not None and (x := at(row)) is not None]
        best = [(x, 100.0 * (row.accuracy or 0.0)) for x, row in best_so_far(ended)]
        if not best:
            continue
        last = max(x for x, _ in ended)
        firsts.append(best[0][1])
        ends.append((last, best[-1][1]))
        traces.append(
            {
                "x": [*(rounded(x) for x, _ in best), rounded(last)],
                "y": [*(rounded(y) for _, y in best), rounded(best[-1][1])],
                "mode": "lines",
                "line": {"color": colour, "width": 2, "shape": "hv"},
                "hovertemplate": "best so far: %{y} %<extra></extra>",
            }
        )
    if not traces:
        return None
    last, top = max(x for x, _ in ends), max(y for _, y in ends)
    depth = min(max(top - min(firsts), 2.0), 8.0)
    pad = 0.02 * (last or 1.0)
    words = f"{unit_name.capitalize()} of work" if timed else "Trial"
    x_axis = {"range": [-pad, last + pad], **axis_title(words, 8)}
    metric = sides[0].summary.metric
    y_axis = {
        "range": [top - 1.15 * depth, min(top + 0.12 * depth, 100.5)],
        **percent_axis(metric, titled=not timed),
    }
    return {"data": traces, "layout": layout_of(x_axis, y_axis)}
