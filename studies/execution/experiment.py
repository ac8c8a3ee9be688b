"""What an experiment is: the trainings that it wants of a study, and what it concludes from them."""

import threading
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Generic, TypeVar

from optuna.samplers import RandomSampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from fcnet.data import Dataset, shared_split
from fcnet.hyperparameters import Hyperparameters
from fcnet.inputs import n_axes
from fcnet.metrics import EpochMetrics
from studies.choices import at_least
from studies.record import Facts, Source, Wish
from studies.space import Space

FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)

_Result_co = TypeVar("_Result_co", covariant=True)


@dataclass(frozen=True)
class Wanted:
    """A training that an experiment wants to be enqueued."""

    hyperparameters: Hyperparameters
    wish: Wish


class Experiment(ABC, Generic[_Result_co]):
    """A question to a study, which `studies.execution.run` answers: resumable, exact and interruptible.

    All that it wants and concludes it derives from the trials that there are, so that whoever comes back
    after an interruption goes on where it was.

    Parameters
    ----------
    name : str
        Of its study.
    facts : Facts
        What the study's values depend on.
    dataset : Dataset
    source : Source
        Where the data were found.
    space : Space
        Ranges that hold the hyperparameters of every training.
    """

    title: ClassVar[str]
    """What is said to end, such as "The sweep"."""

    timeout: float | None = None
    """Seconds after which no further training is started and those that run are interrupted."""

    seed: int = 0
    """Of the search; with a trial's number it gives the seed of a training that brings none."""

    may_prune = False
    """Whether the study's pruner is asked after every epoch."""

    parents: tuple[Study, ...] = ()
    """Studies that the conclusion is written to; their figures and notes are published too."""

    def __init__(self, name: str, facts: Facts, dataset: Dataset, source: Source, space: Space) -> None:
        at_least(1, epochs=facts.epochs)
        self.name, self.facts, self.dataset, self.source, self.space = name, facts, dataset, source, space
        self._splits: dict[tuple[int, int, int], Path] = {}
        self._preparing = threading.Lock()

    def prepare(self, study: Study) -> None:
        """Give the study the sampler and the pruner that it needs; here nothing is ever proposed."""
        study.sampler = RandomSampler(seed=0)

    @abstractmethod
    def enqueue(self, trials: Sequence[FrozenTrial]) -> Sequence[Wanted]:
        """Return the trainings that are wanted now and that the study does not hold yet.

        Asked before every start of a training, under the coordinator's exclusive right.
        """

    def enough(self, trials: Sequence[FrozenTrial]) -> str | None:
        """Return why no further training may be started, a few words; None if one may."""
        return None

    def total(self, trials: Sequence[FrozenTrial]) -> int:
        """Return how many finished trials the study shall hold; here those that were enqueued."""
        return sum(trial.state != TrialState.FAIL for trial in trials)

    def expected(self, trials: Sequence[FrozenTrial]) -> int:
        """Return how many there will be in the end, as far as can be foreseen: for the progress."""
        return self.total(trials) + len(self.enqueue(trials))

    @abstractmethod
    def conclude(self, study: Study) -> _Result_co:
        """Draw the conclusion from the trials, with the exclusive right, and write what is to be kept."""

    def split(self, hyperparameters: Hyperparameters, wish: Wish) -> Path:
        """Return the folder of the prepared split that a training sees."""
        axes = n_axes(hyperparameters, self.dataset.images.shape[1])
        with self._preparing:  # once, whoever asks first
            key = (wish.split_seed, wish.fold, axes)
            if key not in self._splits:
                self._splits[key] = shared_split(
                    self.dataset, self.facts.protocol, seed=wish.split_seed, fold=wish.fold, n_axes=axes
                )
            return self._splits[key]

    def model(self, hyperparameters: Hyperparameters, wish: Wish) -> Path | None:
        """Return where a trained network is saved; None if nobody needs it."""
        return None

    def accuracy(self, metrics: EpochMetrics) -> float:
        """Return what an epoch is judged by."""
        if self.facts.protocol == "final":
            return metrics.train_accuracy
        balanced = self.facts.metric == "balanced_accuracy"
        return metrics.validation_balanced_accuracy if balanced else metrics.validation_accuracy

    def value(self, epochs: Sequence[EpochMetrics]) -> float:
        """Return a training's value: its last epoch's accuracy; the report took the best one's."""
        accuracies = [self.accuracy(metrics) for metrics in epochs]
        return max(accuracies) if self.facts.protocol == "report" else accuracies[-1]

    def see(self, wish: Wish, metrics: EpochMetrics) -> None:
        """Take an epoch as it comes, one call at a time; a training begun again repeats some."""
