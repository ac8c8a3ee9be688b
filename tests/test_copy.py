"""Moving a study to another database: everything, or nothing."""

import contextlib
import math
import sqlite3
from datetime import datetime
from pathlib import Path
from typing import Any

import optuna
import optuna_dashboard
import plotly.graph_objects as go
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.study import Study
from optuna.trial import TrialState, create_trial

from fcnet.errors import UserError
from studies.storage import copying
from studies.storage.copying import copy_study
from studies.storage.database import connect, load_study, open_study
from studies.storage.retrying import PatientStorage

DISTRIBUTIONS = {
    "learning_rate": FloatDistribution(3e-4, 1e-1, log=True),
    "hidden_units": IntDistribution(32, 512, log=True),
    "kind": CategoricalDistribution(["a", None, 3]),
}


def fill(storage: PatientStorage, artifacts: Path) -> Study:
    """Make a study that has something of everything."""
    study = open_study(storage, "a", facts={"epochs": 20, "space": {"x": [0.1, 1 / 3]}})
    params: dict[str, Any] = {"learning_rate": 0.1 / 3, "hidden_units": 100, "kind": None}
    for value, state in (
        (1 / 3, TrialState.COMPLETE),
        (0.5, TrialState.PRUNED),
        (math.inf, TrialState.COMPLETE),
    ):
        study.add_trial(
            create_trial(
                state=state,
                value=value,
                params=params,
                distributions=DISTRIBUTIONS,
                intermediate_values={0: 0.1, 1: math.nan, 2: -math.inf, 3: 1 / 3},
                user_attrs={"seed": 2**40, "text": "ü\u0000'"},
                system_attrs={"coordinator": "ab"},
            )
        )
    study.add_trial(create_trial(state=TrialState.FAIL, user_attrs={"reason": "diverged"}))
    study.enqueue_trial({"hidden_units": 64})
    running = study.ask()
    running.suggest_float("learning_rate", 3e-4, 1e-1, log=True)
    study.enqueue_trial({"hidden_units": 128}, user_attrs={"seed": 5})
    optuna_dashboard.save_note(study, "note of the study " * 300)
    for number in (1, 3):
        trial_id = study.trials[number]._trial_id
        body = f"note of trial {number} " * 200
        optuna_dashboard._note.save_note_with_version(storage, study._study_id, trial_id, 1, body)
    figure = go.Figure(go.Scatter(x=list(range(500)), y=[i / 7 for i in range(500)]))
    optuna_dashboard.save_plotly_graph_object(study, figure, graph_object_id="effects")
    model = artifacts / "model.safetensors"
    model.write_bytes(b"weights")
    store = optuna.artifacts.FileSystemArtifactStore(artifacts)
    optuna.artifacts.upload_artifact(artifact_store=store, file_path=str(model), study_or_trial=study)
    optuna.artifacts.upload_artifact(artifact_store=store, file_path=str(model), study_or_trial=running)
    return study


def contents(study: Study) -> list[object]:
    """Return all that Optuna and the dashboard show of a study, ids apart."""
    attrs = study._storage.get_study_system_attrs(study._study_id)
    notes = [
        optuna_dashboard._note.get_note_from_system_attrs(attrs, trial_id)
        for trial_id in (None, *(trial._trial_id for trial in study.trials))
    ]
    other = {key: value for key, value in attrs.items() if ":note_" not in key}
    trials = [
        {
            **{key: value for key, value in vars(trial).items() if key != "_trial_id"},
            "intermediate_values": {step: str(value) for step, value in trial.intermediate_values.items()},
            "order": list(trial.params),
        }
        for trial in study.trials
    ]
    return [trials, study.directions, study.user_attrs, other, notes]


@pytest.fixture
def source(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path / 'source.db'}"
    with contextlib.closing(connect(url, create=True)) as storage:
        fill(storage, tmp_path)
    return url


@pytest.fixture
def target(tmp_path: Path) -> str:
    """Return the address of a database that holds another study, so that ids differ."""
    url = f"sqlite:///{tmp_path / 'target.db'}"
    with contextlib.closing(connect(url, create=True)) as storage:
        other = open_study(storage, "other", facts={})
        for _ in range(5):
            other.add_trial(create_trial(value=0.0))
    return url


