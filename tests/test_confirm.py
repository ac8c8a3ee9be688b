"""The confirmation: fresh paired seeds, every verdict where it belongs, nothing lost."""

import contextlib
import json
import re
import sqlite3

import msgspec
import numpy as np
import optuna
import pytest
from optuna.distributions import FloatDistribution, IntDistribution
from scripted import Scripted, ScriptedEpochs, noisy
from searched import printed

from fcnet.data import Split, shared_split
from fcnet.data.holdout import holdout_rows
from fcnet.errors import Diverged, UserError
from fcnet.hyperparameters import Hyperparameters
from studies.api import confirm, search
from studies.execution.local import InProcess
from studies.execution.objective import training_seed
from studies.experiments.choosing import choose
from studies.experiments.confirm import confirmation_seeds, runs_name
from studies.experiments.plan import Plan
from studies.experiments.results import summarise, winner_of
from studies.experiments.train import final_seeds
from studies.record import CONFIRMATION, attributes, read, trained, write
from studies.storage.database import connect
from studies.storage.study import load_study
from studies.views.page.stages import stages
from studies.views.sentences import headline
from studies.views.words import roughly

KINDS = (" beats trial 3 ", " tie ", "Not enough trainings", "cannot tell")


def test_every_candidate_has_the_same_fresh_seeds_and_folds(world):
    found, backend = world.confirm({4: 0.84, 3: 0.84, 0: 0.84}, n_seeds=7)
    assert [c.trial for c in found.candidates] == [4, 3, 0]
    assert [c.baseline for c in found.candidates] == [False, False, True]
    assert found.seeds == confirmation_seeds(7)
    assert not set(found.seeds) & {training_seed(0, n) for n in range(1000)}
    by_seed = {}
    for job in backend.jobs:
        by_seed.setdefault(job.seed, set()).add((job.hyperparameters, job.split.name))
    first, second = found.seeds[0], found.seeds[5]
    parts = [f"{first}", *(f"{first}.{fold}" for fold in (1, 2, 3, 4)), f"{second}", f"{second}.1"]
    for seed, part in zip(found.seeds, parts, strict=True):
        assert len(by_seed[seed]) == 3
        splits = {name.rpartition("-v")[0].rpartition("-")[0] for _, name in by_seed[seed]}
        assert splits == {f"{world.dataset.fingerprint}-holdout-{part}"}
    for trial in world.runs:
        n = found.seeds.index(trial.user_attrs["seed"])
        kept = trained(trial).outcomes
        assert (kept.split_seed, kept.fold, kept.images) == (found.seeds[n - n % 5], n % 5, 2000)
        assert kept.mask().mean() == pytest.approx(trial.value, abs=5e-4)
        assert trial.user_attrs["origin"] == world.numbers[Hyperparameters(**trial.params)]
    for candidate in found.candidates:
        assert candidate.mean == pytest.approx(np.mean(candidate.values))
        assert candidate.std == pytest.approx(np.std(candidate.values, ddof=1))
    assert read(world.study).confirmation == found


def test_the_number_of_trainings_to_come_falls_by_those_who_leave_and_never_rises(world):
    quality, totals = {4: 0.84, 3: 0.84, 0: 0.70}, []
    backend = Scripted(noisy(lambda h: quality[world.numbers[h]], spread=0.001))
    confirm(world.study, top=2, n_seeds=4, backend=backend, show=lambda p: totals.append(p.total))
    assert totals[0] == 12
    assert totals == sorted(totals, reverse=True)
    assert totals[-1] == len(world.runs) < 12


def test_the_folds_of_a_partition_judge_every_image_once(world):
    world.confirm({4: 0.84, 3: 0.84, 0: 0.84}, n_seeds=5)
    seed = confirmation_seeds(1)[0]
    judged = [holdout_rows(world.dataset.labels, seed=seed, fold=fold) for fold in range(5)]
    assert (np.sum(judged, axis=0) == 1).all()
    for fold in range(5):
        split = Split.open(shared_split(world.dataset, seed=seed, fold=fold))
        np.testing.assert_array_equal(split.validation.labels, world.dataset.labels[judged[fold]])
        assert np.bincount(split.validation.labels).tolist() == [1000, 1000]


