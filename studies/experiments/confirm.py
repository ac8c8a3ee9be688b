"""Confirmation: the top trials on fresh seeds, fold by fold, and a verdict that is right about noise."""

import threading
from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec
import numpy as np
from numpy.typing import NDArray
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from fcnet.data import Dataset
from fcnet.data.holdout import holdout_rows
from fcnet.errors import UserError
from fcnet.hyperparameters import Hyperparameters
from fcnet.scores import effective_rows, weights
from studies import record
from studies.analysis.budget import margin_of
from studies.analysis.decisions import compare, still_in_the_race
from studies.analysis.outcomes import Outcomes, training_noise
from studies.analysis.scores import NO_NOISE, Score, confirmed_score, noise_of_one, paired_noise
from studies.choices import TOP, at_least
from studies.execution.experiment import FINISHED, Experiment, Wanted
from studies.experiments.choosing import choose
from studies.experiments.folds import fold_wish, key_of, mask_of, runs_name, wanted
from studies.experiments.results import baseline_trial, require_best, require_search
from studies.record import CONFIRMATION, Candidate, Confirmation, Source
from studies.space import Space

_STREAM = 0xC0  # keeps the confirmation's seeds apart from those of the search and of the final training
_Array = NDArray[np.float64]


def confirmation_seeds(n: int) -> list[int]:
    """Return fresh seeds, that no trial of a sweep has; more seeds go on where fewer ended."""
    state = np.random.SeedSequence([0, _STREAM], spawn_key=(_STREAM,)).generate_state(n)
    return [int(value) for value in state]


