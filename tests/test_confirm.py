"""The confirmation: fresh paired seeds, every verdict where it belongs and nowhere else, nothing lost."""

import contextlib
import io
import json
import sqlite3

import numpy as np
import optuna
import pytest
from conftest import write_images
from rich.console import Console
from scripted import Scripted, noisy

from fcnet.data import load
from fcnet.errors import UserError
from fcnet.hyperparameters import Hyperparameters
from studies.analysis.scores import (
    flattery_sentence,
    noise_of,
    noise_sentence,
)
from studies.execution.local import InProcess
from studies.execution.objective import training_seed
from studies.experiments.confirm import choose, confirm, confirmation_seeds, runs_name
from studies.experiments.results import check_kept, require_winner, summarise
from studies.experiments.search import Plan, search
from studies.storage.database import connect, load_study
from studies.views.evidence import print_confirmation

BASELINE = Hyperparameters()
KINDS = ("beats", " tie ", "Not enough seeds", "cannot tell")


class World:
    """A searched study whose trials score 0.80 (the baseline), 0.81, 0.82, ... by their number."""

    def __init__(self, folder, images):
        self.url, self.dataset = f"sqlite:///{folder}/sweep.db", load(str(images))
        if not (folder / "sweep.db").exists():
            options = {"trials": 5, "epochs": 2, "sampler": "random", "pruner": "none"}
            numbers = iter(range(5))
            backend = Scripted(lambda job: 0.80 + 0.01 * next(numbers))
            search(
                Plan(self.url, "sweep", data=str(images), **options), backend, say=print, show=lambda _: None
            )
        self.numbers = {Hyperparameters(**t.params): t.number for t in self.study.get_trials()}

    @property
    def study(self):
        return load_study(connect(self.url, create=False), "sweep")

    @property
    def runs(self):
        return load_study(connect(self.url, create=False), runs_name("sweep")).get_trials()

    def confirm(self, quality, *, spread=0.001, top=2, n_seeds=4, **options):
        backend = Scripted(noisy(lambda h: quality[self.numbers[h]], spread=spread), **options)
        found = confirm(
            self.study,
            self.dataset,
            connect(self.url, create=False),
            backend,
            top=top,
            n_seeds=n_seeds,
        )
        return found, backend


@pytest.fixture
def world(tmp_path, tmp_path_factory):
    """A copy of a study that is searched once."""
    template = tmp_path_factory.getbasetemp() / "searched"
    if not template.exists():
        template.mkdir()
        World(template, write_images(template / "images.npz"))
    with (
        contextlib.closing(sqlite3.connect(template / "sweep.db")) as source,
        contextlib.closing(sqlite3.connect(tmp_path / "sweep.db")) as target,
    ):
        source.backup(target)
    return World(tmp_path, template / "images.npz")


def printed(study):
    out = io.StringIO()
    print_confirmation(Console(file=out, width=200, highlight=False, soft_wrap=True), summarise(study))
    return out.getvalue()


def test_every_candidate_has_the_same_fresh_seeds_and_splits(world):
    found, backend = world.confirm({4: 0.84, 3: 0.84, 0: 0.84}, n_seeds=3)
    assert [c["trial"] for c in found["candidates"]] == [4, 3, 0]
    assert [c["baseline"] for c in found["candidates"]] == [False, False, True]
    assert found["seeds"] == confirmation_seeds(3)
    assert not set(found["seeds"]) & {training_seed(0, n) for n in range(1000)}
    by_seed = {}
    for job in backend.jobs:
        by_seed.setdefault(job.seed, set()).add((job.hyperparameters, job.split.name))
    for seed, trained in by_seed.items():
        assert len(trained) == 3
        assert {name for _, name in trained} == {f"{world.dataset.fingerprint}-holdout-{seed}-v1"}
    for trial in world.runs:
        assert trial.user_attrs["split_seed"] == trial.user_attrs["seed"]
        assert trial.user_attrs["origin"] == world.numbers[Hyperparameters(**trial.params)]
    for candidate in found["candidates"]:
        assert candidate["mean"] == pytest.approx(np.mean(candidate["values"]))
        assert candidate["std"] == pytest.approx(np.std(candidate["values"], ddof=1))
    assert json.loads(json.dumps(world.study.user_attrs["confirmation"])) == found
    check_kept(world.study)


def test_more_seeds_go_on_where_fewer_ended():
    assert confirmation_seeds(8)[:3] == confirmation_seeds(3)
    assert len(set(confirmation_seeds(200))) == 200


def test_candidates_are_distinct_configurations_and_the_baseline(world):
    study = world.study
    best = study.get_trials()[4]
    study.add_trial(
        optuna.trial.create_trial(params=best.params, distributions=best.distributions, value=0.845)
    )
    assert [t.number for t in choose(study.get_trials(), 2)] == [5, 3, 0]
    assert [t.number for t in choose(study.get_trials(), 9)] == [5, 3, 2, 1, 0]


