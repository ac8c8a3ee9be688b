"""Layers and loss against central differences and hand algebra."""

import os
import subprocess
import sys

import numpy as np
import pytest
from conftest import ROOT
from scipy.special import expit

from fcnet import layers
from fcnet.layers import Linear, ReLU
from fcnet.losses import SigmoidCrossEntropy, SoftmaxCrossEntropy, decide, encode_targets


def numerical_gradient(function, x, h=1e-6):
    """Central differences of a scalar function by every element of x."""
    gradient = np.empty_like(x)
    for index in np.ndindex(x.shape):
        kept = x[index]
        x[index] = kept + h
        above = function()
        x[index] = kept - h
        below = function()
        x[index] = kept
        gradient[index] = (above - below) / (2 * h)
    return gradient


def relative_error(a, b):
    return np.linalg.norm(a - b) / max(np.linalg.norm(a), np.linalg.norm(b), 1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_linear_gradients_equal_central_differences(seed):
    rng = np.random.default_rng(seed)
    layer = Linear(5, 4, rng=rng, dtype=np.float64)
    layer.biases[...] = rng.standard_normal(4)
    x = rng.standard_normal((7, 5))
    outer = rng.standard_normal((7, 4))  # the scalar function is sum(outer * output)

    def value():
        return float(np.sum(outer * layer.forward(x)))

    layer.forward(x)
    by_input = layer.backward(outer).copy()
    by_weights, by_biases = layer.gradients
    assert relative_error(by_input, numerical_gradient(value, x)) < 1e-6
    assert relative_error(by_biases, numerical_gradient(value, layer.biases)) < 1e-6
    weights = layer.weights

    def value_of_weights():
        layer.weights = weights
        return value()

    assert relative_error(by_weights, numerical_gradient(value_of_weights, weights)) < 1e-6


def test_relu_gradient_equals_central_differences_and_is_zero_at_zero():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((6, 5))
    outer = rng.standard_normal((6, 5))
    relu = ReLU()
    numerical = numerical_gradient(lambda: float(np.sum(outer * relu.forward(x.copy()))), x)
    relu.forward(x.copy())
    assert relative_error(relu.backward(outer.copy()), numerical) < 1e-6
    relu.forward(np.zeros((1, 3)))
    assert np.array_equal(relu.backward(np.ones((1, 3))), np.zeros((1, 3)))


@pytest.mark.parametrize(
    ("loss", "n_columns"),
    [(SigmoidCrossEntropy(), 1), (SigmoidCrossEntropy(), 3), (SoftmaxCrossEntropy(), 3)],
)
def test_loss_gradient_equals_central_differences(loss, n_columns):
    rng = np.random.default_rng(1)
    logits = rng.standard_normal((8, n_columns)) * 3
    targets = rng.integers(0, 2, (8, n_columns)).astype(float)
    if isinstance(loss, SoftmaxCrossEntropy):
        targets = encode_targets(rng.integers(0, 3, 8), 3, np.dtype(float))
    numerical = numerical_gradient(lambda: loss.value(logits, targets), logits)
    assert relative_error(loss.gradient(logits, targets), numerical) < 1e-6


def test_loss_is_the_mean_cross_entropy_and_finite_for_any_finite_logit():
    logits = np.array([[0.3], [-2.0], [1.5]])
    targets = np.array([[1.0], [0.0], [0.0]])
    p = expit(logits)
    expected = -np.mean(targets * np.log(p) + (1 - targets) * np.log(1 - p))
    loss = SigmoidCrossEntropy()
    assert loss.value(logits, targets) == pytest.approx(expected, rel=1e-14)
    extreme = np.array([[1e30], [-1e30], [-1e4]], dtype=np.float32)
    right = np.array([[1], [0], [0]], dtype=np.float32)
    assert loss.value(extreme, right) == 0.0
    assert np.isfinite(loss.value(extreme, 1 - right))
    assert np.all(np.isfinite(loss.gradient(extreme, 1 - right)))


def test_softmax_is_its_cross_entropy_and_finite_for_any_finite_logit():
    logits, targets = np.array([[0.3, -1.0, 2.0], [1.0, 1.0, 1.0]]), np.eye(3)[[0, 2]]
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    loss = SoftmaxCrossEntropy()
    assert loss.value(logits, targets) == pytest.approx(-np.log([p[0, 0], p[1, 2]]).mean(), rel=1e-14)
    extreme = np.array([[1e30, -1e30, 0], [0, 0, -1e30]], dtype=np.float32)
    assert loss.value(extreme, np.eye(3, dtype=np.float32)[[0, 0]]) == pytest.approx(np.log(2) / 2)
    wrong = np.eye(3, dtype=np.float32)[[1, 2]]
    assert np.isfinite(loss.value(extreme, wrong))
    assert np.isfinite(loss.gradient(extreme, wrong)).all()


def test_one_step_equals_hand_algebra():
    layer = Linear(1, 1, rng=np.random.default_rng(0), dtype=np.float64)
    layer.weights = np.array([[2.0]])
    layer.biases[...] = 0.5
    x, gradient = np.array([[3.0]]), np.array([[0.1]])
    # v = -0.01 * 3 * 0.1 = -0.003; W = 2 - 0.003 - 2 * 0.01 * 0.25 * 2 = 1.987
    layer.forward(x)
    layer.backward(gradient)
    layer.step(0.01, 0.9, 0.25)
    assert layer.weights[0, 0] == pytest.approx(1.987, abs=1e-15)
    # Biases do not decay: b = 0.5 - 0.01 * 0.1
    assert layer.biases[0] == pytest.approx(0.499, abs=1e-15)
    # v = 0.9 * -0.003 - 0.003 = -0.0057; W = 1.987 - 0.0057 - 0.005 * 1.987 = 1.971365
    layer.forward(x)
    layer.backward(gradient)
    layer.step(0.01, 0.9, 0.25)
    assert layer.weights[0, 0] == pytest.approx(1.971365, abs=1e-15)
    assert layer.biases[0] == pytest.approx(0.499 - 0.0019, abs=1e-15)


def reference_step(w, b, v, u, x, g, learning_rate, momentum, weight_decay):
    """The report's equations, written out."""
    v = momentum * v - learning_rate * x.T @ g
    u = momentum * u - learning_rate * g.sum(axis=0)
    return w + v - 2 * learning_rate * weight_decay * w, b + u, v, u


@pytest.fixture(params=[1, 3])
def n_slices(request, monkeypatch):
    """Let layers take their inputs in so many slices, whatever suits this machine."""
    monkeypatch.setattr(layers, "n_slices", lambda n, fan_in, fan_out: request.param)
    return request.param


@pytest.mark.usefixtures("n_slices")
@pytest.mark.parametrize(
    ("momentum", "weight_decay"),
    [(0.8, 0.05), (0.0, 0.05), (0.8, 0.0), (0.98, 1e-6), (1e-9, 0.3), (0.5, 5.0), (0.9, 20.0)],
)
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-12), (np.float32, 2e-5)])
def test_many_steps_equal_an_independent_loop(momentum, weight_decay, dtype, tolerance):
    """Hundreds of steps: the scalars that stand for whole matrices are folded in, also at 0 and below."""
    rng = np.random.default_rng(3)
    layer = Linear(6, 4, rng=rng, dtype=dtype)
    w, b = layer.weights.astype(np.float64), np.zeros(4)
    v, u = np.zeros((6, 4)), np.zeros(4)
    for i in range(300):
        n = 1 + i % 5
        x, g = rng.standard_normal((n, 6)).astype(dtype), (0.1 * rng.standard_normal((n, 4))).astype(dtype)
        layer.forward(layer.take(x, np.arange(n)))
        layer.backward(g)
        layer.step(0.05, momentum, weight_decay)
        w, b, v, u = reference_step(
            w, b, v, u, x.astype(float), g.astype(float), 0.05, momentum, weight_decay
        )
    assert relative_error(layer.weights, w) < tolerance
    assert relative_error(layer.biases, b) < tolerance