class Confirm(Experiment[Confirmation]):
    """The top configurations on fresh seeds, fold by fold.

    The development images are divided anew into five folds, each of which judges one training of every
    candidate, with the same seed for all; further trainings draw further partitions. So every image is judged
    equally often, by networks that have not seen it. A candidate that can no longer win gets no further
    trainings. The runs are kept in a study of their own, so that more of them add to it.

    Parameters
    ----------
    study : Study
        The searched study; the verdict is written into it.
    dataset : Dataset
        Its data.
    source : Source
    top : int, default=TOP
        Number of distinct configurations, the best first; the baseline comes on top.
    n_seeds : int, default=5
        Trainings of each candidate, at least 2.

    Raises
    ------
    UserError
        If there is nothing to confirm.
    """

    title = "The confirmation"

    def __init__(
        self, study: Study, dataset: Dataset, source: Source, *, top: int = TOP, n_seeds: int = 5
    ) -> None:
        at_least(1, top=top)
        at_least(2, n_seeds=n_seeds)  # one says nothing about noise
        kept = require_search(study)
        facts = kept.facts
        require_best(study)
        self.chosen = choose(study.get_trials(deepcopy=False), top, facts.space)
        self.top = top
        self.configurations = [record.configuration(trial) for trial in self.chosen]
        self.seeds, self.parents = confirmation_seeds(n_seeds), (study,)
        # The r-th set of candidates may spend 1 / (r (r + 1)) of the chance of a false farewell: 1 in all.
        names = self._names()
        before = [] if kept.confirmation is None else kept.confirmation.looks
        sets = list(dict.fromkeys([str(look).partition(" of ")[2] for look in before] + [names]))
        self._share = (sets.index(names) + 1) * (sets.index(names) + 2)
        self._judging = threading.Lock()
        self._begin_race([0] * len(self.chosen))
        super().__init__(
            runs_name(study.study_name),
            msgspec.structs.replace(facts, confirms=study.study_name),
            dataset,
            source,
            _space(self.chosen),
        )

    def enqueue(self, trials: Sequence[FrozenTrial]) -> Sequence[Wanted]:
        """Want the racing candidates on the first fold that is not finished."""
        return self._missing(trials, *self._judged(trials))

    def expected(self, trials: Sequence[FrozenTrial]) -> int:
        """Return what is held, what is wanted now, and the later folds of all that still race."""
        outcomes, racing = self._judged(trials)
        decided = self._is_decided(racing)
        later = 0 if decided else max(0, len(self.seeds) - outcomes.trainings - 1)
        missing = len(self._missing(trials, outcomes, racing))
        return self.total(trials) + missing + later * int(racing.sum())

    def _missing(
        self, trials: Sequence[FrozenTrial], outcomes: Outcomes, racing: NDArray[np.bool_]
    ) -> list[Wanted]:
        """Return the trainings of the first fold that is not finished which are not held."""
        n = outcomes.trainings
        if n == len(self.seeds) or self._is_decided(racing):
            return []
        wish = fold_wish(self.seeds, n)
        held = {key_of(t) for t in trials if t.state in (*FINISHED, TrialState.RUNNING, TrialState.WAITING)}
        return [
            Wanted(self.configurations[i], msgspec.structs.replace(wish, origin=self.chosen[i].number))
            for i in np.flatnonzero(racing)
            if wanted(self.configurations[i], wish) not in held
        ]

    def conclude(self, study: Study) -> Confirmation:
        """Judge the trainings.

        Raises
        ------
        UserError
            If some are missing, or no candidate could be trained on every seed.
        """
        trials = study.get_trials(deepcopy=False)
        outcomes, racing = self._judged(trials)
        n, values, broken = outcomes.trainings, outcomes.accuracies(), self._broken
        if n < len(self.seeds) and not self._is_decided(racing):
            why = record.last_failure(trials)
            raise UserError(f"the confirmation is not complete ({why}): give the same command again")
        if not (np.isfinite(values).all(axis=1) & (np.array(broken) == 0)).any():
            raise UserError(
                "no candidate could be trained on every seed without diverging: search again with a narrower"
                " --range learning_rate=LOW:HIGH"
            )
        (parent,) = self.parents
        before = record.read(parent).confirmation
        looks = [] if before is None else before.looks
        look = f"{n} folds of {self._names()}"
        looks = looks if look in looks else [*looks, look]
        costs = self._costs(trials)
        judged_by = effective_rows(self.facts.metric, self.dataset.labels[self._images[0]])
        verdict = compare(
            outcomes,
            diverged=broken,
            costs=costs,
            margin=margin_of(judged_by),
            racing=racing if self._is_decided(racing) else None,
            look=looks.index(look) + 1,
        )
        report = baseline_trial(self.chosen)
        top = [row for row, t in zip(values, self.chosen, strict=True) if t is not report]
        noise = paired_noise(top if len(top) > 1 else values)  # where the choice is made
        lasting = [
            i for i, row in enumerate(values) if np.isfinite(row).all() and self.chosen[i] is not report
        ]
        found = Confirmation(
            study=parent.study_name,
            candidates=[
                self._candidate(outcomes, i, costs[i], broken[i], is_baseline=trial is report)
                for i, trial in enumerate(self.chosen)
            ],
            verdict=verdict.kind,
            sentence=verdict.sentence(
                [f"trial {t.number}" + (" (the baseline)" if t is report else "") for t in self.chosen]
            ),
            p_value=verdict.p_value,
            seeds=self.seeds[:n],
            winner=self.chosen[verdict.winner].number,
            cheapest=self.chosen[verdict.cheapest].number,
            more_seeds=verdict.more_seeds,
            noise=noise[0] if noise is not None and noise[0] > NO_NOISE else None,
            training_noise=training_noise(outcomes, lasting),
            baseline_noise=None if report is None else noise_of_one(values, self.chosen.index(report)),
            validation_images=judged_by,
            looks=looks,
            top=self.top,
            time=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        record.write(parent, CONFIRMATION, found)
        return found

    def _names(self) -> str:
        return f"trials {', '.join(str(trial.number) for trial in self.chosen)}"

    def _begin_race(self, broken: list[int]) -> None:
        self._broken = broken
        self._masks: list[list[_Array | None]] = [[] for _ in self.chosen]
        self._images: list[NDArray[np.intp]] = []
        self._outcomes = Outcomes.of(self._masks, self._images)
        self._racing = np.array(broken) == 0

    def _judged(self, trials: Sequence[FrozenTrial]) -> tuple[Outcomes, NDArray[np.bool_]]:
        """Return the outcomes of all finished folds, and who still races.

        There are none where a candidate had left the race or diverged. Whoever diverges has beaten nobody:
        the race is run again without it, and who left because of it is back.
        """
        found = {key_of(trial): trial for trial in trials if trial.state in FINISHED}
        wishes = [fold_wish(self.seeds, n) for n in range(len(self.seeds))]
        diverged = {key for key, trial in found.items() if trial.state == TrialState.PRUNED}
        broken = [sum(wanted(h, wish) in diverged for wish in wishes) for h in self.configurations]
        with self._judging:  # what is finished stays, and is judged once
            if broken != self._broken:
                self._begin_race(broken)
            while not (len(self._images) == len(self.seeds) or self._is_decided(self._racing)):
                n = len(self._images)
                wish = wishes[n]
                column = [found.get(wanted(h, wish)) for h in self.configurations]
                if any(column[i] is None for i in np.flatnonzero(self._racing)):
                    break
                rows = holdout_rows(self.dataset.labels, seed=wish.split_seed, fold=wish.fold)
                self._images.append(np.flatnonzero(rows))
                counted = weights(self.facts.metric, self.dataset.labels[rows])
                for masks, trial, shown in zip(
                    self._masks, column, self._racing | (np.array(broken) > 0), strict=True
                ):
                    mask = mask_of(trial) if shown and trial is not None else None
                    masks.append(None if mask is None else mask * counted)
                self._outcomes = Outcomes.of(self._masks, self._images)
                # The look after n trainings may spend 1 / (n (n - 1)) of the chance of a false farewell.
                looks = max(1, (n + 1) * n) * self._share
                still = still_in_the_race(self._outcomes, diverged=broken, looks=looks)
                self._racing = self._racing & still
            return self._outcomes, self._racing

    def _is_decided(self, racing: NDArray[np.bool_]) -> bool:
        return len(self._images) >= 2 and bool(racing.sum() <= 1 < len(self.chosen))

    def _costs(self, trials: Sequence[FrozenTrial]) -> list[float]:
        """Return the median seconds of each candidate's trainings."""
        seconds: dict[Hyperparameters, list[float]] = {h: [] for h in self.configurations}
        for trial in trials:
            if trial.state == TrialState.COMPLETE and (h := record.configuration(trial)) in seconds:
                left = record.trained(trial)
                seconds[h] += [] if left is None else [left.seconds]
        return [float(np.median(seconds[h])) if seconds[h] else float("inf") for h in self.configurations]

    def _candidate(
        self, outcomes: Outcomes, i: int, cost: float, n_diverged: int, *, is_baseline: bool
    ) -> Candidate:
        values = [float(value) for value in outcomes.accuracies()[i] if np.isfinite(value)]
        labels = None if self.facts.metric == "accuracy" else self.dataset.labels[outcomes.image]
        score = confirmed_score(outcomes, i, labels=labels) if values else Score(0.0, None, None, 0)
        trial = self.chosen[i]
        return Candidate(
            trial=trial.number,
            baseline=is_baseline,
            params=trial.params,
            search=trial.value,
            values=values,
            diverged=n_diverged,
            mean=score.mean if values else None,
            low=score.low,
            high=score.high,
            n=len(values),
            std=float(np.std(values, ddof=1)) if len(values) > 1 else None,
            seconds=cost if np.isfinite(cost) else None,
        )


def _space(trials: Sequence[FrozenTrial]) -> Space:
    """Return ranges that hold the hyperparameters of all trials: those of the last search among them."""
    newest = max(trials, key=lambda trial: trial.number)
    return newest.distributions  # type: ignore[return-value]  # of the search's own space
