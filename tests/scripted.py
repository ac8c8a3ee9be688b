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
        validation = Split.open(job.split).validation
        self.jobs.append(job)
        yield _Training(job, self.accuracy(job), self.seconds(job), validation)

    def close(self):
        pass


class _Training:
    def __init__(self, job, accuracy, seconds, validation):
        self.job, self.accuracy, self.seconds, self.validation = job, accuracy, seconds, validation
        self.digest, self.right, self.environment = None, None, environment()

    def __iter__(self):
        for epoch in range(self.job.epochs):
            if self.accuracy is None:
                raise Diverged(f"the training diverged after {epoch} epochs: its logits are no longer finite")
            yield EpochMetrics(epoch, 0.5, 0.5, 0.8, 0.5, self.accuracy, self.seconds / self.job.epochs)
        self.digest = "0"
        if self.validation is not None:
            self.right = easiest(self.accuracy, len(self.validation.labels))


def easiest(accuracy, n):
    """Return outcomes of that accuracy: the same images are easy for everybody."""
    return np.random.default_rng(0).permutation(n) < round(accuracy * n)


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
        yield _Epochs(self.accuracies(job), job)

    def close(self):
        pass


class _Epochs:
    digest, right, environment = "0", None, {}

    def __init__(self, accuracies, job):
        self.accuracies, self.job = accuracies, job

    def __iter__(self):
        for epoch, accuracy in enumerate(self.accuracies):
            if isinstance(accuracy, Exception):
                raise accuracy
            yield metrics(epoch, accuracy)
        split = Split.open(self.job.split)
        if split.protocol == "holdout":
            self.right = easiest(accuracy, len(split.validation.labels))


def text_of(show, *arguments):
    out = io.StringIO()
    show(Console(file=out, width=200), *arguments)
    return out.getvalue()
