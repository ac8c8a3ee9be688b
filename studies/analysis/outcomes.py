"""Which images each training got right, and how far a mean over them is from that of fresh ones."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
Index = NDArray[np.intp]

LEAST_ERROR = 5e-4
"""A training is not taken to vary by less than this between two seeds: one image of 2,000."""

LASTING = 0.1
"""Share of the disagreement of two configurations about an image that stays when both are trained again:
what is taken where no image was judged twice. `benchmarks.calibration` measures 0.02 to 0.09."""

FOLDS = 5
"""So many trainings judge every image once, see `fcnet.data.holdout`; further ones judge them again."""


PRIOR = 4
"""As many degrees of freedom has what all candidates show of the noise of trainings, beside a pair's own."""


@dataclass(frozen=True, eq=False)
class Outcomes:
    """What candidates scored, image by image, in trainings that are paired by seed and division.

    Parameters
    ----------
    right : ndarray of shape (n_candidates, n), float32
        1 where a candidate got an image right (or what that image counts), 0 where not, NaN where it was not
        trained. With one number per training, its accuracy, nothing is known of images, and nothing is
        concluded about fresh ones.
    training, image : ndarray of shape (n,)
        Which training judged which image, both from 0.
    """

    right: NDArray[np.float32]
    training: Index
    image: Index

    @classmethod
    def of(
        cls, masks: Sequence[Sequence[NDArray[Any] | None]], images: Sequence[NDArray[np.integer]]
    ) -> Self:
        """Put masks together.

        Parameters
        ----------
        masks : sequence of shape (n_candidates, n_trainings) of ndarray, or None
            What each image adds to the mean, such as 1 where it was got right; None where a candidate was not
            trained.
        images : sequence of ndarray of int, of length n_trainings
            Which images judged each training, as many as its masks have entries.
        """
        right = [
            [np.full(len(i), np.nan) if mask is None else mask for mask, i in zip(row, images, strict=True)]
            for row in masks
        ]
        return cls(
            np.array([np.concatenate(row) if row else [] for row in right], dtype=np.float32),
            np.repeat(np.arange(len(images)), [len(i) for i in images]),
            np.concatenate([*images, []]).astype(np.intp),
        )

    @classmethod
    def of_accuracies(cls, values: ArrayLike) -> Self:
        """Take accuracies of shape (n_candidates, n_trainings), NaN where a candidate was not trained."""
        x = np.asarray(values, dtype=np.float32)
        if x.ndim != 2:
            raise ValueError(f"values has the shape {x.shape}, but it must hold candidates by trainings")
        return cls(x, np.arange(x.shape[1]), np.arange(x.shape[1]))

    @property
    def trainings(self) -> int:
        """Number of trainings of a candidate that was always trained."""
        return int(self.training[-1]) + 1 if self.training.size else 0

    @property
    def images_known(self) -> bool:
        """Whether single images were judged: with `of_accuracies` nothing is known of them."""
        return len(self.image) > self.trainings

    def accuracies(self) -> Array:
        """Return the mean of each training, shape (n_candidates, n_trainings), NaN where there is none."""
        counts = np.bincount(self.training, minlength=self.trainings)
        return np.array([np.bincount(self.training, row, self.trainings) / counts for row in self.right])


@dataclass(frozen=True)
class Evidence:
    """A mean over images and trainings, and what makes it uncertain; each part is a variance of the mean.

    With ``d = D + u(image) + v(training) + e``, of r judgements of each of m images in T trainings, that are
    N in all, the mean has the variance ``var(u) / m + var(v) / T + var(e) / N``. The sums over clusters
    estimate it without bias (Cameron, Gelbach & Miller, 2011, "Robust inference with multiway clustering").

    Parameters
    ----------
    mean : float
    by_image : float
        From the sums over each image: ``var(u) / m + (var(v) + var(e)) / N``.
    by_training : float
        From the sums over each training: ``var(v) / T + (var(u) + var(e)) / N``.
    single : float
        From single judgements: ``(var(u) + var(v) + var(e)) / N``.
    freedom : int
        Degrees of freedom of `by_training`.
    trainings : int
        T.
    judged : float
        r.
    """

    mean: float
    by_image: float
    by_training: float
    single: float
    freedom: int
    trainings: int
    judged: float

    @classmethod
    def of(cls, d: NDArray[np.float32], training: Index, image: Index) -> Self:
        """Take judgements of at least two trainings, each of shape (n,), without NaN."""
        n, mean = len(d), float(d.mean(dtype=np.float64))
        centred = d - mean

        def clustered(labels: Index) -> tuple[float, int]:
            sums, clusters = np.bincount(labels, centred), int(np.count_nonzero(np.bincount(labels)))
            return float(sums @ sums) * clusters / (clusters - 1) / n**2, clusters

        by_image, images = clustered(image)
        by_training, trainings = clustered(training)
        single = float(np.square(centred, dtype=np.float64).sum()) / (n - 1) / n
        return cls(mean, by_image, by_training, single, trainings - 1, trainings, n / images)

    @property
    def variance(self) -> float:
        """Of the mean; trainings that agree by luck do not make the images' part smaller."""
        least = LEAST_ERROR**2 / self.trainings
        return max(self.by_image + max(0.0, self.by_training - self.single), least)

    @property
    def error(self) -> float:
        """Standard error of the mean."""
        return float(np.sqrt(self.variance))

    @property
    def degrees(self) -> float:
        """Degrees of freedom of `variance` (Satterthwaite, 1946): only the trainings' part is uncertain.

        Of fewer than five trainings, it is too common that they agree by luck: their spread is then taken to
        be no smaller than that of single judgements.
        """
        uncertain = self.by_training if self.trainings >= 5 else max(self.by_training, self.single)
        return self.freedom * max(1.0, self.variance / max(uncertain, 1e-12)) ** 2

    def after(self, trainings: NDArray[np.float64]) -> Array:
        """Return the variance that the mean would have after so many trainings in all.

        Each of the first `FOLDS` judges images of its own; more of them judge the same images again, so
        ``var(u) / m`` stays.
        """
        folds = FOLDS
        if self.judged < 1.5:
            folds = min(self.trainings, FOLDS)
            stays = LASTING * self.single * self.trainings / folds
        else:
            stays = (self.by_image - self.single) * self.judged / (self.judged - 1)
        stays = min(max(stays, 0.0), self.variance)
        more_images = np.clip(trainings, folds, FOLDS) / folds
        variances: Array = stays / more_images + (self.variance - stays) * self.trainings / trainings
        return variances


