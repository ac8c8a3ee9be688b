"""The search: baseline and starting point, then what the sampler proposes, until the asked number is held."""

import os
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

import msgspec
import optuna
from msgspec import Meta
from optuna.distributions import BaseDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from fcnet.data import Dataset, Reading
from fcnet.errors import UsageError
from fcnet.metrics import Metric
from studies import record
from studies.analysis.advice import MIN_TRIALS, Edge, edges, outlook
from studies.choices import CLASSES, STORAGE, STUDY
from studies.execution.experiment import FINISHED, Experiment, Wanted
from studies.experiments.data import load_data, loss_words
from studies.experiments.results import best_trial, noise_of
from studies.experiments.taking import take
from studies.ranges import at, describe, fitting, point, ranges, varied, within
from studies.record import ASKED, Asked, Facts, Kept, Source, Wish
from studies.record.final import Positive
from studies.samplers import is_exhausted, make_pruner, make_sampler
from studies.space import DEFAULT_SPACE, Space, around, axes, baseline, fitted, is_baseline, start
from studies.storage.database import parse
from studies.storage.errors import redact

REPEATS = 4
"""Repeats that `Plan.until_flat` asks for; with the first training they make five of one configuration."""

MORE_TRIALS = 30
"""By so many a sweep is longer when it goes on with a wider space."""


@dataclass(frozen=True)
class Plan:
    """What a sweep is asked to do; the defaults are those of the command line.

    Parameters
    ----------
    url : str, default="sqlite:///sweep.db"
        Address of the database.
    study : str, default="sweep"
        The study's name.
    trials : int, default=100
        Finished trials that the study shall hold in the end.
    data : str, default="auto"
        See `fcnet.load`.
    classes : tuple of str
        CIFAR-10 classes.
    reading : Reading
        How tables and folders of images are read.
    metric : {"accuracy", "balanced_accuracy"}, default="accuracy"
        What a training is judged by.
    epochs : int, default=20
    sampler : str, default="tpe"
        A name that the option takes.
    pruner : str, default="median"
        A name that the option takes.
    seed : int, default=0
    timeout : float, optional
        Seconds after which the sweep ends; trials that run then are run again by the next start.
    until_flat : bool, default=False
        Whether it ends when further trials promise less than the noise of one. The noise must have been
        measured: where the study has no repeats, its first complete trial is trained `REPEATS` times more
        with fresh seeds; they count as trials of the sweep.
    space : Space
    points : tuple of str
        Configurations to be tried first, each ``NAME=VALUE,...``, see `studies.ranges.at`.
    taken_from : str, optional
        ``[URL#]STUDY`` whose finished trials are taken over, see `studies.experiments.taking`.
    """

    url: str = STORAGE
    study: str = STUDY
    trials: int = 100
    data: str = "auto"
    classes: tuple[str, ...] = CLASSES
    reading: Reading = Reading()  # frozen
    metric: Metric = "accuracy"
    epochs: int = 20
    sampler: str = "tpe"
    pruner: str = "median"
    seed: int = 0
    timeout: float | None = None
    until_flat: bool = False
    space: Space = field(default_factory=lambda: DEFAULT_SPACE)
    points: tuple[str, ...] = ()
    taken_from: str | None = None

    def __post_init__(self) -> None:
        """Refuse what no study could keep.

        Raises
        ------
        UsageError
        """
        object.__setattr__(self, "data", os.fspath(self.data))
        names = ("url", "study", "data", "classes", "epochs", "metric")
        try:
            msgspec.convert({**self.settings(), **{name: getattr(self, name) for name in names}}, _Checked)
        except msgspec.ValidationError as error:
            raise UsageError(f"this plan cannot be carried out: {error}") from error
        if not all(isinstance(each, BaseDistribution) for each in self.space.values()):
            raise UsageError(
                "the space of a plan holds Optuna's distributions, such as those of"
                " studies.ranges.narrowed(['n_layers=2:3'])"
            )

    def settings(self) -> dict[str, Any]:
        """Return what a study keeps of it besides its facts."""
        names = ("trials", "sampler", "pruner", "seed", "timeout", "until_flat", "points")
        found = {name: getattr(self, name) for name in names}
        origin = self.taken_from and redact(self.taken_from)
        return {**found, "points": list(self.points), "taken_from": origin}


