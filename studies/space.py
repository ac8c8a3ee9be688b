"""The search space: which values of the hyperparameters a sweep tries."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, fields, replace
from math import inf
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import BaseTrial, FrozenTrial

from fcnet.errors import UsageError
from fcnet.hyperparameters import SCHEDULES, Hyperparameters
from studies.analysis.axis import Axis

Space = Mapping[str, IntDistribution | FloatDistribution | CategoricalDistribution]

CHOICES: Mapping[str, tuple[Any, ...]] = {"mirror": (False, True), "schedule": SCHEDULES}

DEFAULT_SPACE: Space = {
    "batch_size": IntDistribution(16, 256, log=True),
    "learning_rate": FloatDistribution(3e-4, 1e-1, log=True),
    "hidden_units": IntDistribution(32, 512, log=True),
    "momentum": FloatDistribution(0.0, 0.98),
    "weight_decay": FloatDistribution(1e-6, 1e-1, log=True),
    "n_layers": IntDistribution(2, 4),
    "components": IntDistribution(32, 1024, log=True),
    "whitening": FloatDistribution(0.0, 1.0),
    "mirror": CategoricalDistribution((True,)),
    "schedule": CategoricalDistribution(("cosine",)),
}
"""What a sweep tries where nothing else is said; a single choice is fixed."""

BASELINE = Hyperparameters()
"""The course report's own configuration: trial 0 of every study."""

START = Hyperparameters(
    batch_size=32,
    learning_rate=0.03,
    hidden_units=256,
    momentum=0.5,
    weight_decay=0.01,
    n_layers=3,
    components=256,
    whitening=0.3,
    schedule="cosine",
)
"""What did well on data that no result is reported on (docs/defaults.md): trial 1 of a sweep."""

_PHOTOGRAPHS = (3, 32, 32)  # shape of an image of CIFAR-10

# How the network sees its images; the report knew none of these, and may lie outside of what is searched.
INPUTS = ("components", "whitening", "mirror", "schedule")

# Beyond these there is nothing, or nothing that would change a training.
_NATURAL = {
    "batch_size": (1.0, inf),
    "learning_rate": (0.0, 10.0),
    "hidden_units": (1.0, inf),
    "momentum": (0.0, 1.0),
    "weight_decay": (1e-6, inf),
    "n_layers": (1.0, inf),
    "components": (1.0, inf),
    "whitening": (0.0, 1.0),
}

# The report's values, and its fixed ones, for a sweep over a grid.
_GRID: dict[str, list[Any]] = {
    "batch_size": [16, 32, 64, 128, 256],
    "learning_rate": [0.001, 0.005, 0.01, 0.05, 0.1],
    "hidden_units": [32, 64, 128, 256, 512],
    "momentum": [BASELINE.momentum],
    "weight_decay": [BASELINE.weight_decay],
    "n_layers": [BASELINE.n_layers],
    "components": [128],
    "whitening": [0.5],
    "mirror": [True, False],
    "schedule": ["cosine", "constant"],
}


def suggest(trial: BaseTrial, space: Space = DEFAULT_SPACE) -> Hyperparameters:
    """Let a trial choose a value for each hyperparameter of the space."""
    values: dict[str, Any] = {}
    for name, distribution in space.items():
        if isinstance(distribution, CategoricalDistribution):
            values[name] = trial.suggest_categorical(name, CHOICES[name])
        elif isinstance(distribution, IntDistribution):
            values[name] = trial.suggest_int(name, distribution.low, distribution.high, log=distribution.log)
        else:
            values[name] = trial.suggest_float(
                name, distribution.low, distribution.high, log=distribution.log
            )
    return Hyperparameters(**values)


