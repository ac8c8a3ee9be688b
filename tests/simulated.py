"""Simulated trainings with known truth, image by image, as `studies.analysis.outcomes` has them."""

import numpy as np
from scipy.special import ndtri

from studies.analysis.outcomes import Outcomes

IMAGES, FOLDS = 2000, 5


def outcomes(means, trainings, rng, *, noise=0.004, own=0.35, fresh=0.5):
    """Draw `Outcomes` of configurations whose accuracies about fresh images are `means`.

    An image has a difficulty for all, `own` is what a configuration makes of it each time, `fresh` what a
    training does; `noise` is the standard deviation of a training's accuracy on endless images, one number or
    one per configuration.
    """
    means, k = np.asarray(means, dtype=float), len(means)
    shift = np.broadcast_to(noise, k)
    width = np.sqrt(1 + own**2 + fresh**2)
    level = width * ndtri(means)
    # A small shift of the level moves the accuracy by the density there.
    slope = np.exp(-(ndtri(means) ** 2) / 2) / np.sqrt(2 * np.pi) / width
    base = rng.standard_normal(IMAGES) + own * rng.standard_normal((k, IMAGES))
    masks, images = [[] for _ in means], []
    for t in range(trainings):
        if t % FOLDS == 0:
            order = rng.permutation(IMAGES)
        judged = np.sort(np.array_split(order, FOLDS)[t % FOLDS])
        images.append(judged)
        moved = level + shift / slope * rng.standard_normal(k)
        seen = base[:, judged] + fresh * rng.standard_normal((k, len(judged)))
        for row, mask in zip(masks, seen < moved[:, None], strict=True):
            row.append(mask)
    return Outcomes.of(masks, images)


def first(found, trainings):
    """Return what was known after so many trainings."""
    kept = found.training < trainings
    return Outcomes(found.right[:, kept], found.training[kept], found.image[kept])


def without(found, gone):
    """Return outcomes in which candidates have none from a training on: {candidate: training}."""
    right = found.right.copy()
    for i, n in gone.items():
        right[i, found.training >= n] = np.nan
    return Outcomes(right, found.training, found.image)


def at_most(rate, n):
    """Upper limit of a share that is truly `rate` over `n` simulations, three standard errors up."""
    return rate + 3 * float(np.sqrt(rate * (1 - rate) / n))
