"""What a study has found so far: its best trial, the baseline, the noise, and the winner's scores."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from fcnet.errors import UserError
from fcnet.metrics import Metric
from studies import record
from studies.analysis.scores import NO_NOISE, Score, measured_score, noise_floor, proportion_interval
from studies.experiments.corrected import corrected_of
from studies.record import Confirmation, Kept, best_trial
from studies.space import is_baseline


@dataclass(frozen=True)
class Counts:
    """Trials of a study by their state."""

    complete: int
    pruned: int
    failed: int
    running: int
    waiting: int


@dataclass(frozen=True)
class Data:
    """What a study was run on; `noun` is what its rows are called."""

    name: str
    fingerprint: str
    noun: str = "images"


@dataclass(frozen=True)
class Scored:
    """A trial with its value."""

    trial: int
    value: float


@dataclass(frozen=True)
class Scores:
    """A trial's accuracy in the search, corrected, confirmed and on the test set; None where not measured.

    Parameters
    ----------
    trial : int
    search : Score
    corrected : Score or None
        The search score of the best trial, without what it owes to having been picked; see `corrected_score`.
    confirmed, test : Score or None
    ensemble : Score or None
        On the test set, of the networks as one; None of a single network, which `test` tells.
    flattery : float or None
        By how much the search score exceeds the confirmed one.
    """

    trial: int
    search: Score
    corrected: Score | None
    confirmed: Score | None
    test: Score | None
    ensemble: Score | None
    flattery: float | None


@dataclass(frozen=True)
class Summary:
    """What a study has found; what needs a complete trial or repeats is None without.

    Parameters
    ----------
    study : str
    trial, value, params : int, float, dict or None
        The best trial.
    n_trials : Counts
    data : Data
    protocol : str
    epochs : int
    baseline : Scored or None
    test_openings : int
    noise : float or None
        Standard deviation of a single training.
    confirmation : Confirmation or None
    ground : str or None
        Which trial is the winner, and why.
    scores : Scores or None
        The winner's.
    metric : {"accuracy", "balanced_accuracy"}
        What every score here is.
    """

    study: str
    trial: int | None
    value: float | None
    params: dict[str, Any] | None
    n_trials: Counts
    data: Data
    protocol: str
    epochs: int
    baseline: Scored | None
    test_openings: int
    noise: float | None
    confirmation: Confirmation | None
    ground: str | None
    scores: Scores | None
    metric: Metric = "accuracy"


def summarise(study: Study) -> Summary:
    """Collect a study's result.

    Raises
    ------
    UserError
        If it was not made by this program, or somebody changed what it keeps.
    """
    kept, trials = record.read(study), study.get_trials(deepcopy=False)
    states = Counter(trial.state for trial in trials)
    best, baseline = best_trial(trials), baseline_trial(trials)
    winner, ground = (None, None) if best is None else winner_of(study)
    return Summary(
        study=study.study_name,
        trial=None if best is None else best.number,
        value=None if best is None else best.value,
        params=None if best is None else best.params,
        n_trials=Counts(
            states[TrialState.COMPLETE],
            states[TrialState.PRUNED],
            sum(t.state == TrialState.FAIL and record.reason(t) != record.INTERRUPTED for t in trials),
            states[TrialState.RUNNING],
            states[TrialState.WAITING],
        ),
        data=Data(kept.data_name, kept.facts.data, kept.source.noun),
        protocol=kept.facts.protocol,
        epochs=kept.facts.epochs,
        baseline=None if baseline is None else Scored(baseline.number, baseline.value or 0.0),
        test_openings=len(kept.openings),
        noise=noise_of(trials, kept.confirmation),
        confirmation=kept.confirmation,
        ground=ground,
        scores=None if winner is None else scores_of(winner, trials, kept),
        metric=kept.facts.metric,
    )


def require_search(study: Study) -> Kept:
    """Return what a search keeps.

    Raises
    ------
    UserError
        If the study is none: its trainings belong to another study, or to an experiment.
    """
    kept = record.read(study)
    if (whole := kept.facts.confirms or kept.facts.trains) is not None:
        raise UserError(
            f"the study {study.study_name!r} holds trainings that belong to another one: name the searched"
            f" one, --study {whole}"
        )
    if not kept.facts.is_search:
        raise UserError(f"the study {study.study_name!r} is no search: name one with --study NAME")
    return kept


def require_best(study: Study) -> FrozenTrial:
    """Return the best trial of a study.

    Raises
    ------
    UserError
        If no trial is complete.
    """
    best = best_trial(study.get_trials(deepcopy=False))
    if best is None:
        raise UserError(f"the study {study.study_name!r} has no complete trial yet: go on with it first")
    return best


def require_trial(study: Study, number: int) -> FrozenTrial:
    """Return a complete trial by its number.

    Raises
    ------
    UserError
        If there is no such trial, or it is not complete.
    """
    for trial in study.get_trials(deepcopy=False):
        if trial.number == number and trial.state == TrialState.COMPLETE:
            return trial
    raise UserError(
        f"the study {study.study_name!r} has no complete trial {number}: name one that is complete"
    )


def baseline_trial(trials: Sequence[FrozenTrial]) -> FrozenTrial | None:
    """Return the first complete trial with the course report's configuration."""
    return next((t for t in trials if t.state == TrialState.COMPLETE and is_baseline(t)), None)