def test_a_training_of_a_version_that_kept_no_outcomes_is_trained_again(world):
    quality = {4: 0.84, 3: 0.84, 0: 0.84}
    world.confirm(quality, n_seeds=2)
    old = world.runs[1]
    record = json.dumps({**old.system_attrs["record"], "outcomes": None})
    with contextlib.closing(sqlite3.connect(world.url.removeprefix("sqlite:///"))) as database, database:
        where = "trial_id = ? AND key = 'record'"
        database.execute(
            f"UPDATE trial_system_attributes SET value_json = ? WHERE {where}", (record, old._trial_id)
        )
    found, backend = world.confirm(quality, n_seeds=2)
    assert [(job.seed, job.hyperparameters) for job in backend.jobs] == [
        (old.user_attrs["seed"], Hyperparameters(**old.params))
    ]
    assert [c.n for c in found.candidates] == [2, 2, 2]


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


def test_a_training_that_broke_among_good_ones_is_no_candidate():
    space = {"learning_rate": FloatDistribution(1e-3, 1e-1, log=True), "momentum": FloatDistribution(0, 0.98)}
    rest = {"batch_size": IntDistribution(32, 32), "hidden_units": IntDistribution(100, 100)}
    study, rng = optuna.create_study(direction="maximize"), np.random.default_rng(0)

    def add(rate, momentum, value):
        params = {"learning_rate": rate, "momentum": momentum, "batch_size": 32, "hidden_units": 100}
        study.add_trial(
            optuna.trial.create_trial(params=params, distributions={**space, **rest}, value=value)
        )

    for _ in range(40):
        momentum = rng.uniform(0.0, 0.98)
        add(10 ** rng.uniform(-3, -1), momentum, 0.8 + 0.05 * momentum + 0.002 * rng.standard_normal())
    add(0.01, 0.97, 0.5)  # the fit leaves it out, and promises much there
    assert min(t.value for t in choose(study.get_trials(), 5)) > 0.83


@pytest.mark.parametrize(
    ("quality", "spread", "n_seeds", "words", "sentence"),
    [
        (
            {4: 0.86, 3: 0.82, 0: 0.81},
            0.001,
            4,
            " beats trial 3 ",
            "Trial 4 beats trial 3 and every other candidate (p =",
        ),
        ({4: 0.84, 3: 0.84, 0: 0.84}, 0.001, 5, " tie ", "tie within 0.8 points: any is fine"),
        ({4: 0.85, 3: 0.84, 0: 0.83}, 0.005, 2, "Not enough trainings", "more of each would tell"),
    ],
    ids=["beats", "tie", "more seeds"],
)
def test_each_verdict_where_it_belongs(world, quality, spread, n_seeds, words, sentence):
    found, _ = world.confirm(quality, spread=spread, n_seeds=n_seeds, seconds=lambda job: 2.0)
    assert sentence in found.sentence
    assert [kind for kind in KINDS if kind in found.sentence] == [words]
    text = printed(world.study)
    assert found.sentence in text
    further = found.more_seeds or 0
    more = f"To go on: python sweep.py confirm --seeds {n_seeds + further} --top 2   "
    more += f"{roughly(further * 3 * 2.0)} of training, shared by the workers\n"  # three, of 2 s each
    assert (more in text) == (words == "Not enough trainings")
    assert (found.p_value <= 0.05) == (words == " beats trial 3 ")


def test_a_tie_names_the_cheapest(world):
    cost = {4: 9.0, 3: 1.0, 0: 5.0}
    found, _ = world.confirm(
        {4: 0.84, 3: 0.84, 0: 0.84}, n_seeds=5, seconds=lambda job: cost[world.numbers[job.hyperparameters]]
    )
    assert "the cheapest one is trial 3" in found.sentence
    assert found.cheapest == 3
    assert [c.seconds for c in found.candidates] == pytest.approx([9.0, 1.0, 5.0])


def test_hopeless_candidates_get_no_further_seeds(world):
    found, _ = world.confirm({4: 0.88, 3: 0.88, 2: 0.60, 1: 0.60, 0: 0.60}, top=4, n_seeds=6)
    spent = {c.trial: c.n for c in found.candidates}
    assert spent[4] == spent[3] == 6
    assert all(spent[n] < 6 for n in (2, 1, 0))
    assert found.winner in (4, 3)
    assert len(world.runs) == sum(spent.values())


def test_what_left_early_is_compared_on_the_folds_that_both_have(world):
    easy = dict(zip(confirmation_seeds(5), (0.06, 0.05, 0.0, -0.01, -0.02), strict=True))
    quality = {4: 0.84, 3: 0.838, 0: 0.76}

    def accuracy(job):
        return quality[world.numbers[job.hyperparameters]] + easy[job.seed]

    found = confirm(world.study, top=2, n_seeds=5, backend=Scripted(accuracy))
    assert [c.n for c in found.candidates] == [5, 5, 3]
    assert "on fresh seeds, 8.00 points above the course report's" in headline(summarise(world.study))
    assert "3 configurations, up to 5 fresh trainings each, on" in printed(world.study)
    assert re.search(r"trial 0 \(baseline\) .* 3 of 5 ", printed(world.study))
    notes = {stage.label: stage.note for stage in stages(summarise(world.study)).stages}
    assert notes["Baseline, confirmed"] == "fresh seeds and splits, 3 of 5"
    broken = [msgspec.structs.replace(c, diverged=int(c.baseline)) for c in found.candidates]
    write(world.study, CONFIRMATION, msgspec.structs.replace(found, candidates=broken))
    assert headline(summarise(world.study)).endswith("on fresh seeds.")


