"""Verdicts: what each says, what it says it of, and the levels, margins and shares on which it rests.

The numbers stand here as they are promised; nothing is compared with the program's own constants.
"""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from studies.analysis.budget import level, margin_of, overlap_of, resolution_of
from studies.analysis.decisions import compare, seeds_needed, still_in_the_race
from studies.analysis.factors import factor_tests

NAN = float("nan")
NAMES = ["trial 7", "trial 12", "trial 0", "trial 31", "trial 40", "trial 55"]


def pair(p: float, n: int = 5, overlap: float = 0.25) -> NDArray[np.float64]:
    """Two candidates whose paired t-test has just this two-sided p-value."""
    twist = np.arange(n) - (n - 1) / 2
    twist *= 0.01 / twist.std(ddof=1)
    lead = stats.t.isf(p / 2, n - 1) * 0.01 * (1 / n + overlap) ** 0.5
    return np.array([0.8 + lead + twist, np.full(n, 0.8)])


def nearly_equal(p: float, n: int = 8, margin: float = 0.0079844) -> NDArray[np.float64]:
    """Two candidates 0.1 points apart that are within the margin by a one-sided test of just this p-value."""
    twist = np.arange(n) - (n - 1) / 2
    error = (margin - 0.001) / stats.t.isf(p, n - 1)
    twist *= error / (1 / n + 0.25) ** 0.5 / twist.std(ddof=1)
    return np.array([0.801 + twist, np.full(n, 0.8)])


@pytest.mark.parametrize(("look", "share"), [(1, 0.03), (2, 0.01), (3, 0.01 / 3)])
def test_the_share_of_each_look_is_what_beats_and_tie_may_spend(look: int, share: float) -> None:
    assert level(look) == pytest.approx(share)
    for p, told in ((0.98 * share, True), (1.02 * share, False)):
        beats = compare(pair(p), look=look)
        assert (beats.kind == "beats") == told
        assert beats.p_value == pytest.approx(0.05 * p / share)
        assert (compare(nearly_equal(p), look=look).kind == "tie") == told


def test_all_looks_and_the_race_together_spend_five_per_cent() -> None:
    assert 0.005 + sum(level(look) for look in range(1, 60)) == pytest.approx(0.05)
    with pytest.raises(ValueError, match="look is 0, but it must be at least 1"):
        level(0)


@pytest.mark.parametrize("looks", [1, 6])
@pytest.mark.parametrize("rivals", [1, 4])
def test_the_race_drops_a_candidate_at_one_half_per_cent_over_all_looks_and_rivals(
    looks: int, rivals: int
) -> None:
    n, k = 4, rivals + 1
    rng = np.random.default_rng(0)
    shape = rng.standard_normal((k, n))
    shape -= shape.mean(axis=1, keepdims=True)
    shape -= shape.mean(axis=0)
    freedom = (k - 1) * (n - 1)
    spread = np.sqrt(2 * (shape**2).sum() / freedom)
    allowed = stats.t.isf(0.005 / (looks * rivals), freedom) * spread * np.sqrt(1 / n + 0.25)
    for lead, stays in ((0.99 * allowed, True), (1.01 * allowed, False)):
        values = shape + np.r_[lead, np.zeros(rivals)][:, None]
        assert list(still_in_the_race(values, looks=looks)) == [True] + [stays] * rivals


def test_a_factor_is_real_at_five_per_cent() -> None:
    rng, lift = np.random.default_rng(1), np.array([[0.0], [0.0], [0.9]])
    found = [
        factor_tests({"a": lift + rng.standard_normal((3, 5))}, n_permutations=199)["a"] for _ in range(150)
    ]
    assert any(0.045 < t.p_value <= 0.05 for t in found)
    assert any(0.05 < t.p_value < 0.06 for t in found)
    assert all(t.real == (t.p_value <= 0.05) for t in found)


def test_what_images_can_show() -> None:
    assert margin_of(2000) == pytest.approx(0.00798, abs=5e-6)
    assert margin_of(500) == pytest.approx(2 * margin_of(2000))
    assert margin_of(100, accuracy=0.5) == pytest.approx(0.05)
    assert (resolution_of(2000), resolution_of(250)) == (0.0005, 0.004)
    assert (overlap_of(2000, 8000), overlap_of(500, 500)) == (0.25, 1.0)


