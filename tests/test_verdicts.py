"""Verdicts: what each says, what it says it of, and the levels, margins and shares on which it rests.

The numbers stand here as they are promised; nothing is compared with the program's own constants.
"""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import ArrayLike, NDArray
from scipy import stats
from simulated import first, outcomes, without

from fcnet.data import holdout
from studies.analysis import decisions
from studies.analysis.budget import level, margin_of
from studies.analysis.decisions import trainings_needed
from studies.analysis.factors import factor_test
from studies.analysis.outcomes import FOLDS, Evidence, Outcomes, difference, moderated
from studies.analysis.verdict import Verdict

NAN = float("nan")
NAMES = ["trial 7", "trial 12", "trial 0", "trial 31", "trial 40", "trial 55"]


def compare(values: ArrayLike, **options: object) -> Verdict:
    """Judge accuracies alone: then the comparison is Student's paired test."""
    return decisions.compare(Outcomes.of_accuracies(values), **options)  # type: ignore[arg-type]


def pair(p: float, n: int = 5) -> NDArray[np.float64]:
    """Two candidates whose paired t-test has just this two-sided p-value."""
    twist = np.arange(n) - (n - 1) / 2
    twist *= 0.01 / twist.std(ddof=1)
    lead = stats.t.isf(p / 2, n - 1) * 0.01 / n**0.5
    return np.array([0.8 + lead + twist, np.full(n, 0.8)])


def nearly_equal(p: float, n: int = 8, margin: float = 0.0079844) -> NDArray[np.float64]:
    """Two candidates 0.1 points apart that are within the margin by a one-sided test of just this p-value."""
    twist = np.arange(n) - (n - 1) / 2
    error = (margin - 0.001) / stats.t.isf(p, n - 1)
    twist *= error * n**0.5 / twist.std(ddof=1)
    return np.array([0.801 + twist, np.full(n, 0.8)])


@pytest.mark.parametrize(("look", "share"), [(1, 0.03), (2, 0.01), (3, 0.01 / 3)])
def test_the_share_of_each_look_is_what_beats_and_tie_may_spend(look: int, share: float) -> None:
    assert level(look) == pytest.approx(share)
    for p, told in ((0.98 * share, True), (1.02 * share, False)):
        beats = compare(pair(p), look=look)
        assert (beats.kind == "beats") == told
        assert beats.p_value == pytest.approx(0.05 * p / share, rel=1e-3)
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
    n, k = 6, rivals + 1
    shape = 0.01 * np.random.default_rng(0).standard_normal((k, n))
    shape -= shape.mean(axis=1, keepdims=True)
    shape -= shape.mean(axis=0)
    freedom = (k - 1) * (n - 1)
    together = np.sqrt(2 * (shape**2).sum() / freedom)
    own = (shape[0] - shape[1:]).std(axis=1, ddof=1)
    allowed = stats.t.isf(0.005 / (looks * rivals), freedom) * np.maximum(together, own) / n**0.5
    for share, stays in ((0.99, True), (1.01, False)):
        values = 0.5 + shape + np.r_[0.0, -share * allowed][:, None]
        racing = decisions.still_in_the_race(Outcomes.of_accuracies(values), looks=looks)
        assert list(racing) == [True] + [stays] * rivals


def test_the_parts_of_an_error_by_hand() -> None:
    # Two trainings judge the images 0, 1 and 0, 2; the differences are 1, 0 and 1, -1: a mean of 1/4.
    d = np.array([1, 0, 1, -1], dtype=np.float32)
    e = Evidence.of(d, np.array([0, 0, 1, 1]), np.array([0, 1, 0, 2]))
    assert (e.mean, e.trainings, e.freedom, e.judged) == (0.25, 2, 1, pytest.approx(4 / 3))
    assert e.by_image == pytest.approx((1.5**2 + 0.25**2 + 1.25**2) / 16 * 3 / 2)
    assert e.by_training == pytest.approx((0.5**2 + 0.5**2) / 16 * 2)
    assert e.single == pytest.approx((2 * 0.75**2 + 0.25**2 + 1.25**2) / 3 / 4)
    assert e.variance == pytest.approx(e.by_image)  # the trainings agree by luck
    assert e.degrees == pytest.approx((e.by_image / e.single) ** 2)


