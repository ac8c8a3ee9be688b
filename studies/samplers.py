"""Samplers and pruners by the names of `studies.choices`."""

import warnings
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution
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
from optuna.trial import FrozenTrial, TrialState

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
        What is proposed: Optuna's distributions may be wider, to hold a baseline.

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
    searched = {n: d for n, d in space.items() if not d.single()}
    ranges = {n: d for n, d in searched.items() if not isinstance(d, CategoricalDistribution)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        match name:
            case "tpe":
                return Within(space, TPESampler(seed=here), searched)
            case "random":
                return Within(space, RandomSampler(seed=here), {})
            case "qmc":
                sampler = QMCSampler(seed=seed, scramble=True, warn_independent_sampling=False)
                return Within(space, sampler, ranges)
            case "grid":
                return Within(space, _Grid(grid(space), seed=seed), {})
            case "gp":
                return Within(space, GPSampler(seed=here, warn_independent_sampling=False), searched)
            case "cmaes":
                return Within(space, CmaEsSampler(seed=here, warn_independent_sampling=False), ranges)
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
            pruner = HyperbandPruner(min_resource=max(1, epochs // 10), max_resource=epochs)
            unused: Any = None  # the study, which tells the largest number of epochs where none is given
            pruner._try_initialization(unused)  # now: two threads that ask first would do it twice
            return pruner
        case "none":
            return NopPruner()
        case _:
            raise _unknown("pruner", name, PRUNERS)


def _unknown(kind: str, name: str, choices: tuple[str, ...]) -> UsageError:
    return UsageError(f"there is no {kind} {name!r}: choose from {', '.join(choices)}")


class Within(BaseSampler):
    """A sampler that proposes within a stated space, not within what Optuna infers from the trials.

    Parameters
    ----------
    space : Space
        Where every proposal lies; of a single value it is that value.
    sampler : BaseSampler
        Whose proposals they are.
    joint : mapping of str to distribution
        The part of the space that it proposes as a whole.
    """

    def __init__(self, space: Space, sampler: BaseSampler, joint: Mapping[str, BaseDistribution]) -> None:
        self.sampler, self._space, self._joint = sampler, space, dict(sorted(joint.items()))

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Return what is proposed as a whole."""
        return self._joint

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Let the sampler propose it."""
        return self.sampler.sample_relative(study, trial, search_space)

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """Return the only value, or let the sampler propose one within the space."""
        within: Any = self._space.get(param_name, param_distribution)
        if within.single():  # the distribution may be wider, and a sampler's fit of one value divides by zero
            return within.choices[0] if isinstance(within, CategoricalDistribution) else within.low
        return self.sampler.sample_independent(study, trial, param_name, within)

    def before_trial(self, study: optuna.Study, trial: FrozenTrial) -> None:
        """Pass it on."""
        self.sampler.before_trial(study, trial)

    def after_trial(
        self, study: optuna.Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None
    ) -> None:
        """Pass it on."""
        self.sampler.after_trial(study, trial, state, values)

    def reseed_rng(self) -> None:
        """Pass it on."""
        self.sampler.reseed_rng()


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
    sampler = study.sampler.sampler if isinstance(study.sampler, Within) else None
    return isinstance(sampler, _Grid) and sampler.is_exhausted(study)
