"""Two searches side by side, as plain data: their results, their progress, and which winner is better."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import optuna
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from fcnet.data.holdout import FOLDS
from fcnet.errors import UsageError
from fcnet.hyperparameters import Hyperparameters
from studies import record
from studies.analysis.lead import Lead, Searched, best_of, confirmed_lead, picked_lead
from studies.analysis.outcomes import Outcomes
from studies.experiments.corrected import division, judged_alike, noise_of_repeats
from studies.experiments.folds import fold_wish, key_of, mask_of, runs_name, wanted
from studies.experiments.overview import Row, rows_of
from studies.experiments.results import Summary, summarise
from studies.experiments.standing import Standing, standing
from studies.record import Kept
from studies.storage.errors import redact
from studies.storage.gathering import storage_of

Ground = Literal["confirmed", "corrected"]
Pair = tuple[int, int]
Configured = tuple[Hyperparameters, int, str | None]


@dataclass(frozen=True)
class Side:
    """One of the two.

    Parameters
    ----------
    name : str
        What it is called here.
    summary, standing, kept : Summary, Standing, record.Kept
    rows : list of Row
    """

    name: str
    summary: Summary
    standing: Standing
    kept: Kept
    rows: list[Row]


@dataclass(frozen=True)
class Comparable:
    """What can be said about the two winners.

    Parameters
    ----------
    trials : (int, int) or None
        Those that are compared; None where a search has none.
    lead : Lead or None
        None without a verdict.
    ground : {"confirmed", "corrected"} or None
        What the lead rests on: trainings on the same folds, or the search, corrected for the picking.
    why : str
        Why there is no verdict.
    found : float or None
        The first score less the second, as they were found; None where they are of other data.
    more : tuple of int
        Which of the two to confirm, 0 and 1, to know more.
    seeds : int
        Folds that both share.
    """

    trials: Pair | None = None
    lead: Lead | None = None
    ground: Ground | None = None
    why: str = ""
    found: float | None = None
    more: tuple[int, ...] = ()
    seeds: int = 0


@dataclass(frozen=True)
class Comparison:
    """Two searches and what can be said about their winners."""

    sides: tuple[Side, Side]
    judged: Comparable


def compare_studies(studies: Sequence[Study]) -> Comparison:
    """Put two searches side by side; only what they keep is read.

    Raises
    ------
    UsageError
        If one is no search.
    UserError
        If one was not made by this program, or somebody changed what it keeps.
    """
    for study in studies:
        if not record.read(study).facts.is_search:
            raise UsageError(f"the study {study.study_name!r} is no search: name two searches with --study")
    first, second = (_side(study, name) for study, name in zip(studies, _names(studies), strict=True))
    return Comparison((first, second), _judge(studies, (first, second)))


def _names(studies: Sequence[Study]) -> list[str]:
    """Return what tells the two apart: their databases where their own names do not."""
    names = [study.study_name for study in studies]
    if names[0] != names[1]:
        return names
    storages: list[Any] = [storage_of(study) for study in studies]
    return [f"{redact(storage.url)}#{name}" for storage, name in zip(storages, names, strict=True)]


def _side(study: Study, name: str) -> Side:
    kept, trials = record.read(study), study.get_trials(deepcopy=False)
    left = {trial.number: record.trained(trial) for trial in trials}
    return Side(
        name,
        summarise(study),
        standing(trials, kept, now=datetime.now()),
        kept,
        rows_of(trials, left),
    )


def _judge(studies: Sequence[Study], sides: tuple[Side, Side]) -> Comparable:
    if why := _incomparable(sides):
        return Comparable(why=why)
    winners = [_winner(study, side.summary) for study, side in zip(studies, sides, strict=True)]
    numbers = winners[0].number, winners[1].number
    found = float(winners[0].value or 0.0) - float(winners[1].value or 0.0)
    if _configured(winners[0], sides[0]) == _configured(winners[1], sides[1]):
        return Comparable(numbers, found=found, why="both found the same configuration")
    open_ = tuple(i for i, side in enumerate(sides) if side.kept.confirmation is None)
    if len(open_) == 1:
        why = f"{sides[1 - open_[0]].name} is confirmed, {sides[open_[0]].name} is not"
        return Comparable(numbers, found=found, why=why, more=open_)
    return (_judge_searched if open_ else _judge_confirmed)(studies, sides, numbers, found)


def _incomparable(sides: tuple[Side, Side]) -> str:
    """Return why no two scores of the searches can be compared; empty if they can."""
    first, second = (side.kept.facts for side in sides)
    if first.data != second.data:
        return "the data are others"
    if first.metric != second.metric:
        return f"the metrics are others, {first.metric} and {second.metric}"
    if first.protocol != second.protocol:
        return f"the protocols are others, {first.protocol} and {second.protocol}"
    empty = [side.name for side in sides if side.summary.scores is None]
    verb = "have" if empty[1:] else "has"
    return f"{' and '.join(empty)} {verb} no complete trial yet" if empty else ""


def _winner(study: Study, summary: Summary) -> FrozenTrial:
    assert summary.scores is not None
    return study.get_trials(deepcopy=False)[summary.scores.trial]


def _configured(trial: FrozenTrial, side: Side) -> Configured:
    """Return what a training is but for its seed and images: two searches may train for other epochs."""
    facts = side.kept.facts
    return record.configuration(trial), facts.epochs, facts.loss


def _judge_searched(
    studies: Sequence[Study], sides: tuple[Side, Side], numbers: Pair, found: float
) -> Comparable:
    """Compare the best trials by their scores in the search, corrected for the picking."""
    searched, unmeasured, unknown = [], [], []
    both = [study.get_trials(deepcopy=False) for study in studies]
    best = [trials[number] for trials, number in zip(both, numbers, strict=True)]
    if division(best[0]) is None or division(best[0]) != division(best[1]):
        why = "it is not known that the same images judged both winners"
        return Comparable(numbers, found=found, why=why, more=(0, 1))
    if sides[0].kept.facts.metric != "accuracy":
        why = "a balanced accuracy of the search cannot be corrected for the picking"
        return Comparable(numbers, found=found, why=why, more=(0, 1))
    for side, trials, trial in zip(sides, both, best, strict=True):
        judged = judged_alike(trial, trials)
        noise = noise_of_repeats(judged)
        if not judged:
            unknown.append(side.name)
        elif noise is None:
            unmeasured.append(side.name)
        else:
            searched.append(Searched(np.array([mask for _, mask in judged]), noise))
    if unknown:
        why = f"of too many trials of {' and '.join(unknown)} it is not known which images they got right"
        return Comparable(numbers, found=found, why=why, more=(0, 1))
    if unmeasured:
        why = f"how much a training varies has not been measured in {' and '.join(unmeasured)}"
        return Comparable(numbers, found=found, why=why, more=(0, 1))
    lead = picked_lead(searched[0], searched[1])
    return Comparable(numbers, lead, "corrected", found=found, more=(0, 1))


def _judge_confirmed(
    studies: Sequence[Study], sides: tuple[Side, Side], numbers: Pair, found: float
) -> Comparable:
    """Compare the best confirmed candidates by trainings on the same seeds and folds.

    Only the first partition is looked at: which images the folds of a further one share with it is not known
    without the data.
    """
    confirmations = [one for side in sides if (one := side.kept.confirmation) is not None]
    seeds = [one.seeds[:FOLDS] for one in confirmations]
    n = min(map(len, seeds))
    if n < 2 or seeds[0][:n] != seeds[1][:n]:
        why = "the winners were confirmed on other seeds"
        return Comparable(numbers, found=found, why=why)
    rows: dict[Configured, list[FrozenTrial]] = {}
    lasting: list[dict[int, Configured]] = []
    for study, side, confirmation in zip(studies, sides, confirmations, strict=True):
        trained, trials = _runs(study), study.get_trials(deepcopy=False)
        there: dict[int, Configured] = {}
        for candidate in confirmation.candidates:
            if candidate.trial >= len(trials):
                continue
            configured = _configured(trials[candidate.trial], side)
            runs = [trained.get(wanted(configured[0], fold_wish(seeds[0], t))) for t in range(n)]
            always = [run for run in runs if run is not None]
            if len(always) == n and not candidate.diverged:
                there[candidate.trial] = configured
                rows.setdefault(configured, always)
        lasting.append(there)
    if not all(lasting):
        return Comparable(numbers, found=found, why="the trainings of a confirmation are gone", more=(0, 1))
    order = list(rows)
    outcomes = _outcomes([*rows.values()], balanced=sides[0].kept.facts.metric != "accuracy")
    if outcomes is None:
        return Comparable(numbers, found=found, why="the folds of the confirmations had other images")
    places = [[order.index(one) for one in there.values()] for there in lasting]
    best = [order[best_of(outcomes, place)] for place in places]
    first, second = (
        next(number for number, one in there.items() if one == leading)
        for there, leading in zip(lasting, best, strict=True)
    )
    if best[0] == best[1]:
        return Comparable(
            (first, second), found=found, why="both confirmed the same configuration as the best"
        )
    most = max(len(one.candidates) for one in confirmations)
    lead = confirmed_lead(outcomes, (places[0], places[1]), picked_from=most)
    more = tuple(i for i, one in enumerate(confirmations) if len(one.seeds) < FOLDS)
    return Comparable((first, second), lead, "confirmed", found=found, more=more, seeds=n)


def _runs(study: Study) -> dict[object, FrozenTrial]:
    """Return the complete trainings of a study's confirmation; none if their study is gone."""
    try:
        runs = optuna.load_study(study_name=runs_name(study.study_name), storage=study._storage)
    except KeyError:
        return {}
    done = [trial for trial in runs.get_trials(deepcopy=False) if trial.state == TrialState.COMPLETE]
    return {key_of(trial): trial for trial in done}


def _outcomes(rows: Sequence[Sequence[FrozenTrial]], *, balanced: bool) -> Outcomes | None:
    """Put the trainings of each candidate together; None where they were not judged by as many images."""
    if balanced:  # what each image counts is not known without the data
        return Outcomes.of_accuracies([[run.value or 0.0 for run in row] for row in rows])
    masks = [[mask_of(run) for run in row] for row in rows]
    sizes = [[0 if mask is None else len(mask) for mask in row] for row in masks]
    if any(size != sizes[0] for size in sizes):
        return None
    ends = np.cumsum([0, *sizes[0]])
    images = [np.arange(start, stop) for start, stop in pairwise(ends)]
    return Outcomes.of(masks, images)