def fitted(
    space: Space, n_features: int, *, image_shape: Sequence[int] | None, n_rows: int = 10_000
) -> Space:
    """Return a space for rows of so many features; a range that is no default one is only cut short.

    Batches are to be many, and principal inputs no more than there can be. Mirror images are shown where the
    data are like CIFAR-10's, photographs of 3 x 32 x 32 values; of other images it is not known whether a
    mirror image has the same class, and both are tried.

    Parameters
    ----------
    space : Space
    n_features : int
    image_shape : sequence of int or None
        Of an image, if rows are images.
    n_rows : int
        Of the development part, a fifth of which is held out.

    Raises
    ------
    UsageError
        If mirror images are asked for, and rows are no images.
    """
    found, n_train = dict(space), max(1, 4 * n_rows // 5)
    components, mirror = found.get("components"), found.get("mirror")
    if isinstance(components, IntDistribution):
        is_default = components == DEFAULT_SPACE["components"]
        low = min(components.low, max(1, n_features // 4) if is_default else n_features)
        most = min(n_features, n_train) if is_default else n_features
        found["components"] = IntDistribution(low, max(low, min(components.high, most)), log=True)
    if found.get("batch_size") == DEFAULT_SPACE["batch_size"]:
        low, high = min(16, max(4, n_train // 64)), min(256, max(BASELINE.batch_size, n_train // 8))
        found["batch_size"] = IntDistribution(low, high, log=True)
    if isinstance(mirror, CategoricalDistribution):
        is_default = mirror is DEFAULT_SPACE["mirror"]
        if image_shape is None:
            if not is_default and True in mirror.choices:
                asked = ",".join(map(str, mirror.choices))
                raise UsageError(
                    f"--range mirror={asked}: the data are no images; write --range mirror=False"
                )
            found["mirror"] = CategoricalDistribution((False,))
        elif is_default and tuple(image_shape) != _PHOTOGRAPHS:
            found["mirror"] = CategoricalDistribution(CHOICES["mirror"])
    return found


def around(space: Space, n_features: int) -> Space:
    """Return Optuna's distributions for a space, with room for the baseline's inputs.

    Optuna takes no other choices later, so that all of them are named; the sampler keeps to the space.
    """
    found = {n: CategoricalDistribution(CHOICES[n]) if n in CHOICES else d for n, d in space.items()}
    if isinstance(components := found.get("components"), IntDistribution):
        found["components"] = IntDistribution(components.low, n_features, log=True)
    if isinstance(whitening := found.get("whitening"), FloatDistribution):
        found["whitening"] = FloatDistribution(BASELINE.whitening, whitening.high)
    return found


def holds(distribution: BaseDistribution, value: Any) -> bool:
    """Tell whether a distribution has a value; it may be any choice."""
    if isinstance(distribution, CategoricalDistribution):
        return value in distribution.choices
    return distribution._contains(distribution.to_internal_repr(value))


def baseline(space: Space, n_features: int) -> Hyperparameters | None:
    """Return the baseline, or None where the space does not hold it, however its images are seen."""
    inside = all(
        distribution._contains(getattr(BASELINE, name))
        for name, distribution in space.items()
        if name not in INPUTS
    )
    if not inside:
        return None
    return replace(BASELINE, components=n_features) if "components" in space else BASELINE


def start(space: Space) -> Hyperparameters:
    """Return the point of a space that is nearest to `START`."""
    values: dict[str, Any] = {}
    for name, d in space.items():
        value = getattr(START, name)
        if isinstance(d, CategoricalDistribution):
            values[name] = value if value in d.choices else d.choices[0]
        else:
            values[name] = min(max(value, d.low), d.high)
    return Hyperparameters(**values)


def is_baseline(trial: FrozenTrial) -> bool:
    """Tell whether a trial has the baseline's hyperparameters: as many components as there can be are all."""
    report = {name: value for name, value in asdict(BASELINE).items() if name in trial.params}
    if "components" in report:
        limits: Any = trial.distributions["components"]
        report["components"] = limits.high
    return bool(trial.params) and trial.params == report


def axes(space: Mapping[str, BaseDistribution]) -> dict[str, Axis]:
    """Return the ranges of numbers in a space, with the hyperparameters' natural limits."""
    return {
        name: Axis(d.low, d.high, d.log, isinstance(d, IntDistribution), *_NATURAL.get(name, ()))
        for name, d in space.items()
        if isinstance(d, FloatDistribution | IntDistribution)
    }


def numbers(params: Mapping[str, Any]) -> dict[str, float]:
    """Return hyperparameters as numbers: a choice by its place among the choices."""
    return {
        name: float(CHOICES[name].index(value)) if name in CHOICES else value
        for name, value in params.items()
    }


def narrow(held: Iterable[Hyperparameters]) -> Space:
    """Return ranges that just hold some configurations.

    How images are seen is left out where none of them says anything about it.
    """
    configurations = [asdict(h) for h in held]
    ranges: dict[str, Any] = {}
    for name in (field.name for field in fields(Hyperparameters)):
        values = [values[name] for values in configurations]
        if name in INPUTS and {*values} == {getattr(BASELINE, name)}:
            continue
        if name in CHOICES:
            ranges[name] = CategoricalDistribution(tuple(c for c in CHOICES[name] if c in values))
        else:
            wide: Any = DEFAULT_SPACE[name]
            ranges[name] = type(wide)(min(values), max(values), log=wide.log)
    return ranges


def grid(space: Space) -> dict[str, list[Any]]:
    """Return the report's values that lie in the space, per hyperparameter, and those that are fixed.

    Raises
    ------
    UsageError
        If none of a hyperparameter's values does.
    """
    values = {}
    for name, distribution in space.items():
        if isinstance(distribution, CategoricalDistribution):
            values[name] = list(distribution.choices)
            continue
        if distribution.single():
            values[name] = [distribution.low]
            continue
        values[name] = [v for v in _GRID[name] if distribution._contains(v)]
        if name == "components" and distribution.high < min(_GRID[name]):  # all that few features have
            values[name] = [distribution.high]
        if not values[name]:
            raise UsageError(
                f"no value of the grid for {name} ({', '.join(map(str, _GRID[name]))}) lies in its range:"
                " widen --range or choose another --sampler"
            )
    return values
