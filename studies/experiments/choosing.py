"""Which trials are worth a confirmation."""

from collections.abc import Mapping, Sequence

import numpy as np
from optuna.trial import FrozenTrial, TrialState

from fcnet.hyperparameters import Hyperparameters
from studies import record
from studies.experiments.marginal import fitted
from studies.experiments.results import baseline_trial
from studies.ranges import within
from studies.space import axes, numbers

ELIGIBLE = 3
"""So many times the asked number of configurations, by their scores, may be chosen."""


def choose(
    trials: Sequence[FrozenTrial], top: int, words: Mapping[str, str] | None = None
) -> list[FrozenTrial]:
    """Return the best trials of the `top` configurations that are most likely the best, and the baseline's.

    The highest scores are the luckiest ones. The configuration with the best score is always taken, the
    others among the `ELIGIBLE` times as many with the highest scores, by their chance to be the best in the
    fit of all trials, see `Surrogate.chances`, and by their score where there are too few trials for one.
    Further down there are only places of which the fit knows too little.

    Parameters
    ----------
    trials : sequence of FrozenTrial
    top : int
    words : mapping of str to str, optional
        The ranges that were searched, see `studies.ranges.describe`.
    """
    complete = [t for t in trials if t.state == TrialState.COMPLETE and t.value is not None]
    best: dict[Hyperparameters, FrozenTrial] = {}
    for trial in sorted(complete, key=lambda t: (-(t.value or 0.0), t.number)):
        best.setdefault(record.configuration(trial), trial)
    ranked = list(best.values())[: ELIGIBLE * top]
    if ranked:
        space = axes(within(complete[-1].distributions, words or {}))
        surrogate = fitted(sorted(trials, key=lambda t: t.number), space)
        if surrogate is not None:
            chances = surrogate.chances([numbers(t.params) for t in ranked])
            ranked[1:] = [ranked[i] for i in 1 + np.argsort(-chances[1:], kind="stable")]
    chosen = ranked[:top]
    report = baseline_trial(trials)
    if report is not None and best[record.configuration(report)] not in chosen:
        chosen.append(best[record.configuration(report)])
    return chosen
