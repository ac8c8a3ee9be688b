"""How large the noise of a training is, and scores with intervals that hold the truth."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from statistics import NormalDist

import numpy as np
import scipy  # loads a part when it is used
from numpy.typing import ArrayLike, NDArray

from studies.analysis.outcomes import Evidence, Outcomes

Z95 = NormalDist().inv_cdf(0.975)
"""Half of a 95 % interval, in standard errors."""

NO_NOISE = 1e-9
"""A noise up to this is rounding of few trainings that all agree, and not measured."""


@dataclass(frozen=True)
class Summary:
    """Mean, spread and 95 % interval of repeated measurements.

    Parameters
    ----------
    mean : float
    std : float
        Sample standard deviation (n - 1); NaN for a single value.
    n : int
    low, high : float
        Ends of Student's 95 % interval of the mean; NaN for a single value.
    """

    mean: float
    std: float
    n: int
    low: float
    high: float


def summarise(values: ArrayLike) -> Summary:
    """Summarise repeated measurements by Student's t-interval (Student, 1908).

    Raises
    ------
    ValueError
        If there is no value, or one is not finite.
    """
    x = np.asarray(values, dtype=float)
    if x.ndim != 1 or x.size == 0 or not np.isfinite(x).all():
        raise ValueError(f"values is {values!r}, but it must be a non-empty list of finite numbers")
    mean = float(x.mean())
    if x.size == 1:
        return Summary(mean, float("nan"), 1, float("nan"), float("nan"))
    std = float(x.std(ddof=1))
    half = float(scipy.special.stdtrit(x.size - 1, 0.975)) * std / np.sqrt(x.size)
    return Summary(mean, std, int(x.size), float(mean - half), float(mean + half))


@dataclass(frozen=True)
class Score:
    """A mean accuracy with its 95 % interval, as fractions.

    Parameters
    ----------
    mean : float
    low, high : float or None
        Ends of the interval; None where nothing was measured that could give them.
    n : int
        Number of trainings behind the mean.
    """

    mean: float
    low: float | None
    high: float | None
    n: int


def noise_floor(groups: Sequence[ArrayLike]) -> float | None:
    """Standard deviation of a single training, pooled over groups of repeats.

    Parameters
    ----------
    groups : sequence of array-like
        Per configuration, the accuracies of its repeats. Groups of one say nothing and are passed over.

    Returns
    -------
    float or None
        In the unit of the values; None without any repeat.
    """
    arrays = [np.asarray(group, dtype=float) for group in groups]
    freedom = sum(a.size - 1 for a in arrays if a.size)
    if freedom <= 0:
        return None
    return float(np.sqrt(sum(((a - a.mean()) ** 2).sum() for a in arrays if a.size) / freedom))


def paired_noise(values: ArrayLike) -> tuple[float, int] | None:
    """Standard deviation of a single training, from candidates that were trained on the same seeds.

    What a seed and its split do to all candidates alike is no noise between two trials of a sweep, which
    share their split; so a candidate's and a seed's own level are fitted and what is left is pooled (the
    residual of a two-way layout: Scheffe, 1959, "The Analysis of Variance", ch. 4).

    Parameters
    ----------
    values : array-like of shape (n_candidates, n_seeds)
        Accuracies as fractions; NaN where a candidate was not trained.

    Returns
    -------
    noise : float
        A fraction; for one candidate the plain spread over its seeds.
    freedom : int
        Its degrees of freedom. None instead of both where there are none.
    """
    x = np.asarray(values, dtype=float)
    rows, columns = np.nonzero(np.isfinite(x))
    design = np.eye(x.shape[0])[rows]
    if len(x) > 1:
        design = np.hstack([design, np.eye(x.shape[1])[columns]])
    fitted, _, rank, _ = np.linalg.lstsq(design, x[rows, columns])
    freedom = len(rows) - int(rank)
    if freedom <= 0:
        return None
    return float(np.sqrt(np.square(x[rows, columns] - design @ fitted).sum() / freedom)), freedom


def noise_of_one(values: ArrayLike, candidate: int) -> float | None:
    """Standard deviation of a single training of one candidate, apart from that of the others.

    Its differences from the mean of the others vary by its own noise and by theirs, divided by their number;
    the latter is taken off (Grubbs, 1948, "On estimating precision of measuring instruments").

    Parameters
    ----------
    values : array-like of shape (n_candidates, n_seeds)
        As in `paired_noise`; only seeds with which all were trained count.
    candidate : int

    Returns
    -------
    float or None
        A fraction, 0 where theirs explains all; None with fewer than three such seeds or two others.
    """
    x = np.asarray(values, dtype=float)
    x = x[:, np.isfinite(x).all(axis=0)]
    others = np.delete(x, candidate, axis=0)
    if len(others) < 2 or x.shape[1] < 3:
        return None
    theirs = paired_noise(others)
    variance = float((x[candidate] - others.mean(axis=0)).var(ddof=1))
    if theirs is not None:
        variance -= theirs[0] ** 2 / len(others)
    return float(np.sqrt(max(0.0, variance)))


def distance_from_best(noise: float, n: int) -> float:
    """Return how far below the best of `n` equal trainings one of them lies, by noise alone, in 5 % of cases.

    A training with the noise x lies more than w below the best if any of the others exceeds ``x + w``. With
    normal noise (David & Nagaraja, 2003, "Order Statistics", ch. 2) it does not with the probability
    ``integral phi(x) Phi(x + w)**(n - 1) dx``, here by the trapezium rule, which is exact for a Gaussian bell
    to many digits.

    Parameters
    ----------
    noise : float
        Standard deviation of a single training, in any unit.
    n : int
        Number of trainings.

    Returns
    -------
    float
        In the unit of `noise`; 0 for a single training.
    """
    return noise * _distance(n)


@cache
def _distance(n: int) -> float:
    if n < 2:
        return 0.0
    x = np.linspace(-9.0, 9.0, 361)
    weight = np.exp(-0.5 * x**2) / np.exp(-0.5 * x**2).sum()
    low, high = 0.0, 20.0
    for _ in range(50):
        middle = (low + high) / 2
        within = float(weight @ np.exp((n - 1) * scipy.special.log_ndtr(x + middle)))
        low, high = (middle, high) if within < 0.95 else (low, middle)
    return high


def confirmed_score(
    outcomes: Outcomes, candidate: int, *, labels: NDArray[np.integer] | None = None
) -> Score:
    """Mean of a candidate over its trainings, with an interval about fresh images and fresh trainings.

    See `studies.analysis.outcomes.Evidence`. Where few or no images were judged wrongly these show no spread:
    the interval reaches at least to the ends of that of a share of so many images, of unequal weight as many
    as Kish counts (1965, "Survey Sampling", ch. 8), which is `fcnet.scores.effective_rows`.

    Parameters
    ----------
    outcomes : Outcomes
    candidate : int
    labels : ndarray of int, shape (n,), optional
        Class of each judged image, where the score is a mean over classes of the share that was right.
    """
    row = outcomes.right[candidate]
    there = np.isfinite(row)
    right, training, image = row[there], outcomes.training[there], outcomes.image[there]
    weight = np.ones(len(right))
    n = len(np.unique(training))
    if n < 2:
        return Score(float(right.mean(dtype=np.float64)), None, None, n)
    if labels is not None:
        weight = _weights(training, labels[there])
        right = _within_classes(right, weight, labels[there])
    e = Evidence.of(right, training, image)
    half = float(scipy.special.stdtrit(e.degrees, 0.975)) * e.error
    low, high = e.mean - half, e.mean + half
    if outcomes.images_known:
        images = len(np.unique(image)) * float(weight.mean() ** 2 / np.square(weight).mean())
        least, most = proportion_interval(e.mean, images)
        low, high = min(low, least), max(high, most)
    return Score(e.mean, max(0.0, low), min(1.0, high), n)


def _weights(training: NDArray[np.intp], labels: NDArray[np.integer]) -> NDArray[np.float64]:
    """Return what each judged image counts for the mean over classes, as `fcnet.scores.weights` does."""
    table = np.zeros((training.max() + 1, labels.max() + 1))
    np.add.at(table, (training, labels), 1.0)
    whole = table.sum(axis=1) / np.maximum(1, np.count_nonzero(table, axis=1))  # what a class counts
    found: NDArray[np.float64] = whole[training] / table[training, labels]
    return found


def _within_classes(
    counted: NDArray[np.float32], weight: NDArray[np.float64], labels: NDArray[np.integer]
) -> NDArray[np.float32]:
    """Return what judged images count about the mean of all, each less what its class is expected to.

    How many images each class has is given, and how much one of them counts: only which of them are right is
    chance (the stratified mean: Cochran, 1977, "Sampling Techniques", ch. 5).
    """
    shares = np.bincount(labels, counted) / np.maximum(np.bincount(labels, weight), 1.0)
    around: NDArray[np.float32] = counted - weight * shares[labels] + counted.mean(dtype=np.float64)
    return around


def measured_score(values: ArrayLike, *, images: int, noise: float | None) -> Score:
    """Mean of models that were judged on the same images, with an interval about fresh images.

    Parameters
    ----------
    values : array-like of shape (n,)
        Accuracies as fractions.
    images : int
        Number of images that judged them. Their choice adds what `proportion_interval` says, however many
        models are averaged.
    noise : float or None
        Standard deviation of a single training; several values bring their own.
    """
    s = summarise(values)
    if s.n == 1 and noise is None:
        return Score(s.mean, None, None, 1)
    training = s.high - s.mean if s.n > 1 else Z95 * (noise or 0.0)
    low, high = proportion_interval(s.mean, images)
    below, above = float(np.hypot(s.mean - low, training)), float(np.hypot(high - s.mean, training))
    return Score(s.mean, max(0.0, s.mean - below), min(1.0, s.mean + above), s.n)


def proportion_interval(share: float, n: float) -> tuple[float, float]:
    """Return the 95 % interval of a probability of which `n` draws showed a share (Wilson, 1927).

    For one model on the same `n` images: how it would score on fresh ones.
    """
    z = Z95
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * float(np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2)))
    return max(0.0, centre - half), min(1.0, centre + half)
