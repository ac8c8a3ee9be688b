"""The report's experiments: exact and paired trainings, both protocols, their answers and their figures."""

import json
from collections import Counter
from dataclasses import asdict

import numpy as np
import optuna
import pytest
from conftest import facts, write_images
from optuna.trial import TrialState
from scripted import ScriptedEpochs, text_of
from started import finished, trials_of

from fcnet.data import Split
from fcnet.errors import Diverged, UserError
from fcnet.hyperparameters import Hyperparameters
from studies import record
from studies.api import effects, search
from studies.execution.backend import TrainingFailed
from studies.experiments.effects import findings
from studies.experiments.marginal import marginal_effects
from studies.experiments.one_factor import configurations
from studies.experiments.plan import Plan
from studies.record import Wish, attributes, kept_wish
from studies.space import DEFAULT_SPACE, suggest
from studies.storage.database import connect
from studies.storage.study import load_study, open_study
from studies.views.effects import print_effects

FAST = ("--epochs", "3", "--workers", "2")
FACTORS = ("batch_size", "learning_rate", "hidden_units")


@pytest.fixture
def experiments(images, tmp_path):
    """Run the experiments in this process and return their study."""

    def run(backend=None, *, seeds=1, protocol="holdout", epochs=3, say=lambda _: None, data=images):
        url = f"sqlite:///{tmp_path}/sweep.db"
        options = {"data": str(data), "protocol": protocol, "epochs": epochs, "n_seeds": seeds}
        found = effects(url, backend=backend or ScriptedEpochs(), say=say, **options)
        return load_study(connect(url, create=False), found.study)

    return run


def trainings(study):
    """Every finished training: its configuration and seed."""
    return [(Hyperparameters(**t.params), t.user_attrs["seed"]) for t in finished(study.get_trials())]


def all_of(n_seeds):
    return {(h, seed) for h in configurations() for seed in range(n_seeds)}


def test_five_seeds_judge_all_images_and_a_seed_that_was_begun_keeps_its_fold(experiments):
    folds = {record.wish(t).seed: record.wish(t).fold for t in experiments(seeds=6).get_trials()}
    assert folds == {0: 0, 1: 1, 2: 2, 3: 3, 4: 4, 5: 0}
    study = experiments(seeds=2, protocol="report")
    assert {record.wish(t).fold for t in study.get_trials()} == {0}


def test_a_seed_that_was_begun_by_an_older_version_stays_with_its_images(experiments):
    params = {name: value for name, value in asdict(configurations()[3]).items() if value is not None}
    experiments(seeds=1).enqueue_trial(params, user_attrs=kept_wish(Wish(seed=1)))
    study = experiments(seeds=2)
    assert sorted(trainings(study), key=str) == sorted(all_of(2), key=str)
    assert {record.wish(t).fold for t in study.get_trials()} == {0}


def test_each_training_happens_once_more_seeds_add_theirs_and_fewer_take_none_away(experiments):
    told, backend = [], ScriptedEpochs()
    before = finished(experiments(backend, seeds=1).get_trials())
    experiments(backend, seeds=1, say=told.append)
    assert told == ["The study sweep-effects holds 13 finished trials already: nothing is left to do."]
    study = experiments(backend, seeds=2)
    assert finished(study.get_trials())[:13] == before
    experiments(backend, seeds=1)
    assert Counter(trainings(study)) == Counter(all_of(2))
    assert Counter((job.hyperparameters, job.seed) for job in backend.jobs) == Counter(all_of(2))


def test_a_failed_training_is_told_and_tried_again_by_the_next_start(experiments):
    def broken(job):
        return [TrainingFailed("the disk is full")] if job.hyperparameters.batch_size == 32 else [0.7, 0.8]

    told = []
    study = experiments(ScriptedEpochs(broken), say=told.append)
    assert len(trainings(study)) == 12
    assert told[-1].startswith("The experiments ended early: some trainings failed (the disk is full)")
    assert [level.value for level in findings(study).levels["batch_size"]] == [16, 64, 128, 256]
    assert Counter(trainings(experiments())) == Counter(all_of(1))


def test_a_diverged_training_is_counted_and_has_no_accuracy(experiments):
    def accuracies(job):
        too_fast = job.hyperparameters.learning_rate == 0.1
        return [0.7, Diverged("logits are no longer finite")] if too_fast else [0.7, 0.8, 0.9]

    study = experiments(ScriptedEpochs(accuracies))
    assert len(trainings(study)) == 13
    found = findings(study)
    level = found.levels["learning_rate"][-1]
    assert (level.value, level.mean, level.n, level.diverged) == (0.1, None, 0, 1)
    json.dumps(found.as_json(), allow_nan=False)
    assert "0 (1 diverged)" in text_of(print_effects, found, [])


def test_each_protocol_judges_by_its_own_epoch_and_images_and_is_labelled(experiments):
    labelled, parts = {}, {}
    for protocol, value in (("holdout", 0.75), ("report", 0.8)):
        backend = ScriptedEpochs()
        study = experiments(backend, protocol=protocol)
        (path,) = {job.split for job in backend.jobs}
        split = Split.open(path)
        parts[protocol] = (len(split.train.labels), len(split.validation.labels))
        assert {t.value for t in study.get_trials()} == {value}
        found = findings(study)
        assert found.protocol == attributes(study)["facts"]["protocol"] == protocol
        for factor in FACTORS:
            for level in found.levels[factor]:
                assert level.mean == value
                assert (level.best_epoch["mean"], level.last_epoch["mean"]) == (0.8, 0.75)
        published = json.dumps(study._storage.get_study_system_attrs(study._study_id))
        labelled[protocol] = (
            study.study_name,
            "TEST" in found.measure,
            "judged on the TEST set" in text_of(print_effects, found, []),
            "judged on the TEST set" in published,  # the note
            "Test accuracy, best epoch" in published,  # the figure
        )
    assert parts == {"holdout": (128, 32), "report": (160, 60)}
    assert labelled["holdout"] == ("sweep-effects", False, False, False, False)
    assert labelled["report"] == ("sweep-effects-report", True, True, True, True)