def test_margin_resolution_and_overlap_are_those_of_the_images() -> None:
    assert compare(nearly_equal(0.02)).margin == pytest.approx(0.00798, abs=5e-6)
    few = {"margin": margin_of(200), "resolution": resolution_of(200), "overlap": overlap_of(200, 200)}
    # Ten images of 200 apart, with equal differences: the spread is taken as one image, not as none.
    values = np.array([[0.85] * 4, [0.80] * 4])
    t = 0.05 / (0.005 * np.sqrt(1 / 4 + 1))
    assert compare(values, **few).p_value == pytest.approx(2 * stats.t.sf(t, 3) * 5 / 3)
    assert compare(values).p_value == pytest.approx(2 * stats.t.sf(0.05 / (0.0005 * 0.5**0.5), 3) * 5 / 3)
    race = {key: few[key] for key in ("resolution", "overlap")}
    assert list(still_in_the_race([[0.85] * 4, [0.82] * 4], looks=1)) == [True, False]
    assert list(still_in_the_race([[0.85] * 4, [0.82] * 4], looks=1, **race)) == [True, True]
    assert seeds_needed(0.0, 0.0, **few) != seeds_needed(0.0, 0.0)
    assert seeds_needed(0.0, 0.012) is None
    assert seeds_needed(0.0, 0.012, **{**few, "overlap": 0.25}) is not None


@pytest.mark.parametrize(("look", "share"), [(1, 0.03), (2, 0.01), (3, 0.01 / 3)])
def test_the_seeds_for_a_tie_are_those_at_the_share_of_the_look(look: int, share: float) -> None:
    def told(n: int) -> bool:
        t = stats.t.ppf(0.9, n - 1) + stats.t.isf(share, n - 1)  # of equals, each side fails in 10 %
        return bool(t * 0.004 * (1 / n + 0.25) ** 0.5 <= (0.85 * 0.15 / 2000) ** 0.5)

    assert seeds_needed(0.0, 0.004, look=look) == next((n for n in range(2, 201) if told(n)), None)


def test_a_candidate_that_diverged_is_told_and_not_beaten() -> None:
    values = [[0.83, 0.82, 0.835, 0.829, 0.831], [0.84, 0.845, NAN, NAN, NAN]]
    verdict = compare(values, diverged=[0, 1])
    assert (verdict.kind, verdict.winner, verdict.runner_up) == ("only_candidate", 0, None)
    assert (verdict.p_value, verdict.difference, verdict.more_seeds) == (None, None, None)
    assert verdict.diverged == {1: (1, 3)}
    assert verdict.sentence(NAMES[:2]) == (
        "trial 7 is the only candidate that did not diverge. Trial 12 diverged in 1 of 3 trainings."
    )


def test_a_row_with_nan_that_neither_diverged_nor_fell_behind_is_an_error() -> None:
    ahead = [[0.83, 0.82, 0.835, 0.829, 0.831], [0.84, 0.845, NAN, NAN, NAN]]
    gap = [[0.83, 0.82, 0.835], [0.70, NAN, 0.71]]
    once = [[0.83, 0.82, 0.835], [0.70, NAN, NAN]]  # after one seed nobody is dropped
    for values in (ahead, gap, once):
        with pytest.raises(ValueError, match="row 1 of values holds NaN, but it neither diverged nor was be"):
            compare(values)


def test_a_candidate_that_diverged_cannot_win_however_good_it_was() -> None:
    twist = 0.001 * np.array([0.5, -1.0, 1.0, 0.0, -0.5])
    base = np.full(5, 0.85)
    best = np.array([0.99, NAN, NAN, NAN, NAN])
    tie = compare([best, base, base - 0.0005 + twist], diverged=[1, 0, 0], costs=[0.1, 2.0, 1.0])
    assert (tie.kind, tie.winner, tie.contenders, tie.cheapest) == ("tie", 1, [1, 2], 2)
    beats = compare([best, base, base - 0.05 + twist, base - 0.06 + twist], diverged=[1, 0, 0, 0])
    assert beats.p_value == compare([base, base - 0.05 + twist, base - 0.06 + twist]).p_value
    told = beats.sentence(NAMES[:4])
    assert told.startswith("trial 12 beats trial 0 and every other candidate that did not diverge (p = ")
    assert told.endswith(" Trial 7 diverged in 1 of 2 trainings.")
    with pytest.raises(ValueError, match="no candidate in values was trained on every seed without"):
        compare([base], diverged=[1])


