"""Confirmation: the top trials on fresh, paired seeds, and a verdict that is right about noise."""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cached_property

import msgspec
import numpy as np
from numpy.typing import NDArray
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from fcnet.data import Dataset, Split
from fcnet.errors import UserError
from fcnet.hyperparameters import Hyperparameters
from fcnet.scores import effective_rows
from studies import record
from studies.analysis.budget import margin_of, overlap_of, resolution_of
from studies.analysis.decisions import compare, still_in_the_race
from studies.analysis.scores import Score, confirmed_score, paired_noise
from studies.execution.experiment import FINISHED, Experiment, Wanted
from studies.experiments.results import baseline_trial, require_best
from studies.record import CONFIRMATION, Candidate, Confirmation, Source, Wish
from studies.space import Space

_STREAM = 0xC0  # keeps the confirmation's seeds apart from those of the search and of the final training
_Array = NDArray[np.float64]


def runs_name(study: str) -> str:
    """Return the name of the study that keeps a study's confirmation runs."""
    return f"{study}-confirm"


def confirmation_seeds(n: int) -> list[int]:
    """Return fresh seeds, that no trial of a sweep has; more seeds go on where fewer ended."""
    state = np.random.SeedSequence([0, _STREAM], spawn_key=(_STREAM,)).generate_state(n)
    return [int(value) for value in state]


def choose(trials: Sequence[FrozenTrial], top: int) -> list[FrozenTrial]:
    """Return the best trial of each of the `top` best configurations, and the baseline's."""
    complete = [t for t in trials if t.state == TrialState.COMPLETE and t.value is not None]
    best: dict[Hyperparameters, FrozenTrial] = {}
    for trial in sorted(complete, key=lambda t: (-(t.value or 0.0), t.number)):
        best.setdefault(record.configuration(trial), trial)
    chosen = list(best.values())[:top]
    report = baseline_trial(trials)
    if report is not None and best[record.configuration(report)] not in chosen:
        chosen.append(best[record.configuration(report)])
    return chosen


