"""Samplers and pruners by the names of `studies.choices`."""

import warnings
from importlib.util import find_spec

import numpy as np
import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, NopPruner
from optuna.samplers import (
    BaseSampler,
    CmaEsSampler,
    GPSampler,
    GridSampler,
    QMCSampler,
    RandomSampler,
    TPESampler,
)

from fcnet.errors import UsageError, UserError
from studies.choices import PRUNERS, SAMPLERS
from studies.space import Space, grid

# Samplers that need a package of their own: its module, and the extra that installs it.
_NEEDS = {"gp": ("torch", "gp"), "cmaes": ("cmaes", "cmaes")}


def make_sampler(name: str, *, seed: int, n_trials: int, space: Space) -> BaseSampler:
    """Make the sampler of this run.

    Parameters
    ----------
    name : str
        One of `studies.choices.SAMPLERS`.
    seed : int
        The sweep's seed.
    n_trials : int
        Trials that the study has already. A sampler seeded with `seed` alone would propose the same
        parameters again when a sweep is resumed; those that keep their place in the study (``qmc``,
        ``grid``) need the same seed instead.
    space : Space
        What ``grid`` takes its values from.

    Raises
    ------
    UsageError
        If there is no sampler of that name.
    UserError
        If the sampler's package is missing; the message names the extra that installs it.
    """
    if name in _NEEDS:
        module, extra = _NEEDS[name]
        if find_spec(module) is None:
            raise UserError(f'--sampler {name} needs a package more: pip install "fcnet-sweep[{extra}]"')
    here = int(np.random.SeedSequence([seed, n_trials]).generate_state(1)[0])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        match name:
            case "tpe":
                return TPESampler(seed=here)
            case "random":
                return RandomSampler(seed=here)
            case "qmc":
                return QMCSampler(seed=seed, scramble=True, warn_independent_sampling=False)
            case "grid":
                return _Grid(grid(space), seed=seed)
            case "gp":
                return GPSampler(seed=here, warn_independent_sampling=False)
            case "cmaes":
                return CmaEsSampler(seed=here, warn_independent_sampling=False)
            case _:
                raise _unknown("sampler", name, SAMPLERS)


def make_pruner(name: str, *, epochs: int) -> BasePruner:
    """Make a pruner for trainings of that many epochs by its name.

    Raises
    ------
    UsageError
        If the name is none of `studies.choices.PRUNERS`.
    """
    match name:
        case "median":
            return MedianPruner(n_startup_trials=10, n_warmup_steps=max(1, epochs // 10))
        case "hyperband":
            return HyperbandPruner(min_resource=max(1, epochs // 10), max_resource=epochs)
        case "none":
            return NopPruner()
        case _:
            raise _unknown("pruner", name, PRUNERS)


def _unknown(kind: str, name: str, choices: tuple[str, ...]) -> UsageError:
    return UsageError(f"there is no {kind} {name!r}: choose from {', '.join(choices)}")


class _Grid(GridSampler):
    """A grid sampler outside of ``study.optimize``, whose end the sweep asks for instead of being stopped."""

    def after_trial(self, *_: object) -> None:
        """Do nothing; Optuna's own would stop a loop that is not there."""

    def is_exhausted(self, study: optuna.Study) -> bool:
        """Tell whether every point was tried or is being tried."""
        trials = study.get_trials(deepcopy=False)
        return len({trial.system_attrs.get("grid_id") for trial in trials} - {None}) == len(self._all_grids)


def is_exhausted(study: optuna.Study) -> bool:
    """Tell whether the sampler has nothing left to propose: a grid all of whose points were tried."""
    return isinstance(study.sampler, _Grid) and study.sampler.is_exhausted(study)
