"""The network and its training against an independent implementation, and the promises of the stream."""

import contextlib
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from fcnet.data import Normalisation, Part, Split
from fcnet.errors import Diverged
from fcnet.hyperparameters import Hyperparameters
from fcnet.losses import SigmoidCrossEntropy, encode_targets, loss_of
from fcnet.network import Network
from fcnet.trainer import Training


def make_split(n_train=70, n_validation=30, n_features=9, n_classes=2, seed=0):
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((n_classes, n_features))

    def part(n):
        labels = rng.integers(0, n_classes, n)
        return Part((centres[labels] + rng.standard_normal((n, n_features))).astype(np.float32), labels)

    return Split(
        train=part(n_train),
        validation=part(n_validation),
        normalisation=Normalisation(np.zeros(n_features, np.float32), np.ones(n_features, np.float32)),
        class_names=tuple(map(str, range(n_classes))),
        fingerprint="0" * 64,
        protocol="holdout",
        seed=0,
    )


def reference_training(split, h, *, epochs, seed):
    """The equations of the course report in float64, one batch after the other, nothing shared with fcnet."""
    initial = Training(split, h, epochs=0, seed=seed, dtype=np.float64).network.parameters
    w = [initial[f"linear{i}.weights"] for i in range(h.n_layers)]
    b = [initial[f"linear{i}.biases"] for i in range(h.n_layers)]
    v, u = [np.zeros_like(a) for a in w], [np.zeros_like(a) for a in b]
    order_stream = np.random.default_rng(np.random.SeedSequence(seed).spawn(2)[1])
    n_classes = len(split.class_names)
    y_all = encode_targets(split.train.labels, n_classes, np.dtype(np.float64))
    x_all = split.train.x.astype(np.float64)
    for _ in range(epochs):
        order = order_stream.permutation(len(x_all))
        for start in range(0, len(order), h.batch_size):
            rows = order[start : start + h.batch_size]
            activations = [x_all[rows]]
            for i in range(h.n_layers):
                z = activations[-1] @ w[i] + b[i]
                activations.append(np.where(z > 0, z, 0) if i < h.n_layers - 1 else z)
            z = activations[-1]
            p = 1 / (1 + np.exp(-z)) if n_classes == 2 else np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
            g = (p - y_all[rows]) / len(rows)
            for i in reversed(range(h.n_layers)):
                by_input = g @ w[i].T
                v[i] = h.momentum * v[i] - h.learning_rate * activations[i].T @ g
                u[i] = h.momentum * u[i] - h.learning_rate * g.sum(axis=0)
                w[i] = w[i] + v[i] - 2 * h.learning_rate * h.weight_decay * w[i]
                b[i] = b[i] + u[i]
                g = by_input * (activations[i] > 0)
    return {
        f"linear{i}.{name}": a[i] for i in range(h.n_layers) for name, a in (("weights", w), ("biases", b))
    }


@pytest.mark.parametrize(("n_layers", "n_classes"), [(1, 2), (2, 2), (3, 2), (4, 3)])
def test_network_gradients_equal_central_differences(n_layers, n_classes):
    h = Hyperparameters(hidden_units=5, n_layers=n_layers)
    rng = np.random.default_rng(n_layers)
    network = Network(h, n_features=4, n_classes=n_classes, rng=rng, dtype=np.float64)
    parameters = network.parameters
    for name in parameters:  # biases away from zero, so that no rectifier sits at its kink
        parameters[name] = parameters[name] + 0.1 * rng.standard_normal(parameters[name].shape)
    network.parameters = parameters
    x = rng.standard_normal((6, 4))
    targets = encode_targets(rng.integers(0, n_classes, 6), n_classes, np.dtype(float))
    loss = loss_of(n_classes)

    def value():
        network.parameters = parameters
        return loss.value(network.logits(x), targets)

    value()
    network.backward(loss.gradient(network.forward(x), targets))
    analytic = {}
    for i, linear in enumerate(network.linears):
        analytic[f"linear{i}.weights"], analytic[f"linear{i}.biases"] = linear.gradients
    for name, array in parameters.items():
        expected = analytic[name].copy()
        for index in np.ndindex(array.shape):
            kept = array[index]
            array[index] = kept + 1e-6
            above = value()
            array[index] = kept - 1e-6
            numerical = (above - value()) / 2e-6
            array[index] = kept
            scale = max(abs(numerical), abs(expected[index]), 1e-3)
            assert abs(numerical - expected[index]) / scale < 1e-6, name