@pytest.mark.usefixtures("n_slices")
def test_forward_uses_the_scaled_weights_after_decay():
    rng = np.random.default_rng(0)
    layer = Linear(6, 4, rng=rng, dtype=np.float64)
    x = rng.standard_normal((3, 6))
    layer.forward(x)
    layer.backward(rng.standard_normal((3, 4)))
    layer.step(0.1, 0.8, 0.5)
    assert np.allclose(layer.forward(x), x @ layer.weights + layer.biases, rtol=1e-13)
    g = rng.standard_normal((3, 4))
    assert np.allclose(layer.backward(g), g @ layer.weights.T, rtol=1e-13)
    assert layer.squared_norm == pytest.approx(np.sum(layer.weights**2), rel=1e-13)


def test_rows_that_are_taken_in_slices_give_what_they_give_whole(n_slices):
    rng = np.random.default_rng(0)
    layer = Linear(6, 4, rng=rng, dtype=np.float64)
    x, rows, g = rng.standard_normal((9, 6)), np.array([7, 0, 7, 3]), rng.standard_normal((4, 4))
    taken = layer.take(x, rows)
    assert taken.shape == ((4, 6) if n_slices == 1 else (n_slices, 4, 6 // n_slices))
    assert np.array_equal(np.concatenate(list(np.atleast_3d(taken.T).T), axis=1), x[rows])
    for given in (taken, x[rows]):
        assert np.allclose(layer.forward(given), x[rows] @ layer.weights, rtol=1e-13)
    layer.backward(g)
    assert np.allclose(layer.gradients[0], x[rows].T @ g, rtol=1e-13)


@pytest.mark.parametrize("fan_in", [3072, 784, 97, 24])
@pytest.mark.parametrize(("n", "fan_out"), [(16, 512), (7, 113), (64, 32), (256, 512)])
def test_slices_are_equal_and_small_enough_or_the_layer_is_taken_whole(monkeypatch, n, fan_in, fan_out):
    monkeypatch.setattr(layers, "_SMALL_PRODUCT", 1_000_000)
    count = layers.n_slices.__wrapped__(n, fan_in, fan_out)
    assert fan_in % count == 0
    assert count == 1 or (n * (fan_in // count) * fan_out <= 1_000_000 and fan_in // count >= 64)
    monkeypatch.setattr(layers, "_SMALL_PRODUCT", 0)
    assert layers.n_slices.__wrapped__(n, fan_in, fan_out) == 1


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"SIMD Extensions": {"baseline": ["X86_V2"], "found": ["X86_V3", "X86_V4"]}}, True),
        ({"SIMD Extensions": {"baseline": ["SSE"], "found": ["AVX512F", "AVX512_SKX"]}}, True),
        ({"SIMD Extensions": {"baseline": ["X86_V2", "X86_V3", "X86_V4"]}}, True),
        ({"SIMD Extensions": {"baseline": ["X86_V2"], "found": ["X86_V3"], "not found": ["X86_V4"]}}, False),
        ({"SIMD Extensions": {"baseline": ["X86_V2"], "not found": ["X86_V3", "X86_V4"]}}, False),
        ({"SIMD Extensions": {}}, False),
        ({}, False),
    ],
)
def test_a_processor_is_known_by_what_numpy_found_if_anything(config, expected):
    assert layers._has_avx512(config) is expected


