"""What stands in the end: the winner and its ground, its scores, the noise; what is said of them."""

import json
from dataclasses import replace

import optuna
import pytest
from made import make_study
from optuna.trial import TrialState, create_trial

from fcnet.errors import UserError
from fcnet.model import Model
from studies.api import search, train
from studies.commands.main import main
from studies.execution.local import InProcess
from studies.experiments import ledger
from studies.experiments.plan import Plan
from studies.experiments.results import noise_of, scores_of_trial, summarise, winner_of
from studies.ranges import narrowed
from studies.views.sentences import flattery_sentence, noise_sentence, noise_told, remarks, score_rows


def test_without_a_confirmation_the_best_is_said_to_be_unconfirmed(world):
    winner, ground = winner_of(world.study)
    assert winner.number == 4
    assert ground.endswith("; it was not confirmed, which tells luck from merit.")


def test_a_better_trial_since_the_confirmation_is_named(world):
    world.confirm({4: 0.86, 3: 0.82, 0: 0.81})
    study = world.study
    params = {**study.get_trials()[1].params, "hidden_units": 300}
    distributions = study.get_trials()[1].distributions
    study.add_trial(optuna.trial.create_trial(params=params, distributions=distributions, value=0.99))
    winner, ground = winner_of(study)
    assert winner.number == 4
    assert "Trial 5 scored better since; it was not confirmed." in ground


def test_the_test_score_of_another_configuration_is_not_the_winners(world):
    study = world.study
    loser = study.get_trials()[1]
    ledger.begin(study, 1, loser.params, ["a", "b"], images=60)
    ledger.finish(study, ledger.Examined([0.93, 0.97], 0.96))
    assert summarise(world.study).scores.trial == 4
    other = summarise(world.study)
    assert other.scores.test is None
    assert "The test set of this study was opened 1 time, for others." in remarks(other)
    scores = scores_of_trial(study, 1)
    assert scores.test.mean == pytest.approx(0.95)
    assert (scores.ensemble.mean, scores.ensemble.n) == (0.96, 2)
    assert score_rows(scores)[-1] == ("the same, as one model (2)", "96.00 %", "87.69 .. 98.78 %")


def test_after_a_tie_the_winner_is_the_cheapest_that_the_verdict_names(world):
    cost = {4: 9.0, 3: 1.0, 0: 5.0}
    found, _ = world.confirm(
        {4: 0.842, 3: 0.84, 0: 0.84},
        spread=0.002,
        n_seeds=5,
        seconds=lambda job: cost[world.numbers[job.hyperparameters]],
    )
    assert (found.verdict, found.winner, found.cheapest) == ("tie", 4, 3)
    winner, ground = winner_of(world.study)
    assert winner.number == 3
    assert ground.startswith("Trial 3 is the cheapest of those that tie. ")


def test_flattery_is_said_both_ways(world):
    world.confirm({4: 0.82, 3: 0.79, 0: 0.78})
    scores = summarise(world.study).scores
    assert scores.flattery == pytest.approx(0.02, abs=0.002)
    assert "The search score flatters trial 4 by" in flattery_sentence(scores)
    assert "higher than the search did" in flattery_sentence(replace(scores, flattery=-0.01))
    assert "flatters" not in flattery_sentence(replace(scores, flattery=-0.01))
    assert flattery_sentence(replace(scores, flattery=None)) is None
    for nothing in (0.0, 1e-6, -4.9e-5):
        said = flattery_sentence(replace(scores, flattery=nothing))
        assert said == "Fresh seeds score trial 4 the same as the search did."
    assert "by 0.01 points" in flattery_sentence(replace(scores, flattery=5.1e-5))


def test_noise_is_measured_never_assumed(world):
    assert summarise(world.study).noise is None
    assert "has not been measured" in noise_sentence(None, 5)
    found, _ = world.confirm({4: 0.84, 3: 0.84, 0: 0.84}, spread=0.004, n_seeds=6)
    noise = summarise(world.study).noise
    assert noise == found.noise
    assert 0.002 < noise < 0.007
    assert f"varies by {100 * noise:.2f} points" in noise_sentence(noise, 5)
    assert "has not been measured" not in noise_sentence(noise, 5)
    assert noise_sentence(0.4, 5).endswith("of 5 trials, any may well be equal to the best.")


def test_a_confirmation_without_noise_is_no_reason_to_confirm(world):
    world.confirm({4: 0.84, 3: 0.83, 0: 0.82}, spread=0.0, n_seeds=3)
    summary = summarise(world.study)
    assert summary.noise is None
    assert noise_told(summary).startswith("The confirmation could not measure the noise of a training: ")
    assert "confirmation repeats" in noise_told(replace(summary, confirmation=None))


