"""The principal axes, what a training makes of them, and the network that comes out: the plain one."""

import math
from dataclasses import replace

import numpy as np
import pytest

from fcnet import inputs
from fcnet.data import Normalisation, Part, Split
from fcnet.hyperparameters import Hyperparameters
from fcnet.inputs import Axes, mirrored, n_axes
from fcnet.trainer import Training

SHAPE = (2, 3, 5)  # an odd width: the middle column is its own mirror image


def rows(n=200, n_features=30, *, seed=0, dtype=np.float32):
    rng = np.random.default_rng(seed)
    x = (
        rng.standard_normal((n, n_features))
        * np.geomspace(3, 0.1, n_features)
        @ np.linalg.qr(rng.standard_normal((n_features, n_features)))[0]
    )
    return (x - x.mean(axis=0)).astype(dtype)


def make_split(shape=SHAPE, *, n=120, seed=0):
    rng = np.random.default_rng(seed)
    n_features = math.prod(shape) if shape else 30
    x, labels = rows(n + 40, n_features, seed=seed), rng.integers(0, 2, n + 40)
    unit = Normalisation(np.zeros(n_features, np.float32), np.ones(n_features, np.float32))
    parts = Part(x[:n], labels[:n]), Part(x[n:], labels[n:])
    return Split(*parts, unit, ("a", "b"), "0" * 64, "holdout", 0, image_shape=shape)


@pytest.mark.parametrize("shape", [None, SHAPE, (3, 10), (30, 1), (15, 2)])
def test_axes_are_the_eigenvectors_of_the_covariance_with_mirror_images(shape):
    x = rows()
    both = x if shape is None else np.concatenate([x, mirrored(x, shape)])
    expected = np.linalg.eigvalsh(both.T.astype(float) @ both / len(both))[::-1]
    axes = Axes.fit(x, shape, n_axes=30)
    np.testing.assert_allclose(axes.variances, expected, rtol=1e-5)
    np.testing.assert_allclose(axes.directions.T @ axes.directions, np.eye(30), atol=1e-5)
    np.testing.assert_allclose((axes.project(both) ** 2).mean(axis=0), expected, rtol=1e-3)
    largest = np.abs(axes.directions).argmax(axis=0)
    assert (axes.directions[largest, np.arange(30)] > 0).all()


@pytest.mark.parametrize("shape", [SHAPE, (3, 10), (30, 1)])
def test_a_mirror_image_has_the_same_coordinates_but_for_their_signs(shape):
    x = rows()
    axes = Axes.fit(x, shape, n_axes=20)
    np.testing.assert_allclose(axes.project(mirrored(x, shape)), axes.project(x) * axes.parity, atol=1e-4)
    assert set(axes.parity) == ({1, -1} if shape[-1] > 1 else {1})


def test_fewer_axes_are_the_first_ones_and_the_same_to_the_bit_every_time():
    x = rows()
    few, many = (Axes.fit(x, SHAPE, n_axes=n) for n in (5, 30))
    assert few.directions.tobytes() == many.directions[:, :5].tobytes()
    assert Axes.fit(x.copy(), SHAPE, n_axes=5).directions.tobytes() == few.directions.tobytes()


def test_directions_without_variance_are_left_out():
    few_rows = rows(8)
    assert len(Axes.fit(few_rows, None, n_axes=30)) == 7  # of 8 rows of mean 0
    constant = rows()
    constant[:, ::2] = 0
    assert len(Axes.fit(constant, None, n_axes=30)) == 15
    assert len(Axes.fit(np.zeros((9, 30), np.float32), None, n_axes=30)) == 1


def test_whitening_scales_columns_by_their_variance():
    axes = Axes.fit(rows(), None, n_axes=30)
    np.testing.assert_array_equal(axes.scale(8, 0.0), np.ones(8))
    np.testing.assert_allclose(axes.variances[:8] * axes.scale(8, 1.0) ** 2, axes.variances[:8].mean())
    half = (axes.variances[:8] / axes.variances[:8].mean()) ** -0.25
    np.testing.assert_allclose(axes.scale(8, 0.5), half)


def test_validation_rows_have_no_part_in_the_axes():
    split = make_split()
    other = replace(split, validation=Part(split.validation.x * 100, split.validation.labels), _principal={})
    ours, theirs = split.principal(10).axes, other.principal(10).axes
    assert ours is not theirs
    assert ours.directions.tobytes() == theirs.directions.tobytes()