def test_a_training_runs_where_numpy_finds_nothing_but_its_baseline():
    extensions = np.show_config("dicts").get("SIMD Extensions", {})
    above = " ".join([*extensions.get("found", ()), *extensions.get("not found", ())])
    code = (
        "import numpy as np; from fcnet import Dataset, Hyperparameters, Training\n"
        "assert 'found' not in np.show_config('dicts').get('SIMD Extensions', {})\n"
        "images, labels = np.random.default_rng(0).normal(size=(60, 4)), np.arange(60) % 2\n"
        "data = Dataset.from_arrays(images[:50], labels[:50], images[50:], labels[50:])\n"
        "print(len(list(Training(data.split(), Hyperparameters(), epochs=2, seed=0))))"
    )
    environment = {**os.environ, "NPY_DISABLE_CPU_FEATURES": above}
    command = [sys.executable, "-c", code]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.stdout == "2\n", done.stderr


def test_initial_weights_have_the_variance_of_he():
    layer = Linear(3000, 200, rng=np.random.default_rng(0))
    assert layer.weights.std() == pytest.approx(np.sqrt(2 / 3000), rel=0.01)
    assert layer.weights.mean() == pytest.approx(0, abs=1e-4)
    assert not layer.biases.any()


def test_targets_and_decisions_agree_for_two_and_more_classes():
    two, three = np.array([0, 1, 1]), np.array([2, 0, 1])
    assert encode_targets(two, 2, np.dtype(np.float32)).shape == (3, 1)
    assert np.array_equal(decide(encode_targets(two, 2, np.dtype(float)) - 0.5), two)
    assert np.array_equal(decide(encode_targets(three, 3, np.dtype(float))), three)


def test_a_wide_layer_is_taken_in_as_few_slices_as_are_small_enough(monkeypatch):
    monkeypatch.setattr(layers, "_SMALL_PRODUCT", 1_000_000)
    # 16 * 3072 * 512 is 25.2 million products: 26 slices at least, of which 3072 can be cut into 32.
    counts = {(16, 3072, 512): 32, (16, 784, 512): 7, (64, 3072, 32): 8, (256, 3072, 512): 1, (7, 24, 113): 1}
    assert {asked: layers.n_slices.__wrapped__(*asked) for asked in counts} == counts
