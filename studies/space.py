"""The search space: which values of the hyperparameters a sweep tries."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from math import inf
from typing import Any

from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution
from optuna.trial import BaseTrial

from fcnet.errors import UsageError
from fcnet.hyperparameters import Hyperparameters
from studies.analysis.axis import Axis

Space = Mapping[str, IntDistribution | FloatDistribution]

DEFAULT_SPACE: Space = {
    "batch_size": IntDistribution(16, 256, log=True),
    "learning_rate": FloatDistribution(3e-4, 1e-1, log=True),
    "hidden_units": IntDistribution(32, 512, log=True),
    "momentum": FloatDistribution(0.0, 0.98),
    "weight_decay": FloatDistribution(1e-6, 1e-1, log=True),
    "n_layers": IntDistribution(2, 4),
}

BASELINE = Hyperparameters()
"""The course report's own configuration: trial 0 of every study."""

# Beyond these there is nothing, or nothing that would change a training.
_NATURAL = {
    "batch_size": (1.0, inf),
    "learning_rate": (0.0, 10.0),
    "hidden_units": (1.0, inf),
    "momentum": (0.0, 1.0),
    "weight_decay": (1e-6, inf),
    "n_layers": (1.0, inf),
}

# The report's values, and its fixed ones, for a sweep over a grid.
_GRID: dict[str, list[float]] = {
    "batch_size": [16, 32, 64, 128, 256],
    "learning_rate": [0.001, 0.005, 0.01, 0.05, 0.1],
    "hidden_units": [32, 64, 128, 256, 512],
    "momentum": [BASELINE.momentum],
    "weight_decay": [BASELINE.weight_decay],
    "n_layers": [BASELINE.n_layers],
}


def suggest(trial: BaseTrial, space: Space = DEFAULT_SPACE) -> Hyperparameters:
    """Let a trial choose a value for each hyperparameter of the space."""
    values: dict[str, Any] = {}
    for name, distribution in space.items():
        if isinstance(distribution, IntDistribution):
            values[name] = trial.suggest_int(name, distribution.low, distribution.high, log=distribution.log)
        else:
            values[name] = trial.suggest_float(
                name, distribution.low, distribution.high, log=distribution.log
            )
    return Hyperparameters(**values)


def axes(distributions: Mapping[str, BaseDistribution]) -> dict[str, Axis]:
    """Return the ranges of numbers among Optuna's distributions, with the hyperparameters' natural limits."""
    return {
        name: Axis(d.low, d.high, d.log, isinstance(d, IntDistribution), *_NATURAL.get(name, ()))
        for name, d in distributions.items()
        if isinstance(d, FloatDistribution | IntDistribution)
    }


def baseline(space: Space) -> dict[str, Any] | None:
    """Return the baseline's parameters, or None where the space does not hold them."""
    values = asdict(BASELINE)
    inside = all(distribution._contains(values[name]) for name, distribution in space.items())
    return values if inside else None


def narrow(space: Space, held: Iterable[Hyperparameters]) -> Space:
    """Return ranges of the same scales that just hold some configurations."""
    configurations = [asdict(h) for h in held]
    ranges: dict[str, Any] = {}
    for name, wide in space.items():
        values = [values[name] for values in configurations]
        ranges[name] = type(wide)(min(values), max(values), log=wide.log)
    return ranges


def grid(space: Space) -> dict[str, list[float]]:
    """Return the report's values that lie in the space, per hyperparameter.

    Raises
    ------
    UsageError
        If none of a hyperparameter's values does.
    """
    values = {
        name: [v for v in _GRID[name] if distribution._contains(v)] for name, distribution in space.items()
    }
    for name, inside in values.items():
        if not inside:
            raise UsageError(
                f"no value of the grid for {name} ({', '.join(map(str, _GRID[name]))}) lies in its range:"
                " widen --range or choose another --sampler"
            )
    return values


def narrowed(ranges: list[str]) -> Space:
    """Return the default space with other ranges.

    Parameters
    ----------
    ranges : list of str
        Each ``NAME=LOW:HIGH``.

    Raises
    ------
    UsageError
        If one cannot be read, or holds values that no training takes.
    """
    space = dict(DEFAULT_SPACE)
    for text in ranges:
        name, _, bounds = text.partition("=")
        if name not in space:
            raise UsageError(
                f"--range {text}: no hyperparameter is called {name!r}; there are {', '.join(space)}"
            )
        old = space[name]
        kind: Any = type(old)
        number: Any = int if isinstance(old, IntDistribution) else float
        example = f"write NAME=LOW:HIGH, for example {name}={old.low:g}:{old.high:g}"
        ends = bounds.split(":")
        if len(ends) != 2:
            raise UsageError(f"--range {text} does not name two ends: {example}")
        try:
            low, high = map(number, ends)
            new = kind(low, high, log=old.log)
            for bound in (low, high):
                Hyperparameters(**{name: bound})
        except ValueError as error:
            raise UsageError(f"--range {text} cannot be used ({error}): {example}") from error
        space[name] = new
    return space


def describe(space: Space) -> dict[str, str]:
    """Return each range as text, for the facts that a study keeps and the sentences that name them."""
    return {name: f"{d.low:g}..{d.high:g}{' (log)' if d.log else ''}" for name, d in space.items()}


def ranges(words: Mapping[str, str]) -> dict[str, str]:
    """Return the ranges that `describe` put in words and that are not the default ones, as ``LOW:HIGH``."""
    default = describe(DEFAULT_SPACE)
    return {
        name: text.partition(" ")[0].replace("..", ":")
        for name, text in words.items()
        if text != default.get(name)
    }


def contains(wide: Mapping[str, str], narrow: Mapping[str, str]) -> bool:
    """Tell whether every range that `describe` put in words lies within another one of the same scale."""
    return wide.keys() == narrow.keys() and all(
        old[2] == new[2] and new[0] <= old[0] and old[1] <= new[1]
        for old, new in ((_ends(narrow[name]), _ends(wide[name])) for name in narrow)
    )


def _ends(words: str) -> tuple[float, float, str]:
    low, _, rest = words.partition("..")
    high, _, scale = rest.partition(" ")
    try:
        return float(low), float(high), scale
    except ValueError:  # nothing lies within what is no range
        return float("nan"), float("nan"), words
