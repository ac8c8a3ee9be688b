"""Samplers and pruners by name: every choice, the values they start from, and a name that is none."""

import subprocess
import sys

import optuna
import pytest
from conftest import ROOT

from fcnet.errors import UsageError, UserError
from studies.api import Plan, search
from studies.choices import PRUNERS, SAMPLERS
from studies.commands.run import Options
from studies.ranges import fixed, narrowed
from studies.samplers import make_pruner, make_sampler
from studies.space import DEFAULT_SPACE, around, grid, suggest

KINDS = {
    "tpe": optuna.samplers.TPESampler,
    "random": optuna.samplers.RandomSampler,
    "qmc": optuna.samplers.QMCSampler,
    "grid": optuna.samplers.GridSampler,
    "cmaes": optuna.samplers.CmaEsSampler,
}


def sampler(name, *, seed=0, n_trials=0):
    return make_sampler(name, seed=seed, n_trials=n_trials, space=DEFAULT_SPACE)


def test_samplers_by_name(monkeypatch):
    assert {*KINDS, "gp"} == set(SAMPLERS)
    for name, kind in KINDS.items():
        assert isinstance(sampler(name).sampler, kind)
        study = optuna.create_study(sampler=sampler(name))
        assert 2 <= suggest(study.ask(), DEFAULT_SPACE).n_layers <= 4
    monkeypatch.setattr("studies.samplers.find_spec", lambda _: None)
    for name in ("gp", "cmaes"):
        with pytest.raises(UserError, match=rf'--sampler {name} .*pip install "fcnet-sweep\[{name}\]"'):
            sampler(name)


@pytest.mark.parametrize("name", ["tpe", "random", "qmc"])
def test_what_is_proposed_follows_from_the_seed_and_where_it_goes_on(name):
    def first(**options):
        study = optuna.create_study(sampler=sampler(name, **options))
        return [study.ask().suggest_float("momentum", 0, 0.98) for _ in range(3)]

    assert first() == first()
    assert first(seed=1) != first()
    # A sequence has its place in the study; the others would propose the same again.
    assert (first(n_trials=5) == first()) == (name == "qmc")


@pytest.mark.parametrize("name", ["tpe", "random", "qmc", "cmaes"])
def test_what_is_fixed_is_proposed_however_wide_its_distribution_is(name):
    fixed_ones = {"momentum": 0.5, "whitening": 0.3, "components": 64, "schedule": "constant"}
    space = narrowed(fixed([f"{key}={value}" for key, value in fixed_ones.items()]))
    made = make_sampler(name, seed=0, n_trials=0, space=space)
    study = optuna.create_study(sampler=made)
    for number in range(14):  # TPE draws at random before
        trial = study.ask()
        suggest(trial, around(space, 3072))
        assert fixed_ones.items() <= trial.params.items()
        study.tell(trial, 0.5 + 0.01 * number)


def test_a_grid_holds_what_is_fixed():
    space = narrowed(fixed(["batch_size=8", "weight_decay=0.001"]))
    assert (grid(space)["batch_size"], grid(space)["weight_decay"]) == ([8], [0.001])


def test_pruners_by_name():
    median = make_pruner("median", epochs=20)
    assert isinstance(median, optuna.pruners.MedianPruner)
    assert (median._n_startup_trials, median._n_warmup_steps) == (10, 2)
    hyperband = make_pruner("hyperband", epochs=20)
    assert isinstance(hyperband, optuna.pruners.HyperbandPruner)
    assert (hyperband._min_resource, hyperband._max_resource) == (2, 20)
    assert isinstance(make_pruner("none", epochs=20), optuna.pruners.NopPruner)
    for name in PRUNERS:
        make_pruner(name, epochs=1)


def test_hyperband_has_its_brackets_once_where_threads_ask_it_at_the_same_time():
    pruner = make_pruner("hyperband", epochs=20)
    study = optuna.create_study(pruner=pruner)
    first, second = study.ask(), study.ask()
    budget = pruner._calculate_trial_allocation_budget

    def ask_in_between(bracket):
        pruner._calculate_trial_allocation_budget = budget
        second.should_prune()
        return budget(bracket)

    pruner._calculate_trial_allocation_budget = ask_in_between
    first.should_prune()
    assert len(pruner._pruners) == pruner._n_brackets == 3


def test_an_unknown_name_is_told_with_the_choices():
    with pytest.raises(
        UsageError, match=r"no sampler 'magic': choose from tpe, random, qmc, grid, gp, cmaes$"
    ):
        sampler("magic")
    with pytest.raises(UsageError, match=r"no pruner 'Median': choose from median, hyperband, none$"):
        make_pruner("Median", epochs=20)


@pytest.mark.parametrize("changes", [{"sampler": "magic"}, {"pruner": "magic"}])
def test_a_search_by_an_unknown_name_ends_before_anything_is_made(tmp_path, changes):
    with pytest.raises(UsageError, match="magic"):
        search(Plan(url=f"sqlite:///{tmp_path}/a.db", study="a", trials=1, data="absent.npz", **changes))
    assert not list(tmp_path.iterdir())


def test_the_command_offers_every_choice_and_its_help_needs_no_optuna():
    offered = {name: field.metadata.get("choices") for name, field in Options.__dataclass_fields__.items()}
    assert (offered["sampler"], offered["pruner"]) == (SAMPLERS, PRUNERS)
    program = "import sys, studies.commands.run; print('optuna' in sys.modules, 'numpy' in sys.modules)"
    out = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert out.stdout == "False False\n"