def test_repeats_within_a_sweep_measure_noise_too(world):
    study = world.study
    first = study.get_trials()[0]
    assert noise_of(study.get_trials()) is None
    study.add_trial(
        optuna.trial.create_trial(params=first.params, distributions=first.distributions, value=0.82)
    )
    assert noise_of(study.get_trials()) == pytest.approx(0.02 / 2**0.5)


def test_repeats_that_all_agree_measure_nothing(world):
    study = world.study
    first = study.get_trials()[0]
    for _ in range(4):
        study.add_trial(
            optuna.trial.create_trial(
                params=first.params, distributions=first.distributions, value=first.value
            )
        )
    assert noise_of(study.get_trials()) is None
    assert "has not been measured" in noise_sentence(summarise(study).noise, 9)


def test_the_commands_confirm_best_and_train_agree(sweep, images, tmp_path, monkeypatch, capsys):
    sweep("--trials", 3, "--data", images, "--epochs", 2, "--workers", 1, "--pruner", "none")
    out = sweep("confirm", "--top", 2, "--seeds", 2, "--workers", 2, "--format", "json")
    found = json.loads(out.stdout)
    assert {"candidates", "verdict", "p_value", "seeds", "sentence", "winner", "noise"} <= found.keys()
    assert {"trial", "params", "values", "mean", "std"} <= found["candidates"][0].keys()
    final = sweep("train", "--seeds", 2, "--workers", 2, "--format", "json")
    trained = json.loads(final.stdout)
    assert trained["trial"] == found["winner"]
    assert found["sentence"] in final.stderr.splitlines()[0]
    scores = json.loads(sweep("best", "--format", "json").stdout)["scores"]
    assert scores == trained["scores"]
    assert scores["test"]["mean"] == pytest.approx(trained["test_accuracy"]["mean"])
    ensemble = scores["ensemble"]
    assert ensemble["mean"] == trained["ensemble_accuracy"]
    assert [ensemble["low"], ensemble["high"]] == trained["ensemble_interval"]
    monkeypatch.chdir(tmp_path)
    assert main(["train", "--seeds", "1", "--format", "json"]) == 0  # the same first network alone
    again = json.loads(capsys.readouterr().out)
    assert again["test_accuracy"]["values"] == trained["test_accuracy"]["values"][:1]
    assert again["scores"]["test"]["mean"] == again["test_accuracy"]["mean"]
    assert again["scores"]["ensemble"] is None
    assert again["test_openings"] == 1
    for part in ("sweep-confirm", f"sweep-train-{found['winner']}"):
        for command in ("best", "confirm", "train"):  # the test set is opened on the search's record alone
            assert main([command, "--study", part]) == 1
            assert "belong to another one: name the searched one, --study sweep\n" in capsys.readouterr().err
    assert main(["train", "--seeds", "1001"]) == 2
    assert "1,001 seeds are too many: at most 1,000 become one model\n" in capsys.readouterr().err
    for kind in ("search", "confirmed", "test"):
        assert (
            scores[kind]["low"] < scores[kind]["mean"] < scores[kind]["high"] or scores[kind]["mean"] == 1.0
        )
    refused = sweep("confirm", "--seeds", 1, check=False)
    assert refused.returncode == 2
    assert "give at least 2" in refused.stderr


def test_an_interruption_is_no_failure():
    study = make_study(3)
    before = summarise(study).n_trials
    for reason in ("interrupted", "a worker ended with code -9"):
        study.add_trial(create_trial(state=TrialState.FAIL, user_attrs={"reason": reason}))
    assert summarise(study).n_trials == replace(before, failed=1)


def test_a_sweep_without_the_reports_configuration_says_so(images, url):
    said = []
    plan = Plan(url, trials=1, data=str(images), epochs=1, space=narrowed(["n_layers=2"]))
    assert summarise(search(plan, backend=InProcess(), say=said.append)).baseline is None
    assert "The report's configuration lies outside of what is searched: there is no baseline." in said


def test_data_that_were_moved_are_asked_for(images, url):
    study = search(Plan(url, trials=1, data=images, epochs=1), backend=InProcess())
    moved = images.rename(images.with_name("moved.npz"))
    with pytest.raises(UserError, match=r"were at .*images\.npz, .*: name where they are .* --data DATA$"):
        train(study, backend=InProcess())
    folder = images.parent
    final = train(
        study, n_seeds=1, data=str(moved), folder=folder, artifacts=folder / "kept", backend=InProcess()
    )
    assert Model.load(final.model).seeds == tuple(final.seeds)
