"""The search space: what it offers to a sampler, what a user makes of it, where the baseline stands."""

from dataclasses import asdict, replace

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, IntDistribution

from fcnet.errors import UsageError
from fcnet.hyperparameters import Hyperparameters
from studies.ranges import contains, describe, fitting, narrowed, ranges, within
from studies.samplers import make_sampler
from studies.space import (
    BASELINE,
    DEFAULT_SPACE,
    around,
    axes,
    baseline,
    fitted,
    is_baseline,
    narrow,
    numbers,
    suggest,
)

IMAGES = fitted(DEFAULT_SPACE, 3072, image_shape=(3, 32, 32))


def asked(space, n_features=3072, *, sampler="tpe", n=25):
    """Let a sampler propose n configurations, the baseline before."""
    study = optuna.create_study(sampler=make_sampler(sampler, seed=0, n_trials=0, space=space))
    first = baseline(space, n_features)
    study.enqueue_trial(asdict(first))
    found = []
    for i in range(n):
        trial = study.ask()
        found.append(suggest(trial, around(space, n_features)))
        study.tell(trial, 0.5 + 0.01 * i)
    return found, study.trials


@pytest.mark.parametrize("sampler", ["tpe", "random", "qmc", "cmaes", "grid"])
def test_the_baseline_is_trained_and_everything_else_lies_within_the_space(sampler):
    space = narrowed(["components=64:128", "whitening=0.3:0.9", "schedule=constant,cosine"])
    found, trials = asked(space, sampler=sampler, n=12 if sampler == "grid" else 25)
    assert found[0] == replace(BASELINE, components=3072)
    assert is_baseline(trials[0])
    assert not any(is_baseline(trial) for trial in trials[1:])
    for h in found[1:]:
        assert 64 <= h.components <= 128
        assert 0.3 <= h.whitening <= 0.9
        assert h.mirror is True
    assert {h.schedule for h in found[1:]} == {"constant", "cosine"}
    # One set of distributions: Optuna and the dashboard compare all trials in every hyperparameter.
    assert all(trial.distributions == trials[0].distributions for trial in trials)


def test_tpe_learns_the_inputs_too():
    """What the sampler proposes as a whole holds them, though the baseline lies outside."""
    sampler = make_sampler("tpe", seed=0, n_trials=0, space=IMAGES)
    joint = sampler.infer_relative_search_space(None, None)
    assert set(joint) == set(IMAGES) - {"mirror", "schedule"}
    assert joint["components"] == IntDistribution(32, 1024, log=True)


def test_a_space_is_fitted_to_the_rows():
    few = fitted(DEFAULT_SPACE, 64, image_shape=(1, 8, 8))
    assert few["components"] == IntDistribution(16, 64, log=True)
    assert few["mirror"].choices == (False, True)  # who knows whether a mirrored digit is one
    assert few["batch_size"] == DEFAULT_SPACE["batch_size"]
    own = fitted(narrowed(["components=32:999", "mirror=True"]), 64, image_shape=(1, 8, 8))
    assert own["components"] == IntDistribution(32, 64, log=True)
    assert own["mirror"].choices == (True,)
    assert fitted(DEFAULT_SPACE, 64, image_shape=None)["mirror"].choices == (False,)
    assert fitted(narrowed(["mirror=False"]), 64, image_shape=None)["mirror"].choices == (False,)
    for asked in ("mirror=True", "mirror=False,True"):
        said = f"^--range {asked}: the data are no images; write --range mirror=False$"
        with pytest.raises(UsageError, match=said):
            fitted(narrowed([asked]), 64, image_shape=None)


