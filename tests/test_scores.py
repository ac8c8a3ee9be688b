"""Scores and noise: intervals that hold the truth, and what counts as noise."""

import numpy as np
import pytest

from studies.analysis.scores import confirmed_score, measured_score, paired_noise


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
    assert np.sqrt(np.mean(np.square(found))) == pytest.approx(0.004, rel=0.05)
    assert paired_noise([[0.8, 0.82]]) == pytest.approx(0.02 / 2**0.5)
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
        held.append(score["low"] <= 0.85 <= score["high"])
    assert 0.93 < np.mean(held) <= 1.0
    single = measured_score([0.85], images=2000, noise=0.004)
    assert single["high"] - 0.85 == pytest.approx(
        1.96 * np.hypot(0.004, np.sqrt(0.85 * 0.15 / 2000)), rel=1e-3
    )
    assert measured_score([0.85], images=2000, noise=None)["low"] is None


def test_the_interval_of_a_confirmed_score_is_wider_than_students():
    score = confirmed_score([0.84, 0.85, 0.86, 0.85])
    student = 3.1824 * 0.0081650 / 2
    assert score["high"] - 0.85 == pytest.approx(student * 2**0.5, rel=1e-3)  # 1/4 + 1/4 for 1/4
    assert confirmed_score([0.85])["low"] is None
