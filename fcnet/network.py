"""The network: linear layers with rectifiers between them."""

import hashlib
import itertools
from typing import Any, Self

import numpy as np
from numpy.typing import DTypeLike, NDArray

from fcnet.hyperparameters import Hyperparameters
from fcnet.layers import Array, Linear, ReLU
from fcnet.losses import decide

# Rows that predictions are made on at a time, so that activations stay in the cache and memory bounded.
_CHUNK = 500


class Network:
    """A fully connected network of `n_layers` linear layers: input -> hidden -> ... -> logits.

    Parameters
    ----------
    hyperparameters : Hyperparameters
        Of these the shape counts: `hidden_units` and `n_layers`.
    n_features : int
        Number of inputs.
    n_classes : int
        Two classes share one logit; more have one each.
    rng : numpy.random.Generator or None
        Draws the initial weights; None where they are set afterwards, see `of`.
    dtype : numpy dtype, default=float32
        float32 or float64.
    variance : float, optional
        Of the first layer's initial weights, if it is not ``2 / n_features``.

    Examples
    --------
    >>> import numpy as np
    >>> from fcnet import Hyperparameters, Network
    >>> shape = Hyperparameters(hidden_units=8, n_layers=2)
    >>> network = Network(shape, n_features=4, n_classes=3, rng=np.random.default_rng(0))
    >>> network.logits(np.zeros((5, 4), np.float32)).shape
    (5, 3)
    >>> sorted(network.parameters)
    ['linear0.biases', 'linear0.weights', 'linear1.biases', 'linear1.weights']
    """

    def __init__(
        self,
        hyperparameters: Hyperparameters,
        *,
        n_features: int,
        n_classes: int,
        rng: np.random.Generator | None,
        dtype: DTypeLike = np.float32,
        variance: float | None = None,
    ) -> None:
        self.dtype = np.dtype(dtype)
        self._hyperparameters = hyperparameters
        self.n_classes = n_classes
        hidden = [hyperparameters.hidden_units] * (hyperparameters.n_layers - 1)
        widths = [n_features, *hidden, 1 if n_classes == 2 else n_classes]
        self.linears = [
            Linear(fan_in, fan_out, rng=rng, dtype=dtype, variance=None if i else variance)
            for i, (fan_in, fan_out) in enumerate(itertools.pairwise(widths))
        ]
        self._rectifiers = [ReLU() for _ in hidden]

    @classmethod
    def of(cls, parameters: dict[str, Array], hyperparameters: Hyperparameters, *, n_classes: int) -> Self:
        """Return the network of given `parameters`, in the shape that the hyperparameters say."""
        first = parameters["linear0.weights"]
        network = cls(
            hyperparameters, n_features=len(first), n_classes=n_classes, rng=None, dtype=first.dtype
        )
        network.parameters = parameters
        return network

    @property
    def n_outputs(self) -> int:
        """Number of logits."""
        return self.linears[-1].fan_out

    def take(self, x: Array, rows: NDArray[np.intp]) -> Array:
        """Gather rows (n,) of `x`, shape (any, n_features), for `forward`; see `Linear.take`."""
        return self.linears[0].take(x, rows)

    def forward(self, x: Array) -> Array:
        """Return the logits, shape (n, n_outputs), of rows `x`, shape (n, n_features) or from `take`."""
        for linear, rectifier in zip(self.linears, self._rectifiers, strict=False):
            x = rectifier.forward(linear.forward(x))
        return self.linears[-1].forward(x)

    def backward(self, gradient: Array) -> None:
        """Carry the gradient by the logits, shape (n, n_outputs), back to every layer."""
        for linear, rectifier in zip(reversed(self.linears), reversed(self._rectifiers), strict=False):
            inner = linear.backward(gradient)
            assert inner is not None
            gradient = rectifier.backward(inner)
        self.linears[0].backward(gradient, input_gradient=False)

    def step(self, learning_rate: float, momentum: float, weight_decay: float) -> None:
        """Update every layer; see `Linear.step`."""
        for linear in self.linears:
            linear.step(learning_rate, momentum, weight_decay)

    def fold(self) -> None:
        """Bring every layer to where a saved and loaded copy predicts the same bits; see `Linear.fold`."""
        for linear in self.linears:
            linear.fold()

    def behind(self, projection: Array) -> "Network":
        """Return the network on rows, given one on ``row @ projection``, shape (n_features, fan_in)."""
        parameters = self.parameters
        parameters["linear0.weights"] = projection @ parameters["linear0.weights"]
        return Network.of(parameters, self._hyperparameters, n_classes=self.n_classes)

    def logits(self, x: Array) -> Array:
        """Return the logits, shape (n, n_outputs), as a new array, whatever the number of rows."""
        out = np.empty((len(x), self.n_outputs), self.dtype)
        for start in range(0, len(x), _CHUNK):
            rows = slice(start, start + _CHUNK)
            out[rows] = self.forward(np.ascontiguousarray(x[rows], dtype=self.dtype))
        return out

    def predict(self, x: Array) -> NDArray[np.intp]:
        """Return the predicted class, shape (n,), of each row of `x`, shape (n, n_features)."""
        return decide(self.logits(x))

    @property
    def penalty(self) -> float:
        """``sum(W**2)`` over the weights of every layer."""
        return sum(linear.squared_norm for linear in self.linears)

    @property
    def parameters(self) -> dict[str, Array]:
        """Copies of weights and biases: ``{"linear0.weights": (fan_in, fan_out), "linear0.biases": ...}``."""
        return {
            f"linear{i}.{name}": np.array(getattr(linear, name))
            for i, linear in enumerate(self.linears)
            for name in ("weights", "biases")
        }

    @parameters.setter
    def parameters(self, values: dict[str, Array]) -> None:
        for i, linear in enumerate(self.linears):
            linear.weights = values[f"linear{i}.weights"]
            linear.biases[...] = values[f"linear{i}.biases"]

    def digest(self) -> str:
        """Return the SHA-256 of all parameters, in hexadecimal: equal networks, equal digests."""
        sha: Any = hashlib.sha256()
        for name, values in self.parameters.items():
            sha.update(f"{name} {values.dtype} {values.shape}".encode())
            sha.update(np.ascontiguousarray(values))
        return str(sha.hexdigest())
