"""Syne Tune with PyTorch in the form of its own documentation: ASHA with conformal quantile regression.

Two processes; results are looked for every 0.2 s instead of every 5, as so short trainings need it. Ranges
are those of this program for the same hyperparameters.
"""

import os
import tempfile
import time
from pathlib import Path
from typing import Any

from syne_tune import StoppingCriterion, Tuner
from syne_tune.backend import PythonBackend
from syne_tune.config_space import lograndint, loguniform, randint, uniform
from syne_tune.experiments import load_experiment
from syne_tune.optimizer.baselines import ASHACQR

from benchmarks.competitors.moments import handed_over
from benchmarks.competitors.optuna_pytorch import EPOCHS, test  # noqa: F401  the network is the same

SPACE = {
    "batch_size": lograndint(16, 256),
    "learning_rate": loguniform(3e-4, 1e-1),
    "hidden_units": lograndint(32, 512),
    "momentum": uniform(0.0, 0.98),
    "weight_decay": loguniform(1e-6, 1e-1),
    "n_layers": randint(2, 4),
    "seed": randint(0, 999_999),
}


def trainable(
    *,
    batch_size: int,
    learning_rate: float,
    hidden_units: int,
    momentum: float,
    weight_decay: float,
    n_layers: int,
    seed: int,
    folder: str,
    epochs: int,
) -> None:
    """Train, and report the validation accuracy of each epoch; it may use no global name."""
    from pathlib import Path

    from syne_tune import Reporter

    from benchmarks.competitors.torch_training import accuracy, rows, train

    configuration = {
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "hidden_units": hidden_units,
        "momentum": momentum,
        "weight_decay": weight_decay,
        "n_layers": n_layers,
    }
    x, y, x_validation, y_validation = rows(Path(folder), "train", "validation")
    report = Reporter()
    for epoch, network in enumerate(train(x, y, configuration, epochs=epochs, seed=seed), 1):
        report(epoch=epoch, accuracy=accuracy(network, x_validation, y_validation))


def search(folder: Path, moments: list[float], seed: int) -> list[dict[str, Any]]:
    """Search with two processes; return the best last report at each of the moments."""
    began, space = time.time(), SPACE | {"folder": str(folder), "epochs": EPOCHS}
    root = str(Path(__file__).resolve().parents[2])
    os.environ["PYTHONPATH"] = os.pathsep.join([root, os.environ.get("PYTHONPATH", "")])
    with tempfile.TemporaryDirectory() as temporary:
        os.environ["SYNETUNE_FOLDER"] = temporary
        tuner = Tuner(
            trial_backend=PythonBackend(tune_function=trainable, config_space=space),
            scheduler=ASHACQR(
                space, "accuracy", time_attr="epoch", max_t=EPOCHS, do_minimize=False, random_seed=seed
            ),
            stop_criterion=StoppingCriterion(max_wallclock_time=max(moments)),
            n_workers=2,
            sleep_time=0.2,
            tuner_name="race",
        )
        tuner.run()
        results = load_experiment(tuner.name).results
        reports = [
            (
                row["st_worker_timestamp"] - began,
                row["trial_id"],
                row["accuracy"],
                {name: row[f"config_{name}"] for name in SPACE},
            )
            for row in results.to_dict("records")
        ]
        return handed_over(reports, moments)
