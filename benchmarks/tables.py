"""From single measurements to Markdown tables: medians, ratios, and what became of the targets."""

import math
from collections.abc import Sequence
from statistics import geometric_mean, mean, median
from typing import Any

from benchmarks.peers import OURS, PEERS

LEAST_SHARE = {16: 0.35, 64: 0.6, 256: 0.75}  # of the epoch, by batch size, for the two first-layer products
LAST = 5  # epochs that an accuracy is the mean of
SAME_ACCURACY = 0.03  # largest difference between competitors' mean accuracies that still counts as noise


class Results:
    """Measurements by configuration and peer.

    Parameters
    ----------
    record : dict
        What `benchmarks.trainer` writes to its JSON file.
    """

    def __init__(self, record: dict[str, Any]) -> None:
        self.epochs: int = record["epochs"]
        self._n_inputs = math.prod(record["training_shape"])
        self._good = [m for m in record["measurements"] if "error" not in m]
        self.configurations = list(dict.fromkeys(m["configuration"] for m in self._good))
        measured = {m["peer"] for m in self._good}
        self.peers = [peer for peer in PEERS if peer in measured]

    def values(self, key: str, configuration: str | None, peer: str) -> list[Any]:
        """One figure of every measurement of a cell, or of a whole column."""
        return [
            m[key] for m in self._good if m["peer"] == peer and configuration in (None, m["configuration"])
        ]

    def epoch_seconds(self, configuration: str, peer: str) -> float:
        """Median seconds of a trial over its epochs; NaN where nothing was measured."""
        return _median(self.values("seconds", configuration, peer)) / self.epochs

    def ratio(self, configuration: str, peer: str) -> float:
        """How many times longer the peer takes than this project."""
        return self.epoch_seconds(configuration, peer) / self.epoch_seconds(configuration, OURS)

    def accuracy(self, configuration: str, peer: str) -> float:
        """Mean validation accuracy over the last epochs: a large learning rate makes a single one jump."""
        last = [mean(accuracies[-LAST:]) for accuracies in self.values("accuracies", configuration, peer)]
        return mean(last) if last else math.nan

    def share_of_peak(self, configuration: str) -> float:
        """Seconds that ``x @ W`` and ``x.T @ gradient`` of the first layer take at peak, over the epoch's."""
        hidden_units = int(configuration.split(",")[2])
        operations = 2 * 2 * self._n_inputs * hidden_units
        at_peak: float = operations / _median(self.values("flops", configuration, "peak"))
        return at_peak / self.epoch_seconds(configuration, OURS)


def render(record: dict[str, Any]) -> str:
    """Write everything as Markdown, aligned for a terminal too."""
    results = Results(record)
    if OURS not in results.peers:
        return "\n".join(f"- {line}" for line in _circumstances(record, results))
    rounds = [len(results.values("seconds", c, p)) for c in results.configurations for p in results.peers]
    parts = [
        f"Median seconds per epoch of a whole trial of {results.epochs} epochs, over "
        f"{min(rounds)} to {max(rounds)} interleaved rounds; one thread; 3 layers, momentum 0.8, "
        "weight decay 0.05.",
        _seconds(results),
        "Times as long as this project (above 1: this project is faster).",
        _ratios(results),
        "The two first-layer products at the measured peak, as a share of the epoch with its validation.",
        _shares(results),
        f"Mean validation accuracy of the last {LAST} epochs, in percent.",
        _accuracies(results),
        "\n".join(f"- {line}" for line in [*_verdicts(results), *_circumstances(record, results)]),
    ]
    return "\n\n".join(parts)


def _seconds(results: Results) -> str:
    rows = [
        [_name(c), *(f"{results.epoch_seconds(c, p):.3f}" for p in results.peers)]
        for c in results.configurations
    ]
    return _table(["batch, rate, hidden", *(PEERS[p].title for p in results.peers)], rows)


def _ratios(results: Results) -> str:
    others = [p for p in results.peers if p != OURS]
    rows = []
    for c in results.configurations:
        ratios = [results.ratio(c, p) for p in others]
        known = [r for r in ratios if not math.isnan(r)]
        rows.append([_name(c), *(f"{r:.2f}" for r in ratios), f"{min(known, default=math.nan):.2f}"])
    rows.append(["geometric mean", *(f"{_mean_ratio(results, p):.2f}" for p in others), ""])
    rows.append(["target", *(f"{PEERS[p].target:.2f}" for p in others), "1.00 in each row"])
    return _table(["batch, rate, hidden", *(PEERS[p].title for p in others), "fastest peer"], rows)


