"""Ray Tune with PyTorch in the form of its own documentation: random search with ASHA, one core per trial.

The scheduler is set as Ray sets it; the ranges are this program's for the same hyperparameters.
"""

import os
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ["RAY_AIR_NEW_OUTPUT"] = "0"  # tables of progress would be printed for each trial

import ray
from ray import tune
from ray.tune.schedulers import ASHAScheduler
from ray.tune.search.basic_variant import BasicVariantGenerator

from benchmarks.competitors.moments import Report, handed_over
from benchmarks.competitors.optuna_pytorch import EPOCHS, test  # noqa: F401  the network is the same
from benchmarks.competitors.torch_training import accuracy, rows, train

SPACE = {
    "batch_size": tune.lograndint(16, 257),
    "learning_rate": tune.loguniform(3e-4, 1e-1),
    "hidden_units": tune.lograndint(32, 513),
    "momentum": tune.uniform(0.0, 0.98),
    "weight_decay": tune.loguniform(1e-6, 1e-1),
    "n_layers": tune.randint(2, 5),
    "seed": tune.randint(0, 1_000_000),
}


def trainable(config: dict[str, Any], data: list[Any]) -> None:
    """Train, and report the validation accuracy of each epoch."""
    x, y, x_validation, y_validation = data
    for network in train(x, y, config, epochs=EPOCHS, seed=config["seed"]):
        tune.report({"accuracy": accuracy(network, x_validation, y_validation)})


def search(folder: Path, moments: list[float], seed: int) -> list[dict[str, Any]]:
    """Search with two trials at a time; return the best last report at each of the moments."""
    began = time.time()
    with tempfile.TemporaryDirectory() as temporary:
        ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, _temp_dir=f"{temporary}/ray")
        tuner = tune.Tuner(
            tune.with_parameters(trainable, data=rows(folder, "train", "validation")),
            param_space=SPACE,
            tune_config=tune.TuneConfig(
                metric="accuracy",
                mode="max",
                num_samples=-1,
                time_budget_s=max(moments),
                scheduler=ASHAScheduler(max_t=EPOCHS),
                search_alg=BasicVariantGenerator(random_state=seed, max_concurrent=2),
            ),
            run_config=tune.RunConfig(storage_path=f"{temporary}/results", verbose=0),
        )
        results = tuner.fit()
        ray.shutdown()
        reports: list[Report] = [
            (report["timestamp"] - began, number, report["accuracy"], result.config or {})
            for number, result in enumerate(results)
            if result.metrics_dataframe is not None
            for report in result.metrics_dataframe.to_dict("records")
        ]
        return handed_over(reports, moments)
