"""Names and numbers that options take; light, so that the command line's help needs no Optuna."""

from fcnet.errors import UsageError

STORAGE = "sqlite:///sweep.db"
STUDY = "sweep"
CLASSES = ("airplane", "ship")
"""Of CIFAR-10."""

EPOCH_LIMIT_SECONDS = 900.0
"""A worker that is silent for longer is taken for hung and replaced (option --epoch-limit)."""

SAMPLERS = ("tpe", "random", "qmc", "grid", "gp", "cmaes")
PRUNERS = ("median", "hyperband", "none")

TOP = 5
"""Configurations that are confirmed, if no other number is asked for."""


def at_least(least: int, **given: object) -> None:
    """Refuse what is no whole number of at least `least`; `given` are such numbers by their names.

    Raises
    ------
    UsageError
    """
    for name, value in given.items():
        if type(value) is not int or value < least:
            raise UsageError(f"{name} is {value!r}, but it must be a whole number of at least {least}")
