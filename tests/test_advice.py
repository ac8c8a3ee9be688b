"""Every piece of advice appears where it should and stays away where it should not."""

import numpy as np
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from studies.analysis.advice import boundary_warnings, noise_floor, outlook, selection_bias
from studies.space import DEFAULT_SPACE, narrowed

MIDDLE = {
    "batch_size": 64,
    "learning_rate": 0.005,
    "hidden_units": 128,
    "momentum": 0.5,
    "weight_decay": 0.001,
    "n_layers": 3,
}


def test_a_winner_in_the_middle_is_not_warned_about() -> None:
    assert boundary_warnings(MIDDLE, DEFAULT_SPACE) == []


@pytest.mark.parametrize(
    ("name", "value", "side", "old", "wider"),
    [
        ("hidden_units", 498, "upper", "32..512", "32:2048"),
        ("batch_size", 16, "lower", "16..256", "4:256"),
        ("learning_rate", 0.098, "upper", "0.0003..0.1", "0.0003:0.4"),
        ("momentum", 0.975, "upper", "0..0.98", "0:0.99"),
        ("n_layers", 4, "upper", "2..4", "2:5"),
        ("n_layers", 2, "lower", "2..4", "1:4"),
        ("weight_decay", 0.1, "upper", "1e-06..0.1", "1e-06:0.4"),
    ],
)
def test_a_winner_at_an_edge_is_told_the_wider_range(
    name: str, value: float, side: str, old: str, wider: str
) -> None:
    assert boundary_warnings({**MIDDLE, name: value}, DEFAULT_SPACE) == [
        f"{name} {value} is at the {side} end of its range {old}: try --range {name}={wider}."
    ]
    narrowed([f"{name}={wider}"])  # the advice can be followed as it is printed


def test_natural_bounds_are_no_warning() -> None:
    assert boundary_warnings({**MIDDLE, "momentum": 0.0, "weight_decay": 1e-6}, DEFAULT_SPACE) == []
    assert boundary_warnings({"hidden_units": 1}, {"hidden_units": IntDistribution(1, 64, log=True)}) == []


def test_the_scale_of_the_range_counts() -> None:
    linear, log = FloatDistribution(1e-4, 1.0), FloatDistribution(1e-4, 1.0, log=True)
    assert boundary_warnings({"learning_rate": 0.01}, {"learning_rate": linear}) != []
    assert boundary_warnings({"learning_rate": 0.01}, {"learning_rate": log}) == []


def test_single_values_and_categories_are_passed_over() -> None:
    space = {"n_layers": IntDistribution(3, 3), "momentum": CategoricalDistribution([0.5, 0.9])}
    assert boundary_warnings({"n_layers": 3, "momentum": 0.9}, space) == []


def test_noise_is_pooled_over_the_groups() -> None:
    # Sums of squares 0.5 and 2 over 1 + 2 degrees of freedom.
    assert noise_floor([[0.0, 1.0], [4.0, 5.0, 6.0], [9.0]]) == pytest.approx((2.5 / 3) ** 0.5)
    assert noise_floor([[0.8], []]) is None


def test_the_winners_curse_matches_simulation() -> None:
    rng = np.random.default_rng(0)
    simulated = rng.standard_normal((20_000, 100)).max(axis=1).mean()
    assert selection_bias(100, 0.0042) == pytest.approx(0.0042 * simulated, rel=0.01)
    assert selection_bias(1, 0.0042) == pytest.approx(0.0, abs=1e-9)


def test_equal_configurations_have_flattened_out() -> None:
    rng = np.random.default_rng(1)
    outlooks = [outlook(0.85 + 0.004 * rng.standard_normal(60), 0.004) for _ in range(100)]
    assert np.mean([o.flat for o in outlooks]) > 0.95
    sentence = next(o for o in outlooks if o.flat).sentence()
    assert sentence.startswith("The sweep has flattened out: the next 20 trials are expected to gain 0.")
    assert sentence.endswith("less than the noise of one training (0.40 points).")
    assert "likely to pay" not in sentence


def test_a_sweep_that_still_climbs_is_told_to_go_on() -> None:
    rng = np.random.default_rng(2)
    climbing = 0.70 + 0.002 * np.arange(40) + 0.02 * rng.standard_normal(40)
    judged = outlook(list(climbing), 0.003)
    assert not judged.flat
    assert judged.sentence().startswith("More trials are likely to pay: the next 20 are expected to gain ")
    assert "flattened" not in judged.sentence()


def test_too_few_trials_say_nothing() -> None:
    judged = outlook([0.8] * 7, 0.004)
    assert not judged.flat
    assert judged.sentence() == "Too few complete trials (7 of 20) to say whether more would pay."
    assert "Too few" not in outlook([0.8] * 20, 0.004).sentence()
    assert outlook([0.8] * 20, 0.004).flat


def test_the_expected_gain_is_the_gain_in_truth() -> None:
    rng = np.random.default_rng(3)
    predicted, actual = [], []
    for _ in range(400):
        truth = 0.82 + 0.010 * rng.standard_normal(80)
        scores = truth + 0.004 * rng.standard_normal(80)
        predicted.append(outlook(list(scores[:40]), 0.004, horizon=40).gain)
        actual.append(truth[scores.argmax()] - truth[:40][scores[:40].argmax()])
    assert np.mean(predicted) == pytest.approx(np.mean(actual), rel=0.3)


def test_a_few_hopeless_trainings_do_not_change_the_outlook() -> None:
    rng = np.random.default_rng(4)
    scores = 0.85 + 0.004 * rng.standard_normal(60)
    scores[::7] = 0.5
    assert outlook(list(scores), 0.004).flat
