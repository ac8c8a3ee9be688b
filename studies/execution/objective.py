"""The objective: what Optuna maximises."""

import threading
from collections.abc import Callable, Container

import msgspec
import numpy as np
import optuna
from optuna.pruners import PercentilePruner
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState

from fcnet.errors import Diverged
from fcnet.metrics import EpochMetrics
from fcnet.text import counted
from studies.execution.backend import Backend, Job, RunningTraining
from studies.execution.experiment import Experiment
from studies.record import Outcomes, Trained, Wish, wish, write_reason, write_seed, write_trained
from studies.space import suggest
from studies.storage.gathering import gathered

_SEEN_SECONDS = 0.5  # after so long at most, others see a training's epochs


class Objective:
    """The accuracy, in [0, 1], of a training with a trial's hyperparameters.

    Every epoch's accuracy is an intermediate value of the trial, and the pruner, where the experiment
    has one, may end the training after any but the last.

    Parameters
    ----------
    experiment : Experiment
    backend : Backend
        Where training runs.

    Attributes
    ----------
    running : dict of int to int
        Epochs done of each training that runs, by the trial's number.
    """

    def __init__(self, experiment: Experiment[object], backend: Backend) -> None:
        self.experiment, self.backend = experiment, backend
        self.running: dict[int, int] = {}
        self._lock = threading.Lock()

    def __call__(self, trial: Trial) -> float:
        """Train, report every epoch, and return the value of the training.

        Raises
        ------
        optuna.TrialPruned
            If the pruner or a divergence ended the training; the trial keeps the reason.
        """
        with gathered(trial.study) as write:
            experiment = self.experiment
            hyperparameters = suggest(trial, experiment.space)
            wished = wish(trial)
            if wished.seed is None:
                wished = msgspec.structs.replace(wished, seed=training_seed(experiment.seed, trial.number))
                write_seed(trial, wished)
            write(0.0)
            may_prune = experiment.may_prune and wished.repeat is None
            job = Job(
                hyperparameters,
                epochs=experiment.facts.epochs,
                seed=wished.seed or 0,
                split=experiment.split(hyperparameters, wished),
                model=experiment.model(hyperparameters, wished),
            )
            should_prune = _judge(trial) if may_prune else lambda: False
            try:
                return self._train(trial, wished, job, should_prune, write)
            finally:
                with self._lock:
                    self.running.pop(trial.number, None)

    def _train(
        self,
        trial: Trial,
        wished: Wish,
        job: Job,
        should_prune: Callable[[], bool],
        write: Callable[[float], None],
    ) -> float:
        epochs: list[EpochMetrics] = []
        with self.backend.train(job) as training:
            try:
                for metrics in training:
                    epochs.append(metrics)
                    with self._lock:
                        self.running[trial.number] = len(epochs)
                        self.experiment.see(wished, metrics)
                    trial.report(self.experiment.accuracy(metrics), metrics.epoch)
                    write(_SEEN_SECONDS)
                    if len(epochs) < job.epochs and should_prune():
                        raise optuna.TrialPruned(f"pruned after {counted(len(epochs), 'epoch')}")
            except (optuna.TrialPruned, Diverged) as error:
                write_reason(trial, str(error))
                write_trained(trial, _left(epochs, training, wished))
                raise optuna.TrialPruned(str(error)) from error
        write_trained(trial, _left(epochs, training, wished))
        return self.experiment.value(epochs)


class _Ended(Study):
    """A study as the trials stood that had ended when a training began."""

    def __init__(self, study: Study) -> None:
        super().__init__(study.study_name, study._storage, study.sampler, study.pruner)
        self._ended = [t for t in study.get_trials(deepcopy=False) if t.state.is_finished()]

    def get_trials(
        self, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        """Return those trials, as they are."""
        return self._ended if states is None else [t for t in self._ended if t.state in states]


def _judge(trial: Trial) -> Callable[[], bool]:
    """Return what tells after an epoch whether the training should end.

    A pruner that compares epochs with those of other trials would read the database for it each time, which
    takes longer than some epochs: it sees the trials that had ended when the training began.
    """
    if isinstance(trial.study.pruner, PercentilePruner):
        trial.study = _Ended(trial.study)
    return trial.should_prune


def _left(epochs: list[EpochMetrics], training: RunningTraining, wished: Wish) -> Trained:
    outcomes = None
    if training.right is not None:
        outcomes = Outcomes.of(training.right, split_seed=wished.split_seed, fold=wished.fold)
    return Trained(epochs=epochs, digest=training.digest, environment=training.environment, outcomes=outcomes)


def training_seed(sweep_seed: int, trial_number: int) -> int:
    """Return the seed of a trial's training, below 2**32."""
    return int(np.random.SeedSequence([sweep_seed, trial_number]).generate_state(1)[0])