def test_a_space_for_few_rows_has_small_batches_and_holds_the_baseline():
    few = fitted(DEFAULT_SPACE, 4, image_shape=None, n_rows=48)
    assert few["batch_size"] == IntDistribution(4, 16, log=True)
    assert few["components"] == IntDistribution(1, 4, log=True)
    assert baseline(few, 4) == replace(BASELINE, components=4)
    wide = fitted(DEFAULT_SPACE, 200, image_shape=None, n_rows=48)  # no more axes than rows
    assert wide["components"] == IntDistribution(32, 38, log=True)
    assert fitted(narrowed(["batch_size=8:64"]), 4, image_shape=None, n_rows=48)["batch_size"].high == 64
    assert fitting(DEFAULT_SPACE, few, 48, 4) == (
        "Ranges fitted to 48 rows of 4 values: batch_size 4..16 (log), components 1..4 (log)."
    )
    assert fitting(DEFAULT_SPACE, IMAGES, 10_000, 3072) is None
    tried = fitted(DEFAULT_SPACE, 784, image_shape=(1, 28, 28))
    assert fitting(DEFAULT_SPACE, tried, 10_000, 784).endswith("--range mirror=False leaves these out.")


def test_ranges_choices_and_single_values_are_read():
    space = narrowed(["mirror=False,True", "schedule=constant", "components=128", "whitening=0.5"])
    assert space["mirror"] == CategoricalDistribution((False, True))
    assert space["schedule"] == CategoricalDistribution(("constant",))
    assert space["components"] == IntDistribution(128, 128, log=True)
    words = describe(space)
    assert words["mirror"] == "False, True"
    given = ranges(words)
    assert given == {
        "mirror": "False,True",
        "schedule": "constant",
        "components": "128:128",
        "whitening": "0.5:0.5",
    }
    assert narrowed([f"{name}={text}" for name, text in given.items()]) == space
    with pytest.raises(
        UsageError,
        match=r"--range mirror=yes names no choice of mirror: write mirror=False,True or one of them$",
    ):
        narrowed(["mirror=yes"])


def test_a_space_holds_another_by_its_words():
    wide, small = describe(narrowed(["mirror=False,True"])), describe(narrowed(["whitening=0.2:0.5"]))
    assert contains(wide, small)
    assert not contains(small, wide)
    assert not contains(describe(narrowed(["schedule=constant"])), small)
    assert not contains({"a": "1..2"}, {"a": "x..y"})


def test_a_narrowed_six_without_the_baseline_has_none():
    assert baseline(narrowed(["n_layers=2:2"]), 3072) is None
    assert baseline(narrowed(["components=32:64"]), 3072) == replace(BASELINE, components=3072)
    six = {name: d for name, d in DEFAULT_SPACE.items() if name not in ("components", "whitening")}
    assert baseline(six, 3072) == BASELINE


def test_fixed_configurations_name_inputs_only_where_they_have_some():
    assert set(narrow([BASELINE])) == {
        "batch_size",
        "learning_rate",
        "hidden_units",
        "momentum",
        "weight_decay",
        "n_layers",
    }
    h = Hyperparameters(components=99, mirror=True)
    space = narrow([h])
    assert space["components"] == IntDistribution(99, 99, log=True)
    assert space["mirror"].choices == (True,)
    study = optuna.create_study()
    study.enqueue_trial({name: v for name, v in asdict(h).items() if v is not None})
    assert suggest(study.ask(), space) == h


def test_choices_count_as_numbers_and_searched_ranges_are_those_of_the_words():
    assert numbers({"mirror": True, "schedule": "constant", "whitening": 0.5}) == {
        "mirror": 1.0,
        "schedule": 0.0,
        "whitening": 0.5,
    }
    searched = within(around(IMAGES, 3072), describe(IMAGES))
    assert searched["components"] == IntDistribution(32, 1024, log=True)
    assert set(axes(searched)) == set(IMAGES) - {"mirror", "schedule"}


def test_what_a_sweep_tries_where_nothing_is_said():
    assert describe(DEFAULT_SPACE) == {
        "batch_size": "16..256 (log)",
        "learning_rate": "0.0003..0.1 (log)",
        "hidden_units": "32..512 (log)",
        "momentum": "0..0.98",
        "weight_decay": "1e-06..0.1 (log)",
        "n_layers": "2..4",
        "components": "32..1024 (log)",
        "whitening": "0..1",
        "mirror": "True",
        "schedule": "cosine",
    }