def winner_of(study: Study) -> tuple[FrozenTrial, str]:
    """Return the trial to be trained in the end, and a sentence that says on what ground.

    After a tie, or where nothing can be told, it is the one that the verdict names, see `Verdict.cheapest`.

    Raises
    ------
    UserError
        If no trial is complete.
    """
    best, confirmation = require_best(study), record.read(study).confirmation
    if confirmation is None:
        return best, (
            f"Trial {best.number} has the best search score; it was not confirmed,"
            " which tells luck from merit."
        )
    number, rank = confirmation.winner, "has the best confirmed score"
    if confirmation.verdict == "beats":
        rank = "is the confirmed winner"
    elif confirmation.verdict == "tie":
        number, rank = confirmation.cheapest, "is the cheapest of those that tie"
    elif confirmation.more_seeds is None:
        number, rank = confirmation.cheapest, "is the cheapest within a standard error of the best"
    ground = f"Trial {number} {rank}. {confirmation.sentence}"
    if confirmation.verdict == "only_candidate":
        ground = confirmation.sentence
    if best.params not in [candidate.params for candidate in confirmation.candidates]:
        ground += f" Trial {best.number} scored better since; it was not confirmed."
    return study.get_trials(deepcopy=False)[number], ground


def noise_of(trials: Sequence[FrozenTrial], confirmation: Confirmation | None = None) -> float | None:
    """Standard deviation of a single training, measured from repeats; None where none differ.

    A confirmation has it; else it comes from complete trials that share their parameters.
    """
    if confirmation is not None and confirmation.noise is not None:
        return confirmation.noise
    groups: dict[tuple[Any, ...], list[float]] = {}
    for trial in trials:
        if trial.state == TrialState.COMPLETE and trial.value is not None:
            groups.setdefault(tuple(sorted(trial.params.items())), []).append(trial.value)
    noise = noise_floor(list(groups.values()))
    return noise if noise is not None and noise > NO_NOISE else None


def scores_of(trial: FrozenTrial, trials: Sequence[FrozenTrial], kept: Kept) -> Scores:
    """Collect a trial's scores from what its study keeps."""
    confirmation, value = kept.confirmation, float(trial.value or 0.0)
    best = best_trial(trials)
    is_best = best is not None and best.number == trial.number
    noise = noise_of(trials, confirmation)
    search, confirmed = Score(value, None, None, 1), None
    if confirmation is not None:
        search = measured_score([value], images=confirmation.validation_images, noise=noise)
        same = [c for c in confirmation.candidates if c.params == trial.params]
        if same and same[0].mean is not None:
            confirmed = Score(same[0].mean, same[0].low, same[0].high, same[0].n)
    test, ensemble = _test_scores(kept, record.configuration_hash(trial.params), noise)
    of_rows = kept.facts.metric == "accuracy"  # a mean over rows, each of which counts the same
    return Scores(
        trial=trial.number,
        search=search,
        corrected=corrected_of(trial, trials, confirmation) if is_best and of_rows else None,
        confirmed=confirmed,
        test=test,
        ensemble=ensemble,
        flattery=None if confirmed is None else value - confirmed.mean,
    )


def scores_of_trial(study: Study, number: int) -> Scores:
    """Return the scores of a trial by its number."""
    return scores_of(require_trial(study, number), study.get_trials(deepcopy=False), record.read(study))


def _test_scores(kept: Kept, configuration: str, noise: float | None) -> tuple[Score | None, Score | None]:
    """Return what a configuration's last networks scored on the test set: on average, and as one."""
    tested = [opening for opening in kept.openings if opening.configuration == configuration]
    if not tested or tested[-1].test_accuracies is None or tested[-1].images is None:
        return None, None
    accuracies, images, together = tested[-1].test_accuracies, tested[-1].images, tested[-1].ensemble_accuracy
    if kept.final is not None and record.configuration_hash(kept.final.params) == configuration:
        accuracies, together = kept.final.test_accuracy.values, kept.final.ensemble_accuracy
    test = measured_score(accuracies, images=images, noise=noise)
    if test.n == 1 or together is None:
        return test, None
    return test, Score(together, *proportion_interval(together, images), test.n)