@pytest.mark.parametrize(
    ("quality", "spread", "n_seeds", "words", "sentence"),
    [
        (
            {4: 0.86, 3: 0.82, 0: 0.81},
            0.001,
            4,
            "beats",
            "trial 4 beats trial 3 and every other candidate (p =",
        ),
        ({4: 0.84, 3: 0.84, 0: 0.84}, 0.001, 5, " tie ", "tie within 0.8 points: any is fine"),
        ({4: 0.85, 3: 0.83, 0: 0.82}, 0.007, 2, "Not enough seeds", "more would tell"),
        ({4: 0.84, 3: 0.84, 0: 0.84}, 0.02, 5, "cannot tell", "however many seeds"),
    ],
    ids=["beats", "tie", "more seeds", "never"],
)
def test_each_verdict_where_it_belongs(world, quality, spread, n_seeds, words, sentence):
    found, _ = world.confirm(quality, spread=spread, n_seeds=n_seeds, seconds=lambda job: 2.0)
    assert sentence in found["sentence"]
    assert [kind for kind in KINDS if kind in found["sentence"]] == [words]
    text = printed(world.study)
    assert found["sentence"] in text
    assert ("To go on: python sweep.py confirm --seeds" in text) == (words == "Not enough seeds")
    assert (found["p_value"] <= 0.05) == (words == "beats")


def test_a_tie_names_the_cheapest(world):
    cost = {4: 9.0, 3: 1.0, 0: 5.0}
    found, _ = world.confirm(
        {4: 0.84, 3: 0.84, 0: 0.84}, n_seeds=5, seconds=lambda job: cost[world.numbers[job.hyperparameters]]
    )
    assert "the cheapest one is trial 3" in found["sentence"]
    assert found["cheapest"] == 3
    assert [c["seconds"] for c in found["candidates"]] == pytest.approx([9.0, 1.0, 5.0])


def test_hopeless_candidates_get_no_further_seeds(world):
    found, _ = world.confirm({4: 0.88, 3: 0.88, 2: 0.60, 1: 0.60, 0: 0.60}, top=4, n_seeds=6)
    spent = {c["trial"]: c["n"] for c in found["candidates"]}
    assert spent[4] == spent[3] == 6
    assert all(spent[n] < 6 for n in (2, 1, 0))
    assert found["winner"] in (4, 3)
    assert len(world.runs) == sum(spent.values())


def test_the_search_score_of_a_lucky_trial_does_not_win(world):
    found, _ = world.confirm({4: 0.80, 3: 0.86, 0: 0.80})
    assert found["winner"] == 3
    winner, ground = require_winner(world.study)
    assert winner.number == 3
    assert ground.startswith("Trial 3 is the confirmed winner. ")
    assert "not confirmed" not in ground


def test_without_a_confirmation_the_best_is_said_to_be_unconfirmed(world):
    winner, ground = require_winner(world.study)
    assert winner.number == 4
    assert "it was not confirmed: python sweep.py confirm" in ground


def test_a_better_trial_since_the_confirmation_is_named(world):
    world.confirm({4: 0.86, 3: 0.82, 0: 0.81})
    study = world.study
    params = {**study.get_trials()[1].params, "hidden_units": 300}
    distributions = study.get_trials()[1].distributions
    study.add_trial(optuna.trial.create_trial(params=params, distributions=distributions, value=0.99))
    winner, ground = require_winner(study)
    assert winner.number == 4
    assert "Trial 5 scored better since; it was not confirmed." in ground


def test_more_seeds_add_to_what_is_there_and_count_as_another_look(world):
    quality = {4: 0.845, 3: 0.84, 0: 0.84}
    first, _ = world.confirm(quality, spread=0.004, n_seeds=2)
    before = world.runs
    again, backend = world.confirm(quality, spread=0.004, n_seeds=2)
    assert not backend.jobs
    assert again["candidates"] == first["candidates"]
    assert again["looks"] == first["looks"] == [2]
    more, backend = world.confirm(quality, spread=0.004, n_seeds=4)
    assert len(backend.jobs) == 6
    assert world.runs[: len(before)] == before
    assert more["looks"] == [2, 4]
    for now, then in zip(more["candidates"], first["candidates"], strict=True):
        assert now["values"][:2] == then["values"]


