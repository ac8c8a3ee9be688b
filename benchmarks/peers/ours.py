"""The trainer of this project, with all the figures that it takes of each epoch."""

from collections.abc import Iterator

from fcnet.data import Split
from fcnet.hyperparameters import Hyperparameters
from fcnet.trainer import Training


def train(split: Split, hyperparameters: Hyperparameters, *, epochs: int, seed: int) -> Iterator[float]:
    """Train with fcnet."""
    for metrics in Training(split, hyperparameters, epochs=epochs, seed=seed):
        yield metrics.validation_accuracy
