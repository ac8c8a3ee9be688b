"""From two searches side by side to a page's HTML; every name in it is text, whatever it holds."""

from collections.abc import Sequence
from typing import Any

from studies.experiments.comparison import Comparison, Side
from studies.experiments.overview import Row
from studies.program import command
from studies.views import comparison as say
from studies.views.figures.panels import rounded
from studies.views.page.plots import (
    Figure,
    axis_title,
    best_so_far,
    layout_of,
    lowest_first,
    percent_axis,
    time_unit,
)
from studies.views.page.rendering import Surroundings, framed
from studies.views.page.stages import ORDER, Chart, Line, chart, measured
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
        judged=metric_words(_metric(found.sides) or "score"),
        next=steps,
        say=say,
    )


def _metric(sides: Sequence[Side]) -> str | None:
    """Return what both were judged by; None where that differs."""
    metrics = {side.summary.metric for side in sides}
    return metrics.pop() if len(metrics) == 1 else None


def _stages(found: Comparison) -> Chart | None:
    """Return the chart of both winners' scores, stage by stage; None before the first complete trial."""
    lines = [{line[0]: line for line in measured(side.summary)} for side in found.sides]
    shown = [
        _line(label, side.name, kind, own)
        for label in ORDER
        if any(label in own for own in lines)
        for side, kind, own in zip(found.sides, KINDS, lines, strict=True)
    ]
    return chart(shown) if shown else None


def _line(label: str, name: str, kind: str, own: dict[str, Line]) -> Line:
    """Return one side's line of a stage that it may not have."""
    if label in own:
        return label, name, kind, own[label][3]
    # Where a winner has the score before and not this one, it never gets it: it was not the best of the
    # search, or was tested by a single network.
    before = own.get({"Corrected": "Found", "Tested as one": "Tested"}.get(label, label))
    return label, name, kind if before is None or before[3] is None else "never", None


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
    ends = []
    for side, colour in zip(sides, _COLOURS, strict=True):
        ended = [(x, row) for row in side.rows if row.ended is not None and (x := at(row)) is not None]
        best = [(x, 100.0 * (row.accuracy or 0.0)) for x, row in best_so_far(ended)]
        if not best:
            continue
        last = max(x for x, _ in ended)
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
    depth = min(max(top - min(lowest_first(side.rows) for side in sides), 2.0), 8.0)
    pad = 0.02 * (last or 1.0)
    words = f"{unit_name.capitalize()} of work" if timed else "Trial"
    x_axis = {"range": [-pad, last + pad], **axis_title(words, 8)}
    y_axis = {
        "range": [top - 1.15 * depth, min(top + 0.12 * depth, 100.5)],
        **percent_axis(_metric(sides), titled=not timed),
    }
    return {"data": traces, "layout": layout_of(x_axis, y_axis)}
