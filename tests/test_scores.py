"""Scores and noise: intervals that hold the truth, and what counts as noise."""

import numpy as np
import pytest
from scipy.stats import binomtest

from fcnet.data.holdout import holdout_rows
from fcnet.scores import effective_rows, weights
from studies.analysis.outcomes import Outcomes
from studies.analysis.scores import (
    confirmed_score,
    distance_from_best,
    measured_score,
    noise_floor,
    noise_of_one,
    paired_noise,
    proportion_interval,
)
from studies.views.sentences import noise_sentence


def test_noise_is_pooled_over_the_groups():
    # Sums of squares 0.5 and 2 over 1 + 2 degrees of freedom.
    assert noise_floor([[0.0, 1.0], [4.0, 5.0, 6.0], [9.0]]) == pytest.approx((2.5 / 3) ** 0.5)
    assert noise_floor([[0.8], []]) is None


def test_what_a_seed_does_to_all_candidates_is_no_noise():
    rng = np.random.default_rng(0)
    found = [
        paired_noise(
            0.8
            + 0.02 * rng.standard_normal((5, 1))
            + 0.03 * rng.standard_normal((1, 5))
            + 0.004 * rng.standard_normal((5, 5))
        )
        for _ in range(200)
    ]
    assert {freedom for _, freedom in found} == {16}
    assert np.sqrt(np.mean([noise**2 for noise, _ in found])) == pytest.approx(0.004, rel=0.05)
    assert paired_noise([[0.8, 0.82]]) == (pytest.approx(0.02 / 2**0.5), 1)
    assert paired_noise([[0.8, 0.82, np.nan, 0.84]]) == (pytest.approx(0.02), 2)
    assert paired_noise([[0.8], [0.9]]) is None
    dropped = [[0.8, 0.81, 0.83], [0.7, 0.72, np.nan]]
    assert paired_noise(dropped) == pytest.approx(paired_noise(np.array(dropped)[:, :2]))


def test_the_interval_of_a_test_score_holds_the_truth():
    rng = np.random.default_rng(1)
    held = []
    for _ in range(500):
        # Five models of true accuracy near 0.85, judged on the same 2,000 images of which some are harder.
        luck = np.sqrt(0.85 * 0.15 / 2000) * rng.standard_normal()
        score = measured_score(0.85 + luck + 0.004 * rng.standard_normal(5), images=2000, noise=None)
        held.append(score.low <= 0.85 <= score.high)
    assert 0.93 < np.mean(held) <= 1.0
    single = measured_score([0.85], images=2000, noise=0.004)
    low, high = proportion_interval(0.85, 2000)
    assert single.high - 0.85 == pytest.approx(np.hypot(1.95996 * 0.004, high - 0.85))
    assert 0.85 - single.low == pytest.approx(np.hypot(1.95996 * 0.004, 0.85 - low))
    assert measured_score([0.85], images=2000, noise=None).low is None


@pytest.mark.parametrize(("k", "n"), [(0, 60), (1, 60), (59, 60), (60, 60), (1714, 2000)])
def test_the_interval_of_one_model_is_wilsons(k, n):
    expected = binomtest(k, n).proportion_ci(method="wilson")
    assert proportion_interval(k / n, n) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_intervals_end_where_fractions_do_and_say_something() -> None:
    for share in (0.02, 0.6, 0.98):  # without noise the images alone count
        score = measured_score([share], images=100, noise=0.0)
        assert (score.low, score.high) == pytest.approx(proportion_interval(share, 100))
    assert measured_score([0.98], images=100, noise=0.05).high == 1.0
    assert measured_score([0.02], images=100, noise=0.05).low == 0.0
    perfect = measured_score([1.0, 1.0], images=4, noise=None)  # four images do not make certain
    assert (perfect.low, perfect.high) == pytest.approx((0.51, 1.0), abs=0.001)


def test_the_interval_of_a_confirmed_score_is_students_where_nothing_is_known_of_images():
    accuracies = Outcomes.of_accuracies([[0.84, 0.85, 0.86, 0.85], [0.85, np.nan, np.nan, np.nan]])
    score = confirmed_score(accuracies, 0)
    assert score.high - 0.85 == pytest.approx(3.1824 * 0.0081650 / 2, rel=1e-3)
    assert score.mean - score.low == pytest.approx(score.high - score.mean)
    assert score.n == 4
    once = confirmed_score(accuracies, 1)
    assert (once.mean, once.low, once.high, once.n) == (pytest.approx(0.85), None, None, 1)


@pytest.mark.parametrize(("counts", "shares"), [((900, 100), (0.9, 0.9)), ((300, 200, 40), (0.95, 0.8, 0.6))])
def test_that_one_class_counts_more_than_another_is_no_noise(counts, shares):
    rng, scores = np.random.default_rng(4), []
    labels = np.repeat(np.arange(len(counts)), counts)
    for _ in range(200):
        masks, images = [], []
        for fold in range(5):
            judged = np.flatnonzero(holdout_rows(labels, seed=3, fold=fold))
            right = rng.random(len(judged)) < np.take(shares, labels[judged])
            masks.append(right * weights("balanced_accuracy", labels[judged]))
            images.append(judged)
        outcomes = Outcomes.of([masks], images)
        scores.append(confirmed_score(outcomes, 0, labels=labels[outcomes.image]))
        assert scores[-1].mean == pytest.approx(np.concatenate(masks).mean())
    spread = np.std([score.mean for score in scores])
    half = np.mean([score.high - score.low for score in scores]) / 2
    held = [score.low <= np.mean(shares) <= score.high for score in scores]
    assert 0.93 < np.mean(held) <= 0.99
    assert half < 1.6 * 1.96 * spread  # Student's of five trainings is as wide


