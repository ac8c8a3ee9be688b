"""The objective: what Optuna maximises."""

from dataclasses import astuple
from pathlib import Path
from typing import Literal

import numpy as np
import optuna
from optuna.trial import FrozenTrial, Trial

from fcnet.hyperparameters import Hyperparameters
from fcnet.metrics import EpochMetrics
from fcnet.trainer import Diverged
from studies.execution.backend import Backend, Job, RunningTraining
from studies.space import DEFAULT_SPACE, Space, suggest

RECORD = "record"
"""Trial system attribute with all that `reproduce` compares; the dashboard does not show those."""

REPEAT = "repeat"
"""Trial user attribute: it repeats that trial's parameters to measure the noise, and is never pruned."""


class Objective:
    """Validation accuracy, in [0, 1], of a training with a trial's hyperparameters.

    Every epoch's validation accuracy is an intermediate value of the trial, and the pruner may end the
    training after any of them.

    Parameters
    ----------
    backend : Backend
        Where training runs.
    split : Path
        Folder of the prepared split.
    epochs : int
        Epochs of every training.
    seed : int
        The sweep's seed. Together with the trial's number it gives the training's own seed, which the trial
        keeps in its user attribute "seed"; a trial that repeats an interrupted one has it already.
    space : Space, optional
        The search space.
    may_prune : bool, default=True
        Whether the study's pruner is asked after every epoch.
    judged_by : {"last", "best"}, default="last"
        The epoch whose accuracy is the trial's value. The best one flatters; the course report took it.
    """

    def __init__(
        self,
        backend: Backend,
        *,
        split: Path,
        epochs: int,
        seed: int,
        space: Space = DEFAULT_SPACE,
        may_prune: bool = True,
        judged_by: Literal["last", "best"] = "last",
    ) -> None:
        self.backend, self.split, self.epochs, self.seed = backend, split, epochs, seed
        self.space, self.may_prune, self.judged_by = space, may_prune, judged_by

    def __call__(self, trial: Trial) -> float:
        """Train, report every epoch, and return the validation accuracy of the epoch that counts.

        Raises
        ------
        optuna.TrialPruned
            If the pruner or a divergence ended the training; the user attribute "reason" tells.
        """
        hyperparameters = suggest(trial, self.space)
        seed = trial.user_attrs.get("seed")
        if seed is None:
            seed = training_seed(self.seed, trial.number)
            trial.set_user_attr("seed", seed)
        may_prune = self.may_prune and REPEAT not in trial.user_attrs  # a repeat measures noise
        job = Job(hyperparameters, epochs=self.epochs, seed=seed, split=self.split, may_stop=may_prune)
        epochs: list[EpochMetrics] = []
        with self.backend.train(job) as training:
            try:
                for metrics in training:
                    epochs.append(metrics)
                    trial.report(metrics.validation_accuracy, metrics.epoch)
                    if may_prune and metrics.epoch + 1 < self.epochs and trial.should_prune():
                        raise optuna.TrialPruned(f"pruned after epoch {metrics.epoch}")
            except (optuna.TrialPruned, Diverged) as error:
                trial.set_user_attr("reason", str(error))
                self._keep_record(trial, epochs, training)
                raise optuna.TrialPruned(str(error)) from error
        self._keep_record(trial, epochs, training)
        accuracies = [metrics.validation_accuracy for metrics in epochs]
        return max(accuracies) if self.judged_by == "best" else accuracies[-1]

    def _keep_record(self, trial: Trial, epochs: list[EpochMetrics], training: RunningTraining) -> None:
        record = {
            "epochs": [astuple(metrics) for metrics in epochs],
            "digest": training.digest,
            "environment": training.environment,
        }
        trial.storage.set_trial_system_attr(trial._trial_id, RECORD, record)


def training_seed(sweep_seed: int, trial_number: int) -> int:
    """Return the seed of a trial's training, below 2**32."""
    return int(np.random.SeedSequence([sweep_seed, trial_number]).generate_state(1)[0])


def enqueued(trial: FrozenTrial) -> tuple[Hyperparameters, int]:
    """Return the hyperparameters and the seed that a trial was enqueued with."""
    return Hyperparameters(**trial.system_attrs["fixed_params"]), trial.user_attrs["seed"]