def test_no_candidate_wins_by_being_alone() -> None:
    alone = compare([[0.85, 0.86]])
    assert (alone.kind, alone.p_value) == ("only_candidate", None)
    assert alone.sentence(["trial 7"]) == "trial 7 is the only candidate."


def test_each_verdict_has_its_sentence() -> None:
    seeds = 0.001 * np.array([-1.0, 0.5, 0.0, 1.0, -0.5])
    twist = 0.001 * np.array([0.5, -1.0, 1.0, 0.0, -0.5])
    base = 0.85 + seeds

    two = compare([base, base - 0.02 + twist]).sentence(NAMES[:2])
    assert two.startswith("trial 7 beats trial 12 (p = ")
    many = compare([base - 0.02 + twist, base, base - 0.05 + 2 * twist]).sentence(NAMES[:3])
    assert many.startswith("trial 12 beats trial 7 and every other candidate (p = ")

    tie = compare([base, base - 0.0005 + twist, base - 0.03], costs=[2.0, 1.0, 0.5]).sentence(NAMES[:3])
    assert tie == "trial 7 and trial 12 tie within 0.8 points: any is fine, the cheapest one is trial 12."

    more = compare([base, base - 0.008 + 5 * twist]).sentence(NAMES[:2])
    assert more.startswith("Not enough seeds to tell trial 7 and trial 12 apart: about ")
    assert more.endswith(" more would tell.")
    never = compare([base, base - 0.004 + 12 * twist], costs=[2.0, 1.0]).sentence(NAMES[:2])
    assert never.startswith("These images cannot tell trial 7 and trial 12 apart, however many seeds: ")
    assert never.endswith("the cheapest one is trial 12.")

    for sentence in (tie, more, never):
        assert "beats" not in sentence
    for sentence in (two, many, more, never):
        assert "tie" not in sentence
    for sentence in (two, many, tie):
        assert "seeds" not in sentence
    assert "These images" not in more
    assert "Not enough" not in never


def test_a_winner_whose_rivals_all_left_the_race_beats_them() -> None:
    values = np.array([[0.86, 0.85, 0.86], [0.80, 0.79, np.nan], [0.70, 0.71, np.nan]])
    verdict = compare(values)
    assert (verdict.kind, verdict.winner, verdict.runner_up) == ("beats", 0, 1)
    assert verdict.difference == pytest.approx(0.06)
    assert verdict.p_value == 0.005


def test_one_seed_and_no_candidate_are_refused() -> None:
    with pytest.raises(ValueError, match="at least two seeds"):
        compare([[0.8], [0.9]])
    with pytest.raises(ValueError, match="no candidate in values was trained on every seed"):
        compare([[0.8, np.nan]])


def test_of_a_tie_at_one_price_the_better_is_the_cheapest() -> None:
    twist = 0.001 * np.array([0.5, -1.0, 1.0, 0.0, -0.5])
    base = np.full(5, 0.85)
    tie = compare([base - 0.0005 + twist, base], costs=[1.0, 1.0])
    assert (tie.kind, tie.winner, tie.cheapest) == ("tie", 1, 1)


@pytest.mark.parametrize("difference", [0.009, 0.012, 0.02])
def test_the_seeds_that_tell_two_apart_are_those_at_the_share_of_the_look(difference: float) -> None:
    def told(n: int) -> bool:
        t = stats.t.ppf(0.8, n - 1) + stats.t.isf(0.03 / 2, n - 1)
        return bool(t * 0.004 * (1 / n + 0.25) ** 0.5 <= difference)

    assert seeds_needed(difference, 0.004) == next(n for n in range(2, 201) if told(n))
