"""A line of small bars, such as ▁▂▅▇█, for a terminal that can show them."""

from collections.abc import Sequence

from rich.console import Console

_BARS = "▁▂▃▄▅▆▇█"


def sparkline(values: Sequence[float], width: int = 16) -> str:
    """Return the values as bars of eight heights, from the lowest to the highest; an even pick of many.

    Examples
    --------
    >>> sparkline([0.1, 0.2, 0.3, 0.8])
    '▁▂▃█'
    """
    if len(values) > width:
        values = [values[round(i * (len(values) - 1) / (width - 1))] for i in range(width)]
    low, high = min(values, default=0.0), max(values, default=0.0)
    if low == high:
        return _BARS[0] * len(values)
    return "".join(_BARS[round((v - low) / (high - low) * (len(_BARS) - 1))] for v in values)


def can_show(console: Console) -> bool:
    """Tell whether a terminal can show the bars."""
    return not console.legacy_windows and console.encoding.lower().replace("-", "").startswith("utf")
