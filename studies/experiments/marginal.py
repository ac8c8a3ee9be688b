"""What an ordinary sweep shows of its three main hyperparameters and of its progress, as plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from optuna.trial import FrozenTrial, TrialState

from fcnet.metrics import Metric
from studies.analysis.advice import MIN_TRIALS
from studies.analysis.axis import Axis
from studies.analysis.scores import distance_from_best
from studies.analysis.thinning import thinned
from studies.analysis.unfinished import projected
from studies.ranges import within
from studies.record import diverged
from studies.space import axes, is_baseline, numbers

if TYPE_CHECKING:
    from studies.analysis.surrogate import Effect, Surrogate

FACTORS = ("batch_size", "learning_rate", "hidden_units")
"""The hyperparameters that get a panel each."""

_GRID = 11

MAX_POINTS = 120
"""At most this many trials are drawn; more would slow the page and hide one another."""


@dataclass(frozen=True)
class Point:
    """One complete trial: its number, its validation accuracy in per cent and its hyperparameters."""

    trial: int
    accuracy: float
    params: Mapping[str, Any]


@dataclass(frozen=True)
class Trend:
    """A fitted line with its pointwise 95 % band, in per cent, along `grid`.

    `behind` is how far each value lies below the best one, in points, and `told` whether that is more than
    the trials leave open.
    """

    grid: list[float]
    mean: list[float]
    low: list[float]
    high: list[float]
    behind: list[float] = field(default_factory=list)
    told: list[bool] = field(default_factory=list)


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
class ProgressInfo:
    """Everything that the row shows, as plain data.

    Parameters
    ----------
    points : list of Point
        Trials to be drawn, by number.
    records : list of Point
        Every trial that was better than all complete ones before it, by number.
    last : int
        Number of the last finished trial, pruned ones included: they were tried too.
    noise_width : float or None
        Distance below the best, in percentage points, at which a trial may well be equal to it, where the
        noise has been measured.
    """

    points: list[Point]
    records: list[Point]
    last: int
    noise_width: float | None = None


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
    noise_width : float or None
        As in `progress`.
    label : str
    metric : {"accuracy", "balanced_accuracy"}
        What every accuracy here is.
    """

    panels: list[Panel]
    points: list[Point]
    progress: ProgressInfo
    pruned: list[Mapping[str, Any]]
    n_complete: int
    n_pruned: int
    best: Point | None = None
    baseline: Point | None = None
    noise_width: float | None = None
    label: str = ""
    metric: Metric = "accuracy"


def records(points: Sequence[Point]) -> list[Point]:
    """Return the points, given by number, that are better than all before them."""
    found: list[Point] = []
    for point in points:
        if not found or point.accuracy > found[-1].accuracy:
            found.append(point)
    return found