@pytest.mark.parametrize(("n", "share"), [(30, 1.0), (150, 0.99), (360, 0.98)])
def test_a_confirmed_score_near_the_end_is_as_uncertain_as_its_images_are_few(n, share):
    rng, held = np.random.default_rng(5), []
    folds = np.array_split(np.arange(n), 5)
    for _ in range(200):
        right = rng.random(n) < share
        score = confirmed_score(Outcomes.of([[right[fold] for fold in folds]], folds), 0)
        low, high = proportion_interval(right.mean(), n)
        assert (score.low <= low + 1e-9, score.high >= high - 1e-9) == (True, True)
        held.append(score.low <= share <= score.high)
    assert np.mean(held) > 0.93


def test_a_rare_class_that_is_all_right_makes_nothing_certain():
    labels = np.array([0, 0, 0, 0, 0, 1] * 10)
    folds = np.array_split(np.arange(60), 5)
    masks = [weights("balanced_accuracy", labels[fold]) for fold in folds]
    score = confirmed_score(Outcomes.of([masks], folds), 0, labels=labels)
    expected = proportion_interval(1.0, effective_rows("balanced_accuracy", labels))
    assert (score.mean, score.low, score.high) == pytest.approx((1.0, *expected), abs=0.005)


@pytest.mark.parametrize("n", [2, 20, 100, 1000])
def test_of_equal_trials_five_per_cent_lie_outside_the_band(n: int) -> None:
    rng = np.random.default_rng(2)
    scores = 0.85 + 0.004 * rng.standard_normal((max(200, 40_000 // n), n))
    outside = scores < scores.max(axis=1, keepdims=True) - distance_from_best(0.004, n)
    assert outside.mean() == pytest.approx(0.05, abs=0.004)


def test_the_band_grows_with_the_number_of_trials_and_in_proportion_to_the_noise() -> None:
    assert distance_from_best(0.004, 1) == distance_from_best(0.0, 100) == 0.0
    assert distance_from_best(1.0, 2) == pytest.approx(1.6449 * 2**0.5, rel=1e-4)
    assert distance_from_best(0.4, 100) == pytest.approx(0.4 * distance_from_best(1.0, 100))
    widths = [distance_from_best(1.0, n) for n in (2, 3, 10, 100, 1000, 10_000)]
    assert widths == sorted(widths)


def test_the_sentence_on_noise_has_the_width_of_the_band() -> None:
    width = 100 * distance_from_best(0.004, 100)
    assert noise_sentence(0.004, 100) == (
        "A single training varies by 0.40 points (standard deviation, from repeats): of 100 trials, those"
        f" less than {width:.2f} points below the best may well be equal to it."
    )
    assert 1.6 < width < 1.8
    assert noise_sentence(0.004, 1) == (
        "A single training varies by 0.40 points (standard deviation, from repeats)."
    )


def test_the_interval_of_several_models_adds_the_images_to_the_seeds() -> None:
    score = measured_score([0.84, 0.86], images=2000, noise=None)
    below, above = np.abs(np.array(proportion_interval(0.85, 2000)) - 0.85)
    expected = np.hypot(12.7062 * 0.01, [below, above])
    assert (score.mean - score.low, score.high - score.mean) == pytest.approx(tuple(expected), rel=1e-5)
    assert score.n == 2
    assert measured_score([0.85], images=2000, noise=0.004).n == 1
    assert measured_score([0.85], images=2000, noise=None).n == 1


def test_the_noise_of_one_candidate_is_told_apart_from_that_of_the_others() -> None:
    rng = np.random.default_rng(3)
    spread = np.array([0.004, 0.004, 0.004, 0.010])[:, None]
    found = []
    for _ in range(300):
        x = 0.8 + 0.02 * rng.standard_normal(8) + spread * rng.standard_normal((4, 8))
        found.append([noise_of_one(x, 3), noise_of_one(x, 0), paired_noise(x[:3])[0]])
    noisy, steady, top = np.sqrt(np.mean(np.square(found), axis=0))
    assert (noisy, top) == (pytest.approx(0.010, rel=0.1), pytest.approx(0.004, rel=0.1))
    assert steady < 0.006
    assert noise_of_one([[0.8, 0.9, 0.8], [0.8, 0.7, 0.9]], 0) is None
    assert noise_of_one([[0.8, 0.9], [0.8, 0.7], [0.7, 0.8]], 0) is None
    assert "baseline" not in noise_sentence(0.01, 1, 0.0)
    assert noise_sentence(0.01, 1, 0.004) == (
        "A single training varies by 1.00 points at the top, by 0.40 points at the baseline"
        " (standard deviation, from repeats)."
    )
