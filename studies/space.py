"""The search space: which values of the hyperparameters a sweep tries."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from optuna.distributions import FloatDistribution, IntDistribution
from optuna.trial import BaseTrial

from fcnet.errors import UsageError
from fcnet.hyperparameters import Hyperparameters

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


def baseline(space: Space) -> dict[str, Any] | None:
    """Return the baseline's parameters, or None where the space does not hold them."""
    values = asdict(BASELINE)
    inside = all(distribution._contains(values[name]) for name, distribution in space.items())
    return values if inside else None


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