def effects_info(
    trials: Sequence[FrozenTrial],
    *,
    noise: float | None = None,
    label: str = "",
    metric: Metric = "accuracy",
    space: Mapping[str, str] | None = None,
    every: bool = False,
    points: int = MAX_POINTS,
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
    metric : {"accuracy", "balanced_accuracy"}, default="accuracy"
        What the values are.
    space : mapping of str to str, optional
        The ranges that were searched, in words, where they are not those of Optuna's distributions.
    every : bool, default=False
        Whether there is a panel for every range of numbers, the main ones first.
    points : int
        At most this many trials are drawn.
    """
    complete = sorted(
        (t for t in trials if t.state == TrialState.COMPLETE and np.isfinite(t.value or 0.0)),
        key=lambda t: t.number,
    )
    scored = [Point(t.number, 100.0 * (t.value or 0.0), t.params) for t in complete]
    best = max(scored, key=lambda p: (p.accuracy, -p.trial), default=None)
    baseline = next((p for p, t in zip(scored, complete, strict=True) if is_baseline(t)), None)
    pruned = [t for t in trials if t.state == TrialState.PRUNED]
    finished = [t.number for t in [*complete, *pruned]]
    width = None if noise is None else 100.0 * distance_from_best(noise, len(scored))
    drawn = [scored[i] for i in thinned([p.accuracy for p in scored], points)]
    return EffectsInfo(
        panels=_panels(sorted(trials, key=lambda t: t.number), complete, space or {}, every=every),
        points=drawn,
        progress=ProgressInfo(drawn, records(scored), max(finished, default=0), width),
        pruned=[t.params for t in pruned[:: 2 * len(pruned) // points + 1]],
        n_complete=len(scored),
        n_pruned=len(pruned),
        best=best,
        baseline=baseline,
        noise_width=width,
        label=label,
        metric=metric,
    )


@dataclass(frozen=True)
class Expected:
    """The accuracy that a sweep lets one expect at a value, with its 95 % band, as fractions."""

    value: float
    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Marginal:
    """What a sweep lets one expect of a hyperparameter, the others averaged over, or tuned."""

    averaged: list[Expected]
    tuned: list[Expected]


def marginal_effects(
    trials: Sequence[FrozenTrial], space: Mapping[str, str] | None = None
) -> dict[str, Marginal] | None:
    """Return the effects of the main hyperparameters in an ordinary sweep; None with too few trials."""
    panels = effects_info(trials, space=space).panels
    found = {
        p.name: Marginal(_expected(p.average), _expected(p.tuned)) for p in panels if p.average and p.tuned
    }
    return found if found and len(found) == len(panels) else None


def fitted(trials: Sequence[FrozenTrial], space: Mapping[str, Axis]) -> Surrogate | None:
    """Fit trials over the ranges that were searched; None where too few are complete.

    Pruned ones are projected to the end, see `projected`: without them only what did well would be seen.
    Those that diverged are left out.
    """
    complete = [t for t in trials if t.state == TrialState.COMPLETE and np.isfinite(t.value or 0.0)]
    pruned = [t for t in trials if t.state == TrialState.PRUNED and t.intermediate_values and not diverged(t)]
    if len(complete) < MIN_TRIALS:
        return None
    from studies.analysis.surrogate import Surrogate  # takes long to import

    ends = [t.value or 0.0 for t in complete]
    later = projected(
        [t.intermediate_values for t in complete], ends, [t.intermediate_values for t in pruned]
    )
    known = [
        (t, end) for t, end in zip([*complete, *pruned], [*ends, *later], strict=True) if np.isfinite(end)
    ]
    shared = {n: axis for n, axis in space.items() if all(n in t.params for t, _ in known)}
    return Surrogate([numbers(t.params) for t, _ in known], [float(end) for _, end in known], shared)


def _expected(trend: Trend) -> list[Expected]:
    return [
        Expected(value, mean / 100, low / 100, high / 100)
        for value, mean, low, high in zip(trend.grid, trend.mean, trend.low, trend.high, strict=True)
    ]


def _panels(
    trials: Sequence[FrozenTrial], complete: Sequence[FrozenTrial], words: Mapping[str, str], *, every: bool
) -> list[Panel]:
    space = axes(within(complete[-1].distributions, words)) if complete else {}
    surrogate = fitted(trials, space)
    panels = []
    others = [name for name in space if name not in FACTORS and space[name].low < space[name].high]
    for name in [*FACTORS, *(others if every else ())]:
        if name not in space:
            continue
        axis = space[name]
        average = tuned = None
        if surrogate is not None:
            grid = axis.grid(_GRID)
            average = _trend(surrogate.mean_effect(name, grid))
            tuned = _trend(surrogate.best_effect(name, grid))
        panels.append(Panel(name, axis.low, axis.high, axis.log, average, tuned))
    return panels


def _trend(effect: Effect) -> Trend:
    bands = (effect.mean, effect.low, effect.high, effect.behind)
    mean, low, high, behind = ([_rounded(100.0 * v) for v in band] for band in bands)
    grid, told = [_rounded(v) for v in effect.grid], [bool(t) for t in effect.told]
    return Trend(grid, mean, low, high, behind, told)


def _rounded(value: float) -> float:
    """Round to the four significant digits that are drawn."""
    return float(f"{value:.4g}")