def test_the_winner_stands_first_though_who_left_on_easy_folds_has_a_higher_mean(world):
    found, _ = world.confirm({4: 0.84, 3: 0.84, 0: 0.84}, n_seeds=3)
    means = {4: (0.99, 2), 3: (0.85, 3), 0: (0.85, 3)}
    changed = [
        msgspec.structs.replace(c, mean=means[c.trial][0], n=means[c.trial][1]) for c in found.candidates
    ]
    write(world.study, CONFIRMATION, msgspec.structs.replace(found, candidates=changed, winner=0))
    rows = [line for line in printed(world.study).splitlines() if re.match(r"trial .* \d\.\d$", line)]
    assert [row.split()[1] for row in rows] == ["0", "3", "4"]


def test_the_search_score_of_a_lucky_trial_does_not_win(world):
    found, _ = world.confirm({4: 0.80, 3: 0.86, 0: 0.80})
    assert found.winner == 3
    winner, ground = winner_of(world.study)
    assert winner.number == 3
    assert ground.startswith("Trial 3 is the confirmed winner. ")
    assert "not confirmed" not in ground


def test_more_seeds_add_to_what_is_there_and_count_as_another_look(world):
    quality = {4: 0.845, 3: 0.84, 0: 0.84}
    first, _ = world.confirm(quality, spread=0.004, n_seeds=2)
    before = world.runs
    again, backend = world.confirm(quality, spread=0.004, n_seeds=2)
    assert not backend.jobs
    assert again.candidates == first.candidates
    assert again.looks == first.looks == ["2 folds of trials 4, 3, 0"]
    more, backend = world.confirm(quality, spread=0.004, n_seeds=4)
    assert len(backend.jobs) == 6
    assert world.runs[: len(before)] == before
    assert more.looks == ["2 folds of trials 4, 3, 0", "4 folds of trials 4, 3, 0"]
    assert "3 configurations, 4 fresh trainings each, on" in printed(world.study)
    for now, then in zip(more.candidates, first.candidates, strict=True):
        assert now.values[:2] == then.values


def test_an_interrupted_run_is_taken_up_with_its_split(world):
    quality = {4: 0.84, 3: 0.84, 0: 0.84}
    world.confirm(quality, n_seeds=2)
    runs = load_study(connect(world.url, create=False), runs_name("sweep"))
    third = confirmation_seeds(3)[2]
    attrs = {"seed": third, "split_seed": confirmation_seeds(1)[0], "fold": 2, "origin": 4}
    runs.enqueue_trial(world.study.get_trials()[4].params, user_attrs=attrs)
    runs.ask()  # and here its process was killed
    found, _ = world.confirm(quality, n_seeds=3)
    states = [t.state.name for t in world.runs]
    assert states.count("COMPLETE") == 9
    assert states.count("FAIL") == 1
    (retried,) = [t for t in world.runs if "retry_of" in t.user_attrs]
    assert attrs.items() <= retried.user_attrs.items()
    assert [c.n for c in found.candidates] == [3, 3, 3]


def test_a_candidate_that_diverges_cannot_win(world):
    quality = {4: 0.86, 3: 0.84, 0: 0.82}
    steady = noisy(lambda h: quality[world.numbers[h]], spread=0.001)

    def accuracy(job):
        return None if world.numbers[job.hyperparameters] == 4 else steady(job)

    found = confirm(world.study, top=2, n_seeds=3, backend=Scripted(accuracy))
    assert found.winner == 3
    assert found.candidates[0].values == []
    assert "diverged" in printed(world.study)


def test_the_last_accuracy_of_a_training_that_diverged_is_no_result(world):
    def accuracies(job):
        diverges = world.numbers[job.hyperparameters] == 4 and job.seed == confirmation_seeds(2)[1]
        return (
            [0.99, Diverged("the training diverged after 1 epoch")]
            if diverges
            else [0.8, 0.8 + job.seed % 7 / 1000]
        )

    found = confirm(world.study, top=2, n_seeds=3, backend=ScriptedEpochs(accuracies))
    (lucky,) = [c for c in found.candidates if c.trial == 4]
    assert lucky.diverged == 1
    assert 0.99 not in lucky.values
    assert found.winner != 4
    assert "Trial 4 diverged in 1 of" in found.sentence