def test_what_is_judged_again_leaves_what_the_images_decide() -> None:
    e = Evidence(0.01, by_image=6e-6, by_training=5e-6, single=4e-6, freedom=9, trainings=10, judged=2.0)
    # var(u) / m is 2 * (6 - 4), the rest of 6 + 5 - 4 falls with the number of trainings.
    np.testing.assert_allclose(e.after(np.array([10.0, 30.0])), [7e-6, 5e-6])
    once = Evidence(0.01, by_image=4e-6, by_training=4e-6, single=4e-6, freedom=4, trainings=5, judged=1.0)
    np.testing.assert_allclose(once.after(np.array([5.0, 10.0])), [4e-6, 0.4e-6 + 1.8e-6])


def test_folds_that_are_still_to_come_bring_images_of_their_own() -> None:
    assert FOLDS == holdout.FOLDS
    twice = Evidence(0.01, by_image=4e-6, by_training=4e-6, single=4e-6, freedom=1, trainings=2, judged=1.0)
    # A tenth of 4 stays on two fifths of the images, two fifths of that on all of them.
    np.testing.assert_allclose(
        twice.after(np.array([2.0, 4.0, 5.0, 10.0])), [4e-6, 2e-6, 1.6e-6, 0.16e-6 + 0.72e-6]
    )
    same = replace(twice, by_image=6e-6, judged=2.0)
    np.testing.assert_allclose(same.after(np.array([2.0, 10.0])), [6e-6, 4e-6 + 0.4e-6])
    rng = np.random.default_rng(8)
    found = [outcomes([0.85, 0.855], 5, rng, own=0.2) for _ in range(20)]
    early = [decisions.compare(first(each, 2), margin=0.012).sentence(NAMES[:2]) for each in found]
    assert sum("however many" in sentence for sentence in early) <= 5


def test_trainings_that_never_differ_are_not_taken_to_be_exact() -> None:
    verdict = compare([[0.85] * 4, [0.85001] * 4])
    assert verdict.kind != "beats"


@pytest.mark.parametrize("look", [1, 3])
def test_the_number_of_trainings_is_the_sum_of_two_quantiles(look: int) -> None:
    e = difference(Outcomes.of_accuracies(pair(0.2)), 0, 1)
    per_training = e.variance * 5 * 0.9
    lead = np.sqrt(e.mean**2 - e.variance)

    def told(n: int) -> bool:
        error = np.sqrt(0.1 * e.variance + per_training / n)
        return bool(lead >= (stats.t.ppf(0.8, n - 1) + stats.t.isf(level(look) / 2, n - 1)) * error)

    expected = next((n for n in range(2, 201) if told(n)), None)
    assert trainings_needed(e, margin=0.0, look=look) == expected


def test_what_images_can_show() -> None:
    assert margin_of(2000) == pytest.approx(0.00798, abs=5e-6)
    assert margin_of(100, accuracy=0.5) == pytest.approx(0.05)


def test_an_effect_is_real_at_five_per_cent() -> None:
    rng, lift = np.random.default_rng(1), np.array([[0.0], [0.0], [0.009]])
    found = [
        factor_test(Outcomes.of_accuracies(0.8 + lift + 0.004 * rng.standard_normal((3, 5))))
        for _ in range(150)
    ]
    assert any(0.03 < t.p_value <= 0.05 for t in found)
    assert any(0.05 < t.p_value < 0.07 for t in found)
    assert all(t.real == (t.p_value <= 0.05) for t in found)


