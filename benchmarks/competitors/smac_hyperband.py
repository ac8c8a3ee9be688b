"""SMAC with PyTorch in the form of its own documentation: multi-fidelity, epochs as the budget, two workers.

Hyperband with its random forest; the ranges are those of this program for the same hyperparameters.
"""

import tempfile
import time
from pathlib import Path
from typing import Any

from ConfigSpace import Configuration, ConfigurationSpace, Float, Integer
from smac import MultiFidelityFacade, Scenario

from benchmarks.competitors.moments import handed_over
from benchmarks.competitors.optuna_pytorch import EPOCHS, test  # noqa: F401  the network is the same
from benchmarks.competitors.torch_training import accuracy, rows, train


class Objective:
    """One less the validation accuracy after so many epochs."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.data = folder, rows(folder, "train", "validation")

    def __reduce__(self) -> tuple[Any, ...]:
        """Let each worker read the rows itself."""
        return Objective, (self.folder,)

    def __call__(self, config: Configuration, seed: int = 0, budget: float = EPOCHS) -> float:
        """Train."""
        x, y, x_validation, y_validation = self.data
        networks = train(x, y, dict(config), epochs=round(budget), seed=seed)
        return 1.0 - accuracy([*networks][-1], x_validation, y_validation)


def search(folder: Path, moments: list[float], seed: int) -> list[dict[str, Any]]:
    """Search with two workers; return the best of the largest budget so far at each of the moments."""
    began = time.time()
    space = ConfigurationSpace(seed=seed)
    space.add(
        Integer("batch_size", (16, 256), log=True),
        Float("learning_rate", (3e-4, 1e-1), log=True),
        Integer("hidden_units", (32, 512), log=True),
        Float("momentum", (0.0, 0.98)),
        Float("weight_decay", (1e-6, 1e-1), log=True),
        Integer("n_layers", (2, 4)),
    )
    with tempfile.TemporaryDirectory() as temporary:
        scenario = Scenario(
            space,
            output_directory=Path(temporary),
            walltime_limit=max(moments),
            n_trials=100_000,
            min_budget=2,
            max_budget=EPOCHS,
            n_workers=2,
            seed=seed,
        )
        facade = MultiFidelityFacade(scenario, Objective(folder), logging_level=30)
        facade.optimize()
        reports = []
        for key, value in facade.runhistory.items():
            if value.endtime:
                config = dict(facade.runhistory.get_config(key.config_id))
                score = (key.budget, 1.0 - value.cost)  # fewer epochs count where there are no more
                reports.append((value.endtime - began, key.config_id, score, config))
    return [{**found, "value": found["value"][1]} for found in handed_over(reports, moments)]
