"""The frame that the figures share: panels side by side over one vertical axis, readable on any page."""

from collections.abc import Mapping, Sequence
from math import log10
from textwrap import wrap
from typing import Any

from plotly import graph_objects as go

WORDS = {"batch_size": "Batch size", "learning_rate": "Learning rate", "hidden_units": "Hidden units"}
"""The hyperparameters that get a panel each, with the words under it."""

INK, GREY, GOLD = "#2d3748", "#8a96a8", "#d69e2e"
BLUE, RUST, GOLD_RGB = "43,108,176", "192,86,33", "214,158,46"  # as lines and, thinned, as bands

_LINE = 94  # characters of a title that fit on half a page
_TOOLBAR = 32  # pixels at the top that belong to the toolbar of a figure
_GAP = 0.04  # between two panels, as a share of the figure's width


def panelled(axes: Sequence[Mapping[str, Any]], *, title: str, y: Mapping[str, Any]) -> go.Figure:
    """Return an empty figure with one panel per horizontal axis.

    Colours are fixed and the background is white, so that light and dark pages show the same picture; the
    size is the page's. Traces go to panel i by ``xaxis=panel(i)``.
    """
    width = (1.0 - _GAP * (len(axes) - 1)) / len(axes)
    ends = [(i * (width + _GAP), i * (width + _GAP) + width) for i in range(len(axes))]
    lines = wrap(title, _LINE)
    return go.Figure(
        layout={
            "template": "none",
            "title": {
                "text": "<br>".join(lines),
                "font": {"size": 13},
                **{"x": 0.01, "y": 1, "yanchor": "top", "pad": {"t": _TOOLBAR}},
            },
            "font": {"size": 12, "color": INK},
            "yaxis": {"gridcolor": "#e2e8f0", "zeroline": False, **y},
            "margin": {"l": 50, "r": 12, "t": _TOOLBAR + 8 + 17 * len(lines), "b": 90},
            "legend": {"orientation": "h", "x": 0, "y": 0, "yref": "container", "yanchor": "bottom"},
            **{
                f"xaxis{i + 1}": {
                    "domain": [round(left, 3), round(right, 3)],
                    "ticks": "outside",
                    "showgrid": False,
                    "zeroline": False,
                    **axis,
                }
                for i, (axis, (left, right)) in enumerate(zip(axes, ends, strict=True))
            },
        }
    )


def add_to_panel(figure: go.Figure, i: int, traces: Sequence[go.Scatter]) -> None:
    """Add traces to panel `i`; the first panel's named traces make the legend."""
    for trace in traces:
        named = bool(trace.name) and i == 0
        figure.add_trace(trace.update(xaxis=f"x{i + 1}" if i else "x", showlegend=named))


def title_below(name: str) -> dict[str, Any]:
    """Words under a panel."""
    return {"text": WORDS[name], "standoff": 12}


def log_axis(low: float, high: float, ticks: Sequence[float]) -> dict[str, Any]:
    """Return a logarithmic axis a little wider than low..high, with plain numbers at `ticks`."""
    pad = 0.05 * log10(high / low) or 0.1
    return {
        "type": "log",
        "range": [round(log10(low) - pad, 3), round(log10(high) + pad, 3)],
        "tickvals": list(ticks),
        "ticktext": [f"{t:g}" for t in ticks],
    }


def powers_axis(low: float, high: float) -> dict[str, Any]:
    """Return a logarithmic axis with powers of two as ticks for whole numbers, powers of ten otherwise."""
    powers = [2**k for k in range(14)] if low >= 1 else [10.0**k for k in range(-8, 1)]
    return log_axis(low, high, [t for t in powers if low * 0.99 <= t <= high * 1.01])


def rounded(value: float, digits: int = 4) -> float:
    """Round to significant digits; whole numbers lose their decimal point, which saves space in the study."""
    short = float(f"{value:.{digits}g}")
    return int(short) if short.is_integer() else short


def band(
    x: list[float], low: list[float], high: list[float], rgb: str, group: str, *, shape: str = "spline"
) -> list[go.Scatter]:
    """Shade the area between two curves."""
    edge = {"x": x, "mode": "lines", "line": {"width": 0, "shape": shape}, "hoverinfo": "skip"}
    return [
        go.Scatter(y=low, legendgroup=group, **edge),
        go.Scatter(y=high, legendgroup=group, fill="tonexty", fillcolor=f"rgba({rgb},.15)", **edge),
    ]
