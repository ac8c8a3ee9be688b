"""The command that copies a study, as its user runs it."""

import json

import optuna


def test_a_study_is_copied_with_everything_and_can_go_on(sweep, images, tmp_path):
    options = ("--data", images, "--epochs", 1, "--workers", 1)
    sweep("--trials", 2, *options)
    out = sweep("copy", "--to", "sqlite:///moved.db")
    assert "Copied the study 'sweep' with 2 trials to sqlite:///moved.db" in out.stdout
    studies = [
        optuna.load_study(study_name="sweep", storage=f"sqlite:///{tmp_path}/{name}.db")
        for name in ("sweep", "moved")
    ]
    before, after = ([(t.params, t.value, t.intermediate_values) for t in s.get_trials()] for s in studies)
    assert before == after
    assert studies[0].user_attrs == studies[1].user_attrs
    best = [json.loads(sweep("best", "--format", "json").stdout)]
    best.append(json.loads(sweep("best", "--format", "json", "--storage", "sqlite:///moved.db").stdout))
    assert best[0] == best[1]
    sweep("--trials", 3, "--storage", "sqlite:///moved.db", *options)
    assert len(studies[1].get_trials()) == 3


def test_a_copy_onto_a_study_of_that_name_is_refused(sweep, images):
    sweep("--trials", 1, "--data", images, "--epochs", 1, "--workers", 1)
    said = json.loads(sweep("copy", "--to", "sqlite:///moved.db", "--format", "json").stdout)
    assert said == {"study": "sweep", "storage": "sqlite:///moved.db", "n_trials": 1}
    again = sweep("copy", "--to", "sqlite:///moved.db", check=False)
    assert again.returncode == 1
    assert "there is a study 'sweep' in sqlite:///moved.db already: nothing was copied" in again.stderr


def test_a_target_must_be_named(sweep):
    assert sweep("copy", check=False).returncode == 2