def test_one_seed_has_no_spread_and_no_test_and_says_so(experiments):
    study = findings(experiments())
    found = study.as_json()
    for factor in FACTORS:
        for level in found[factor]:
            assert (level["n"], level["std"], level["low"], level["high"]) == (1, None, None, None)
            assert level["values"] == [level["mean"]]
        assert set(found["tests"][factor]) == {"sentence"}
        assert "too few trainings" in found["tests"][factor]["sentence"]
    assert "too few trainings" in text_of(print_effects, study, [])
    json.dumps(found, allow_nan=False)


def test_values_and_tests_say_what_was_measured(experiments, tmp_path):
    def accuracies(job):
        better = {16: 0.03, 32: 0.0298}.get(job.hyperparameters.batch_size, 0.0)
        return [0.8 + better + 0.002 * job.seed + 1e-4 * (job.hyperparameters.batch_size % 7)]

    many = write_images(tmp_path / "cifar_2class.npz", n_train=10_000, n_features=4)
    told = findings(experiments(ScriptedEpochs(accuracies), seeds=3, epochs=1, data=many))
    assert "the report's: one run, best epoch, on its test set" in text_of(print_effects, told, [])
    found = told.as_json()
    rows = found["batch_size"]
    assert [row["value"] for row in rows] == [16, 32, 64, 128, 256]
    for row in rows:
        assert row["seeds"] == [0, 1, 2]
        assert row["mean"] == pytest.approx(np.mean(row["values"]))
        assert row["std"] == pytest.approx(np.std(row["values"], ddof=1))
        assert row["low"] < row["mean"] < row["high"]
    batch, hidden = found["tests"]["batch_size"], found["tests"]["hidden_units"]
    assert batch["larger_than_noise"]
    assert batch["p_value"] <= 0.05
    assert "64, 128 and 256 are worse than each of 16 and 32" in batch["sentence"]
    assert (32, 64) in batch["told_apart"]
    assert (batch["best"], batch["not_beaten_by_the_best"]) == (16, [16, 32])
    assert not hidden["larger_than_noise"]
    assert hidden["not_beaten_by_the_best"] == [32, 64, 128, 256, 512]
    assert found["reported"]["batch_size"] == {"value": 16, "accuracy": 0.83}


def test_what_the_report_said_of_its_own_data_is_not_shown_beside_others(experiments):
    found = findings(experiments())
    assert found.reported == {}
    assert "the report's" not in text_of(print_effects, found, [])


def test_another_number_of_epochs_is_refused_and_an_ordinary_sweep_too(experiments, images, tmp_path):
    study = experiments()
    with pytest.raises(UserError, match="epochs 3, not 4"):
        experiments(epochs=4)
    plan = Plan(url=f"sqlite:///{tmp_path}/sweep.db", study=study.study_name, data=str(images), epochs=3)
    with pytest.raises(UserError, match="experiment one factor at a time"):
        search(plan, backend=ScriptedEpochs())
    assert len(study.get_trials()) == 13


def test_the_marginal_view_needs_a_sweep(tmp_path):
    storage = connect(f"sqlite:///{tmp_path}/sweep.db", create=True)
    study = open_study(storage, "sweep", facts=facts())
    study.sampler = optuna.samplers.RandomSampler(seed=0)
    assert marginal_effects(study.get_trials()) is None
    for _ in range(25):
        trial = study.ask()
        study.tell(trial, 0.7 + 0.02 * np.log2(suggest(trial, DEFAULT_SPACE).hidden_units / 32))
    found = marginal_effects(study.get_trials())
    for factor in FACTORS:
        for row in [*found[factor].averaged, *found[factor].tuned]:
            assert 0 < row.low <= row.mean <= row.high <= 1
    hidden = found["hidden_units"].averaged
    assert hidden[-1].mean > hidden[0].mean + 0.04


def test_the_command_answers_goes_on_after_a_kill_and_repeats_nothing(start, sweep, images, tmp_path):
    command = ("effects", "--seeds", 2, "--data", images, "--epochs", 120, "--workers", 2)
    running = start(*command)
    running.until("5/26")
    running.kill()
    before = finished(trials_of(tmp_path, "sweep-effects"))
    assert 5 <= len(before) < 26
    out = sweep(*command, "--format", "json")
    after = trials_of(tmp_path, "sweep-effects")
    assert [t for t in finished(after) if t.number in {b.number for b in before}] == before
    assert not [t for t in after if t.state in (TrialState.RUNNING, TrialState.WAITING)]
    done = [(Hyperparameters(**t.params), t.user_attrs["seed"]) for t in finished(after)]
    assert Counter(done) == Counter(all_of(2))

    found = json.loads(out.stdout)
    assert found["study"] == "sweep-effects"
    assert found["n_trials"]["complete"] == 26
    assert found["marginal"] is None
    values = {(Hyperparameters(**t.params), t.user_attrs["seed"]): t.value for t in finished(after)}
    for level in found["learning_rate"]:
        h = Hyperparameters(batch_size=64, learning_rate=level["value"], hidden_units=256)
        assert level["values"] == [values[h, 0], values[h, 1]]
    page, figure = (tmp_path / file for file in found["files"])
    assert "<html>" in page.read_text()[:50]
    title = json.loads(figure.read_text())["layout"]["title"]["text"]
    assert title.startswith("Controlled effects")
    assert "holdout protocol" in title
