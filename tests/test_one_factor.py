"""The report's one-factor experiments and the learning curves, as data and as figures."""

import json
import math
from itertools import pairwise

import msgspec
import numpy as np
import pytest
from scipy.stats import t

from fcnet.hyperparameters import Hyperparameters
from fcnet.metrics import EpochMetrics
from studies.experiments.one_factor import (
    EXPERIMENTS,
    REPORTED_EFFECTS,
    are_the_reports,
    configurations,
    controlled_info,
)
from studies.record import Outcomes
from studies.views.figures.curves import learning_curves_figure
from studies.views.figures.one_factor import controlled_figure

Records = dict[tuple[Hyperparameters, int], float]


def records(effect: float = 0.0, n_seeds: int = 5) -> Records:
    """Noise of 0.4 points over seeds, and `effect` per doubling of the batch size, below 16."""
    rng = np.random.default_rng(0)
    return {
        (h, seed): 0.83 - effect * math.log2(h.batch_size / 16) + 0.004 * rng.standard_normal()
        for h in configurations()
        for seed in range(n_seeds)
    }


def test_the_experiments_are_the_reports() -> None:
    assert len(configurations()) == 13
    assert {h.momentum for h in configurations()} == {0.8}
    assert {h.weight_decay for h in configurations()} == {0.05}
    assert {h.n_layers for h in configurations()} == {3}
    batch, rate, hidden = EXPERIMENTS["batch_size"], EXPERIMENTS["learning_rate"], EXPERIMENTS["hidden_units"]
    assert [h.batch_size for h in batch] == [16, 32, 64, 128, 256]
    assert {(h.learning_rate, h.hidden_units) for h in batch} == {(0.001, 256)}
    assert [h.learning_rate for h in rate] == [0.001, 0.005, 0.01, 0.05, 0.1]
    assert {(h.batch_size, h.hidden_units) for h in rate} == {(64, 256)}
    assert [h.hidden_units for h in hidden] == [32, 64, 128, 256, 512]
    assert {(h.batch_size, h.learning_rate) for h in hidden} == {(64, 0.001)}


def test_each_value_is_summarised_and_shared_trainings_count_in_each_figure() -> None:
    made = records()
    info = controlled_info(made)
    shared = Hyperparameters(batch_size=64, learning_rate=0.001, hidden_units=256)
    expected = [made[shared, seed] for seed in range(5)]
    for experiment, value in zip(info.experiments, (64, 0.001, 256), strict=True):
        level = next(level for level in experiment.levels if level.value == value)
        assert level.accuracies == expected
        assert (level.mean, level.n) == (pytest.approx(np.mean(expected)), 5)
        assert level.std == pytest.approx(np.std(expected, ddof=1))
        assert level.low < level.mean < level.high


def test_the_intervals_of_a_figure_hold_together_and_share_their_spread() -> None:
    made = records()
    batch = controlled_info(made).experiments[0]
    x = np.array([level.accuracies for level in batch.levels])
    residual = x - x.mean(axis=1, keepdims=True) - x.mean(axis=0) + x.mean()
    half = t.ppf(1 - 0.025 / 5, 16) * np.sqrt((residual**2).sum() / 16 / 5)
    for level in batch.levels:
        assert (level.high - level.mean, level.mean - level.low) == (pytest.approx(half), pytest.approx(half))


def test_a_single_value_has_the_interval_of_its_own_repeats() -> None:
    accuracies = {seed: value for (h, seed), value in records().items() if h.hidden_units == 32}
    alone = {(h, s): accuracies[s] for h in configurations() if h.hidden_units == 32 for s in accuracies}
    (level,) = controlled_info(alone).experiments[2].levels
    half = t.ppf(0.975, 4) * np.std(list(accuracies.values()), ddof=1) / np.sqrt(5)
    assert level.high - level.mean == pytest.approx(half)


