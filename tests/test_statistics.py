"""The decision rules are calibrated: simulated studies with known truth."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from studies.analysis.budget import level
from studies.analysis.decisions import MAX_SEEDS, compare, holm, seeds_needed, still_in_the_race
from studies.analysis.factors import factor_tests
from studies.analysis.scores import summarise

ALPHA, OVERLAP = 0.05, 0.25  # what is promised, not what the program has
NOISE = 0.004


def trained(
    means: list[float], n_seeds: int, rng: np.random.Generator, noise: float | list[float] = NOISE
) -> NDArray[np.float64]:
    """Accuracies (n_candidates, n_seeds) whose seeds are correlated as overlapping splits are."""
    k = len(means)
    shared = OVERLAP / (1 + OVERLAP)
    own = np.sqrt(1 - shared) * rng.standard_normal((k, n_seeds)) + np.sqrt(shared) * rng.standard_normal(
        (k, 1)
    )
    split = 0.006 * rng.standard_normal(n_seeds)
    return np.array(means)[:, None] + split + np.broadcast_to(noise, k)[:, None] * own


def at_most(rate: float, n: int) -> float:
    """Upper limit of a share that is truly `rate` over `n` simulations, three standard errors up."""
    return rate + 3 * float(np.sqrt(rate * (1 - rate) / n))


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


@pytest.mark.parametrize(
    ("means", "noise"),
    [
        ([0.85, 0.85], NOISE),
        ([0.85] * 6, NOISE),
        ([0.85, 0.85, 0.80, 0.80, 0.80], NOISE),
        ([0.85, 0.85, 0.85], [0.002, 0.004, 0.010]),
    ],
    ids=["two", "six", "two-on-top", "unequal-noise"],
)
def test_equal_candidates_are_rarely_told_apart(means: list[float], noise: float | list[float]) -> None:
    rng = np.random.default_rng(1)
    n = 600
    verdicts = [compare(trained(means, 5, rng, noise)) for _ in range(n)]
    assert np.mean([v.kind == "beats" for v in verdicts]) <= at_most(ALPHA, n)


def test_the_correction_for_overlapping_splits_is_needed() -> None:
    rng = np.random.default_rng(2)
    naive = [compare(trained([0.85, 0.85], 20, rng), overlap=0.0).kind == "beats" for _ in range(300)]
    assert np.mean(naive) > 0.2


def test_a_race_with_three_verdicts_is_rarely_wrong() -> None:
    rng = np.random.default_rng(3)
    n, wrong, dropped = 150, 0, 0
    for _ in range(n):
        values = trained([0.85] * 4, 20, rng)
        racing = np.ones(4, dtype=bool)
        for look, seeds in enumerate((5, 10, 20), start=1):
            for so_far in range(2, seeds + 1, 3):
                seen = np.where(racing[:, None], values[:, :so_far], np.nan)
                racing &= still_in_the_race(seen, looks=20)
            if compare(np.where(racing[:, None], values[:, :seeds], np.nan), look=look).kind == "beats":
                wrong += 1
                break
        dropped += not racing.all()
    assert wrong / n <= at_most(ALPHA, n)
    assert dropped / n <= at_most(ALPHA, n)


def test_a_clear_winner_beats_and_hopeless_candidates_leave() -> None:
    rng = np.random.default_rng(4)
    values = trained([0.87, 0.85, 0.84, 0.80], 5, rng)
    verdict = compare(values)
    assert (verdict.kind, verdict.winner, verdict.runner_up) == ("beats", 0, 1)
    assert verdict.p_value <= ALPHA
    assert verdict.more_seeds is None
    assert not still_in_the_race(values[:, :3], looks=4)[3]


def test_a_real_difference_is_found_in_most_studies() -> None:
    rng = np.random.default_rng(5)
    kinds = [compare(trained([0.87, 0.85, 0.82], 5, rng)).kind for _ in range(200)]
    assert np.mean([k == "beats" for k in kinds]) > 0.8


def test_equal_candidates_tie_and_the_cheapest_is_named() -> None:
    rng = np.random.default_rng(6)
    verdicts = [compare(trained([0.85] * 3, 8, rng, 0.0025), costs=[3.0, 1.0, 2.0]) for _ in range(200)]
    ties = [v for v in verdicts if v.kind == "tie"]
    assert len(ties) > 0.7 * len(verdicts)
    assert all(v.cheapest == 1 for v in ties if 1 in v.contenders)


def test_candidates_that_differ_by_the_margin_rarely_tie() -> None:
    rng = np.random.default_rng(7)
    n = 400
    ties = [compare(trained([0.85, 0.85 + 0.008], 5, rng)).kind == "tie" for _ in range(n)]
    assert np.mean(ties) <= at_most(ALPHA, n)


@pytest.mark.parametrize(
    ("difference", "spread"), [(0.008, 0.0035), (0.012, 0.006), (0.0, 0.0035), (0.02, 0.010)]
)
def test_the_number_of_seeds_is_right_within_a_factor_of_two(difference: float, spread: float) -> None:
    rng = np.random.default_rng(8)

    def told(n: int) -> float:
        means = [0.85, 0.85 - difference]
        kinds = [
            compare(trained(means, n, rng, spread * (1 + OVERLAP) ** 0.5 / 2**0.5)).kind for _ in range(150)
        ]
        return float(np.mean([k != "more_seeds" for k in kinds]))

    predicted = seeds_needed(difference, spread)
    assert predicted is not None
    truth = next(n for n in (2, 3, 4, 5, 6, 7, 8, 10, 12, 15, 19, 24, 30, 40, 60) if told(n) >= 0.8)
    assert predicted / 2 <= truth <= predicted * 2


@pytest.mark.parametrize(("difference", "spread"), [(0.012, 0.0055), (0.0, 0.0035)])
def test_five_seeds_typically_predict_the_number_needed(difference: float, spread: float) -> None:
    rng = np.random.default_rng(9)
    needed = seeds_needed(difference, spread)
    assert needed is not None
    predicted = []
    for _ in range(300):
        values = trained([0.85, 0.85 - difference], 5, rng, spread * (1 + OVERLAP) ** 0.5 / 2**0.5)
        paired = values[0] - values[1]
        predicted.append(seeds_needed(paired.mean(), paired.std(ddof=1)) or MAX_SEEDS)
    assert needed / 2 <= np.median(predicted) <= needed * 2


def test_more_seeds_are_counted_beyond_those_there_are() -> None:
    twist = 0.005 * np.array([0.5, -1.0, 1.0, 0.0, -0.5])
    values = np.array([np.full(5, 0.85), 0.842 + twist])
    verdict = compare(values)
    paired = values[0] - values[1]
    total = seeds_needed(paired.mean(), paired.std(ddof=1), look=2)
    assert verdict.kind == "more_seeds"
    assert total is not None
    assert verdict.more_seeds == total - 5


def test_pure_noise_is_rarely_called_real() -> None:
    rng = np.random.default_rng(11)
    n = 1000
    real = 0
    for _ in range(n):
        split = 0.006 * rng.standard_normal(5)  # a seed's split is easier or harder for all values alike
        factors = {name: 0.82 + split + NOISE * rng.standard_normal((5, 5)) for name in "abc"}
        tests = factor_tests(factors, n_permutations=499, seed=int(rng.integers(2**31)))
        real += any(t.real for t in tests.values())
    assert real / n <= at_most(ALPHA, n)
    assert real / n >= 0.01


def test_noise_that_grows_with_the_value_is_rarely_called_real() -> None:
    rng = np.random.default_rng(12)
    n = 300
    spread = np.array([0.003, 0.003, 0.004, 0.006, 0.009])[:, None]
    real = [
        factor_tests({"a": 0.82 + spread * rng.standard_normal((5, 5))}, n_permutations=499)["a"].real
        for _ in range(n)
    ]
    assert np.mean(real) <= at_most(ALPHA, n)


def test_a_real_factor_is_found_beside_two_that_do_nothing() -> None:
    rng = np.random.default_rng(13)
    found = []
    for _ in range(60):
        noise = {name: 0.82 + NOISE * rng.standard_normal((5, 5)) for name in "abc"}
        noise["b"] += np.linspace(0, 0.015, 5)[:, None]
        tests = factor_tests(noise, n_permutations=999)
        found.append(tests["b"].real)
        assert tests["b"].largest_difference > 0.005
    assert np.mean(found) > 0.8


def test_a_factor_reports_its_extremes_and_unpaired_levels_are_refused() -> None:
    test = factor_tests({"a": [[0.80, 0.81], [0.84, 0.85], [0.70, 0.71]]})["a"]
    assert (test.best, test.worst) == (1, 2)
    assert test.largest_difference == pytest.approx(0.14)
    with pytest.raises(ValueError, match="same number"):
        factor_tests({"a": [[0.8, 0.81], [0.8]]})


def test_the_p_value_of_a_factor_counts_the_arrangement_that_was_seen() -> None:
    clear = [[0.1 * level + 0.001 * seed for seed in range(8)] for level in range(3)]
    assert factor_tests({"a": clear}, n_permutations=99)["a"].p_value == 1 / 100
    assert factor_tests({"a": [[0.5] * 4] * 3}, n_permutations=99)["a"].p_value == 1.0
    rng = np.random.default_rng(0)
    noise = {"a": rng.standard_normal((4, 6))}
    assert factor_tests(noise) == factor_tests(noise, n_permutations=4999, seed=0)


def test_the_number_of_seeds_is_the_sum_of_two_quantiles_up_to_the_most_there_are() -> None:
    alone = {"margin": 0.0, "overlap": 0.0, "resolution": 0.0}

    def least(n: int) -> float:  # the smallest difference of spread 1 that n seeds tell
        return float((stats.t.ppf(0.8, n - 1) + stats.t.isf(level(1) / 2, n - 1)) / n**0.5)

    for n in (5, 20, MAX_SEEDS):
        assert seeds_needed(1.0001 * least(n), 1.0, **alone) == n
        assert seeds_needed(0.9999 * least(n), 1.0, **alone) == (n + 1 if n < MAX_SEEDS else None)
