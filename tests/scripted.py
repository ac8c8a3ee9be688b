"""A backend whose trainings end as the test wants them, at once; everything around them is real."""

import contextlib
import io

import numpy as np
from conftest import facts
from rich.console import Console

from fcnet.data import Split
from fcnet.errors import Diverged
from fcnet.metrics import EpochMetrics
from studies.execution.environment import environment
from studies.execution.experiment import Experiment
from studies.space import DEFAULT_SPACE


class Scripted:
    """Trainings whose last accuracy is ``accuracy(job)``; None diverges.

    Attributes
    ----------
    jobs : list of Job
        All that were trained.
    """

    slots = 1
    ahead = 0

    def __init__(self, accuracy, *, seconds=lambda job: 1.0):
        self.accuracy, self.seconds, self.jobs = accuracy, seconds, []

    @contextlib.contextmanager
    def train(self, job):
        Split.open(job.split)
        self.jobs.append(job)
        yield _Training(job, self.accuracy(job), self.seconds(job))

    def close(self):
        pass


class _Training:
    def __init__(self, job, accuracy, seconds):
        self.job, self.accuracy, self.seconds = job, accuracy, seconds
        self.digest, self.environment = None, environment()

    def __iter__(self):
        for epoch in range(self.job.epochs):
            if self.accuracy is None:
                raise Diverged(f"the training diverged in epoch {epoch}: its logits are no longer finite")
            yield EpochMetrics(epoch, 0.5, 0.5, 0.8, 0.5, self.accuracy, self.seconds / self.job.epochs)
        self.digest = "0"


def noisy(quality, *, spread):
    """Return an accuracy for `Scripted`: a configuration's quality, and noise of its own for each seed."""

    def accuracy(job):
        entropy = [job.seed, job.hyperparameters.hidden_units, job.hyperparameters.batch_size]
        return float(quality(job.hyperparameters) + spread * np.random.default_rng(entropy).standard_normal())

    return accuracy


class Asked(Experiment):
    """An experiment that wants so many trials of whatever the sampler proposes, and concludes nothing."""

    title = "The test"

    def __init__(self, total=10**6, *, timeout=None, enough=lambda trials: None):
        self.facts, self._total, self.timeout, self._enough = facts(), total, timeout, enough

    def enqueue(self, trials):
        return []

    def enough(self, trials):
        return self._enough(trials)

    def total(self, trials):
        return self._total

    def conclude(self, study):
        return study


class OfSplit(Asked):
    """Such an experiment, whose trainings see one split."""

    seed = 5

    def __init__(self, split, total=10**6, *, may_prune=True, epochs=3, **options):
        super().__init__(total, **options)
        self.facts, self._split, self.may_prune = facts(epochs=epochs), split, may_prune
        self.space = {name: d for name, d in DEFAULT_SPACE.items() if name != "mirror"}  # these are no images

    def split(self, hyperparameters, wish):
        return self._split


def metrics(epoch, accuracy):
    return EpochMetrics(epoch, 1.0, 0.6, 0.7, 0.5, accuracy, 0.01)


class ScriptedEpochs:
    """Trainings whose epochs have the accuracies that a function of the job lists; an exception is raised."""

    slots = 1
    ahead = 0

    def __init__(self, accuracies=lambda job: [0.7, 0.8, 0.75]):
        self.accuracies, self.jobs = accuracies, []

    @contextlib.contextmanager
    def train(self, job):
        self.jobs.append(job)
        yield _Epochs(self.accuracies(job))

    def close(self):
        pass


class _Epochs:
    digest, environment = "0", {}

    def __init__(self, accuracies):
        self.accuracies = accuracies

    def __iter__(self):
        for epoch, accuracy in enumerate(self.accuracies):
            if isinstance(accuracy, Exception):
                raise accuracy
            yield metrics(epoch, accuracy)


def text_of(show, *arguments):
    out = io.StringIO()
    show(Console(file=out, width=200), *arguments)
    return out.getvalue()
