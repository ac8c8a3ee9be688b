"""Saved models: one safetensors file that predicts with nothing but itself."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
from numpy.typing import NDArray
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from fcnet.data import Normalisation
from fcnet.errors import UserError
from fcnet.hyperparameters import Hyperparameters
from fcnet.network import Network
from fcnet.writing import write_whole

_FORMAT = "fcnet-1"


@dataclass(frozen=True)
class Model:
    """A trained network with all that a prediction needs and where it came from.

    Parameters
    ----------
    network : Network
    normalisation : Normalisation
        Applied to raw images before the network sees them.
    class_names : tuple of str
        Names of the labels 0, 1, ...
    hyperparameters : Hyperparameters
    data_fingerprint : str
        SHA-256 of the data set that it was trained on.
    seed, epochs : int
        Of its training.

    Examples
    --------
    >>> from pathlib import Path
    >>> from fcnet import Hyperparameters, Model, Training, load
    >>> data, chosen = load("synthetic"), Hyperparameters(batch_size=256, learning_rate=0.01)
    >>> split = data.split("final")
    >>> training = Training(split, chosen, epochs=1, seed=0)
    >>> for epoch in training:
    ...     pass
    >>> names, fingerprint = split.class_names, split.fingerprint
    >>> model = Model(training.network, split.normalisation, names, chosen, fingerprint, seed=0, epochs=1)
    >>> model.save(Path("model.safetensors"))
    >>> (Model.load(Path("model.safetensors")).predict(data.images) == model.predict(data.images)).all()
    np.True_
    """

    network: Network
    normalisation: Normalisation
    class_names: tuple[str, ...]
    hyperparameters: Hyperparameters
    data_fingerprint: str
    seed: int
    epochs: int

    def predict(self, images: NDArray[Any]) -> NDArray[np.intp]:
        """Return the label, shape (n,), of each raw image, shape (n, n_features)."""
        return self.network.predict(self.normalisation.apply(images))

    def save(self, path: Path) -> None:
        """Write the model; the file appears whole or not at all.

        Raises
        ------
        UserError
            If the file cannot be written.
        """
        tensors = {
            **self.network.parameters,
            "normalisation.mean": self.normalisation.mean,
            "normalisation.scale": self.normalisation.scale,
        }
        metadata = {
            "format": _FORMAT,
            "hyperparameters": json.dumps(asdict(self.hyperparameters)),
            "class_names": json.dumps(self.class_names),
            "data_fingerprint": self.data_fingerprint,
            "seed": str(self.seed),
            "epochs": str(self.epochs),
        }
        write_whole(path, _in_order(save_tensors(tensors, metadata)))

    @classmethod
    def load(cls, path: Path) -> "Model":
        """Read a model.

        Raises
        ------
        UserError
            If the file is missing, is no safetensors file, or was not written by `save`.
        """
        try:
            content = path.read_bytes()
        except OSError as error:
            raise UserError(
                f"cannot read the model {path}: {error.strerror or error}; name another file"
            ) from error
        try:
            tensors = load_tensors(content)
            header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
            return cls._assemble(tensors, header["__metadata__"])
        except (safetensors.SafetensorError, KeyError, ValueError, TypeError, AttributeError) as error:
            raise UserError(
                f"{path} is not a model saved by this program, or it is damaged: name a model.safetensors"
            ) from error

    @classmethod
    def _assemble(cls, tensors: dict[str, NDArray[Any]], metadata: dict[str, str]) -> "Model":
        if metadata["format"] != _FORMAT:
            raise ValueError("unknown format")
        hyperparameters = Hyperparameters(**json.loads(metadata["hyperparameters"]))
        class_names = tuple(str(name) for name in json.loads(metadata["class_names"]))
        mean, scale = tensors.pop("normalisation.mean"), tensors.pop("normalisation.scale")
        first = tensors["linear0.weights"]
        _check_shapes(tensors, hyperparameters, n_features=len(mean), n_classes=len(class_names))
        if (
            mean.ndim != 1
            or mean.shape != scale.shape
            or mean.dtype != np.float32
            or scale.dtype != np.float32
        ):
            raise ValueError("the normalisation does not fit")
        network = Network(
            hyperparameters,
            n_features=len(mean),
            n_classes=len(class_names),
            rng=np.random.default_rng(0),
            dtype=first.dtype,
        )
        network.parameters = tensors
        return cls(
            network=network,
            normalisation=Normalisation(mean, scale),
            class_names=class_names,
            hyperparameters=hyperparameters,
            data_fingerprint=str(metadata["data_fingerprint"]),
            seed=int(metadata["seed"]),
            epochs=int(metadata["epochs"]),
        )


def _in_order(content: bytes) -> bytes:
    """Sort a safetensors header, whose metadata come in random order: the same model is the same file."""
    start = 8 + int.from_bytes(content[:8], "little")
    header = json.dumps(json.loads(content[8:start]), sort_keys=True, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)  # tensors stay aligned
    return len(header).to_bytes(8, "little") + header + content[start:]


def _check_shapes(
    tensors: dict[str, NDArray[Any]], hyperparameters: Hyperparameters, *, n_features: int, n_classes: int
) -> None:
    """Refuse tensors that are not exactly the network's, before any memory is taken for it."""
    if n_classes < 2:
        raise ValueError("too few classes")
    hidden, n_layers = hyperparameters.hidden_units, hyperparameters.n_layers
    if len(tensors) != 2 * n_layers:
        raise ValueError("the number of tensors does not fit")
    dtype = tensors["linear0.weights"].dtype
    if dtype not in (np.float32, np.float64):
        raise ValueError("weights must be float32 or float64")
    for i in range(n_layers):
        fan_in = n_features if i == 0 else hidden
        last = 1 if n_classes == 2 else n_classes
        fan_out = last if i == n_layers - 1 else hidden
        for name, shape in (("weights", (fan_in, fan_out)), ("biases", (fan_out,))):
            tensor = tensors[f"linear{i}.{name}"]
            if tensor.shape != shape or tensor.dtype != dtype:
                raise ValueError(f"linear{i}.{name} does not fit")
