"""The network as a scikit-learn classifier: the one module of `fcnet` that knows scikit-learn."""

import copy
import numbers
from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from fcnet.blas import one_blas_thread
from fcnet.data import Normalisation, Part, Split
from fcnet.data.checks import as_rows, shape_of_image
from fcnet.errors import Diverged
from fcnet.hyperparameters import Hyperparameters
from fcnet.inputs import Array, Axes, n_axes
from fcnet.model import Model
from fcnet.network import Network
from fcnet.trainer import Training

# What a network's parameters depend on in shape and meaning: training goes on with these only.
_SHAPE = ("hidden_units", "n_layers", "components", "whitening")


class FullyConnectedClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A fully connected network, trained by mini-batch SGD on normalised rows, as a scikit-learn classifier.

    Rows may be raw: mean and standard deviation of each feature are part of the model. The defaults are
    where a sweep starts, with smaller batches; for a few hundred rows take more epochs.

    Parameters
    ----------
    batch_size : int, default=16
        Rows per mini-batch, at least 1; with fewer rows than that, all of them are one.
    learning_rate : float, default=0.03
        Step size, in (0, 10].
    hidden_units : int, default=256
        Width of every hidden layer, at least 1.
    momentum : float, default=0.5
        Share of the velocity that survives a step, in [0, 1).
    weight_decay : float, default=0.01
        Factor of the penalty ``weight_decay * sum(W**2)`` in the training objective, at least 0.
    n_layers : int, default=3
        Number of linear layers, at least 1; there are ``n_layers - 1`` hidden layers.
    components : int or None, default=256
        Number of principal axes that the network sees its rows in, at least 1; None, or as many as there are
        features or more, are all. Axes along which the training rows do not vary are left out.
    whitening : float, default=0.3
        How far these are made equally strong, in [0, 1]; see `fcnet.inputs.Axes.scale`.
    mirror : bool, default=False
        Whether each epoch shows every row as it is or as its mirror image, at random; needs `image_shape`.
    schedule : {"cosine", "constant"}, default="cosine"
        What becomes of the learning rate over the epochs of one `fit`; see `fcnet.Hyperparameters`.
    epochs : int, default=20
        Passes over the rows in one `fit`, at least 1.
    image_shape : sequence of int, optional
        Channels, rows and columns of an image, or rows and columns, where rows are images.
    warm_start : bool, default=False
        Whether `fit` goes on with the network that an earlier `fit` left. Normalisation and principal axes
        stay those of the first one.
    random_state : int, RandomState instance or None, default=None
        Of initial weights, the order of the rows, and which are mirrored.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Their names, where rows had such.
    loss_curve_ : list of float
        Training objective of each epoch, in nats: mean loss plus penalty.
    model_ : fcnet.Model
        The trained network on raw rows: `Model.save` keeps it, and so the program's `predict` can use it.

    Examples
    --------
    >>> from fcnet import FullyConnectedClassifier
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.model_selection import train_test_split
    >>> digits = load_digits(return_X_y=True)
    >>> X_train, X_test, y_train, y_test = train_test_split(*digits, stratify=digits[1], random_state=0)
    >>> classifier = FullyConnectedClassifier(random_state=0).fit(X_train, y_train)
    >>> classifier.predict(X_test).shape, classifier.predict_proba(X_test).shape
    ((450,), (450, 10))
    >>> classifier.score(X_test, y_test) > 0.95
    True
    """

    classes_: NDArray[Any]
    loss_curve_: list[float]
    model_: Model
    _axes: Axes | None
    _inner: Network
    _random: np.random.RandomState

    def __init__(
        self,
        *,
        batch_size: int = 16,
        learning_rate: float = 0.03,
        hidden_units: int = 256,
        momentum: float = 0.5,
        weight_decay: float = 0.01,
        n_layers: int = 3,
        components: int | None = 256,
        whitening: float = 0.3,
        mirror: bool = False,
        schedule: Literal["constant", "cosine"] = "cosine",
        epochs: int = 20,
        image_shape: Sequence[int] | None = None,
        warm_start: bool = False,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.hidden_units = hidden_units
        self.momentum = momentum
        self.weight_decay = weight_decay
        self.n_layers = n_layers
        self.components = components
        self.whitening = whitening
        self.mirror = mirror
        self.schedule = schedule
        self.epochs = epochs
        self.image_shape = image_shape
        self.warm_start = warm_start
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Train on rows `X`, shape (n_samples, n_features), of classes `y`, shape (n_samples,).

        Raises
        ------
        ValueError
            If a parameter lies outside its range, the rows cannot be used, `y` holds a single class, or the
            training diverges.
        """
        go_on = self.warm_start and hasattr(self, "model_")
        rows, labels = self._checked(X, y, reset=not go_on)
        classes = np.unique(labels)
        if go_on and not np.array_equal(classes, self.classes_):
            raise ValueError("y holds other classes than before: set warm_start=False to begin anew")
        return self._train(rows, labels, classes, self._hyperparameters(), go_on=go_on, epochs=self.epochs)

    def partial_fit(self, X: ArrayLike, y: ArrayLike, classes: ArrayLike | None = None) -> Self:
        """Train one epoch on rows `X`, shape (n_samples, n_features), of classes `y`, shape (n_samples,).

        The rows of the first call fix normalisation and principal axes: let them be many. The learning rate
        is constant, whatever `schedule` says.

        Parameters
        ----------
        X, y : array-like
        classes : array-like of shape (n_classes,)
            All labels that there will be; needed in the first call.

        Raises
        ------
        ValueError
            As `fit` does, and if `classes` is missing, or lacks a label.
        """
        go_on = hasattr(self, "model_")
        if not go_on and classes is None:
            raise ValueError("classes must be passed on the first call to partial_fit")
        every = self.classes_ if classes is None else np.unique(np.asarray(classes))
        if go_on and not np.array_equal(every, self.classes_):
            raise ValueError(f"classes is {every}, but it was {self.classes_} on the first call")
        rows, labels = self._checked(X, y, reset=not go_on)
        if len(missing := np.setdiff1d(labels, every)):
            raise ValueError(f"y holds {missing[0]}, which is none of the classes {every}")
        h = replace(self._hyperparameters(), schedule="constant")
        return self._train(rows, labels, every, h, go_on=go_on, epochs=1)

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return the probability of each class, shape (n_samples, n_classes); a row adds up to 1."""
        check_is_fitted(self)
        rows = as_rows(validate_data(self, X, dtype="numeric", reset=False), "X")
        # In double precision it does not matter which rows are asked about together.
        h, networks = self.model_.hyperparameters, []
        for network in self.model_.networks:
            precise: dict[str, Array] = {k: v.astype(np.float64) for k, v in network.parameters.items()}
            networks.append(Network.of(precise, h, n_classes=len(self.classes_)))
        return np.asarray(replace(self.model_, networks=tuple(networks)).probabilities(rows), np.float64)

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Return the most probable class, shape (n_samples,), of rows `X`, shape (n_samples, n_features)."""
        predicted: NDArray[Any] = self.predict_proba(X).argmax(axis=1)
        return np.asarray(self.classes_[predicted])

    def _checked(self, X: ArrayLike, y: ArrayLike, *, reset: bool) -> tuple[NDArray[Any], NDArray[Any]]:
        rows, labels = validate_data(self, X, y, dtype="numeric", reset=reset)
        check_classification_targets(labels)
        return as_rows(rows, "X"), labels

    def _hyperparameters(self) -> Hyperparameters:
        """Return the checked hyperparameters; NumPy's numbers are as good as Python's."""
        if not isinstance(self.epochs, numbers.Integral) or self.epochs < 1:
            raise ValueError(f"epochs is {self.epochs!r}, but it must be a whole number of at least 1")
        given = {field.name: _plain(getattr(self, field.name)) for field in fields(Hyperparameters)}
        for name in ("learning_rate", "momentum", "weight_decay", "whitening"):
            if isinstance(given[name], bool) or not isinstance(given[name], int | float):
                raise ValueError(f"{name} is {given[name]!r}, but it must be a number")
        return Hyperparameters(**given)

    def _train(
        self,
        rows: NDArray[Any],
        y: NDArray[Any],
        classes: NDArray[Any],
        h: Hyperparameters,
        *,
        go_on: bool,
        epochs: int,
    ) -> Self:
        if len(classes) < 2:
            raise ValueError(f"y holds one class, {classes[0]}, but at least two classes are needed")
        shape = None if self.image_shape is None else shape_of_image(rows, self.image_shape)
        if h.mirror and shape is None:
            raise ValueError("mirror is True, but image_shape does not say how a row is an image")
        axes: Axes | None = None
        inner: Network | None = None
        if go_on:
            before = self.model_.hyperparameters
            changed = [name for name in _SHAPE if getattr(h, name) != getattr(before, name)]
            if changed:
                raise ValueError(f"{changed[0]} was changed: a trained network cannot go on with another one")
            normalisation, axes, inner = self.model_.normalisation, self._axes, copy.deepcopy(self._inner)
        else:
            normalisation, self._random = Normalisation.fit(rows), check_random_state(self.random_state)
        seed = int(self._random.randint(np.iinfo(np.int32).max))
        names = tuple(str(label) for label in classes)
        part = Part(normalisation.apply(rows), np.searchsorted(classes, y).astype(np.int64))
        if axes is not None:
            part = replace(part, x=axes.project(part.x))
        split = Split(part, None, normalisation, names, "", "final", seed, shape, axes=axes)
        split = split.principal(n_axes(h, rows.shape[1]))
        try:
            with one_blas_thread():
                training = Training(split, h, epochs=int(epochs), seed=seed, start=inner)
                losses = [metrics.objective for metrics in training]
        except Diverged as error:
            raise ValueError(f"{error}: choose a smaller learning_rate than {self.learning_rate}") from error
        self.classes_, self._axes, self._inner = classes, split.axes, training.inner
        self.model_ = Model((training.network,), normalisation, names, h, "", (seed,), int(epochs))
        self.loss_curve_ = [*(self.loss_curve_ if go_on else []), *losses]
        return self


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
