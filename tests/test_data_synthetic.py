"""The built-in images: always the same, of the real ones' shape, and as hard."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from fcnet.data import Dataset, load
from fcnet.hyperparameters import Hyperparameters
from fcnet.trainer import Training


@pytest.fixture(scope="module")
def synthetic() -> Dataset:
    return load("synthetic")


def test_synthetic_images_are_always_the_same(synthetic: Dataset) -> None:
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
    assert run.stdout.strip() == synthetic.fingerprint


def test_synthetic_images_have_the_real_ones_shape(synthetic: Dataset) -> None:
    test_images, test_labels = synthetic.open_test()
    assert synthetic.images.shape == (10_000, 3072)
    assert test_images.shape == (2000, 3072)
    assert synthetic.images.dtype == test_images.dtype == np.uint8
    assert synthetic.labels.sum() == 5000
    assert test_labels.sum() == 1000
    assert synthetic.image_shape == (3, 32, 32)
    image = synthetic.images.reshape(-1, 3, 32, 32).astype(float)
    across = np.corrcoef(image[..., 1:].ravel(), image[..., :-1].ravel())[0, 1]
    assert across > 0.9  # neighbours resemble each other, as in photographs


def test_synthetic_classes_need_more_than_a_straight_line(synthetic: Dataset) -> None:
    linear = Hyperparameters(n_layers=1, batch_size=64, weight_decay=0.01)
    with threadpool_limits(1):  # as the sweep's workers do
        *_, last = Training(synthetic.split(), linear, epochs=10, seed=0)
    assert 0.65 < last.validation_accuracy < 0.75


def test_synthetic_images_are_as_hard_as_real_ones(synthetic: Dataset) -> None:
    with threadpool_limits(1):
        *_, last = Training(synthetic.split(), Hyperparameters(), epochs=3, seed=0)
    assert 0.75 < last.validation_accuracy < 0.90
