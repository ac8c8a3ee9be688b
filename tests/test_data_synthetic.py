"""The built-in images: always the same, of the real ones' shape, much like photographs, and as hard."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.fft import dctn
from threadpoolctl import threadpool_limits

from fcnet.data import Dataset, Split, load
from fcnet.hyperparameters import Hyperparameters
from fcnet.trainer import Training

FINGERPRINT = "4459c6e86ab6e883744a1f41140893066c59d725fd53fbda5ff60dafaaaa2bab"


@pytest.fixture(scope="module")
def synthetic() -> Dataset:
    return load("synthetic")


@pytest.fixture(scope="module")
def split(synthetic: Dataset) -> Split:
    return synthetic.split()


@pytest.fixture(scope="module")
def baseline(split: Split) -> Training:
    training = Training(split, Hyperparameters(), epochs=20, seed=0)
    with threadpool_limits(1):  # as the sweep's workers do
        for _ in training:
            pass
    return training


def accuracy(training: Training, split: Split, *, mirrored: bool) -> float:
    assert split.validation is not None
    x = split.validation.x
    if mirrored:
        x = np.ascontiguousarray(x.reshape(-1, 32)[:, ::-1]).reshape(x.shape)
    return float(np.mean(training.network.predict(x) == split.validation.labels))


def test_synthetic_images_are_the_same_on_every_machine(synthetic: Dataset) -> None:
    script = "from fcnet.data import load; print(load('synthetic').fingerprint)"
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1", "PYTHONHASHSEED": "1"}
    root = str(Path(__file__).parents[1])
    run = subprocess.run(
        [sys.executable, "-c", script],
        env=environment,
        cwd=root,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert run.stdout.strip() == synthetic.fingerprint == FINGERPRINT


def test_synthetic_images_have_the_real_ones_shape(synthetic: Dataset) -> None:
    test_images, test_labels = synthetic.open_test()
    assert synthetic.images.shape == (10_000, 3072)
    assert test_images.shape == (2000, 3072)
    assert synthetic.images.dtype == test_images.dtype == np.uint8
    assert synthetic.labels.sum() == 5000
    assert test_labels.sum() == 1000
    assert synthetic.image_shape == (3, 32, 32)


def test_synthetic_images_lose_strength_with_frequency(synthetic: Dataset) -> None:
    grey = synthetic.images[:2000].reshape(-1, 3, 32, 32).mean(axis=1)
    power = np.square(dctn(grey - grey.mean(), axes=(1, 2), norm="ortho")).mean(axis=0)
    frequency = np.hypot(*np.indices((32, 32)))
    octaves = [(frequency >= low) & (frequency < 2 * low) for low in (1, 2, 4, 8)]
    strengths = np.array([np.sqrt(power[octave].mean()) * frequency[octave].mean() for octave in octaves])
    assert strengths.max() < 1.5 * strengths.min()  # one over the frequency, as in photographs


def test_synthetic_mirror_images_belong_to_the_same_class(baseline: Training, split: Split) -> None:
    plain, mirrored = (accuracy(baseline, split, mirrored=way) for way in (False, True))
    assert mirrored == pytest.approx(plain, abs=0.03)


def test_synthetic_classes_need_more_than_a_straight_line(split: Split) -> None:
    linear = Hyperparameters(n_layers=1, batch_size=64, weight_decay=0.01)
    with threadpool_limits(1):
        *_, last = Training(split, linear, epochs=10, seed=0)
    assert 0.65 < last.validation_accuracy < 0.77


def test_synthetic_images_are_as_hard_as_real_ones(baseline: Training, split: Split) -> None:
    assert 0.75 < accuracy(baseline, split, mirrored=False) < 0.82


def test_synthetic_images_are_worth_a_sweep(baseline: Training, split: Split) -> None:
    found = Hyperparameters(
        batch_size=32,
        learning_rate=0.02,
        hidden_units=96,
        momentum=0.7,
        weight_decay=0.01,
        n_layers=2,
        components=160,
        whitening=0.4,
        mirror=True,
        schedule="cosine",
    )
    with threadpool_limits(1):
        *_, last = Training(split, found, epochs=20, seed=0)
    assert last.validation_accuracy > accuracy(baseline, split, mirrored=False) + 0.04
