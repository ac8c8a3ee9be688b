"""The decision rules are calibrated where their own assumptions hold: simulated studies with known truth."""

import numpy as np
import pytest
from simulated import at_most, first, outcomes, without

from studies.analysis.decisions import compare, holm, still_in_the_race, trainings_needed
from studies.analysis.factors import factor_test
from studies.analysis.outcomes import Outcomes, difference, training_noise
from studies.analysis.scores import confirmed_score, summarise

ALPHA = 0.05  # what is promised, not what the program has


def test_summary_is_students_interval() -> None:
    summary = summarise([0.80, 0.82, 0.81, 0.83, 0.84])
    assert summary.mean == pytest.approx(0.82)
    assert summary.std == pytest.approx(0.0158114, rel=1e-5)
    # t(0.975, 4) = 2.776445
    assert summary.high - summary.mean == pytest.approx(2.776445 * 0.0158114 / 5**0.5, rel=1e-5)
    assert summary.mean - summary.low == pytest.approx(summary.high - summary.mean)


def test_summary_of_one_value_has_no_interval_and_of_none_is_refused() -> None:
    assert np.isnan(summarise([0.8]).std)
    with pytest.raises(ValueError, match="non-empty list of finite"):
        summarise([])
    with pytest.raises(ValueError, match="non-empty list of finite"):
        summarise([0.8, float("nan")])


def test_holm_by_hand() -> None:
    np.testing.assert_allclose(holm([0.01, 0.04, 0.03]), [0.03, 0.06, 0.06])
    np.testing.assert_allclose(holm([0.9, 0.5]), [1.0, 1.0])


@pytest.mark.parametrize("trainings", [5, 15])
@pytest.mark.parametrize("noise", [0.0, 0.02])
def test_the_error_of_a_difference_is_that_of_repeated_studies(trainings: int, noise: float) -> None:
    rng = np.random.default_rng(0)
    found = [difference(outcomes([0.85, 0.85], trainings, rng, noise=noise), 0, 1) for _ in range(250)]
    spread = np.std([e.mean for e in found])
    told = np.sqrt(np.mean([e.by_image + e.by_training - e.single for e in found]))
    assert told == pytest.approx(spread, rel=0.15)


@pytest.mark.parametrize("noise", [0.0, 0.02])
def test_the_luck_of_a_training_is_told_from_that_of_its_images(noise: float) -> None:
    rng = np.random.default_rng(14)
    found = [training_noise(outcomes([0.85, 0.85, 0.85], 10, rng, noise=noise), [0, 1, 2]) for _ in range(60)]
    assert np.sqrt(np.mean(np.square(np.array(found, dtype=float)))) == pytest.approx(noise, abs=0.0045)
    assert training_noise(outcomes([0.85], 10, rng), [0]) is None


@pytest.mark.parametrize("trainings", [2, 5, 15])
def test_the_interval_of_a_confirmed_score_holds_the_truth(trainings: int) -> None:
    rng = np.random.default_rng(1)
    scores = [confirmed_score(outcomes([0.85], trainings, rng), 0) for _ in range(250)]
    assert np.mean([s.low <= 0.85 <= s.high for s in scores]) >= 0.91
    assert {s.n for s in scores} == {trainings}


@pytest.mark.parametrize(
    ("means", "noise", "trainings"),
    [
        ([0.85, 0.85], 0.004, 5),
        ([0.85, 0.85], 0.03, 5),
        ([0.85] * 6, 0.004, 5),
        ([0.85] * 6, 0.004, 2),
        ([0.85, 0.85, 0.80, 0.80, 0.80], 0.004, 5),
        ([0.85, 0.85, 0.85], [0.002, 0.01, 0.03], 5),
        ([0.85, 0.85, 0.85], 0.008, 15),
    ],
    ids=["two", "two-noisy", "six", "six-twice", "two-on-top", "unequal-noise", "three-partitions"],
)
def test_equal_candidates_are_rarely_told_apart(
    means: list[float], noise: float | list[float], trainings: int
) -> None:
    rng = np.random.default_rng(2)
    n = 250
    kinds = [compare(outcomes(means, trainings, rng, noise=noise)).kind for _ in range(n)]
    assert np.mean([kind == "beats" for kind in kinds]) <= at_most(ALPHA, n)


def test_a_race_with_three_verdicts_is_rarely_wrong() -> None:
    rng = np.random.default_rng(3)
    n, wrong, dropped = 50, 0, 0
    for _ in range(n):
        all_of_them = outcomes([0.85] * 4, 20, rng, noise=0.01)
        gone: dict[int, int] = {}
        for look, trainings in enumerate((5, 10, 20), start=1):
            for so_far in range(2, trainings + 1, 3):
                seen = without(first(all_of_them, so_far), gone)
                racing = still_in_the_race(seen, looks=20)
                gone |= {int(i): so_far for i in np.flatnonzero(~racing) if i not in gone}
            if compare(without(first(all_of_them, trainings), gone), look=look).kind == "beats":
                wrong += 1
                break
        dropped += bool(gone)
    assert wrong / n <= at_most(ALPHA, n)
    assert dropped / n <= at_most(ALPHA, n)


