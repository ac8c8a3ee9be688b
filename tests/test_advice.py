"""Every piece of advice appears where it should and stays away where it should not."""

import numpy as np
import optuna
import pytest
from numpy.typing import NDArray
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState

from studies.analysis.advice import edges, outlook, selection_bias
from studies.analysis.axis import Axis
from studies.ranges import contains, describe, narrowed
from studies.samplers import make_pruner
from studies.space import DEFAULT_SPACE, axes

Array = NDArray[np.float64]
NAN, NOISE = float("nan"), 0.003
AXES = axes(DEFAULT_SPACE)

MIDDLE = {
    "batch_size": 64,
    "learning_rate": 0.005,
    "hidden_units": 128,
    "momentum": 0.5,
    "weight_decay": 0.001,
    "n_layers": 3,
}


def test_a_winner_in_the_middle_is_not_warned_about() -> None:
    assert edges(MIDDLE, AXES) == []


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
    assert [edge.sentence() for edge in edges({**MIDDLE, name: value}, AXES)] == [
        f"{name} {value} is at the {side} end of its range {old}: try --range {name}={wider}."
    ]
    narrowed([f"{name}={wider}"])  # the advice can be followed as it is printed


def test_natural_bounds_are_no_warning() -> None:
    assert edges({**MIDDLE, "momentum": 0.0, "weight_decay": 1e-6}, AXES) == []
    narrow = axes({"hidden_units": IntDistribution(1, 64, log=True)})
    assert edges({"hidden_units": 1}, narrow) == []


def test_the_scale_of_the_range_counts() -> None:
    linear, log = FloatDistribution(1e-4, 1.0), FloatDistribution(1e-4, 1.0, log=True)
    assert edges({"learning_rate": 0.01}, axes({"learning_rate": linear})) != []
    assert edges({"learning_rate": 0.01}, axes({"learning_rate": log})) == []


def test_single_values_and_categories_are_passed_over() -> None:
    space = {"n_layers": IntDistribution(3, 3), "momentum": CategoricalDistribution([0.5, 0.9])}
    assert edges({"n_layers": 3, "momentum": 0.9}, axes(space)) == []


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


def gains(n_seen: int, horizon: int, *, truth: float, noise: float) -> tuple[float, float]:
    """Expected gain of the next trials, and what it is in truth, over many sweeps of random search."""
    rng = np.random.default_rng(5)
    predicted, actual = [], []
    for _ in range(400):
        quality = 0.82 + truth * rng.standard_normal(n_seen + horizon)
        scores = quality + noise * rng.standard_normal(n_seen + horizon)
        predicted.append(outlook(list(scores[:n_seen]), noise, horizon=horizon).gain)
        actual.append(quality[scores.argmax()] - quality[:n_seen][scores[:n_seen].argmax()])
    return float(np.mean(predicted)), float(np.mean(actual))


def test_a_score_that_is_only_luckier_is_no_gain() -> None:
    predicted, actual = gains(60, 60, truth=0.004, noise=0.006)
    assert predicted == pytest.approx(actual, rel=0.4)  # it is 3.2 times as much where noise counts as gain


def completed(curves: Array) -> Array:
    """Final scores under the default pruner's rule, NaN where it prunes; curves of shape (n, epochs)."""
    best, kept = np.maximum.accumulate(curves, axis=1), list[int]()
    for i in range(len(curves)):
        if len(kept) >= 10 and (best[i] < np.median(curves[kept], axis=0))[2:-1].any():
            continue
        kept.append(i)
    scores = np.full(len(curves), np.nan)
    scores[kept] = curves[kept, -1]
    return scores