class _Checked(Asked, frozen=True, kw_only=True):
    """What a plan's numbers and words must be."""

    url: str
    study: Annotated[str, Meta(min_length=1)]
    data: Annotated[str, Meta(min_length=1)]
    classes: tuple[str, ...]
    epochs: Positive
    metric: Metric


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
    """

    warnings: list[str]
    wider: list[str]
    outlook: str | None
    importances: dict[str, float] | None


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
        facts = Facts(
            data=dataset.fingerprint,
            data_name=dataset.name,
            protocol="holdout",
            epochs=plan.epochs,
            space=describe(self.searched),
            metric=plan.metric,
            loss=loss_words(dataset),
        )
        super().__init__(plan.study, facts, dataset, source, around(self.searched, n_features))
        self._baseline = baseline(self.searched, n_features)
        self._points = [at(text, self.searched) for text in plan.points]
        if plan.sampler != "grid":  # which holds its own points only
            self._points.append(start(self.searched))
        self.taken = take(plan.taken_from, plan.url, facts, self.space) if plan.taken_from else None
        self.plan, self.seed, self.timeout = plan, plan.seed, plan.timeout
        self.may_prune = plan.pruner != "none"
        self._study: Study | None = None

    def notices(self) -> list[str]:
        """Say how the ranges were fitted to the data, and what was taken over."""
        fitted = fitting(self.plan.space, self.searched, *self.dataset.images.shape)
        taken = None if self.taken is None else self.taken.sentence
        alone = None
        if self._baseline is None and self.plan.sampler != "grid":
            alone = "The report's configuration lies outside of what is searched: there is no baseline."
        return [sentence for sentence in (fitted, alone, taken) if sentence is not None]

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
        first = next((t for t in trials if t.state == TrialState.COMPLETE), None)
        if first is None or any(record.wish(t).repeat is not None for t in trials):
            return []
        return [Wanted(record.configuration(first), Wish(repeat=first.number))] * REPEATS

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

    def enough(self, trials: Sequence[FrozenTrial]) -> str | None:
        """Tell whether a grid is exhausted, or whether further trials promise less than the noise."""
        assert self._study is not None
        if is_exhausted(self._study):
            return "every point of the grid was tried"
        if not self.plan.until_flat or (noise := noise_of(trials, self._confirmation())) is None:
            return None
        if any(record.wish(t).repeat is not None and not t.state.is_finished() for t in trials):
            return None
        judged = outlook(_scores(trials), noise)
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


def advise(study: Study) -> Advice:
    """Collect what the trials of a study say about further trials: edges, outlook, importances."""
    kept, trials = record.read(study), study.get_trials(deepcopy=False)
    best, noise = best_trial(trials), noise_of(trials, kept.confirmation)
    found: list[Edge] = []
    if best is not None and not is_baseline(best):
        space = within(best.distributions, kept.facts.space)
        if record.configuration(best) != start(space):  # type: ignore[arg-type]  # the search went there itself
            found = edges(best.params, axes(space))
    found = [edge for edge in found if (edge.name, edge.value) != ("components", edge.high)]  # all are used
    return Advice(
        warnings=[edge.sentence() for edge in found],
        wider=_wider(kept, trials, {edge.name: edge.wider for edge in found}) if found else [],
        outlook=None if noise is None else outlook(_scores(trials), noise).sentence(),
        importances=_importances(study, trials, varied(kept.facts.space)),
    )


def _wider(kept: Kept, trials: Sequence[FrozenTrial], wider: dict[str, str]) -> list[str]:
    """Return the options that go on with a sweep over wider ranges, as its facts demand."""
    n_trials = sum(t.state in FINISHED for t in trials) + MORE_TRIALS
    return ["--trials", str(n_trials), *_of_its_own(kept, wider)]


def again(kept: Kept) -> list[str]:
    """Return the options of the sweep that a study holds, besides those that name the study."""
    asked = kept.asked
    if asked is None:
        return _of_its_own(kept, {})
    options = ["--trials", str(asked.trials), *_of_its_own(kept, {})]
    for name in ("sampler", "pruner", "seed"):
        if (value := getattr(asked, name)) != getattr(Plan, name):
            options += [f"--{name}", str(value)]
    return options


def _of_its_own(kept: Kept, wider: dict[str, str]) -> list[str]:
    given = {**ranges(kept.facts.space), **wider}
    options = kept.source.options()
    if kept.facts.metric != Plan.metric:
        options += ["--metric", kept.facts.metric]
    if kept.facts.epochs != Plan.epochs:
        options += ["--epochs", str(kept.facts.epochs)]
    return options + [word for name, ends in given.items() for word in ("--range", f"{name}={ends}")]


def _importances(study: Study, trials: Sequence[FrozenTrial], names: list[str]) -> dict[str, float] | None:
    complete = [t for t in trials if t.state == TrialState.COMPLETE]
    if not names or len(complete) < MIN_TRIALS or len({t.value for t in complete}) == 1:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        found = optuna.importance.get_param_importances(study, params=names)
    return {name: float(share) for name, share in found.items()}


def _scores(trials: Sequence[FrozenTrial]) -> list[float]:
    """Return the scores of finished trials, NaN for pruned ones, without repeats: those explore nothing."""
    searched = [t for t in trials if t.state in FINISHED and record.wish(t).repeat is None]
    return [
        t.value if t.state == TrialState.COMPLETE and t.value is not None else float("nan") for t in searched
    ]