def test_who_left_the_race_because_of_a_candidate_that_diverges_is_back(world):
    fold = {seed: n for n, seed in enumerate(confirmation_seeds(5))}
    seen = []

    def accuracy(job):
        number, n = world.numbers[job.hyperparameters], fold[job.seed]
        seen.append((number, n))
        if number == 4:
            return None if n == 4 else 0.9 + 0.001 * n
        return 0.70 + 0.001 * (n % 2) if number == 3 else 0.68 + 0.05 * (-1) ** n

    found = confirm(world.study, top=2, n_seeds=5, backend=Scripted(accuracy))
    # Trial 3 had left behind trial 4, and came back when that diverged.
    assert seen[-1] == (3, 4)
    assert seen.index((4, 4)) < seen.index((0, 4)) < len(seen) - 1
    assert len(seen) == len(set(seen)) == 15
    assert (found.winner, found.cheapest) == (3, 3)
    assert [(c.trial, c.n, c.diverged) for c in found.candidates] == [(4, 4, 1), (3, 5, 0), (0, 5, 0)]
    assert "Trial 4 diverged in 1 of 5 trainings." in found.sentence


def test_no_seed_serves_twice():
    search = {training_seed(seed, n) for seed in (0, 1) for n in range(500)}
    confirmed, final = set(confirmation_seeds(500)), set(final_seeds(500))
    assert len(search) == 1000
    assert len(search | confirmed | final) == 2000


def test_other_candidates_are_a_further_look_of_the_same_study(world):
    quality = dict.fromkeys(range(5), 0.84)
    world.confirm(quality, top=2, n_seeds=2)
    found, _ = world.confirm(quality, top=3, n_seeds=2)
    assert found.looks == ["2 folds of trials 4, 3, 0", "2 folds of trials 4, 3, 2, 0"]
    found, _ = world.confirm(quality, top=2, n_seeds=2)  # asked before: no further chance to be fooled
    assert len(found.looks) == 2


def test_candidates_that_all_diverge_are_told(world):
    with pytest.raises(UserError, match="no candidate could be trained on every seed without diverging"):
        confirm(world.study, n_seeds=2, backend=Scripted(lambda _: None))
    assert "confirmation" not in attributes(world.study)


def test_the_interval_of_a_balanced_accuracy_is_that_of_its_classes(tmp_path, url):
    rng, labels = np.random.default_rng(0), np.repeat([0, 1], [450, 50])
    x = rng.standard_normal((500, 2)) + 4 * labels[:, None]
    np.savez(tmp_path / "rare.npz", X=x, y=labels)
    plan = Plan(url, "rare", trials=1, data=str(tmp_path / "rare.npz"), epochs=2, metric="balanced_accuracy")
    study = search(plan, backend=InProcess())
    (found,) = confirm(study, top=1, n_seeds=5, backend=InProcess()).candidates
    assert found.high - found.low < 0.14  # 0.19 if what one row of a class counts above another were luck


@pytest.mark.parametrize("changed", ["winner", "cheapest"])
def test_a_trial_that_is_not_there_is_no_result(world, changed):
    found, _ = world.confirm({4: 0.84, 3: 0.84, 0: 0.84}, n_seeds=2)
    write(world.study, CONFIRMATION, msgspec.structs.replace(found, **{changed: 99}))
    with pytest.raises(UserError, match="the attribute 'confirmation' of the study 'sweep' is not as this"):
        read(world.study)


def test_a_study_of_confirmation_runs_is_not_confirmed_itself(world):
    world.confirm({4: 0.84, 3: 0.84, 0: 0.84}, n_seeds=2)
    runs = load_study(connect(world.url, create=False), runs_name("sweep"))
    with pytest.raises(UserError, match="belong to another one: name the searched one, --study sweep"):
        confirm(runs, backend=InProcess())


def test_the_progress_foresees_every_seed_of_all_that_race(world):
    seen, backend = [], Scripted(noisy(lambda h: 0.84, spread=0.001))
    confirm(world.study, top=2, n_seeds=4, backend=backend, show=seen.append)
    assert max(progress.total for progress in seen) == 12
    assert (seen[-1].finished, seen[-1].total) == (12, 12)


def test_nobody_is_trained_further_when_one_alone_can_win(world):
    found, _ = world.confirm({4: 0.90, 3: 0.60, 0: 0.60}, n_seeds=6)
    assert (found.verdict, found.winner) == ("beats", 4)
    assert 2 <= len(found.seeds) < 6
