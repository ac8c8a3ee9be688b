"""JAX with a whole epoch, its validation included, in one compiled call: a `lax.scan` over the batches.

Parameters and velocities are donated, so that XLA updates them in place. The update is the report's, exactly.
"""

from collections.abc import Iterator
from functools import partial

import jax
import jax.numpy as jnp

from benchmarks.problem import arrays, he_normal, layer_sizes
from fcnet.data import Split
from fcnet.hyperparameters import Hyperparameters

Layers = list[tuple[jax.Array, jax.Array]]
Data = tuple[jax.Array, jax.Array, jax.Array]  # an argument of the compiled call, not a constant of its code


def logits(layers: Layers, x: jax.Array) -> jax.Array:
    """Forward pass, shape (n_rows,)."""
    for weights, bias in layers[:-1]:
        x = jax.nn.relu(x @ weights + bias)
    weights, bias = layers[-1]
    return (x @ weights + bias)[:, 0]


def mean_loss(layers: Layers, x: jax.Array, y: jax.Array) -> jax.Array:
    """Mean sigmoid cross-entropy."""
    z = logits(layers, x)
    return jnp.mean(jax.nn.softplus(z) - z * y)


def train(split: Split, hyperparameters: Hyperparameters, *, epochs: int, seed: int) -> Iterator[float]:
    """Train with JAX."""
    learning_rate, momentum = hyperparameters.learning_rate, hyperparameters.momentum
    keep = 1 - 2 * learning_rate * hyperparameters.weight_decay
    x_train, labels, x_validation, y_validation = map(jnp.asarray, arrays(split))
    data = x_train, labels.astype(jnp.float32), x_validation
    layers = [
        (jnp.asarray(weights), jnp.zeros(weights.shape[1]))
        for weights in he_normal(layer_sizes(split, hyperparameters), seed=seed)
    ]
    velocities = jax.tree.map(jnp.zeros_like, layers)

    @partial(jax.jit, donate_argnums=(0, 1))
    def epoch(
        layers: Layers, velocities: Layers, key: jax.Array, data: Data
    ) -> tuple[Layers, Layers, jax.Array]:
        x, y, x_validation = data

        def step(carry: tuple[Layers, Layers], rows: jax.Array) -> tuple[tuple[Layers, Layers], None]:
            layers, velocities = carry
            gradients = jax.grad(mean_loss)(layers, x[rows], y[rows])
            velocities = jax.tree.map(lambda v, g: momentum * v - learning_rate * g, velocities, gradients)
            layers = [
                (keep * weights + v_weights, bias + v_bias)
                for (weights, bias), (v_weights, v_bias) in zip(layers, velocities, strict=True)
            ]
            return (layers, velocities), None

        order = jax.random.permutation(key, len(x))
        n_full, n_rest = divmod(len(x), hyperparameters.batch_size)
        full = order[: len(x) - n_rest].reshape(n_full, hyperparameters.batch_size)
        carry, _ = jax.lax.scan(step, (layers, velocities), full)
        if n_rest:
            carry, _ = step(carry, order[len(x) - n_rest :])
        return *carry, logits(carry[0], x_validation)

    for key in jax.random.split(jax.random.key(seed), epochs):
        layers, velocities, z = epoch(layers, velocities, key, data)
        yield float(jnp.mean((z > 0) == y_validation))
