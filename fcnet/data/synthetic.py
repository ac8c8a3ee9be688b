"""Built-in images for machines without CIFAR-10: its shape and cost, and about its difficulty."""

import numpy as np
from numpy.typing import NDArray

from fcnet.data.dataset import Dataset

_SEED = 20_131
_N_DEVELOPMENT, _N_TEST = 10_000, 2_000
_SIDE = 32


def generate() -> Dataset:
    """Generate 10,000 development and 2,000 test images of two classes, always the same ones.

    An image is a sum of smooth colour waves whose strength falls with their frequency, as in photographs,
    plus pixel noise. Its class depends on three things: some fine waves (a linear signal), products of pairs
    of coarse waves (which only a network with hidden layers can use), and luck, which limits everyone.

    Returns
    -------
    Dataset
        uint8 images of 3 x 32 x 32 values.
    """
    rng = np.random.default_rng(_SEED)
    n = _N_DEVELOPMENT + _N_TEST
    waves, frequency = _waves()
    # Whole numbers throughout: their sums are exact in any order, so every machine makes the same bytes.
    strength = rng.integers(-16, 17, size=(3, n, len(waves)), dtype=np.int8).sum(axis=0)
    images = (strength.astype(np.float32) @ waves).astype(np.int32)
    images >>= 6
    images += rng.integers(120, 137, size=images.shape, dtype=np.uint8)
    pixels = np.clip(images, 0, 255, out=images).astype(np.uint8)

    order = np.argsort(frequency, kind="stable")
    fine, coarse = order[12:36], order[:12]
    signs = rng.choice([-1, 1], size=len(fine))
    linear = (strength[:, fine] * signs).sum(axis=1)
    twisted = (strength[:, coarse[0::2]] * strength[:, coarse[1::2]]).sum(axis=1)
    luck = rng.integers(-16, 17, size=(3, n)).sum(axis=0)
    score = 16 * linear + 2 * twisted + 45 * luck
    development, test = slice(0, _N_DEVELOPMENT), slice(_N_DEVELOPMENT, n)
    return Dataset(
        name="synthetic images",
        images=pixels[development],
        labels=_halves(score[development]),
        class_names=("first", "second"),
        image_shape=(3, _SIDE, _SIDE),
        _test=(pixels[test], _halves(score[test])),
    )


def _waves() -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Cosine waves as whole numbers, shape (n_waves, 3072), and the spatial frequency of each (n_waves,)."""
    position = (np.arange(_SIDE) + 0.5) * np.pi / _SIDE
    colours = {(1, 1, 1): 10, (1, 0, -1): 5, (1, -2, 1): 5}  # grey waves reach finer than coloured ones
    waves, frequencies = [], []
    for colour, finest in colours.items():
        for down in range(finest):
            for right in range(finest):
                frequency = float(np.hypot(down, right))
                plane = np.outer(np.cos(down * position), np.cos(right * position))
                wave = np.multiply.outer(np.array(colour), plane) * 60 / (1 + frequency)
                waves.append(np.rint(wave).ravel())
                frequencies.append(frequency)
    return np.array(waves, dtype=np.float32), np.array(frequencies)


def _halves(score: NDArray[np.int64]) -> NDArray[np.int64]:
    """Label the higher half 1 and the lower half 0."""
    labels = np.zeros(len(score), dtype=np.int64)
    labels[np.argsort(score, kind="stable")[len(score) // 2 :]] = 1
    return labels
