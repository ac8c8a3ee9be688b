"""The objective: every epoch is reported, pruning and divergence end a training with a reason."""

import optuna
import pytest
from conftest import job
from scripted import OfSplit, ScriptedEpochs

from fcnet.hyperparameters import Hyperparameters
from studies.execution.local import InProcess
from studies.execution.objective import Objective, training_seed
from studies.samplers import make_pruner
from studies.space import DEFAULT_SPACE


def test_the_objective_reports_every_epoch_and_returns_the_last(opened, split):
    storage, study = opened
    objective = Objective(OfSplit(split, may_prune=False), InProcess())
    trial = study.ask()
    study.tell(trial, objective(trial))
    (kept,) = study.get_trials()
    assert list(kept.intermediate_values) == [0, 1, 2]
    assert kept.value == kept.intermediate_values[2]
    assert kept.user_attrs["seed"] == training_seed(5, 0)
    assert set(kept.params) == set(DEFAULT_SPACE) - {"mirror"}
    record = storage.get_trial(kept._trial_id).system_attrs["record"]
    assert len(record["epochs"]) == 3
    assert len(record["digest"]) == 64
    assert "numpy" in record["environment"]


def test_the_pruner_ends_a_training(opened, split):
    _, study = opened
    study.pruner = optuna.pruners.ThresholdPruner(lower=2.0)
    objective = Objective(OfSplit(split), InProcess())
    trial = study.ask()
    with pytest.raises(optuna.TrialPruned, match=r"pruned after 1 epoch$"):
        objective(trial)
    assert list(study.get_trials()[0].intermediate_values) == [0]
    assert study.get_trials()[0].user_attrs["reason"] == "pruned after 1 epoch"


def test_hyperband_compares_what_trainings_were_worth_at_the_same_epochs(opened, split):
    _, study = opened
    study.pruner = make_pruner("hyperband", epochs=20)
    backend = ScriptedEpochs(lambda job: [job.seed % 97 / 200 + epoch / 50 for epoch in range(20)])
    objective = Objective(OfSplit(split, epochs=20), backend)
    for _ in range(20):
        trial = study.ask()
        try:
            study.tell(trial, objective(trial))
        except optuna.TrialPruned:
            study.tell(trial, state=optuna.trial.TrialState.PRUNED)
    lasting = set()
    for trial in study.get_trials():
        epochs = {value: epoch for epoch, value in trial.intermediate_values.items()}
        rungs = [
            epochs[v] for key, v in sorted(trial.system_attrs.items()) if key.startswith("completed_rung")
        ]
        bracket = study.pruner._get_bracket_id(study, trial)
        assert rungs == [epoch for epoch in (2, 6, 18)[bracket:] if epoch < len(epochs)]
        lasting.add(len(epochs))
    assert {3, 7, 20} <= lasting


def test_the_pruner_is_not_asked_after_the_last_epoch(opened, split):
    _, study = opened
    study.pruner, asked = optuna.pruners.NopPruner(), []
    study.pruner.prune = lambda study, trial: asked.append(trial.last_step) or trial.last_step == 2
    objective = OfSplit(split)
    trial = study.ask()
    study.tell(trial, Objective(objective, InProcess())(trial))
    assert asked == [0, 1]
    assert study.get_trials()[0].state == optuna.trial.TrialState.COMPLETE


def test_a_divergence_is_a_pruned_trial_with_its_reason(opened, split):
    _, study = opened
    wild = {"learning_rate": 0.1, "batch_size": 16, "hidden_units": 512, "momentum": 0.98, "n_layers": 4}
    study.enqueue_trial({**wild, "weight_decay": 0.1})
    objective = Objective(OfSplit(split), _Diverging())
    trial = study.ask()
    with pytest.raises(optuna.TrialPruned):
        objective(trial)
    assert "no longer finite" in study.get_trials()[0].user_attrs["reason"]


class _Diverging(InProcess):
    """Trains with a learning rate at which every training diverges."""

    def train(self, asked):
        return super().train(
            job(asked.split, hyperparameters=Hyperparameters(learning_rate=10.0), epochs=500)
        )
