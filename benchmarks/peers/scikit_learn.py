"""scikit-learn's `MLPClassifier` in float32, an epoch per `partial_fit`.

Its penalty passes through the velocity and is divided by the rows of the batch: `alpha` is scaled back by
both.
"""

from collections.abc import Iterator

import numpy as np
import sklearn
from sklearn.neural_network import MLPClassifier

from benchmarks.problem import arrays
from fcnet.data import Split
from fcnet.hyperparameters import Hyperparameters


def train(split: Split, hyperparameters: Hyperparameters, *, epochs: int, seed: int) -> Iterator[float]:
    """Train with scikit-learn."""
    x, y, x_validation, y_validation = arrays(split)
    momentum, batch_size = hyperparameters.momentum, hyperparameters.batch_size
    network = MLPClassifier(
        hidden_layer_sizes=[hyperparameters.hidden_units] * (hyperparameters.n_layers - 1),
        solver="sgd",
        alpha=2 * hyperparameters.weight_decay * (1 - momentum) * batch_size,
        batch_size=batch_size,
        learning_rate_init=hyperparameters.learning_rate,
        momentum=momentum,
        nesterovs_momentum=False,
        random_state=seed,
    )
    with sklearn.config_context(assume_finite=True, skip_parameter_validation=True):
        for _ in range(epochs):
            network.partial_fit(x, y, classes=[0, 1])
            yield float(np.mean(network.predict(x_validation) == y_validation))