def test_a_real_difference_is_called_real_and_noise_is_not() -> None:
    batch, rate, _ = controlled_info(records(effect=0.006)).experiments
    worse = "64 and 128 are worse than each of 16 and 32, 256 is worse than each of 16, 32 and 64"
    assert batch.sentence.startswith(f"Batch size: {worse};")
    assert "; 16 and 32 cannot be told apart; 16 is 2.3 points above 256 (p = " in batch.sentence
    assert batch.sentence.endswith(", corrected for 10 comparisons).")
    assert rate.sentence.startswith("Learning rate: 0.001, 0.005, 0.01, 0.05 and 0.1 cannot be told apart: ")
    assert "could be noise (p = " in rate.sentence


def test_images_tell_what_seeds_alone_cannot() -> None:
    made = records(effect=0.003, n_seeds=2)
    easy = np.random.default_rng(0).permutation(2000)
    outcomes = {
        key: Outcomes.of(easy < round(value * 2000), split_seed=0, fold=key[1]) for key, value in made.items()
    }
    alone, together = (controlled_info(made, outcomes=known).experiments[0] for known in ({}, outcomes))
    assert together.test != alone.test
    some = dict(list(outcomes.items())[1:])
    assert controlled_info(made, outcomes=some).experiments[0].test == alone.test
    key, one = next(iter(outcomes.items()))
    elsewhere = {**outcomes, key: msgspec.structs.replace(one, fold=4)}
    assert controlled_info(made, outcomes=elsewhere).experiments[0].test == alone.test


def test_a_fold_that_judges_twice_counts_its_images_once() -> None:
    rng, images = np.random.default_rng(0), 400
    hard = {fold: rng.random(images) for fold in range(5)}

    def p_value(folds: list[int]) -> float:
        made, outcomes = {}, {}
        for h in EXPERIMENTS["batch_size"]:
            for seed, fold in enumerate(folds):
                right = hard[fold] < (0.80 if h.batch_size == 16 else 0.77)
                made[h, seed] = float(right.mean())
                outcomes[h, seed] = Outcomes.of(right, split_seed=0, fold=fold)
        test = controlled_info(made, outcomes=outcomes).experiments[0].test
        assert test is not None
        return test.p_value

    assert p_value([0, 1, 2, 3, 4]) < p_value([0, 0, 0, 0, 0]) / 100
    assert p_value([0, 0, 0, 0, 0]) > p_value([0, 0]) / 10


def test_unfinished_experiments_say_so() -> None:
    for made in ({}, records(n_seeds=1)):
        for experiment in controlled_info(made).experiments:
            assert experiment.test is None
            assert experiment.sentence.endswith(": too few trainings to tell differences from noise.")
    finished = controlled_info(records())
    assert all("too few" not in experiment.sentence for experiment in finished.experiments)


@pytest.mark.parametrize(
    ("once", "said"),
    [
        ([32], "32, with a single accuracy, is left out."),
        ([32, 256], "32 and 256, with a single accuracy each, are left out."),
    ],
)
def test_a_value_trained_once_does_not_silence_the_others(once: list[int], said: str) -> None:
    made = records(effect=0.006)
    for h in EXPERIMENTS["batch_size"]:
        if h.batch_size in once:
            made = {key: value for key, value in made.items() if key[0] != h or key[1] == 3}
    batch = controlled_info(made).experiments[0]
    assert batch.test is not None
    assert batch.tested == [value for value in batch.values if value not in once]
    rest = [h for h in configurations() if h.batch_size not in once]
    without = controlled_info({key: value for key, value in made.items() if key[0] in rest}).experiments[0]
    assert batch.test == without.test
    assert batch.sentence == f"{without.sentence} {said}"


def test_the_test_uses_the_seeds_that_all_values_share() -> None:
    made = records(effect=0.006)
    complete = controlled_info(made).experiments[0].test
    extra = {**made, (EXPERIMENTS["batch_size"][4], 99): 0.99}
    assert controlled_info(extra).experiments[0].test == complete


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("CIFAR-10 airplane/ship", True),
        ("cifar_2class_py2.p", True),
        ("CIFAR-10 cat/ship", False),
        ("relationships.csv", False),
        ("synthetic images", False),
    ],
)
def test_the_reports_data_are_known_by_their_names(name, expected) -> None:
    assert are_the_reports(name) is expected