def pooled(outcomes: Outcomes, pairs: Sequence[tuple[int, int]]) -> list[Evidence]:
    """Return the evidence on each pair's first candidate less its second, all taken to be equally noisy.

    Two or three trainings say little about the spread of one pair: the trainings' part is that of all of
    them, see `_common`, or the pair's own where that is larger.

    Parameters
    ----------
    outcomes : Outcomes
    pairs : sequence of (int, int)
        Of candidates that were always trained.
    """
    found, common, freedom = _common(outcomes, pairs)
    wide = [max(usual, e.by_training) for e, usual in zip(found, common, strict=True)]
    return [_spread(outcomes, e, v, freedom) for e, v in zip(found, wide, strict=True)]


def moderated(outcomes: Outcomes, pairs: Sequence[tuple[int, int]]) -> list[Evidence]:
    """Return the evidence on each pair's first candidate less its second, some noisier than others.

    The trainings' part of a pair is its own, and counts for its trainings; that of all of them counts for
    `PRIOR` further ones (Smyth, 2004, "Linear models and empirical Bayes methods", eq. 3): with five
    trainings alone, twice the difference would have to be shown. Parameters are those of `pooled`.
    """
    if not pairs:
        return []
    found, common, freedom = _common(outcomes, pairs)
    moderate = []
    for e, usual in zip(found, common, strict=True):
        prior = min(PRIOR, freedom - e.freedom)
        by_training = (prior * usual + e.freedom * e.by_training) / (prior + e.freedom)
        moderate.append(_spread(outcomes, e, by_training, prior + e.freedom))
    return moderate


def _common(outcomes: Outcomes, pairs: Sequence[tuple[int, int]]) -> tuple[list[Evidence], list[float], int]:
    """Return the evidence on each pair, the trainings' part that all show, and its degrees of freedom.

    It is the residual of a two-way layout of all trainings (Scheffe, 1959, "The Analysis of Variance",
    ch. 4).
    """
    found = [difference(outcomes, *pair) for pair in pairs]
    rows = outcomes.accuracies()[sorted({i for pair in pairs for i in pair})]
    k, n = rows.shape
    residual = rows - rows.mean(axis=1, keepdims=True) - rows.mean(axis=0) + rows.mean()
    freedom = (k - 1) * (n - 1)
    spread = 2.0 * float((residual**2).sum()) / freedom / n
    if not outcomes.images_known:
        return found, [spread] * len(found), freedom
    usual = float(np.mean([e.single for e in found]))  # what images add differs from pair to pair
    return found, [max(0.0, spread + e.single - usual) for e in found], freedom


def _spread(outcomes: Outcomes, e: Evidence, by_training: float, freedom: int) -> Evidence:
    """Return the evidence with another part of the trainings, which is all there is if no image is known."""
    if outcomes.images_known:
        return replace(e, by_training=by_training, freedom=freedom)
    return replace(e, by_image=by_training, by_training=by_training, single=by_training, freedom=freedom)


def difference(outcomes: Outcomes, a: int, b: int) -> Evidence:
    """Return the evidence on a candidate less another one, over the trainings that both had."""
    d = outcomes.right[a] - outcomes.right[b]
    both = np.isfinite(d)
    return Evidence.of(d[both], outcomes.training[both], outcomes.image[both])


def training_noise(outcomes: Outcomes, candidates: Sequence[int]) -> float | None:
    """Standard deviation between two seeds of what a training is worth on endless images.

    The root of ``var(v) / 2``, averaged over all pairs of candidates; None with fewer than two.
    """
    pairs = list(combinations(candidates, 2))
    if not pairs or outcomes.trainings < 2:
        return None
    found = [difference(outcomes, *pair) for pair in pairs]
    variance = float(np.mean([(e.by_training - e.single) * e.trainings / 2 for e in found]))
    return float(np.sqrt(max(0.0, variance)))
