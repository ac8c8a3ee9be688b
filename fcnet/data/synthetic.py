"""Built-in images for machines without CIFAR-10: its shape and cost, and about its difficulty."""

import numpy as np
from numpy.typing import NDArray

from fcnet.data.dataset import Dataset

_SEED = 20_131
_N_DEVELOPMENT, _N_TEST = 10_000, 2_000
_SIDE = 32
_GREY, _COLOUR = 16, 6  # waves down, and as many to the right: grey ones reach finer than coloured ones


def generate() -> Dataset:
    """Generate 10,000 development and 2,000 test images of two classes, always the same ones.

    An image is a sum of waves whose strength falls with their frequency, as in photographs, plus a little
    pixel noise. Its class depends on three things: some waves of medium frequency (a linear signal), products
    of pairs of coarse waves (which only a network with hidden layers can use), and luck, which limits
    everyone to about 93 %. Mirroring an image keeps a wave's sign or changes it: the waves of the linear
    signal keep theirs, and those of a pair do the same, so that the class of the mirror image is the same.

    Returns
    -------
    Dataset
        uint8 images of 3 x 32 x 32 values.
    """
    rng = np.random.default_rng(_SEED)
    n = _N_DEVELOPMENT + _N_TEST
    # Whole numbers throughout: their sums are exact in any order, so every machine makes the same bytes.
    grey, blue, green = (
        rng.integers(-16, 17, size=(3, n, count**2), dtype=np.int8).sum(axis=0, dtype=np.int8)
        for count in (_GREY, _COLOUR, _COLOUR)
    )
    y, u, v = _picture(grey, _GREY, 60), _picture(blue, _COLOUR, 30), _picture(green, _COLOUR, 30)
    pixels = np.empty((n, 3, _SIDE**2), np.uint8)
    for channel, plane in enumerate((y + u + v, y - 2 * v, y - u + v)):
        noise = rng.integers(120, 137, size=plane.shape, dtype=np.uint8)
        pixels[:, channel] = np.clip(np.floor(plane / 32) + noise, 0, 255)

    down, right = np.indices((_GREY, _GREY)).reshape(2, -1)
    by_frequency = np.argsort(down**2 + right**2, kind="stable")[1:]
    keeping, changing = (by_frequency[right[by_frequency] % 2 == odd] for odd in (0, 1))
    pairs = grey[:, np.concatenate([keeping[:10], changing[:10]])].astype(np.int64)
    twisted = (pairs[:, 0::2] * pairs[:, 1::2]).sum(axis=1)
    linear = grey[:, keeping[10:28]] @ (2 * rng.integers(0, 2, size=18) - 1)
    luck = rng.integers(-16, 17, size=(3, n)).sum(axis=0)
    score = 13 * linear + twisted + 17 * luck
    images = pixels.reshape(n, -1)
    development, test = slice(0, _N_DEVELOPMENT), slice(_N_DEVELOPMENT, n)
    return Dataset(
        name="synthetic images",
        images=images[development],
        labels=_halves(score[development]),
        class_names=("first", "second"),
        image_shape=(3, _SIDE, _SIDE),
        _test=(images[test], _halves(score[test])),
    )


def _picture(strength: NDArray[np.int8], count: int, loudest: int) -> NDArray[np.float32]:
    """Sum cosine waves, whole numbers, of strengths (n, count * count) to planes of pixels (n, 1024)."""
    waves = np.cos(np.outer(np.arange(count), (np.arange(_SIDE) + 0.5) * np.pi / _SIDE))
    falling = loudest / (1 + np.hypot(*np.indices((count, count)))) ** 1.1
    planes = np.rint(np.einsum("dr,dy,rx->dryx", falling, waves, waves)).reshape(count**2, _SIDE**2)
    pictures: NDArray[np.float32] = strength.astype(np.float32) @ planes.astype(np.float32)
    return pictures


def _halves(score: NDArray[np.int64]) -> NDArray[np.int64]:
    """Label the higher half 1 and the lower half 0."""
    labels = np.zeros(len(score), dtype=np.int64)
    labels[np.argsort(score, kind="stable")[len(score) // 2 :]] = 1
    return labels