def learning_curves(n: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """True qualities, and curves of 20 epochs that rise to them at different speeds, with noise."""
    quality = 0.82 + 0.010 * rng.standard_normal(n)
    lag = 0.05 * np.exp(rng.standard_normal(n))
    curves = quality[:, None] - lag[:, None] * 0.6 ** np.arange(20) + NOISE * rng.standard_normal((n, 20))
    return quality, curves


def test_the_rule_that_is_replayed_is_the_default_pruners() -> None:
    _, curves = learning_curves(80, np.random.default_rng(7))
    study = optuna.create_study(direction="maximize", pruner=make_pruner("median", epochs=20))
    for curve in curves:
        trial = study.ask()
        for epoch, value in enumerate(curve):
            trial.report(value, epoch)
            if epoch < 19 and trial.should_prune():
                study.tell(trial, state=TrialState.PRUNED)
                break
        else:
            study.tell(trial, curve[-1])
    kept = np.isfinite(completed(curves))
    assert list(kept) == [t.state == TrialState.COMPLETE for t in study.trials]
    assert 0.1 < kept.mean() < 0.5


def test_the_gain_of_a_sweep_with_the_default_pruner_is_the_gain_in_truth() -> None:
    rng = np.random.default_rng(8)
    predicted, actual = [], []
    for _ in range(500):
        quality, curves = learning_curves(300, rng)
        scores = completed(curves)
        if np.isfinite(scores[:150]).sum() >= 20:
            predicted.append(outlook(list(scores[:150]), NOISE, horizon=150).gain)
            actual.append(quality[np.nanargmax(scores)] - quality[np.nanargmax(scores[:150])])
    assert np.mean(predicted) == pytest.approx(np.mean(actual), rel=0.25)


def test_pruned_trials_are_no_scores() -> None:
    scores = list(0.85 + 0.010 * np.random.default_rng(9).standard_normal(40))
    assert outlook([value for score in scores for value in (score, NAN)], NOISE).n_trials == 40
    assert np.isnan(outlook([*scores[:19], *[NAN] * 50], NOISE).gain)


def test_a_few_hopeless_trainings_do_not_change_the_outlook() -> None:
    rng = np.random.default_rng(4)
    scores = 0.85 + 0.004 * rng.standard_normal(60)
    scores[::7] = 0.5
    assert outlook(list(scores), 0.004).flat


def test_no_more_is_to_gain_than_there_is() -> None:
    scores = [0.97, *np.random.default_rng(5).uniform(0.2, 0.9, 40)]
    assert outlook(scores, 0.001).gain == pytest.approx(0.03)


def test_the_edge_is_three_per_cent_of_the_range_and_belongs_to_it() -> None:
    unit = {"learning_rate": Axis(0.0, 1.0, log=False, whole=False)}
    sides = {v: [e.side for e in edges({"learning_rate": v}, unit)] for v in (0.03, 0.031, 0.969, 0.97)}
    assert sides == {0.03: ["lower"], 0.031: [], 0.969: [], 0.97: ["upper"]}


def test_a_wider_range_stops_at_the_natural_limit() -> None:
    low = axes({"hidden_units": IntDistribution(2, 64, log=True)})
    assert [edge.wider for edge in edges({"hidden_units": 2}, low)] == ["1:64"]
    axis = {"momentum": Axis(0.1, 0.9, log=False, whole=False, least=0.0, most=1.0)}
    assert [edge.wider for edge in edges({"momentum": 0.1}, axis)] == ["0:0.9"]
    assert [edge.wider for edge in edges({"momentum": 0.9}, axis)] == ["0.1:0.95"]


@pytest.mark.parametrize(
    ("name", "distribution", "value", "wider"),
    [
        ("n_layers", IntDistribution(3, 4), 4, "3:5"),  # half of a width of one is a layer too
        ("n_layers", IntDistribution(2, 3), 2, "1:3"),
        (
            "momentum",
            FloatDistribution(0.9, 0.9995),
            0.9995,
            "0.9:0.99975",
        ),  # three digits would be the limit
        ("momentum", FloatDistribution(0.85, 0.9124), 0.85, "0.819:0.9124"),  # the other end stays what it is
        ("weight_decay", FloatDistribution(2e-6, 2.00001e-6, log=True), 2.00001e-6, "2e-06:8e-06"),
    ],
)
def test_the_advised_range_holds_the_old_one_and_more(name, distribution, value, wider):
    (edge,) = edges({name: value}, axes({name: distribution}))
    assert edge.wider == wider
    was, now = describe({name: distribution}), describe(narrowed([f"{name}={wider}"]))
    assert contains({name: now[name]}, was)
    assert not contains(was, {name: now[name]})


def test_whole_numbers_are_printed_whole():
    wide = axes({"hidden_units": IntDistribution(32, 1024, log=True)})
    (edge,) = edges({"hidden_units": 1010}, wide)
    assert edge.sentence().startswith("hidden_units 1010 is at the upper end of its range 32..1024: ")
    (edge,) = edges({"hidden_units": 2}, axes({"hidden_units": IntDistribution(2, 1_234_567, log=True)}))
    assert edge.wider == "1:1234567"
    narrowed([f"hidden_units={edge.wider}"])
