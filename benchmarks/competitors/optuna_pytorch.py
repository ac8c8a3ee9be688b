"""Optuna with PyTorch in the form of Optuna's own example: two processes, SQLite, the median pruner.

TPE and the pruner are Optuna's defaults; the ranges are those of this program for the same hyperparameters.
"""

import multiprocessing
import tempfile
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import optuna

from benchmarks.competitors.moments import best_at
from benchmarks.competitors.torch_training import accuracy, rows, train

EPOCHS = 20


def configure(trial: optuna.Trial) -> dict[str, Any]:
    """Let a trial choose."""
    return {
        "batch_size": trial.suggest_int("batch_size", 16, 256, log=True),
        "learning_rate": trial.suggest_float("learning_rate", 3e-4, 1e-1, log=True),
        "hidden_units": trial.suggest_int("hidden_units", 32, 512, log=True),
        "momentum": trial.suggest_float("momentum", 0.0, 0.98),
        "weight_decay": trial.suggest_float("weight_decay", 1e-6, 1e-1, log=True),
        "n_layers": trial.suggest_int("n_layers", 2, 4),
    }


class Objective:
    """Validation accuracy after the last epoch."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.data, self.seed = rows(folder, "train", "validation"), seed

    def __call__(self, trial: optuna.Trial) -> float:
        """Train."""
        x, y, x_validation, y_validation = self.data
        score = 0.0
        seed = 1000 * self.seed + trial.number
        for epoch, network in enumerate(train(x, y, configure(trial), epochs=EPOCHS, seed=seed)):
            score = accuracy(network, x_validation, y_validation)
            trial.report(score, epoch)
            if trial.should_prune():
                raise optuna.TrialPruned
        return score


def work(objective: Callable[[optuna.Trial], float], storage: str, seed: int, end: float) -> None:
    """Run one of the processes."""
    sampler = optuna.samplers.TPESampler(seed=seed)
    study = optuna.load_study(
        study_name="study", storage=storage, sampler=sampler, pruner=optuna.pruners.MedianPruner()
    )
    study.optimize(objective, timeout=end - time.time())


def search(
    folder: Path, moments: list[float], seed: int, objective: type = Objective
) -> list[dict[str, Any]]:
    """Search with two processes; return the best at each of the moments, in seconds from here."""
    began, end = datetime.now(), time.time() + max(moments)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with tempfile.TemporaryDirectory() as temporary:
        storage = f"sqlite:///{temporary}/study.db"
        study = optuna.create_study(study_name="study", storage=storage, direction="maximize")
        context = multiprocessing.get_context("spawn")
        workers = [
            context.Process(target=work, args=(objective(folder, seed), storage, 10 * seed + worker, end))
            for worker in range(2)
        ]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        return best_at(study, began, moments)


def test(folder: Path, configuration: dict[str, Any], seeds: list[int]) -> list[float]:
    """Train the best on all development rows."""
    x, y, x_test, y_test = rows(folder, "development", "test")
    return [
        accuracy([*train(x, y, configuration, epochs=EPOCHS, seed=seed)][-1], x_test, y_test)
        for seed in seeds
    ]