class Confirm(Experiment[Confirmation]):
    """The top configurations on fresh seeds, seed by seed.

    For each seed, every candidate has the same initial random stream and the same new division into training
    and validation images. A candidate that can no longer win gets no further seeds. The runs are kept in a
    study of their own, so that more seeds add to it.

    Parameters
    ----------
    study : Study
        The searched study; the verdict is written into it.
    dataset : Dataset
        Its data.
    source : Source
    top : int, default=5
        Number of distinct configurations, the best first; the baseline comes on top.
    n_seeds : int, default=5
        Fresh seeds, at least 2.

    Raises
    ------
    UserError
        If there is nothing to confirm.
    """

    title = "The confirmation"

    def __init__(
        self, study: Study, dataset: Dataset, source: Source, *, top: int = 5, n_seeds: int = 5
    ) -> None:
        facts = record.read(study).facts
        if facts.confirms is not None:
            raise UserError(
                f"the study {study.study_name!r} holds confirmation runs itself:"
                f" name the searched one, --study {facts.confirms}"
            )
        require_best(study)
        self.chosen = choose(study.get_trials(deepcopy=False), top)
        self.configurations = [record.configuration(trial) for trial in self.chosen]
        self.seeds, self.parents = confirmation_seeds(n_seeds), (study,)
        # The r-th set of candidates may spend 1 / (r (r + 1)) of the chance of a false farewell: 1 in all.
        names = self._names()
        before = [] if (kept := record.read(study).confirmation) is None else kept.looks
        sets = list(dict.fromkeys([str(look).partition(" of ")[2] for look in before] + [names]))
        self._race = (sets.index(names) + 1) * (sets.index(names) + 2)
        super().__init__(
            runs_name(study.study_name),
            msgspec.structs.replace(facts, confirms=study.study_name),
            dataset,
            source,
            _space(self.chosen),
        )

    def enqueue(self, trials: Sequence[FrozenTrial]) -> Sequence[Wanted]:
        """Want the racing candidates on the first seed that is not finished."""
        values, racing = self._values(trials)
        if values.shape[1] == len(self.seeds) or self._is_decided(racing, values.shape[1]):
            return []
        seed = self.seeds[values.shape[1]]
        wish = Wish(seed=seed, split_seed=seed)
        held = {_key(trial) for trial in trials if trial.state != TrialState.FAIL}
        return [
            Wanted(self.configurations[i], msgspec.structs.replace(wish, origin=self.chosen[i].number))
            for i in np.flatnonzero(racing)
            if (self.configurations[i], seed) not in held
        ]

    def expected(self, trials: Sequence[FrozenTrial]) -> int:
        """Return what is held, and the seeds to come of all that still race."""
        values, racing = self._values(trials)
        decided = self._is_decided(racing, values.shape[1])
        later = 0 if decided else max(0, len(self.seeds) - values.shape[1] - 1)
        return self.total(trials) + later * int(racing.sum())

    def conclude(self, study: Study) -> Confirmation:
        """Judge the trainings.

        Raises
        ------
        UserError
            If some are missing, or no candidate could be trained on every seed.
        """
        trials = study.get_trials(deepcopy=False)
        values, racing = self._values(trials)
        n = values.shape[1]
        if n < len(self.seeds) and not self._is_decided(racing, n):
            why = record.last_failure(trials)
            raise UserError(f"the confirmation is not complete ({why}): give the same command again")
        if not (np.isfinite(values).all(axis=1) & (np.array(self._diverged(trials, n)) == 0)).any():
            raise UserError(
                "no candidate could be trained on every seed without diverging: search again with a narrower"
                " --range learning_rate=LOW:HIGH"
            )
        (parent,) = self.parents
        before = record.read(parent).confirmation
        looks = [] if before is None else before.looks
        look = f"{n} seeds of {self._names()}"
        looks = looks if look in looks else [*looks, look]
        costs = self._costs(trials)
        broken = self._diverged(trials, n)
        verdict = compare(values, diverged=broken, costs=costs, look=looks.index(look) + 1, **self._limits())
        report = baseline_trial(self.chosen)
        found = Confirmation(
            study=parent.study_name,
            candidates=[
                self._candidate(trial, row, cost, n_diverged, is_baseline=trial is report)
                for trial, row, cost, n_diverged in zip(self.chosen, values, costs, broken, strict=True)
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
            noise=paired_noise(values),
            validation_images=self._rows[0],
            looks=looks,
            time=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        record.write(parent, CONFIRMATION, found)
        return found

    def _names(self) -> str:
        return f"trials {', '.join(str(trial.number) for trial in self.chosen)}"

    def _values(self, trials: Sequence[FrozenTrial]) -> tuple[_Array, NDArray[np.bool_]]:
        """Return the accuracies of all finished seeds, shape (n_candidates, n), and who still races.

        They are NaN where a candidate had left the race or diverged.
        """
        found = {_key(trial): _accuracy(trial) for trial in trials if trial.state in FINISHED}
        limits = self._limits()
        del limits["margin"]  # only ties have one
        values = np.empty((len(self.chosen), 0))
        racing = np.ones(len(self.chosen), dtype=np.bool_)
        for n, seed in enumerate(self.seeds):
            # The look after n seeds may spend 1 / (n (n - 1)) of the chance of a false farewell: 1 in all.
            racing = still_in_the_race(values, looks=max(1, n * (n - 1)) * self._race, **limits)
            column = [found.get((h, seed)) for h in self.configurations]
            if self._is_decided(racing, n) or any(column[i] is None for i in np.flatnonzero(racing)):
                break
            row = [np.nan if value is None else value for value in column]
            values = np.column_stack([values, np.where(racing, row, np.nan)])
        return values, racing

    def _is_decided(self, racing: NDArray[np.bool_], n: int) -> bool:
        return n >= 2 and bool(racing.sum() <= 1 < len(self.chosen))

    def _costs(self, trials: Sequence[FrozenTrial]) -> list[float]:
        """Return the median seconds of each candidate's trainings."""
        seconds: dict[Hyperparameters, list[float]] = {h: [] for h in self.configurations}
        for trial in trials:
            if trial.state == TrialState.COMPLETE and (h := record.configuration(trial)) in seconds:
                left = record.trained(trial)
                seconds[h] += [] if left is None else [left.seconds]
        return [float(np.median(seconds[h])) if seconds[h] else float("inf") for h in self.configurations]

    def _candidate(
        self, trial: FrozenTrial, row: _Array, cost: float, n_diverged: int, *, is_baseline: bool
    ) -> Candidate:
        values = [float(value) for value in row[np.isfinite(row)]]
        overlap = self._limits()["overlap"]
        score = confirmed_score(values, overlap=overlap) if values else Score(0.0, None, None, 0)
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

    def _diverged(self, trials: Sequence[FrozenTrial], n: int) -> list[int]:
        """Return how many of each candidate's trainings with the first `n` seeds diverged."""
        broken = [_key(trial) for trial in trials if trial.state == TrialState.PRUNED]
        wanted = self.seeds[:n]
        return [sum(h == other and seed in wanted for other, seed in broken) for h in self.configurations]

    @cached_property
    def _rows(self) -> tuple[int, int]:
        """Return how many images judge a training (`effective_rows`) and how many it is trained on."""
        split = Split.open(self.split(self.configurations[0], Wish(split_seed=self.seeds[0])))
        assert split.validation is not None
        return effective_rows(self.facts.metric, split.validation.labels), len(split.train.labels)

    def _limits(self) -> dict[str, float]:
        """Return what so many images can show at all."""
        validation, training = self._rows
        return {
            "margin": margin_of(validation),
            "overlap": overlap_of(validation, training),
            "resolution": resolution_of(validation),
        }


def _key(trial: FrozenTrial) -> tuple[Hyperparameters, int | None]:
    return record.configuration(trial), record.wish(trial).seed


def _accuracy(trial: FrozenTrial) -> float:
    return np.nan if trial.state == TrialState.PRUNED or trial.value is None else trial.value


def _space(trials: Sequence[FrozenTrial]) -> Space:
    """Return ranges that hold the hyperparameters of all trials: those of the last search among them."""
    newest = max(trials, key=lambda trial: trial.number)
    return newest.distributions  # type: ignore[return-value]  # of the search's own space
