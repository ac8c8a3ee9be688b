"""Whether and where to go on with a sweep: edges, outlook, importances, and the stop on evidence."""

import warnings
from collections.abc import Sequence
from typing import Any

import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from studies.analysis.advice import MIN_TRIALS, boundary_warnings, outlook
from studies.analysis.scores import CONFIRMATION, noise_of
from studies.execution.objective import REPEAT
from studies.experiments.results import best_trial

REPEATS = 4
"""Repeats that `UntilFlat` asks for; with the first training they make five of one configuration."""


def advise(study: Study) -> dict[str, Any]:
    """Collect what the trials say about further trials.

    Returns
    -------
    dict
        ``warnings``: a sentence per hyperparameter whose best value is at an edge of its range;
        ``outlook``: a sentence, or None while the noise has not been measured; ``importances``: share of
        the spread of scores per hyperparameter, the largest first, or None with too few trials. Importances
        are no significance: on pure noise they are not zero either.
    """
    trials = study.get_trials(deepcopy=False)
    best = best_trial(trials)
    noise = noise_of(trials, study.user_attrs.get(CONFIRMATION))
    return {
        "warnings": [] if best is None else boundary_warnings(best.params, best.distributions),
        "outlook": None if noise is None else outlook(_scores(trials), noise).sentence(),
        "importances": _importances(study, trials),
    }


def _importances(study: Study, trials: Sequence[FrozenTrial]) -> dict[str, float] | None:
    complete = [t for t in trials if t.state == TrialState.COMPLETE]
    if len(complete) < MIN_TRIALS or len({t.value for t in complete}) == 1:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        found = optuna.importance.get_param_importances(study)
    return {name: float(share) for name, share in found.items()}


class UntilFlat:
    """Ends a sweep when the gain that further trials promise is below the noise of a single training.

    The noise must have been measured: where a study has no repeats, its first complete trial, normally the
    baseline, is trained `REPEATS` times more with fresh seeds. They count as trials of the sweep.

    Parameters
    ----------
    study : Study
        Repeats are enqueued here.
    """

    def __init__(self, study: Study) -> None:
        self._study, self._confirmation = study, study.user_attrs.get(CONFIRMATION)

    def __call__(self, trials: Sequence[FrozenTrial]) -> str | None:
        """Return the reason to end, or None; called under the coordinator's exclusive right."""
        noise = noise_of(trials, self._confirmation)
        if noise is None:
            self._ask_for_repeats(trials)
            return None
        if any(REPEAT in t.user_attrs and not t.state.is_finished() for t in trials):
            return None
        judged = outlook(_scores(trials), noise)
        if not judged.flat:
            return None
        sentence = judged.sentence().removeprefix("The sweep has ").removesuffix(".")
        return f"it has {sentence}"

    def _ask_for_repeats(self, trials: Sequence[FrozenTrial]) -> None:
        first = next((t for t in trials if t.state == TrialState.COMPLETE), None)
        if first is None or any(REPEAT in t.user_attrs for t in trials):
            return
        for _ in range(REPEATS):
            self._study.enqueue_trial(first.params, user_attrs={REPEAT: first.number})


def _scores(trials: Sequence[FrozenTrial]) -> list[float]:
    """Return the scores of complete trials, without repeats: those explore nothing."""
    return [
        t.value
        for t in trials
        if t.state == TrialState.COMPLETE and t.value is not None and REPEAT not in t.user_attrs
    ]
