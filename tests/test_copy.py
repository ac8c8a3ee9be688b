"""Copying a study to another database: everything, or nothing."""

import contextlib
import json
import math
import shlex
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote

import optuna
import optuna_dashboard
import plotly.graph_objects as go
import pytest
from conftest import PASSWORD, facts
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.study import Study, StudyDirection
from optuna.trial import TrialState, create_trial

from fcnet.errors import UserError
from studies.storage.copying import copy_study
from studies.storage.database import connect
from studies.storage.retrying import RetryingStorage
from studies.storage.study import load_study, open_study

DISTRIBUTIONS = {
    "learning_rate": FloatDistribution(3e-4, 1e-1, log=True),
    "hidden_units": IntDistribution(32, 512, log=True),
    "kind": CategoricalDistribution(["a", None, 3]),
}


def fill(storage: RetryingStorage, artifacts: Path) -> Study:
    """Make a study that has something of everything."""
    study = open_study(storage, "a", facts=facts())
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
        other = open_study(storage, "other", facts=facts())
        for _ in range(5):
            other.add_trial(create_trial(value=0.0))
    return url


def copy(source: str, target: str, name: str = "a") -> int:
    return copy_study(source, target, name, say=lambda _: None)


def contents_at(url: str, name: str = "a") -> list[object]:
    with contextlib.closing(connect(url, create=False)) as storage:
        return contents(load_study(storage, name))


def names_at(url: str) -> list[str]:
    with contextlib.closing(connect(url, create=False)) as storage:
        return [study.study_name for study in storage.get_all_studies()]


def test_a_copy_has_everything_and_goes_on_like_the_original(source, target):
    before = contents_at(source)
    assert copy(source, target) == 6
    after = contents_at(target)
    assert len(after[-1]) == 7
    assert "note of trial 3" in after[-1][4]["body"]
    assert after == before
    with contextlib.closing(connect(target, create=False)) as storage:
        assert len(load_study(storage, "other").trials) == 5
        trial = load_study(storage, "a").ask()
        assert (trial.number, trial.suggest_int("hidden_units", 32, 512, log=True)) == (5, 128)


def test_a_study_moves_to_postgresql_and_back(source, database, tmp_path):
    copy(source, database)
    copy(database, f"sqlite:///{tmp_path / 'back.db'}")
    assert contents_at(database) == contents_at(f"sqlite:///{tmp_path / 'back.db'}") == contents_at(source)


def test_a_note_of_no_trial_is_left_behind(source, target):
    with contextlib.closing(connect(source, create=False)) as storage:
        study_id = storage.get_study_id_from_name("a")
        storage.set_study_system_attr(study_id, "dashboard:6:note_ver", 1)  # what optuna.copy_study leaves
        storage.set_study_system_attr(study_id, "dashboard:99:note_ver", 1)
        assert storage.get_all_trials(study_id)[-1]._trial_id == 6
    copy(source, target)
    with contextlib.closing(connect(target, create=False)) as storage:
        attrs = storage.get_study_system_attrs(storage.get_study_id_from_name("a"))
        assert "dashboard:11:note_ver" in attrs
        assert "dashboard:99:note_ver" not in attrs


def test_a_study_that_is_being_swept_is_copied_as_it_was_at_one_moment(source, target, monkeypatch):
    before = contents_at(source)
    create = RetryingStorage.create_new_trial

    with contextlib.closing(connect(source, create=False)) as storage:
        study = load_study(storage, "a")

        def go_on_meanwhile(self: RetryingStorage, *arguments: Any) -> int:
            if self.url == target:
                create(storage, study._study_id, create_trial(value=0.25))
            return create(self, *arguments)

        monkeypatch.setattr(RetryingStorage, "create_new_trial", go_on_meanwhile)
        assert copy(source, target) == 6
        assert len(study.trials) == 12
    assert contents_at(target) == before


def test_refusals_copy_nothing(tmp_path, source, target):
    with pytest.raises(UserError, match=r"no study 'b' in .*: choose one with --study: a"):
        copy(source, target, "b")
    with pytest.raises(UserError, match=r"no database .*none\.db here"):
        copy(f"sqlite:///{tmp_path / 'none.db'}", target)
    with pytest.raises(UserError, match=r"a study 'a' in .* already: nothing was copied"):
        copy(source, source)
    assert names_at(target) == ["other"]


