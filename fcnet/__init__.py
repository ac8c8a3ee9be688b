"""A fully connected network in NumPy: layers, loss, training as a stream of epochs, data, saved models."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fcnet.classifier import FullyConnectedClassifier
    from fcnet.data import Dataset, Split, load
    from fcnet.hyperparameters import Hyperparameters
    from fcnet.model import Model
    from fcnet.network import Network
    from fcnet.trainer import Training

__all__ = [
    "Dataset",
    "FullyConnectedClassifier",
    "Hyperparameters",
    "Model",
    "Network",
    "Split",
    "Training",
    "load",
]

# A name is imported when it is asked for: whoever needs an error alone waits for no SciPy.
_MODULES = {
    "Dataset": "fcnet.data",
    "FullyConnectedClassifier": "fcnet.classifier",
    "Hyperparameters": "fcnet.hyperparameters",
    "Model": "fcnet.model",
    "Network": "fcnet.network",
    "Split": "fcnet.data",
    "Training": "fcnet.trainer",
    "load": "fcnet.data",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'fcnet' has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(_MODULES[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