def test_the_figure_shows_means_seeds_and_the_reports_points() -> None:
    figure = controlled_figure(controlled_info(records(), protocol="report", reported=REPORTED_EFFECTS))
    data = json.loads(figure.to_json())["data"]
    crosses = [(t["x"], t["y"]) for t in data if t.get("marker", {}).get("symbol") == "x"]
    assert crosses == [([16], [83.0]), ([0.005], [83.6]), ([128], [81.5])]
    seeds = [t for t in data if t.get("name") == "single seed"]
    assert [len(t["y"]) for t in seeds] == [25, 25, 25]
    assert figure.layout.yaxis.title.text == "Test accuracy, best epoch (%)"
    assert "report protocol" in figure.layout.title.text
    holdout = controlled_figure(controlled_info(records()))  # of other data: the report says nothing of them
    assert "x" not in [t.marker.symbol for t in holdout.data]
    assert holdout.layout.yaxis.title.text == "Validation accuracy (%)"


def test_the_figure_of_unfinished_experiments_can_be_drawn() -> None:
    controlled_figure(controlled_info({}))
    text = controlled_figure(controlled_info(records(n_seeds=1))).to_json()
    assert "NaN" not in text


def run(shift: float, n: int = 3, validation: bool = True) -> list[EpochMetrics]:
    return [
        EpochMetrics(
            epoch=i,
            objective=1.0,
            train_loss=0.6 - 0.1 * i,
            train_accuracy=0.7 + 0.05 * i + shift,
            validation_loss=0.6 if validation else float("nan"),
            validation_accuracy=0.75 + shift if validation else float("nan"),
            seconds=1.0,
        )
        for i in range(n)
    ]


def test_learning_curves_show_every_seed_thin_and_the_mean_thick() -> None:
    data = json.loads(learning_curves_figure([run(0.0), run(0.02)], judged="test").to_json())["data"]
    accuracy = [t for t in data if t["xaxis"] == "x2"]
    assert [t["line"]["width"] for t in accuracy] == [1, 1, 3, 1, 1, 3]
    assert accuracy[2]["y"] == [71.0, 76.0, 81.0]
    assert [t["name"] for t in data if t.get("showlegend")] == ["training", "test"]


def test_learning_curves_of_one_run_without_validation() -> None:
    data = json.loads(learning_curves_figure([run(0.0, validation=False)]).to_json())["data"]
    assert [t["name"] for t in data] == ["training", "training"]
    assert data[0]["y"] == [0.6, 0.5, 0.4]
    assert data[0]["line"]["width"] == 2
    assert not json.loads(learning_curves_figure([]).to_json())["data"]


def test_runs_are_paired_by_their_seed_and_not_by_their_place():
    bad = {0: 0.70, 9: 0.95}  # seeds that the other level does not share
    records = {}
    for h in EXPERIMENTS["batch_size"]:
        shared = {seed: 0.8 + 0.01 * seed for seed in (1, 2, 3)}
        own = {**shared, **({0: bad[0]} if h.batch_size == 16 else {9: bad[9]})}
        records |= {(h, seed): value for seed, value in own.items()}
    test = next(e for e in controlled_info(records).experiments if e.factor == "batch_size").test
    assert test.largest_difference == pytest.approx(0.0)
    assert not test.real


def test_the_figure_shows_no_accuracy_beyond_all_and_words_that_have_room() -> None:
    made = {key: 0.97 + 0.02 * (key[1] % 2) for key in records(n_seeds=2)}
    made |= {(h, seed): 0.06 - 0.05 * seed for h, seed in made if h.learning_rate == 0.1}
    info = controlled_info(made)
    assert any(level.high > 1 for level in info.experiments[1].levels)
    assert any(level.low < 0 for level in info.experiments[1].levels)
    figure = controlled_figure(info)
    assert all(0 <= y <= 100 for trace in figure.data for y in trace.y)
    for axis in (figure.layout.xaxis, figure.layout.xaxis2, figure.layout.xaxis3):
        said = [math.log10(v) for v, words in zip(axis.tickvals, axis.ticktext, strict=True) if words]
        width = axis.range[1] - axis.range[0]
        assert axis.tickangle == 0
        assert len(axis.tickvals) == 5
        assert min(b - a for a, b in pairwise(said)) > 0.2 * width  # a panel of 200 pixels
