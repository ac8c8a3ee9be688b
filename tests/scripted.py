"""A backend whose trainings end as the test wants them, at once; everything around them is real."""

import contextlib
import io

import numpy as np
from rich.console import Console

from fcnet.data import Split
from fcnet.metrics import EpochMetrics
from fcnet.trainer import Diverged
from studies.execution.environment import environment


class Scripted:
    """Trainings whose last accuracy is ``accuracy(job)``; None diverges.

    Attributes
    ----------
    jobs : list of Job
        All that were trained.
    """

    slots = 1

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


def metrics(epoch, accuracy):
    return EpochMetrics(epoch, 1.0, 0.6, 0.7, 0.5, accuracy, 0.01)


class ScriptedEpochs:
    """Trainings whose epochs have the accuracies that a function of the job lists; an exception is raised."""

    slots = 1

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
