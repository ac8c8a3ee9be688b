"""How figures read: per cent, parameters, durations, in one way for terminal, note and figures."""

from collections.abc import Mapping
from typing import Any


def percent(fraction: float, digits: int = 2) -> str:
    """Return 0.8365 as ``83.65 %``."""
    return f"{100 * fraction:.{digits}f} %"


def points(fraction: float, digits: int = 2) -> str:
    """Return a difference of 0.0042 as ``0.42 points`` (percentage points)."""
    return f"{100 * fraction:.{digits}f} points"


def number(value: Any) -> str:
    """Return a parameter with three significant digits; whole numbers stay whole."""
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def short(value: float) -> str:
    """Return a number as people write it: ``0.012``, ``1e-06``, ``1024``, with two or three digits."""
    return f"{value:.0f}" if value >= 100 else f"{value:.2g}"


def params_line(params: Mapping[str, Any]) -> str:
    """Return parameters on one line: ``batch_size 64, learning_rate 0.0123``."""
    return ", ".join(f"{name} {number(value)}" for name, value in params.items())


def duration(seconds: float) -> str:
    """Return 93.4 as ``1 min 33 s``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def metric_words(metric: str) -> str:
    """Return ``accuracy`` or ``balanced accuracy``."""
    return metric.replace("_", " ")


def validation_percent(metric: str) -> str:
    """Return the title of an axis of scores: ``Validation balanced accuracy (%)``."""
    return f"Validation {metric_words(metric)} (%)"


def range_words(text: str) -> str:
    """Return a range as it was described, but that of one value as the value: ``32`` of ``32..32 (log)``."""
    low, between, high = text.removesuffix(" (log)").partition("..")
    return low if between and low == high else text


def roughly(seconds: float) -> str:
    """Return an estimate of a time: ``about 2 min``."""
    if seconds < 50:
        return f"about {max(10 * round(seconds / 10), 10)} s"
    minutes = max(round(seconds / 60), 1)
    if minutes < 60:
        return f"about {minutes} min"
    return f"about {minutes // 60} h" + (f" {minutes % 60} min" if minutes % 60 else "")