def test_a_factor_reports_its_extremes_and_unpaired_levels_are_refused() -> None:
    test = factor_test(Outcomes.of_accuracies([[0.80, 0.81], [0.84, 0.85], [0.70, 0.71]]))
    assert (test.best, test.worst, test.order, test.pairs, test.seeds) == (1, 2, [1, 0, 2], 3, 2)
    assert test.largest_difference == pytest.approx(0.14, abs=1e-6)
    assert sorted(test.apart) == [(0, 2), (1, 0), (1, 2)]
    with pytest.raises(ValueError, match="must have the same ones"):
        factor_test(Outcomes.of_accuracies([[0.8, 0.81], [0.8, NAN]]))


def test_a_candidate_that_diverged_is_told_and_not_beaten() -> None:
    values = [[0.83, 0.82, 0.835, 0.829, 0.831], [0.84, 0.845, NAN, NAN, NAN]]
    verdict = compare(values, diverged=[0, 1])
    assert (verdict.kind, verdict.winner, verdict.runner_up) == ("only_candidate", 0, None)
    assert (verdict.p_value, verdict.difference, verdict.more_seeds) == (None, None, None)
    assert verdict.diverged == {1: (1, 3)}
    assert verdict.sentence(NAMES[:2]) == (
        "Trial 7 is the only candidate that did not diverge. Trial 12 diverged in 1 of 3 trainings."
    )


def test_who_left_because_of_another_than_the_winner_is_beaten_all_the_same() -> None:
    # The second was behind the third, which the first overtook later.
    values = [[0.83, 0.82, 0.885, 0.889, 0.881], [0.84, 0.845, NAN, NAN, NAN], [0.87, 0.88, NAN, NAN, NAN]]
    assert (compare(values).kind, compare(values).beaten) == ("beats", [1, 2])


def test_a_row_with_nan_that_neither_diverged_nor_left_after_two_trainings_is_an_error() -> None:
    gap = [[0.83, 0.82, 0.835], [0.70, NAN, 0.71]]
    once = [[0.83, 0.82, 0.835], [0.70, NAN, NAN]]  # after one training nobody is dropped
    for values in (gap, once):
        with pytest.raises(ValueError, match="row 1 of outcomes holds NaN, but it neither diverged nor left"):
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
    assert told.startswith("Trial 12 beats trial 0 and every other candidate that did not diverge (p = ")
    assert told.endswith(" Trial 7 diverged in 1 of 2 trainings.")
    with pytest.raises(ValueError, match="no candidate in outcomes was trained on every seed without"):
        compare([base], diverged=[1])


def test_no_candidate_wins_by_being_alone() -> None:
    alone = compare([[0.85, 0.86]])
    assert (alone.kind, alone.p_value) == ("only_candidate", None)
    assert alone.sentence(["trial 7"]) == "Trial 7 is the only candidate."


def test_each_verdict_has_its_sentence() -> None:
    twist = 0.001 * np.array([0.5, -1.0, 1.0, 0.0, -0.5])
    base = 0.85 + 0.001 * np.array([-1.0, 0.5, 0.0, 1.0, -0.5])
    two = compare([base, base - 0.02 + twist]).sentence(NAMES[:2])
    assert two.startswith("Trial 7 beats trial 12 (p = ")
    many = compare([base - 0.02 + twist, base, base - 0.05 + 2 * twist]).sentence(NAMES[:3])
    assert many.startswith("Trial 12 beats trial 7 and every other candidate (p = ")
    tie = compare([base, base - 0.0005 + twist, base - 0.03], costs=[2.0, 1.0, 0.5]).sentence(NAMES[:3])
    assert tie == (
        "Trial 7 and trial 12 tie within 0.8 points: any is fine, the cheapest one is trial 12."
        " Trial 7 beats trial 0."
    )
    more = compare([base, base - 0.008 + 10 * twist]).sentence(NAMES[:2])
    assert more.startswith("Not enough trainings to tell trial 7 and trial 12 apart: about ")
    assert more.endswith(" more of each would tell.")
    never = compare([base, base - 0.004 + 40 * twist], costs=[2.0, 1.0]).sentence(NAMES[:2])
    assert never.startswith("These data cannot tell trial 7 and trial 12 apart, however many trainings: ")
    assert never.endswith(" trial 12 is the cheapest within a standard error of the best.")


