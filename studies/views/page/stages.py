"""The stages of a score side by side: found, confirmed, tested, beside the baseline, on one scale."""

from collections.abc import Sequence
from dataclasses import dataclass

from studies.analysis.scores import Score
from studies.experiments.one_factor import are_the_reports
from studies.experiments.report import REPORTED
from studies.experiments.results import Summary
from studies.views.sentences import interval, trainings
from studies.views.words import percent


@dataclass(frozen=True)
class Stage:
    """One line of the chart; positions are in per cent of its width.

    Parameters
    ----------
    label, note : str
        What was scored; on what.
    value, interval : str
        The accuracy and its 95 % interval in words.
    kind : {"stage", "final", "reference", "missing"}
    at, low, high : float or None
    """

    label: str
    note: str
    value: str
    interval: str
    kind: str
    at: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Chart:
    """The lines and the ticks of their scale: position and words."""

    stages: list[Stage]
    ticks: list[tuple[float, str]]


Line = tuple[str, str, str, Score | None]
"""Label, note, kind and score of a stage; what has none is still to come, unless its kind is `never`."""

ORDER = ("Found", "Corrected", "Confirmed", "Tested", "Tested as one")
"""The stages of a winner's own scores."""


def stages(summary: Summary) -> Chart | None:
    """Return the chart of the winner's scores; None before the first complete trial."""
    if summary.scores is None:
        return None
    lines = measured(summary)
    if summary.baseline is not None:
        value = Score(summary.baseline.value, None, None, 1)
        lines.append(("Baseline", "the report's configuration, in the search", "reference", value))
        found = summary.confirmation
        for one in found.candidates if found else ():
            if found and one.baseline and one.mean is not None:
                left = f", {trainings(one, found)}" if one.n < len(found.seeds) else ""
                confirmed = Score(one.mean, one.low, one.high, one.n)
                lines.append(("Baseline, confirmed", f"fresh seeds and splits{left}", "reference", confirmed))
    if are_the_reports(summary.data.name):
        published = Score(REPORTED["best"]["validation_accuracy"], None, None, 1)
        lines.append(("Published", "the report: best epoch on its test set", "reference", published))
    return chart(lines)


def measured(summary: Summary) -> list[Line]:
    """Return the lines of a winner's own scores; none before the first complete trial."""
    scores, noun = summary.scores, summary.data.noun
    if scores is None:
        return []
    lines: list[Line] = [
        ("Found", f"in the search, validation {noun}", "stage", scores.search),
        ("Confirmed", "fresh seeds and splits", "stage", scores.confirmed),
        ("Tested", f"test {noun}, mean of single networks", "stage", scores.test),
    ]
    if scores.corrected is not None:
        lines.insert(1, ("Corrected", "less what the picking gave", "stage", scores.corrected))
    if scores.ensemble is not None:
        n = scores.ensemble.n
        lines.append(
            ("Tested as one", f"test {noun}, the {n} networks as one model", "final", scores.ensemble)
        )
    return lines


def chart(lines: Sequence[Line]) -> Chart:
    """Put lines on one scale; one of them at least has a score."""
    known = [x for *_, s in lines if s is not None for x in (s.mean, s.low, s.high) if x is not None]
    left, right, step = _scale(min(known), max(known))

    def place(x: float | None) -> float | None:
        return None if x is None else round(100.0 * (x - left) / (right - left), 2)

    n_ticks = round((right - left) / step)
    return Chart(
        [
            Stage(label, note, "–" if kind == "never" else "not yet", "", "missing")
            if score is None
            else Stage(
                label,
                note,
                percent(score.mean),
                interval(score.low, score.high),
                kind,
                place(score.mean),
                place(score.low),
                place(score.high),
            )
            for label, note, kind, score in lines
        ],
        [(round(100.0 * i / n_ticks, 2), f"{100 * (left + i * step):g}") for i in range(n_ticks + 1)],
    )


def _scale(low: float, high: float) -> tuple[float, float, float]:
    """Return round ends and the step between ticks, all as fractions."""
    width = max(high - low, 0.02)
    step = next(s for s in (0.005, 0.01, 0.02, 0.05, 0.1, 0.2) if width / s <= 5)
    left, right = int((low - 0.1 * width) / step) * step, (int((high + 0.1 * width) / step) + 1) * step
    return max(round(left, 6), 0.0), min(round(right, 6), 1.0), step