def _shares(results: Results) -> str:
    rows = []
    for c in results.configurations:
        peak = _median(results.values("flops", c, "peak")) / 1e9
        target = LEAST_SHARE.get(int(c.split(",")[0]))
        rows.append(
            [_name(c), f"{peak:.0f}", f"{results.share_of_peak(c):.2f}", f"{target}" if target else ""]
        )
    return _table(["batch, rate, hidden", "peak, Gflop/s", "share", "target"], rows)


def _accuracies(results: Results) -> str:
    rows = [
        [_name(c), *(f"{100 * results.accuracy(c, p):.1f}" for p in results.peers)]
        for c in results.configurations
    ]
    return _table(["batch, rate, hidden", *(PEERS[p].title for p in results.peers)], rows)


def _verdicts(results: Results) -> list[str]:
    lines = []
    for peer in results.peers:
        if peer != OURS:
            ratio, target = _mean_ratio(results, peer), PEERS[peer].target
            n = sum(not math.isnan(results.ratio(c, peer)) for c in results.configurations)
            word = "met" if ratio >= target else "MISSED"
            lines.append(
                f"{PEERS[peer].title}: {ratio:.2f} times as long, geometric mean of {n} configurations, "
                f"target {target}: {word}."
            )
    slower = [c for c in results.configurations for p in results.peers if results.ratio(c, p) < 1]
    lines.append(_list("Configurations in which a peer is faster", slower))
    short = [
        c
        for c in results.configurations
        if results.share_of_peak(c) < LEAST_SHARE.get(int(c.split(",")[0]), 0.0)
    ]
    lines.append(_list("Configurations below their target share of the peak", short))
    unlike = []
    for c in results.configurations:
        known = [a for a in (results.accuracy(c, p) for p in results.peers) if not math.isnan(a)]
        if max(known) - min(known) > SAME_ACCURACY:
            unlike.append(c)
    lines.append(
        _list(f"Configurations whose accuracies differ by more than {100 * SAME_ACCURACY:g} points", unlike)
    )
    return lines


def _circumstances(record: dict[str, Any], results: Results) -> list[str]:
    lines = []
    for peer in results.peers:
        firsts = [s[0] - median(s[1:]) for s in results.values("epoch_seconds", None, peer) if len(s) > 1]
        cores = max(results.values("cores", None, peer))
        if firsts:
            lines.append(
                f"{PEERS[peer].title}: the first epoch, with preparation and compilation, takes "
                f"{median(firsts):.2f} s more than the others; at most {cores:.2f} cores busy."
            )
    spreads = [
        max(seconds) / min(seconds)
        for c in results.configurations
        for p in results.peers
        if (seconds := results.values("seconds", c, p))
    ]
    if spreads:
        lines.append(
            f"Slowest over fastest repeat: {max(spreads):.2f} in the worst cell, {median(spreads):.2f} "
            "in the median cell."
        )
    errors = [m for m in record["measurements"] if "error" in m]
    lines += [f"Not measured: {m['configuration']} {m['peer']}: {m['error']}" for m in errors]
    load = " and ".join(f"{value:.1f}" for value in record["load"])
    lines.append(f"Data: {record['data']}. Load average of the machine at start and end: {load}.")
    lines += [
        f"{key.capitalize() if key.islower() else key}: {value}." for key, value in record["about"].items()
    ]
    lines.append(f"Command: `{record['command']}`")
    return lines


def _mean_ratio(results: Results, peer: str) -> float:
    ratios = [r for c in results.configurations if not math.isnan(r := results.ratio(c, peer))]
    return geometric_mean(ratios) if ratios else math.nan


def _median(values: Sequence[float]) -> float:
    return median(values) if values else math.nan


def _name(configuration: str) -> str:
    return configuration.replace(",", ", ")


def _list(what: str, configurations: Sequence[str]) -> str:
    names = [f"({_name(c)})" for c in dict.fromkeys(configurations)]
    return f"{what}: {', '.join(names) or 'none'}."


def _table(header: list[str], rows: list[list[str]]) -> str:
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]

    def line(cells: list[str]) -> str:
        first = cells[0].ljust(widths[0])
        rest = (cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True))
        return "| " + " | ".join([first, *rest]) + " |"

    return "\n".join(map(line, [header, rule, *rows]))