def test_the_copy_has_everything_the_original_has(source, target):
    copy_study(source, target, "a")
    with (
        contextlib.closing(connect(source, create=False)) as old,
        contextlib.closing(connect(target, create=False)) as new,
    ):
        before, after = contents(load_study(old, "a")), contents(load_study(new, "a"))
        assert len(before[-1]) == 7
        assert "note of trial 3" in before[-1][4]["body"]
        assert after == before
        assert load_study(new, "a").trials[0].datetime_start.date() == datetime.now().date()
        assert len(load_study(new, "other").trials) == 5


def test_a_copy_goes_on_like_the_original(source, target):
    copy_study(source, target, "a")
    with contextlib.closing(connect(target, create=False)) as storage:
        study = load_study(storage, "a")
        trial = study.ask()
        assert trial.suggest_int("hidden_units", 32, 512, log=True) == 128
        study.tell(trial, 0.9)
        assert [trial.number for trial in study.trials] == list(range(6))


def test_a_target_is_made_if_it_is_not_there(tmp_path, source):
    copy_study(source, f"sqlite:///{tmp_path / 'new.db'}", "a")
    with contextlib.closing(connect(f"sqlite:///{tmp_path / 'new.db'}", create=False)) as storage:
        assert [trial.state.name for trial in load_study(storage, "a").trials] == [
            "COMPLETE",
            "PRUNED",
            "COMPLETE",
            "FAIL",
            "RUNNING",
            "WAITING",
        ]


def test_refusals_copy_nothing(tmp_path, source, target):
    with pytest.raises(UserError, match=r"no study 'b' in .*: choose one with --study: a"):
        copy_study(source, target, "b")
    with pytest.raises(UserError, match=r"no database .*none\.db here"):
        copy_study(f"sqlite:///{tmp_path / 'none.db'}", target, "a")
    copy_study(source, target, "a")
    with contextlib.closing(connect(target, create=False)) as storage:
        before = contents(load_study(storage, "a"))
        with pytest.raises(UserError, match=r"a study 'a' in .* already: nothing was copied"):
            copy_study(source, target, "a")
        assert contents(load_study(storage, "a")) == before


@pytest.mark.parametrize(
    ("trigger", "sentence"),
    [
        (
            "BEFORE INSERT ON trial_intermediate_values WHEN NEW.step = 3"
            " BEGIN SELECT RAISE(ABORT, 'the database or disk is full'); END",
            "has no room left on its disk",
        ),
        (
            "AFTER INSERT ON trial_params WHEN NEW.param_name = 'learning_rate'"
            " BEGIN UPDATE trial_params SET param_value = 0.033333 WHERE param_id = NEW.param_id; END",
            "differs from the original in trial_params",
        ),
    ],
)
def test_a_copy_that_fails_or_differs_leaves_nothing(tmp_path, source, target, trigger, sentence):
    with contextlib.closing(sqlite3.connect(tmp_path / "target.db")) as connection:
        connection.execute(f"CREATE TRIGGER trouble {trigger}")
        before = list(connection.iterdump())
        with pytest.raises(UserError, match=sentence):
            copy_study(source, target, "a")
        assert list(connection.iterdump()) == before


def test_a_study_that_is_being_swept_is_copied_as_it_was_at_one_moment(source, target, monkeypatch):
    with contextlib.closing(connect(source, create=False)) as storage:
        study = load_study(storage, "a")
        original = copying._copy

        def write_meanwhile(*arguments: Any) -> None:
            study.add_trial(create_trial(value=0.25))
            original(*arguments)
            study.add_trial(create_trial(value=0.75))

        monkeypatch.setattr(copying, "_copy", write_meanwhile)
        copy_study(source, target, "a")
        assert len(study.trials) == 8
    with contextlib.closing(connect(target, create=False)) as storage:
        assert load_study(storage, "a").trials[-1].value == 0.25