def test_a_clear_winner_beats_and_hopeless_candidates_leave() -> None:
    found = outcomes([0.88, 0.84, 0.83, 0.70], 5, np.random.default_rng(4))
    verdict = compare(found)
    assert (verdict.kind, verdict.winner, verdict.runner_up) == ("beats", 0, 1)
    assert verdict.p_value is not None
    assert verdict.p_value <= ALPHA
    assert verdict.more_seeds is None
    assert list(still_in_the_race(first(found, 3), looks=4))[::3] == [True, False]


def test_a_real_difference_is_found_in_most_studies() -> None:
    rng = np.random.default_rng(5)
    verdicts = [compare(outcomes([0.87, 0.835], 5, rng, own=0.2, fresh=0.3)) for _ in range(100)]
    assert np.mean([v.kind == "beats" and v.winner == 0 for v in verdicts]) > 0.8


def test_accuracies_alone_would_take_what_these_images_favour_for_more() -> None:
    rng = np.random.default_rng(10)
    found = [outcomes([0.85, 0.85], 25, rng, own=0.8, fresh=0.3) for _ in range(100)]
    by_images = np.mean([compare(each).kind == "beats" for each in found])
    alone = [Outcomes.of_accuracies(each.accuracies()) for each in found]
    assert by_images <= at_most(ALPHA, 100)
    assert np.mean([compare(each).kind == "beats" for each in alone]) > 0.2


def test_equal_candidates_tie_and_the_cheapest_is_named() -> None:
    rng = np.random.default_rng(6)
    verdicts = [
        compare(outcomes([0.85] * 3, 15, rng, own=0.2), costs=[3.0, 1.0, 2.0], margin=0.02) for _ in range(60)
    ]
    ties = [v for v in verdicts if v.kind == "tie"]
    assert len(ties) > 0.7 * len(verdicts)
    assert all(v.cheapest == 1 for v in ties if 1 in v.contenders)


def test_candidates_that_differ_by_the_margin_rarely_tie() -> None:
    rng = np.random.default_rng(7)
    n = 200
    ties = [compare(outcomes([0.85, 0.86], 5, rng, own=0.2), margin=0.01).kind == "tie" for _ in range(n)]
    assert np.mean(ties) <= at_most(ALPHA, n)


@pytest.mark.parametrize(
    ("lead", "noise", "margin", "factor"),
    [
        (0.012, 0.004, 0.008, 3),  # little more than its own error where the promise is given
        (0.015, 0.015, 0.008, 2),
        (0, 0.01, 0.015, 2),
    ],
)
def test_the_promised_number_of_trainings_is_about_right(
    lead: float, noise: float, margin: float, factor: float
) -> None:
    rng = np.random.default_rng(8)

    def drawn(n: int) -> Outcomes:
        return outcomes([0.85, 0.85 - lead], n, rng, noise=noise, own=0.15)

    def told(n: int) -> float:
        kinds = [compare(drawn(n), look=2, margin=margin).kind for _ in range(40)]
        return float(np.mean([kind != "more_seeds" for kind in kinds]))

    promised = [
        trainings_needed(difference(drawn(10), 0, 1), look=2, margin=margin) or 200 for _ in range(100)
    ]
    truth = next(n for n in (5, 10, 15, 20, 30, 40, 60, 90, 120) if told(n) >= 0.8)
    assert truth / factor <= np.median(promised) <= truth * factor


def test_more_trainings_are_counted_beyond_those_there_are() -> None:
    rng = np.random.default_rng(9)
    verdicts = [(found, compare(found)) for found in (outcomes([0.85, 0.84], 5, rng) for _ in range(20))]
    open_ = [(found, v) for found, v in verdicts if v.kind == "more_seeds" and v.more_seeds is not None]
    assert open_
    for found, verdict in open_:
        total = trainings_needed(difference(found, verdict.winner, 1 - verdict.winner), look=2)
        assert total is not None
        assert verdict.more_seeds == max(1, total - 5)


def test_pure_noise_is_rarely_called_an_effect() -> None:
    rng = np.random.default_rng(11)
    n = 240
    real = [factor_test(repeated([0.82] * 5, 3, rng)).real for _ in range(n)]
    assert np.mean(real) <= at_most(ALPHA, n)


def test_noise_that_grows_with_the_value_is_rarely_called_real() -> None:
    rng = np.random.default_rng(12)
    n = 150
    spread = np.array([0.003, 0.003, 0.004, 0.006, 0.009])[:, None]
    for seeds in (3, 5):
        values = [0.82 + spread * rng.standard_normal((5, seeds)) for _ in range(n)]
        real = [factor_test(Outcomes.of_accuracies(v)).real for v in values]
        assert np.mean(real) <= at_most(ALPHA, n)


def test_a_real_factor_is_found() -> None:
    rng = np.random.default_rng(13)
    found = []
    for _ in range(30):
        test = factor_test(repeated([0.845, 0.84, 0.835, 0.82, 0.80], 3, rng))
        found.append((0, 4) in test.apart)
        assert test.pairs == 10
        assert test.largest_difference > 0.02
    assert np.mean(found) > 0.8


def repeated(means: list[float], seeds: int, rng: np.random.Generator) -> Outcomes:
    """Draw trainings that all are judged by the same images."""
    found = outcomes(means, 5 * seeds, rng)
    masks = [[row[found.training // 5 == s] > 0 for s in range(seeds)] for row in found.right]
    order = [np.argsort(found.image[found.training // 5 == s]) for s in range(seeds)]
    same = [[mask[o] for mask, o in zip(row, order, strict=True)] for row in masks]
    return Outcomes.of(same, [np.arange(len(order[0]))] * seeds)