def test_who_cannot_be_told_hides_nobody_who_can_and_no_poor_one_is_named_for_being_cheap() -> None:
    twist = 0.001 * np.array([0.5, -1.0, 1.0, 0.0, -0.5])
    values = [np.full(5, 0.85), 0.83 + 15 * twist, 0.849 + 50 * twist]
    found = compare(values, costs=[3.0, 2.0, 1.0])
    assert (found.kind, found.hopeless) == ("more_seeds", [2])
    assert found.sentence(NAMES[:3]) == (
        f"Not enough trainings to tell trial 7 and trial 12 apart: about {found.more_seeds} more of each"
        " would tell; trial 0 would not be told from trial 7 by them."
    )
    poor = compare([values[0], 0.75 + 200 * twist], costs=[2.0, 1.0])
    assert (poor.more_seeds, poor.cheapest) == (None, 0)


def test_a_winner_whose_rivals_all_left_the_race_beats_them() -> None:
    values = np.array([[0.86, 0.85, 0.86], [0.80, 0.79, NAN], [0.70, 0.71, NAN]])
    verdict = compare(values)
    assert (verdict.kind, verdict.winner, verdict.runner_up, verdict.beaten) == ("beats", 0, 1, [1, 2])
    assert verdict.difference == pytest.approx(0.06, abs=1e-6)
    assert verdict.p_value == 0.005


def test_who_left_the_race_is_compared_over_the_trainings_that_both_had() -> None:
    found = outcomes([0.88, 0.70], 5, np.random.default_rng(0))
    left = without(found, {1: 3})
    both = first(found, 3).right.mean(axis=1)
    assert decisions.compare(left).difference == pytest.approx(both[0] - both[1], abs=1e-6)


def test_one_training_and_no_candidate_are_refused() -> None:
    with pytest.raises(ValueError, match="it must be at least two"):
        compare([[0.8], [0.9]])
    with pytest.raises(ValueError, match="no candidate in outcomes was trained on every seed"):
        compare([[0.8, NAN]])
    with pytest.raises(ValueError, match="must hold candidates by trainings"):
        compare([0.8, 0.9])


# A confirmation of a real sweep of airplane and ship: five candidates and the baseline, five trainings each.
REAL = [
    [0.8465, 0.8450, 0.8420, 0.8665, 0.8360],
    [0.8350, 0.8495, 0.8550, 0.8485, 0.8330],
    [0.8400, 0.8495, 0.8440, 0.8560, 0.8450],
    [0.8495, 0.8530, 0.8540, 0.8515, 0.8280],
    [0.8465, 0.8465, 0.8645, 0.8515, 0.8375],
    [0.8215, 0.8195, 0.8005, 0.8295, 0.8190],
]


def test_a_lead_of_three_points_is_told_although_the_worse_one_is_noisy() -> None:
    verdict = compare(REAL)
    assert (verdict.kind, verdict.winner, verdict.beaten) == ("more_seeds", 4, [5])
    own = stats.ttest_rel(REAL[4], REAL[5]).pvalue  # five comparisons of five trainings would not show it
    assert 5 * own > 0.03
    assert compare([REAL[4], REAL[5]]).p_value == pytest.approx(own * 0.05 / 0.03, rel=1e-4)


def test_the_noise_of_all_counts_for_four_trainings_beside_a_pairs_own() -> None:
    outcomes = Outcomes.of_accuracies(REAL)
    own = difference(outcomes, 4, 5)
    assert moderated(outcomes, [(4, 5)])[0].variance == pytest.approx(own.variance, rel=1e-4)
    shared = moderated(outcomes, [(4, i) for i in (0, 1, 2, 3, 5)])[-1]
    assert (own.freedom, shared.freedom) == (4, 8)
    rows = np.array(REAL)
    residual = rows - rows.mean(axis=1, keepdims=True) - rows.mean(axis=0) + rows.mean()
    usual = 2 * np.square(residual).sum() / 20 / 5
    assert shared.variance == pytest.approx((own.variance + usual) / 2, rel=1e-4)
