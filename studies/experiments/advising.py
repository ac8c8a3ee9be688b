"""What the trials of a sweep say about further trials."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace

import optuna
from optuna.distributions import IntDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from studies import record
from studies.analysis.advice import MIN_TRIALS, Edge, Outlook, edges, outlook
from studies.analysis.axis import Axis
from studies.execution.experiment import FINISHED
from studies.experiments.plan import again
from studies.experiments.results import noise_of
from studies.ranges import varied, within
from studies.record import Kept, best_trial
from studies.space import axes, is_baseline, start

MORE_TRIALS = 30
"""By so many a sweep is longer when it goes on with a wider space."""


@dataclass(frozen=True)
class Advice:
    """What the trials say about further trials.

    Parameters
    ----------
    warnings : list of str
        A sentence per hyperparameter whose best value is at an edge of its range.
    wider : list of str
        Options that go on with wider ranges where there are such, besides those that name the study.
    outlook : str or None
        A sentence; None while the noise has not been measured.
    importances : dict of str to float or None
        Share of the spread of scores per hyperparameter, the largest first; None with too few trials. It is
        no significance: on pure noise it is not zero either.
    diverged : int
        Trainings that diverged, which Optuna counts as pruned.
    """

    warnings: list[str]
    wider: list[str]
    outlook: str | None
    importances: dict[str, float] | None
    diverged: int


def advise(study: Study) -> Advice:
    """Collect what the trials of a study say about further trials: edges, outlook, importances."""
    kept, trials = record.read(study), study.get_trials(deepcopy=False)
    best, noise = best_trial(trials), noise_of(trials, kept.confirmation)
    found: list[Edge] = []
    on_a_grid = kept.asked is not None and kept.asked.sampler == "grid"  # which has no further points
    if best is not None and not is_baseline(best) and not on_a_grid:
        space = within(best.distributions, kept.facts.space)
        if record.configuration(best) != start(space):  # type: ignore[arg-type]  # the search went there itself
            found = edges(best.params, _limited(axes(space), best))
    return Advice(
        warnings=[edge.sentence() for edge in found],
        wider=_wider(kept, trials, {edge.name: edge.wider for edge in found}) if found else [],
        outlook=None if noise is None else outlook_of(trials, noise).sentence(),
        importances=_importances(study, trials, varied(kept.facts.space)),
        diverged=sum(map(record.diverged, trials)),
    )


def _limited(ranges: dict[str, Axis], trial: FrozenTrial) -> dict[str, Axis]:
    """Return ranges that end where the data do: with as many principal inputs as a row has values.

    Nor are there more than training rows; a fifth of all judges.
    """
    all_inputs, judged = trial.distributions.get("components"), record.outcomes(trial)
    if isinstance(all_inputs, IntDistribution):  # it has room for the baseline, which sees them all
        most = all_inputs.high if judged is None else min(all_inputs.high, 4 * judged.images)
        ranges["components"] = replace(ranges["components"], most=most)
    return ranges


def outlook_of(trials: Sequence[FrozenTrial], noise: float) -> Outlook:
    """Tell what further trials promise; repeats explore nothing and are left out."""
    return outlook(_scores(trials), noise)


def _wider(kept: Kept, trials: Sequence[FrozenTrial], wider: dict[str, str]) -> list[str]:
    """Return the options that go on with a sweep over wider ranges, as its facts demand."""
    n_trials = sum(t.state in FINISHED for t in trials) + MORE_TRIALS
    return again(kept, trials=n_trials, wider=wider)


def _importances(study: Study, trials: Sequence[FrozenTrial], names: list[str]) -> dict[str, float] | None:
    complete = [t for t in trials if t.state == TrialState.COMPLETE]
    searched = [t for t in complete if not is_baseline(t)]
    names = [name for name in names if len({t.params.get(name) for t in searched}) > 1]
    if not names or len(complete) < MIN_TRIALS or len({t.value for t in complete}) == 1:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        warnings.filterwarnings("error", "Target and region quantiles select the same set", UserWarning)
        try:
            found = optuna.importance.get_param_importances(study, params=names)
        except UserWarning:  # most scores are equal: so would be all importances
            return None
    return {name: float(share) for name, share in found.items()}


def _scores(trials: Sequence[FrozenTrial]) -> list[float]:
    """Return the scores of finished trials, NaN for pruned ones, without repeats: those explore nothing."""
    searched = [t for t in trials if t.state in FINISHED and record.wish(t).repeat is None]
    return [
        t.value if t.state == TrialState.COMPLETE and t.value is not None else float("nan") for t in searched
    ]