def test_an_interrupted_run_is_taken_up_with_its_split(world):
    quality = {4: 0.84, 3: 0.84, 0: 0.84}
    world.confirm(quality, n_seeds=2)
    runs = load_study(connect(world.url, create=False), runs_name("sweep"))
    third = confirmation_seeds(3)[2]
    attrs = {"seed": third, "split_seed": third, "origin": 4}
    runs.enqueue_trial(world.study.get_trials()[4].params, user_attrs=attrs)
    runs.ask()  # and here its process was killed
    found, _ = world.confirm(quality, n_seeds=3)
    states = [t.state.name for t in world.runs]
    assert states.count("COMPLETE") == 9
    assert states.count("FAIL") == 1
    (retried,) = [t for t in world.runs if "retry_of" in t.user_attrs]
    assert attrs.items() <= retried.user_attrs.items()
    assert [c["n"] for c in found["candidates"]] == [3, 3, 3]


def test_a_candidate_that_diverges_cannot_win(world):
    quality = {4: 0.86, 3: 0.84, 0: 0.82}
    steady = noisy(lambda h: quality[world.numbers[h]], spread=0.001)
    storage = connect(world.url, create=False)

    def accuracy(job):
        return None if world.numbers[job.hyperparameters] == 4 else steady(job)

    found = confirm(world.study, world.dataset, storage, Scripted(accuracy), top=2, n_seeds=3)
    assert found["winner"] == 3
    assert found["candidates"][0]["values"] == []
    assert "diverged" in printed(world.study)


def test_candidates_that_all_diverge_are_told(world):
    storage = connect(world.url, create=False)
    with pytest.raises(UserError, match="no candidate could be trained on every seed without diverging"):
        confirm(world.study, world.dataset, storage, Scripted(lambda _: None), n_seeds=2)
    assert "confirmation" not in world.study.user_attrs


def test_a_study_of_confirmation_runs_is_not_confirmed_itself(world):
    world.confirm({4: 0.84, 3: 0.84, 0: 0.84}, n_seeds=2)
    storage = connect(world.url, create=False)
    runs = load_study(storage, runs_name("sweep"))
    with pytest.raises(UserError, match="confirmation runs itself: name the searched one, --study sweep"):
        confirm(runs, world.dataset, storage, InProcess())


def test_flattery_is_said_both_ways(world):
    world.confirm({4: 0.82, 3: 0.79, 0: 0.78})
    scores = summarise(world.study)["scores"]
    assert scores["flattery"] == pytest.approx(0.02, abs=0.002)
    assert "The search score flatters trial 4 by" in flattery_sentence(scores)
    assert "higher than the search did" in flattery_sentence({**scores, "flattery": -0.01})
    assert "flatters" not in flattery_sentence({**scores, "flattery": -0.01})
    assert flattery_sentence({**scores, "flattery": None}) is None


def test_noise_is_measured_never_assumed(world):
    assert summarise(world.study)["noise"] is None
    assert "has not been measured" in noise_sentence(None)
    found, _ = world.confirm({4: 0.84, 3: 0.84, 0: 0.84}, spread=0.004, n_seeds=6)
    noise = summarise(world.study)["noise"]
    assert noise == found["noise"]
    assert 0.002 < noise < 0.007
    assert f"varies by {100 * noise:.2f} points" in noise_sentence(noise)
    assert "has not been measured" not in noise_sentence(noise)


def test_repeats_within_a_sweep_measure_noise_too(world):
    study = world.study
    first = study.get_trials()[0]
    assert noise_of(study.get_trials()) is None
    study.add_trial(
        optuna.trial.create_trial(params=first.params, distributions=first.distributions, value=0.82)
    )
    assert noise_of(study.get_trials()) == pytest.approx(0.02 / 2**0.5)


def test_the_commands_confirm_best_and_train_agree(sweep, images):
    sweep("--trials", 3, "--data", images, "--epochs", 2, "--workers", 1, "--pruner", "none")
    out = sweep("confirm", "--top", 2, "--seeds", 2, "--workers", 2, "--format", "json")
    found = json.loads(out.stdout)
    assert {"candidates", "verdict", "p_value", "seeds", "sentence", "winner", "noise"} <= found.keys()
    assert {"trial", "params", "values", "mean", "std"} <= found["candidates"][0].keys()
    final = sweep("train", "--seeds", 2, "--workers", 2, "--format", "json")
    trained = json.loads(final.stdout)
    assert trained["trial"] == found["winner"]
    assert "confirmed" in final.stderr.splitlines()[0]
    scores = json.loads(sweep("best", "--format", "json").stdout)["scores"]
    assert scores == trained["scores"]
    assert scores["test"]["mean"] == pytest.approx(trained["test_accuracy"]["mean"])
    for kind in ("search", "confirmed", "test"):
        assert (
            scores[kind]["low"] < scores[kind]["mean"] < scores[kind]["high"] or scores[kind]["mean"] == 1.0
        )
    refused = sweep("confirm", "--seeds", 1, check=False)
    assert refused.returncode == 2
    assert "give at least 2" in refused.stderr