@pytest.mark.parametrize("seed", range(8))
def test_training_equals_the_float64_reference_within_rounding(seed):
    """Random shapes, ragged last batches, momentum 0, decay 0, more than two classes."""
    rng = np.random.default_rng(seed)
    h = Hyperparameters(
        batch_size=int(rng.integers(1, 80)),
        learning_rate=float(rng.uniform(0.005, 0.05)),
        hidden_units=int(rng.integers(1, 20)),
        momentum=[0.0, float(rng.uniform(0, 0.95))][seed % 2],
        weight_decay=[0.0, float(rng.uniform(0, 0.1))][seed // 2 % 2],
        n_layers=1 + seed % 4,
    )
    split = make_split(n_train=int(rng.integers(20, 90)), n_classes=2 + seed % 3, seed=seed)
    expected = reference_training(split, h, epochs=3, seed=seed)
    for dtype, tolerance in ((np.float64, 1e-12), (np.float32, 1e-4)):
        training = Training(split, h, epochs=3, seed=seed, dtype=dtype)
        for _ in training:
            pass
        for name, values in training.network.parameters.items():
            assert values.dtype == dtype
            assert np.allclose(values, expected[name], rtol=tolerance, atol=tolerance), (h, name, dtype)


def test_metrics_are_what_they_are_called():
    split = make_split()
    h = Hyperparameters(batch_size=len(split.train.x), learning_rate=0.01, hidden_units=8)
    training = Training(split, h, epochs=1, seed=0, dtype=np.float64)
    before = training.network.logits(split.train.x)
    (metrics,) = training
    targets = encode_targets(split.train.labels, 2, np.dtype(float))
    loss = SigmoidCrossEntropy()
    # One batch an epoch: the running figures are those before its update.
    assert metrics.train_loss == pytest.approx(loss.value(before, targets), rel=1e-6)
    assert metrics.train_accuracy == np.mean((before[:, 0] > 0) == split.train.labels)
    after = training.network.logits(split.validation.x)
    assert metrics.validation_accuracy == np.mean((after[:, 0] > 0) == split.validation.labels)
    right = (after[:, 0] > 0) == split.validation.labels
    recalls = [np.mean(right[split.validation.labels == label]) for label in (0, 1)]
    assert metrics.validation_balanced_accuracy == pytest.approx(np.mean(recalls))
    assert metrics.validation_error_rate == 1 - metrics.validation_accuracy
    weights = [w for name, w in training.network.parameters.items() if name.endswith("weights")]
    penalty = sum(float(np.sum(w**2)) for w in weights)
    assert metrics.objective == pytest.approx(metrics.train_loss + h.weight_decay * penalty, rel=1e-9)
    assert metrics.seconds > 0


def test_without_validation_rows_its_figures_are_nan():
    split = make_split()
    bare = Split(split.train, None, split.normalisation, split.class_names, split.fingerprint, "final", 0)
    (metrics,) = Training(bare, Hyperparameters(hidden_units=4), epochs=1, seed=0)
    assert np.isnan(metrics.validation_accuracy)
    assert np.isnan(metrics.validation_loss)
    assert metrics.train_accuracy > 0


def test_training_learns_and_stops_with_its_reader():
    split = make_split(n_train=300)
    training = Training(split, Hyperparameters(hidden_units=16, learning_rate=0.01), epochs=10, seed=0)
    accuracies = [metrics.validation_accuracy for metrics in training]
    assert len(accuracies) == 10
    assert accuracies[-1] > 0.9
    stopped = Training(split, Hyperparameters(hidden_units=16), epochs=10, seed=0)
    epochs = iter(stopped)
    next(epochs)
    after_one = stopped.network.digest()
    epochs.close()
    assert stopped.network.digest() == after_one


def test_a_number_of_epochs_that_cannot_be_is_refused():
    with pytest.raises(ValueError, match="a training of -1 epochs cannot be"):
        Training(make_split(n_train=64), Hyperparameters(), epochs=-1, seed=0)


def test_divergence_ends_the_training_at_once_and_silently():
    split = make_split(n_train=5_000)
    training = Training(
        split, Hyperparameters(learning_rate=10.0, hidden_units=64, n_layers=4), epochs=2, seed=0
    )
    forward, seen = training.network.forward, []

    def watched(x):
        out = forward(x)
        seen.append((x.shape[-2], bool(np.isfinite(out).all())))
        return out

    training.network.forward = watched
    with pytest.raises(Diverged, match="diverged after 0 epochs"):
        list(training)
    finite = [ok for _, ok in seen]
    after = sum(rows for rows, _ in seen[finite.index(False) :])
    assert after <= 1024 + 16  # rows between two looks, and a batch


@pytest.mark.parametrize("judged", [True, False])
def test_a_divergence_in_the_last_step_of_all_is_noticed(judged):
    split = make_split(n_train=64)
    h = Hyperparameters(learning_rate=10.0, weight_decay=5.0, batch_size=64)
    with np.errstate(all="ignore"):
        epochs = next(n for n in range(1, 30) if not finite_after(split, h, n))
        training = Training(split if judged else replace(split, validation=None), h, epochs=epochs, seed=0)
        with pytest.raises(Diverged, match=f"diverged after {epochs - 1} epoch"):
            list(training)


def finite_after(split, h, epochs):
    """Tell whether the logits are finite after so many epochs: a training's own are from before each step."""
    training = Training(split, h, epochs=epochs, seed=0)
    with contextlib.suppress(Diverged):
        list(training)
    return bool(np.isfinite(training.network.logits(split.train.x)).all())


def test_a_seed_gives_the_same_bits_and_another_seed_others():
    split = make_split(n_train=200)

    def digest(seed):
        training = Training(split, Hyperparameters(hidden_units=33), epochs=3, seed=seed)
        figures = [(m.train_loss, m.validation_loss) for m in training]
        return training.network.digest(), figures

    assert digest(7) == digest(7)
    assert digest(7)[0] != digest(8)[0]


def test_another_process_gives_the_same_bits():
    code = (
        "import sys; sys.path.insert(0, 'tests')\n"
        "from test_trainer import *\n"
        "t = Training(make_split(n_train=200), Hyperparameters(hidden_units=33), epochs=2, seed=5)\n"
        "list(t); print(t.network.digest())"
    )
    here = Training(make_split(n_train=200), Hyperparameters(hidden_units=33), epochs=2, seed=5)
    list(here)
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert out.stdout.strip() == here.network.digest()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("batch_size", 0),
        ("batch_size", 1.5),
        ("hidden_units", -1),
        ("n_layers", True),
        ("learning_rate", 0.0),
        ("learning_rate", float("nan")),
        ("momentum", 1.0),
        ("momentum", -0.1),
        ("weight_decay", float("inf")),
    ],
)
def test_hyperparameters_refuse_values_out_of_range_by_name(field, value):
    with pytest.raises(ValueError, match=f"{field} is {value!r}"):
        Hyperparameters(**{field: value})
