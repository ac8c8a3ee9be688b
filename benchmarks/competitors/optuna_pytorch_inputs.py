"""The same with all that this program does to its inputs: components, whitening, mirror images, cosine.

The components are found once, by scikit-learn's randomised PCA, and shared through a file.
"""

import time
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import torch
from sklearn.decomposition import PCA

from benchmarks.competitors import optuna_pytorch
from benchmarks.competitors.optuna_pytorch import EPOCHS
from benchmarks.competitors.torch_training import AXES, accuracy, mirror, rows, train


def prepare(folder: Path, part: str) -> None:
    """Find the components of the rows of a part and of their mirror images, once."""
    if (folder / f"axes_{part}.npz").exists():
        return
    x, _ = rows(folder, part)
    pca = PCA(AXES, svd_solver="randomized", random_state=0).fit(np.concatenate([x, mirror(x)]))
    np.savez(
        folder / f"axes_{part}.npz",
        mean=pca.mean_,
        axes=pca.components_.T.copy(),
        variances=pca.explained_variance_,
    )


class Inputs:
    """Rows of a part, their mirror images and those of another part in components."""

    def __init__(self, folder: Path, part: str, other: str) -> None:
        found = np.load(folder / f"axes_{part}.npz")
        mean, axes, self.variances = (torch.from_numpy(found[name]) for name in ("mean", "axes", "variances"))
        x, self.y, x_other, self.y_other = rows(folder, part, other)
        self.projected = [(each - mean) @ axes for each in (x, mirror(x), x_other)]

    def of(self, h: dict[str, Any]) -> list[torch.Tensor]:
        """Return them as a configuration sees them."""
        variances = self.variances[: h["components"]]
        scale = (variances / variances.mean()) ** (-h["whitening"] / 2)
        return [each[:, : h["components"]] * scale for each in self.projected]


def configure(trial: optuna.Trial) -> dict[str, Any]:
    """Let a trial choose."""
    return {
        **optuna_pytorch.configure(trial),
        "components": trial.suggest_int("components", 32, AXES, log=True),
        "whitening": trial.suggest_float("whitening", 0.0, 1.0),
    }


class Objective:
    """Validation accuracy after the last epoch."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.inputs, self.seed = Inputs(folder, "train", "validation"), seed

    def __call__(self, trial: optuna.Trial) -> float:
        """Train."""
        h = configure(trial)
        x, mirrored, x_validation = self.inputs.of(h)
        score, seed = 0.0, 1000 * self.seed + trial.number
        networks = train(x, self.inputs.y, h, epochs=EPOCHS, seed=seed, mirrored=mirrored)
        for epoch, network in enumerate(networks):
            score = accuracy(network, x_validation, self.inputs.y_other)
            trial.report(score, epoch)
            if trial.should_prune():
                raise optuna.TrialPruned
        return score


def search(folder: Path, moments: list[float], seed: int) -> list[dict[str, Any]]:
    """Search with two processes; return the best at each of the moments."""
    began = time.monotonic()
    prepare(folder, "train")
    took = time.monotonic() - began
    found = optuna_pytorch.search(folder, [seconds - took for seconds in moments], seed, Objective)
    return [{**each, "seconds": each["seconds"] + took} for each in found]


def test(folder: Path, configuration: dict[str, Any], seeds: list[int]) -> list[float]:
    """Train the best on all development rows."""
    prepare(folder, "development")
    inputs = Inputs(folder, "development", "test")
    x, mirrored, x_test = inputs.of(configuration)
    found = []
    for seed in seeds:
        networks = [*train(x, inputs.y, configuration, epochs=EPOCHS, seed=seed, mirrored=mirrored)]
        found.append(accuracy(networks[-1], x_test, inputs.y_other))
    return found