TROUBLE = {
    "BEFORE INSERT ON trial_intermediate_values WHEN NEW.step = 3"
    " BEGIN SELECT RAISE(ABORT, 'the database or disk is full'); END": "has no room left on its disk",
    "AFTER INSERT ON trial_params BEGIN UPDATE trial_params SET param_value = 0.033333"
    " WHERE param_id = NEW.param_id AND param_name = 'learning_rate'; END": "differs from the original",
    "AFTER INSERT ON trial_values BEGIN UPDATE trials SET datetime_start = NULL"
    " WHERE trial_id = NEW.trial_id; END": "differs from the original",
    "AFTER INSERT ON study_system_attributes BEGIN UPDATE study_system_attributes SET value_json = '1'"
    " WHERE study_id = NEW.study_id; END": "differs from the original: it was not kept",
}


@pytest.mark.parametrize("trigger", TROUBLE)
def test_a_copy_that_fails_or_differs_leaves_nothing(tmp_path, source, target, trigger):
    with contextlib.closing(sqlite3.connect(tmp_path / "target.db")) as connection:
        connection.execute(f"CREATE TRIGGER trouble {trigger}")
        before = contents_at(target, "other")
        with pytest.raises(UserError, match=TROUBLE[trigger]):
            copy(source, target)
        counted = "SELECT count(*) FROM studies UNION ALL SELECT count(*) FROM trials"
        assert connection.execute(counted).fetchall() == [(1,), (5,)]
    assert contents_at(target, "other") == before


def test_an_interrupted_copy_leaves_nothing(source, target, monkeypatch):
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(RetryingStorage, "set_study_system_attr", interrupt)
    with pytest.raises(KeyboardInterrupt):
        copy(source, target)
    assert names_at(target) == ["other"]


def test_a_part_that_cannot_be_taken_away_is_told(tmp_path, source, target):
    with contextlib.closing(sqlite3.connect(tmp_path / "target.db")) as connection:
        for number, event in enumerate(("INSERT ON study_system_attributes", "DELETE ON studies")):
            connection.execute(f"CREATE TRIGGER t{number} BEFORE {event} BEGIN DELETE FROM none; END")
    with pytest.raises(UserError, match=r"lost its tables.*stayed: take it away with optuna delete-study"):
        copy(source, target)
    with (
        contextlib.closing(connect(target, create=False)) as storage,
        pytest.raises(UserError, match="not made"),
    ):
        open_study(storage, "a", facts=facts())  # it has no facts yet


def test_the_part_that_a_killed_copy_left_is_taken_away_as_told(sweep, source, target):
    with contextlib.closing(connect(target, create=False)) as storage:
        part = storage.create_new_study([StudyDirection.MAXIMIZE], "a")
        storage.create_new_trial(part, create_trial(value=0.5))
    words = ("copy", "--from", source, "--study", "a", "--to", target)
    told = sweep(*words, check=False)
    assert told.returncode == 1
    assert f"there is a part of a study 'a' in {target}, as a copy leaves that was killed" in told.stderr
    command = told.stderr.partition("take it away with ")[2].partition(", then give the same")[0]
    program, *rest = shlex.split(command)
    subprocess.run([Path(sys.executable).with_name(program), *rest], check=True, capture_output=True)
    assert "Copied the study 'a' with 6 trials" in sweep(*words).stdout
    assert contents_at(target) == contents_at(source)


def test_the_command_says_what_it_copied_and_refuses_to_do_it_twice(sweep, source):
    said = json.loads(
        sweep("copy", "--from", source, "--study", "a", "--to", "sqlite:///b.db", "--format", "json").stdout
    )
    assert said == {"study": "a", "storage": "sqlite:///b.db", "n_trials": 6}
    again = sweep("copy", "--from", "sqlite:///b.db", "--study", "a", "--to", source, check=False)
    assert again.returncode == 1
    assert f"there is a study 'a' in {source} already: nothing was copied" in again.stderr
    assert sweep("copy", check=False).returncode == 2
    out = sweep("copy", "--from", "sqlite:///b.db", "--study", "a", "--to", "sqlite:///c.db").stdout
    assert "Copied the study 'a' with 6 trials to sqlite:///c.db; the copy was compared" in out


def test_no_password_is_shown(sweep, source, login):
    secret = login.replace("sweeper@", f"sweeper:{quote(PASSWORD, safe='')}@")
    for code in (0, 1):
        done = sweep("copy", "--from", source, "--study", "a", "--to", secret, check=False)
        assert done.returncode == code
        assert "postgresql://sweeper:***@/sweep" in done.stdout + done.stderr
        assert "sesame" not in done.stdout + done.stderr