@pytest.mark.parametrize("whitening", [0.0, 0.4, 1.0])
@pytest.mark.parametrize("components", [1, 7, 30, None])
@pytest.mark.parametrize("shape", [None, SHAPE])
def test_the_folded_network_decides_as_the_trained_one(shape, components, whitening):
    split = make_split(shape)
    h = Hyperparameters(
        batch_size=16,
        learning_rate=0.02,
        hidden_units=11,
        components=components,
        whitening=whitening,
        mirror=shape is not None,
        schedule="cosine",
    )
    training = Training(split, h, epochs=3, seed=1)
    last = list(training)[-1]
    network, inner = training.network, training._network
    assert network.linears[0].fan_in == 30
    assert inner.linears[0].fan_in == (30 if components is None else components)
    x = split.validation.x
    expected = inner.logits(training._validation.x)
    np.testing.assert_allclose(network.logits(x), expected, atol=2e-5 * np.abs(expected).max())
    accuracy = np.mean(network.predict(x) == split.validation.labels)
    assert accuracy == pytest.approx(last.validation_accuracy, abs=1.5 / len(x))


def test_in_all_axes_a_training_is_the_same_in_distribution():
    """Gradient descent sees no rotation: from the same weights, rotated, the same network comes out."""
    split = make_split(None)
    # Whitening that is next to nothing takes the way through the axes.
    plain, turned = Hyperparameters(hidden_units=9), Hyperparameters(hidden_units=9, whitening=1e-9)
    a = Training(split, plain, epochs=4, seed=0, dtype=np.float64)
    b = Training(split, turned, epochs=4, seed=0, dtype=np.float64)
    b._network.parameters = {
        **a._network.parameters,
        "linear0.weights": b._projection.T @ a._network.parameters["linear0.weights"],
    }
    list(a), list(b)
    np.testing.assert_allclose(a.network.logits(split.train.x), b.network.logits(split.train.x), atol=1e-5)


def test_the_defaults_take_the_rows_as_they_are():
    split = make_split()
    training = Training(split, Hyperparameters(), epochs=1, seed=0)
    assert training._projection is None
    assert np.shares_memory(training._x, split.train.x)
    assert n_axes(Hyperparameters(components=30), 30) == n_axes(Hyperparameters(components=99), 30) == 0
    assert n_axes(Hyperparameters(components=30, whitening=0.1), 30) == 30
    assert n_axes(Hyperparameters(components=29), 3072) == 1024
    assert n_axes(Hyperparameters(components=1025), 3072) == 3072


@pytest.mark.parametrize("components", [None, 8])
def test_about_half_of_the_images_are_mirrored_anew_in_every_epoch(components):
    split, taken = make_split(), []
    h = Hyperparameters(batch_size=16, components=components, mirror=True)
    training = Training(split, h, epochs=2, seed=0)
    take = training._network.take
    training._network.take = lambda x, which: (taken.append(which.copy()), take(x, which))[1]
    list(training)
    n = len(split.train.x)
    first, second = np.split(np.concatenate(taken), 2)
    for epoch in (first, second):
        assert sorted(epoch % n) == list(range(n))
        assert 0.3 < np.mean(epoch >= n) < 0.7
    assert {*first[first >= n]} != {*second[second >= n]}
    images, mirrors = np.split(training._x, 2)
    if components is None:
        np.testing.assert_array_equal(mirrors, mirrored(images, SHAPE))


def test_rows_that_are_no_images_are_not_mirrored():
    with pytest.raises(ValueError, match=r"mirror is True, but the rows are no images$"):
        Training(make_split(None), Hyperparameters(mirror=True), epochs=1, seed=0)


def test_the_rate_falls_to_zero_as_a_cosine_over_all_steps():
    split = make_split(n=100)
    training = Training(split, Hyperparameters(learning_rate=0.1, schedule="cosine"), epochs=3, seed=0)
    rates, step = [], training._network.step
    training._network.step = lambda rate, *rest: (rates.append(rate), step(rate, *rest))
    list(training)
    steps = 3 * 7  # the last batch is smaller
    expected = [0.05 * (1 + math.cos(math.pi * t / steps)) for t in range(steps)]
    np.testing.assert_allclose(rates, expected)


def test_a_split_in_its_axes_is_kept_and_found_again(tmp_path):
    split = make_split().principal(12)
    split.save(tmp_path)
    again = Split.open(tmp_path)
    assert again.image_shape == SHAPE
    assert again.axes.directions.tobytes() == split.axes.directions.tobytes()
    h = Hyperparameters(components=9, whitening=0.5, mirror=True)
    assert len({Training(s, h, epochs=0, seed=0).network.digest() for s in (split, again)}) == 1
    assert again.principal(30) is again
    with pytest.raises(ValueError, match="the rows themselves are needed"):
        Training(again, Hyperparameters(), epochs=1, seed=0)


def test_leading_axes_of_many_are_found_in_single_precision_and_all_of_them_in_double(monkeypatch):
    taken, eigen = [], inputs._eigen
    monkeypatch.setattr(inputs, "LEADING", 8)
    monkeypatch.setattr(inputs, "_eigen", lambda x, dtype: (taken.append(dtype), eigen(x, dtype))[1])
    for n_features, n_found in ((30, 8), (30, 9), (8, 8)):
        Axes.fit(rows(60, n_features), None, n_axes=n_found)
    assert taken == [np.float32, np.float64, np.float64]
