"""The search: baseline and starting point, then what the sampler proposes, until the asked number is held."""

import math
from collections.abc import Callable, Sequence

from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from fcnet.data import Dataset
from fcnet.text import counted
from studies import record
from studies.execution.experiment import Experiment, Wanted
from studies.experiments.advising import outlook_of
from studies.experiments.data import facts_of, load_data
from studies.experiments.plan import Plan
from studies.experiments.results import noise_of
from studies.experiments.taking import Taken, take
from studies.ranges import at, fitting, point
from studies.record import ASKED, Asked, Source, Wish, best_trial
from studies.samplers import is_exhausted, make_pruner, make_sampler
from studies.space import around, baseline, fitted, grid, is_baseline, start
from studies.storage.database import parse

REPEATS = 4
"""Repeats that `Plan.until_flat` asks for; with the first training they make five of one configuration."""


class Search(Experiment[Study]):
    """A sweep over the space of a plan."""

    title = "The sweep"

    def __init__(self, plan: Plan, dataset: Dataset, source: Source) -> None:
        n_features = dataset.images.shape[1]
        self.searched = fitted(
            plan.space,
            n_features,
            image_shape=dataset.image_shape if dataset.are_images else None,
            n_rows=len(dataset.labels),
        )
        facts = facts_of(dataset, self.searched, protocol="holdout", epochs=plan.epochs, metric=plan.metric)
        super().__init__(plan.study, facts, dataset, source, around(self.searched, n_features))
        self._baseline = baseline(self.searched, n_features)
        self._points = [at(text, self.searched) for text in plan.points]
        if plan.sampler != "grid":  # which holds its own points only
            self._points.append(start(self.searched))
        self.grid = grid(self.searched) if plan.sampler == "grid" else None
        points = math.inf if self.grid is None else math.prod(map(len, self.grid.values()))
        first = len(self._points) + (self._baseline is not None)
        self.most = int(min(plan.trials, points + first))
        """Most trials that the study may hold in the end: a grid has so many points."""
        self.taken: Taken | None = None
        if plan.taken_from is not None:
            self.taken = take(
                plan.taken_from, plan.url, plan.study, facts, space=self.space, searched=self.searched
            )
        self.plan, self.seed, self.timeout = plan, plan.seed, plan.timeout
        self.may_prune = plan.pruner != "none"
        self._study: Study | None = None

    def notices(self) -> list[str]:
        """Say how the ranges were fitted to the data, what a grid holds, and what was taken over."""
        ranges = fitting(self.plan.space, self.searched, *self.dataset.images.shape)
        taken = None if self.taken is None else self.taken.sentence
        alone = None
        if self._baseline is None and self.plan.sampler != "grid":
            alone = "The report's configuration lies outside of what is searched: there is no baseline."
        few = None
        if self.most < self.plan.trials:
            few = f"The sweep will end with {counted(self.most, 'trial')}: the grid has no more points."
        return [sentence for sentence in (ranges, alone, few, taken) if sentence is not None]

    def prepare(self, study: Study) -> None:
        """Set sampler and pruner; a resumed sweep must not be proposed the same parameters again."""
        if self.taken is not None:
            self.taken.give(study)
        plan, n_trials = self.plan, len(study.get_trials(deepcopy=False))
        study.sampler = make_sampler(plan.sampler, seed=plan.seed, n_trials=n_trials, space=self.searched)
        study.pruner = make_pruner(plan.pruner, epochs=plan.epochs)
        record.write(study, ASKED, Asked(**plan.settings()))
        self._study = study

    def enqueue(self, trials: Sequence[FrozenTrial]) -> Sequence[Wanted]:
        """Want baseline, the plan's points and the start first, then repeats where noise must be measured."""
        if wanted := self._first(trials):
            return wanted
        if not self.plan.until_flat or noise_of(trials, self._confirmation()) is not None:
            return []
        repeats = [trial for trial in trials if record.wish(trial).repeat is not None]
        repeated = {record.wish(trial).repeat for trial in repeats}
        if len(repeated) > 1 or not all(trial.state.is_finished() for trial in repeats):
            return []
        first = next((t for t in trials if t.state == TrialState.COMPLETE), None)
        trial = best_trial(trials) if repeats else first  # the first may learn nothing, and vary by nothing
        if trial is None or trial.number in repeated:
            return []
        return [Wanted(record.configuration(trial), Wish(repeat=trial.number))] * REPEATS

    def _first(self, trials: Sequence[FrozenTrial]) -> list[Wanted]:
        if self._points:  # until all of them were seen: this is asked before every trial
            held = {record.configuration(trial) for trial in trials}
            self._points = [each for each in self._points if each not in held]
        first = (
            [] if any(record.taken_from(t) is None or is_baseline(t) for t in trials) else [self._baseline]
        )
        room = max(0, self.plan.trials - sum(t.state != TrialState.FAIL for t in trials))
        distinct = dict.fromkeys(each for each in (*first, *self._points) if each is not None)
        return [Wanted(each, Wish()) for each in distinct][:room]

    def total(self, trials: Sequence[FrozenTrial]) -> int:
        """Return the plan's number."""
        return self.plan.trials

    def expected(self, trials: Sequence[FrozenTrial]) -> int:
        """Return the plan's number, or what a grid holds."""
        return self.most

    def enough(self, trials: Sequence[FrozenTrial]) -> str | None:
        """Tell whether a grid is exhausted, or whether further trials promise less than the noise."""
        assert self._study is not None
        if is_exhausted(self._study):
            return "every point of the grid was tried"
        if not self.plan.until_flat or (noise := noise_of(trials, self._confirmation())) is None:
            return None
        if any(record.wish(t).repeat is not None and not t.state.is_finished() for t in trials):
            return None
        judged = outlook_of(trials, noise)
        if not judged.flat:
            return None
        return f"it has {judged.sentence().removeprefix('The sweep has ').removesuffix('.')}"

    def _confirmation(self) -> record.Confirmation | None:
        return None if self._study is None else record.read(self._study).confirmation

    def conclude(self, study: Study) -> Study:
        """Return the study: what it found is read from it at any time, see `results.summarise`."""
        return study


def prepared(plan: Plan, *, say: Callable[[str], None]) -> Search:
    """Check a plan, load its data, and say what follows from them.

    Raises
    ------
    UserError
        If it cannot be done; what needs no data is said before their download.
    """
    parse(plan.url)
    make_sampler(plan.sampler, seed=plan.seed, n_trials=0, space=plan.space)
    make_pruner(plan.pruner, epochs=plan.epochs)
    for text in plan.points:
        point(text)
    search = Search(plan, *load_data(plan.data, plan.classes, plan.reading, say=say))
    for sentence in search.notices():
        say(sentence)
    return search
