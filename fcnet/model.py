"""Saved models: one safetensors file that predicts with nothing but itself."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
from numpy.typing import NDArray
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from fcnet.data import Normalisation
from fcnet.data.form import Form, form_from, form_text
from fcnet.errors import UserError
from fcnet.hyperparameters import Hyperparameters
from fcnet.losses import Kind, decide, kind_of, pool, probabilities
from fcnet.network import Network
from fcnet.writing import write_whole

_FORMAT = "fcnet-2"
_DAMAGED = (KeyError, ValueError, TypeError, AttributeError, RecursionError)
_SINGLE = "fcnet-1"  # of version 0.1.0: one network, its tensors without the axis of networks, its `seed`


@dataclass(frozen=True)
class Model:
    """One trained network, or several as one, with all that a prediction needs and where they came from.

    Several predict by the mean of their probabilities, see `fcnet.losses.pool`.

    Parameters
    ----------
    networks : tuple of Network
        Of one shape.
    normalisation : Normalisation
        Applied to raw images before a network sees them.
    class_names : tuple of str
        Names of the labels 0, 1, ...
    hyperparameters : Hyperparameters
    data_fingerprint : str
        SHA-256 of the data set that they were trained on.
    seeds : tuple of int
        Of each network's training.
    epochs : int
        Of each training.
    form : TableForm, ImageForm or None
        How rows come from files, if these are no plain arrays.
    one_against_rest : bool, default=False
        Whether more than two classes were trained one against the rest, as versions before 0.2 did.

    Examples
    --------
    >>> from pathlib import Path
    >>> from fcnet import Hyperparameters, Model, Training, load
    >>> data, chosen = load("synthetic"), Hyperparameters(batch_size=256, learning_rate=0.01)
    >>> split = data.split("final")
    >>> names, fingerprint, models = split.class_names, split.fingerprint, []
    >>> for seed in (0, 1):
    ...     training = Training(split, chosen, epochs=1, seed=seed)
    ...     for epoch in training:
    ...         pass
    ...     networks = (training.network,)
    ...     single = Model(networks, split.normalisation, names, chosen, fingerprint, (seed,), epochs=1)
    ...     models.append(single)
    >>> model = Model.average(models)
    >>> model.save(Path("model.safetensors"))
    >>> (Model.load(Path("model.safetensors")).predict(data.images) == model.predict(data.images)).all()
    np.True_
    """

    networks: tuple[Network, ...]
    normalisation: Normalisation
    class_names: tuple[str, ...]
    hyperparameters: Hyperparameters
    data_fingerprint: str
    seeds: tuple[int, ...]
    epochs: int
    form: Form | None = None
    one_against_rest: bool = False

    @classmethod
    def average(cls, models: Sequence["Model"]) -> "Model":
        """Return the networks of models as one; each network has the same weight.

        Raises
        ------
        UserError
            If the models differ in more than their networks and seeds, or there are none.
        """
        if not models:
            raise UserError("there are no models to average: give at least one")
        first = models[0]
        if any(model._common() != first._common() for model in models):
            raise UserError(
                "models that differ in more than their seeds cannot be averaged: train them alike"
            )
        networks = tuple(network for model in models for network in model.networks)
        seeds = tuple(seed for model in models for seed in model.seeds)
        return replace(first, networks=networks, seeds=seeds)

    def _common(self) -> tuple[object, ...]:
        """Return what models that are averaged have in common."""
        mean, scale = self.normalisation.mean.tobytes(), self.normalisation.scale.tobytes()
        facts = (self.class_names, self.hyperparameters, self.data_fingerprint, self.epochs, self.form)
        return (mean, scale, self.networks[0].dtype, self.one_against_rest, *facts)

    def logits(self, images: NDArray[Any]) -> NDArray[Any]:
        """Return each network's logits, (n_networks, n, n_outputs), of raw images, (n, n_features)."""
        x = self.normalisation.apply(images)
        return np.stack([network.logits(x) for network in self.networks])

    @property
    def kind(self) -> Kind:
        """What the logits are."""
        return "sigmoid" if self.one_against_rest else kind_of(len(self.class_names))

    def pooled(self, logits: NDArray[Any]) -> NDArray[Any]:
        """Return the logits of all networks as one, (n, n_outputs), of `logits`."""
        return pool(logits, self.kind)

    def probabilities(self, images: NDArray[Any]) -> NDArray[Any]:
        """Return the mean probability of each class, shape (n, n_classes), of raw images (n, n_features)."""
        return probabilities(self.pooled(self.logits(images)), self.kind)

    def predict(self, images: NDArray[Any]) -> NDArray[np.intp]:
        """Return the label, shape (n,), of each raw image, shape (n, n_features)."""
        return decide(self.pooled(self.logits(images)))

    def save(self, path: str | Path) -> None:
        """Write the model; the file appears whole or not at all.

        Raises
        ------
        UserError
            If the file cannot be written.
        """
        parameters = [network.parameters for network in self.networks]
        tensors = {
            **{name: np.stack([each[name] for each in parameters]) for name in parameters[0]},
            "normalisation.mean": self.normalisation.mean,
            "normalisation.scale": self.normalisation.scale,
        }
        metadata = {
            "format": _FORMAT,
            "hyperparameters": json.dumps(asdict(self.hyperparameters)),
            "class_names": json.dumps(self.class_names),
            "data_fingerprint": self.data_fingerprint,
            "seeds": json.dumps(self.seeds),
            "epochs": str(self.epochs),
        }
        if self.kind == "softmax":
            metadata["loss"] = "softmax"
        if self.form is not None:
            metadata["form"] = form_text(self.form)
        write_whole(Path(path), _in_order(save_tensors(tensors, metadata)))

    @classmethod
    def load(cls, path: str | Path) -> "Model":
        """Read a model.

        Raises
        ------
        UserError
            If the file is missing, is no safetensors file, or was not written by `save`.
        """
        try:
            content = Path(path).read_bytes()
        except OSError as error:
            raise UserError(
                f"cannot read the model {path}: {error.strerror or error}; name another file"
            ) from error
        try:
            tensors = load_tensors(content)
            header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
            return cls._assemble(tensors, header["__metadata__"])
        except (safetensors.SafetensorError, *_DAMAGED) as error:
            raise UserError(
                f"{path} is not a model saved by this program, or it is damaged: name a model.safetensors"
            ) from error

    @classmethod
    def _assemble(cls, tensors: dict[str, NDArray[Any]], metadata: dict[str, str]) -> "Model":
        mean, scale = tensors.pop("normalisation.mean"), tensors.pop("normalisation.scale")
        if metadata["format"] == _SINGLE:
            tensors = {name: tensor[np.newaxis] for name, tensor in tensors.items()}
            seeds = [int(metadata["seed"])]
        elif metadata["format"] == _FORMAT:
            seeds = json.loads(metadata["seeds"])
        else:
            raise ValueError("unknown format")
        if not seeds or any(type(seed) is not int for seed in seeds):
            raise ValueError("seeds must be whole numbers")
        hyperparameters = Hyperparameters(**json.loads(metadata["hyperparameters"]))
        class_names = tuple(str(name) for name in json.loads(metadata["class_names"]))
        form = form_from(metadata["form"]) if "form" in metadata else None
        if form is not None and form.n_features != len(mean):
            raise ValueError("the form does not fit")
        _check_shapes(tensors, hyperparameters, len(seeds), n_features=len(mean), n_classes=len(class_names))
        if (
            mean.ndim != 1
            or mean.shape != scale.shape
            or mean.dtype != np.float32
            or scale.dtype != np.float32
        ):
            raise ValueError("the normalisation does not fit")
        parameters = [{name: tensor[i] for name, tensor in tensors.items()} for i in range(len(seeds))]
        return cls(
            networks=tuple(Network.of(p, hyperparameters, n_classes=len(class_names)) for p in parameters),
            normalisation=Normalisation(mean, scale),
            class_names=class_names,
            hyperparameters=hyperparameters,
            data_fingerprint=str(metadata["data_fingerprint"]),
            seeds=tuple(seeds),
            epochs=int(metadata["epochs"]),
            form=form,
            one_against_rest=len(class_names) > 2 and metadata.get("loss") != "softmax",
        )


def _in_order(content: bytes) -> bytes:
    """Sort a safetensors header, whose metadata come in random order: the same model is the same file."""
    start = 8 + int.from_bytes(content[:8], "little")
    header = json.dumps(json.loads(content[8:start]), sort_keys=True, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)  # tensors stay aligned
    return len(header).to_bytes(8, "little") + header + content[start:]


def _check_shapes(
    tensors: dict[str, NDArray[Any]],
    hyperparameters: Hyperparameters,
    n_networks: int,
    *,
    n_features: int,
    n_classes: int,
) -> None:
    """Refuse tensors that are not exactly the networks', before any memory is taken for them."""
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
        for name, shape in (("weights", (n_networks, fan_in, fan_out)), ("biases", (n_networks, fan_out))):
            tensor = tensors[f"linear{i}.{name}"]
            if tensor.shape != shape or tensor.dtype != dtype:
                raise ValueError(f"linear{i}.{name} does not fit")
