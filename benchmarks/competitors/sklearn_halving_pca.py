"""scikit-learn's successive halving with principal components, whitened or not, in front of the network."""

from pathlib import Path
from typing import Any

from benchmarks.competitors import sklearn_halving
from benchmarks.competitors.sklearn_halving import test

__all__ = ["search", "test"]


def search(folder: Path, moments: list[float], seed: int) -> list[dict[str, Any]]:
    """Search with components in front."""
    return sklearn_halving.search(folder, moments, seed, pca=True)
