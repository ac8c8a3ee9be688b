"""Which training of a confirmation is which: the n-th of each candidate has its seed, split and fold."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from optuna.trial import FrozenTrial, TrialState

from fcnet.data.holdout import FOLDS
from fcnet.hyperparameters import Hyperparameters
from studies import record
from studies.record import Wish

Key = tuple[Hyperparameters, int | None, int, int]


def runs_name(study: str) -> str:
    """Return the name of the study that keeps a study's confirmation runs."""
    return f"{study}-confirm"


def fold_wish(seeds: Sequence[int], n: int) -> Wish:
    """Return what the n-th training of each candidate shall be; five make a partition."""
    return Wish(seed=seeds[n], split_seed=seeds[n - n % FOLDS], fold=n % FOLDS)


def wanted(h: Hyperparameters, wish: Wish) -> Key:
    """Return what is trained, and on what."""
    return h, wish.seed, wish.split_seed, wish.fold


def key_of(trial: FrozenTrial) -> Key | None:
    """Return what a trial trains, and on what; None where it should have outcomes and has none."""
    if trial.state == TrialState.COMPLETE and record.outcomes(trial) is None:
        return None
    return wanted(record.configuration(trial), record.wish(trial))


def mask_of(trial: FrozenTrial) -> NDArray[np.bool_] | None:
    """Return which images a finished training got right; None if it diverged."""
    outcomes = record.outcomes(trial)
    return None if outcomes is None else outcomes.mask()
