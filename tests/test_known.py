"""A sweep that starts from what is known: fixed values, own points, trials of another study."""

import json
from dataclasses import asdict, replace

import numpy as np
import optuna
import pytest
from conftest import write_images
from optuna.trial import TrialState

import studies
from fcnet.errors import UsageError, UserError
from studies import record
from studies.commands.main import main
from studies.execution.local import InProcess
from studies.experiments.estimator import best_estimator
from studies.experiments.plan import Plan
from studies.ranges import at, describe, fixed, narrowed, point
from studies.space import DEFAULT_SPACE, START, fitted, is_baseline, start


@pytest.fixture
def sweep_of(images, url):
    """Run a sweep of random trials in this process."""

    def run(**changes):
        plan = {
            "url": url,
            "trials": 4,
            "data": str(images),
            "epochs": 2,
            "sampler": "random",
            "pruner": "none",
        }
        return studies.search(Plan(**{**plan, **changes}), backend=InProcess(), say=said.append)

    said = run.said = []
    return run


@pytest.fixture
def options(images, url):
    return ["--storage", url, "--data", str(images), "--epochs", "2", "--workers", "1", "--sampler", "random"]


def test_a_fixed_value_is_a_range_of_one():
    space = narrowed(["learning_rate=0.01:0.1", *fixed(["momentum=0.5", "schedule=constant"])])
    assert describe(space)["momentum"] == "0.5..0.5"
    assert describe(space)["schedule"] == "constant"
    for text in ("momentum=0.5:0.6", "mirror=True,False"):
        with pytest.raises(UsageError, match=f"--fix {text} names more than one value: write --range {text}"):
            fixed([text])


def test_a_point_is_read_and_the_rest_is_the_start():
    assert point("batch_size=32,schedule=constant,momentum=0.5") == {
        "batch_size": 32, "schedule": "constant", "momentum": 0.5,
    }  # fmt: skip
    found = at("momentum=0.5", DEFAULT_SPACE)
    assert found == replace(START, momentum=0.5, mirror=True)


def test_the_start_is_the_nearest_point_of_the_space():
    assert start(DEFAULT_SPACE) == replace(START, mirror=True)
    space = narrowed(["learning_rate=0.5:1", "hidden_units=8:16", "schedule=constant", "mirror=False,True"])
    found = start(space)
    assert found == replace(START, learning_rate=0.5, hidden_units=16, schedule="constant", mirror=False)


def test_the_start_comes_once_after_the_baseline_and_own_points_and_not_in_a_grid(sweep_of):
    there = start(fitted(DEFAULT_SPACE, 24, image_shape=None, n_rows=160))
    text = ",".join(f"{name}={value}" for name, value in asdict(there).items() if value is not None)
    sweep_of(trials=2, points=("n_layers=2",))
    trials = sweep_of(trials=5, points=("n_layers=2",)).get_trials()
    assert [record.configuration(t) == there for t in trials] == [False, False, True, False, False]
    again = sweep_of(study="again", points=[text, text]).get_trials()
    assert [record.configuration(t) for t in again].count(there) == 1
    on_a_grid = sweep_of(study="grid", sampler="grid").get_trials()
    assert there not in [record.configuration(t) for t in on_a_grid]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("speed=3", "--try speed=3: 'speed' is no hyperparameter; there are batch_size,"),
        ("momentum", r"--try momentum cannot be used \(momentum has no value\)"),
        ("momentum=0.5,momentum=0.6", "'momentum' is named twice"),
        ("batch_size=1.5", "--try batch_size=1.5 cannot be used .*: write NAME=VALUE,..."),
        ("mirror=maybe", "mirror is 'maybe', but it must be one of False, True"),
        ("momentum=2", r"momentum is 2.0, but it must be in \[0, 1\)"),
        ("n_layers=7", "n_layers=7 lies outside of what is searched, 2..4: widen it with --range"),
        ("mirror=False", "mirror=False lies outside of what is searched, True: widen it with --range"),
    ],
)
def test_what_is_no_point_of_the_space_is_refused(text, sentence):
    with pytest.raises(UsageError, match=sentence):
        at(text, DEFAULT_SPACE)


def test_own_points_come_after_the_baseline_and_once(sweep_of):
    points = ("momentum=0.5,hidden_units=40", "n_layers=2")
    sweep_of(trials=2, points=points)
    trials = sweep_of(trials=5, points=points).get_trials()
    assert len(trials) == 5
    assert is_baseline(trials[0])
    assert (trials[1].params["momentum"], trials[1].params["hidden_units"]) == (0.5, 40)
    assert trials[2].params["n_layers"] == 2
    own = [{name: t.params[name] for name in ("momentum", "hidden_units")} for t in trials]
    assert own.count({"momentum": 0.5, "hidden_units": 40}) == 1


def test_trials_of_another_study_count_and_are_taken_once(sweep_of):
    old = sweep_of(study="old")
    new = sweep_of(study="new", trials=6, taken_from="old")
    trials = new.get_trials()
    assert sweep_of.said[-1] == "Of the study 'old', 4 finished trials count in this one."
    assert [t.value for t in trials[:4]] == [t.value for t in old.get_trials()]
    assert [t.params for t in trials[:4]] == [t.params for t in old.get_trials()]
    assert [t.user_attrs["taken_from"].rpartition("#")[2] for t in trials[:4]] == [
        f"old trial {n}" for n in range(4)
    ]
    assert len(trials) == 6
    assert [record.trained(t) for t in trials[:4]] == [record.trained(t) for t in old.get_trials()]
    assert sum(map(is_baseline, trials)) == 1
    assert len(sweep_of(study="new", trials=7, taken_from="old").get_trials()) == 7
    assert studies.reproduce(new, 1, backend=InProcess()).identical


def test_no_training_counts_twice_however_it_comes_back(sweep_of):
    old = sweep_of(study="old")
    sweep_of(study="new", trials=6, taken_from="old")
    back = sweep_of(study="old", trials=7, taken_from="new").get_trials()
    trainings = [(record.configuration(t), record.wish(t).seed) for t in back]
    assert len(set(trainings)) == len(trainings) == 7
    assert [t.number for t in back if record.taken_from(t)] == [4, 5]  # what new has trained itself
    assert studies.summarise(old).noise is None
    with pytest.raises(UserError, match="the study 'old' has its own trials already: leave out --from"):
        sweep_of(study="old", trials=9, taken_from="old")


def test_another_space_takes_what_lies_in_it(sweep_of):
    momenta = [t.params["momentum"] for t in sweep_of(study="old", trials=8).get_trials()]
    space = narrowed(["momentum=0:0.5"])
    trials = sweep_of(study="new", trials=8, space=space, taken_from="old").get_trials()
    fitting = [m for m in momenta if m <= 0.5]
    assert [t.params["momentum"] for t in trials if record.taken_from(t)] == fitting
    assert f"{8 - len(fitting)} others do not fit its ranges or epochs." in sweep_of.said[-1]
    with pytest.raises(UserError, match="all its trials lie outside of the ranges; leave out --from"):
        sweep_of(study="far", space=narrowed(["momentum=0.9799:0.98"]), taken_from="old")


def test_of_what_lies_outside_of_the_searched_ranges_the_baseline_alone_is_taken(sweep_of):
    old = sweep_of(study="old", trials=12, space=narrowed(["schedule=constant,cosine"])).get_trials()
    space = narrowed(["components=6:20", "whitening=0:0.8", "schedule=cosine"])
    trials = sweep_of(study="new", trials=12, space=space, taken_from="old").get_trials()

    def searched(params):
        within = params["components"] <= 20 and params["whitening"] <= 0.8
        return within and params["schedule"] == "cosine"

    fitting = [t.params for t in old if is_baseline(t) or searched(t.params)]
    assert 1 < len(fitting) < 12
    assert [t.params for t in trials if record.taken_from(t)] == fitting


def test_a_longer_training_is_cut_where_its_rate_was_constant(sweep_of):
    space = narrowed(["schedule=constant"])
    old = sweep_of(study="old", epochs=4, space=space).get_trials()
    new = sweep_of(study="new", epochs=2, space=space, taken_from="old").get_trials()
    assert [t.value for t in new] == [t.intermediate_values[1] for t in old]
    assert [len(record.trained(t).epochs) for t in new] == [2] * 4
    assert {(record.trained(t).digest, record.trained(t).outcomes) for t in new} == {(None, None)}
    again = sweep_of(study="again", epochs=2, space=space).get_trials()
    assert (again[0].params, again[0].value) == (new[0].params, new[0].value)
    falling = sweep_of(study="falling", epochs=4, space=narrowed(["n_layers=2"]))
    assert {t.params["schedule"] for t in falling.get_trials()} == {"cosine"}
    with pytest.raises(UserError, match="had 4 epochs, and their learning rate fell over them"):
        sweep_of(study="x", taken_from="falling")


def test_a_study_whose_values_are_others_is_refused(sweep_of, url, tmp_path):
    sweep_of(study="old")
    write_images(tmp_path / "other.npz", seed=1)
    for changes, why in (
        ({"data": str(tmp_path / "other.npz")}, r"it was run on other data \(images.npz, fingerprint"),
        ({"epochs": 3}, "its trainings had 2 epochs, not 3"),
        ({"taken_from": "none"}, "there is no study 'none'"),
        ({"taken_from": f"sqlite:///{tmp_path}/no.db#old"}, "there is no database"),
    ):
        with pytest.raises(UserError, match=why):
            sweep_of(study="new", **{"taken_from": "old", **changes})
    studies.report(url, "old", data=str(tmp_path / "images.npz"), epochs=2, backend=InProcess())
    with pytest.raises(UserError, match="it is no search on held-out data"):
        sweep_of(study="new", taken_from="old-report")
    assert "new" not in optuna.get_all_study_names(url)


def test_openings_of_the_test_set_come_along(sweep_of, tmp_path, url):
    old = sweep_of(study="old")
    studies.train(old, n_seeds=1, folder=tmp_path / "m", artifacts=tmp_path / "a", backend=InProcess())
    new = sweep_of(url=f"sqlite:///{tmp_path}/other.db", taken_from=f"{url}#old")
    assert record.read(new).openings == record.read(old).openings != []


def test_what_was_asked_for_is_kept(sweep_of):
    study = sweep_of(points=("n_layers=2",))
    asked = record.read(study).asked
    assert (asked.trials, asked.sampler, asked.pruner, asked.seed) == (4, "random", "none", 0)
    assert list(asked.points) == ["n_layers=2"]


def test_a_rehearsal_says_what_would_be_done_and_writes_nothing(options, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    assert main([*options, "--dry-run", "--trials", "7", "--try", "n_layers=2"]) == 0
    said = capsys.readouterr().out
    assert "Data: images.npz, 128 rows to train on, 32 to validate on, 60 in the locked test part" in said
    assert "  momentum       0..0.98\n" in said
    assert "Finished trials that are there: 0 of 7\n" in said
    assert "if no training is ended early, by one epoch of the starting point of 0.0" in said
    assert main([*options, "--dry-run", "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["seconds"] == pytest.approx(3 + 100 * 0.1 + 100 * 2 * found["epoch_seconds"])
    assert (found["data"]["classes"], found["folder"]) == (2, str(tmp_path))
    assert sorted(tmp_path.rglob("*")) == before


def test_a_rehearsal_counts_what_is_there_and_refuses_what_a_sweep_would(sweep_of, options, capsys):
    sweep_of()
    assert main([*options, "--dry-run", "--trials", "7"]) == 0
    assert "Finished trials that are there: 4 of 7\n" in capsys.readouterr().out
    assert main([*options, "--dry-run", "--epochs", "3"]) == 1
    assert "was started with epochs 2, not 3" in capsys.readouterr().err
    other = [*options, "--dry-run", "--study", "new", "--from", "sweep"]
    assert main(other) == 0
    assert "Finished trials that are there: 4 of 100\n" in capsys.readouterr().out
    sweep_of(study="new", trials=2, seed=1)  # trials of the other one come on top, once
    for _ in range(2):
        assert main(other) == 0
        assert "Finished trials that are there: 6 of 100\n" in capsys.readouterr().out
        sweep_of(study="new", trials=6, seed=1, taken_from="sweep")


def test_a_rehearsal_of_a_grid_counts_its_points(sweep_of, options, capsys):
    asked = [*options[:-1], "grid", "--fix", "hidden_units=8", "--range", "schedule=cosine"]
    assert main([*asked, "--dry-run", "--trials", "50", "--format", "json"]) == 0
    out, err = capsys.readouterr()
    found = json.loads(out)
    assert found["space"]["hidden_units"] == "8"
    assert found["space"]["learning_rate"] == "0.001, 0.005, 0.01, 0.05, 0.1"
    n = 5 * len(found["space"]["batch_size"].split(", "))  # no baseline, which has 128 units
    assert found["seconds"] == pytest.approx(3 + n * 0.1 + n * 2 * found["epoch_seconds"])
    assert f"The sweep will end with {n} trials: the grid has no more points." in err
    assert main([*asked, "--trials", "50"]) == 0
    assert f"Study sweep: {n} complete" in capsys.readouterr().out


def test_the_winner_is_a_classifier(sweep_of, url, images):
    study = sweep_of()
    best = max(study.get_trials(), key=lambda t: t.value if t.state == TrialState.COMPLETE else 0)
    classifier = best_estimator(url, "sweep")
    assert {name: getattr(classifier, name) for name in best.params} == best.params
    assert classifier.epochs == 2
    with np.load(images) as arrays:
        classifier.fit(arrays["train_data"], arrays["train_labels"])
        assert classifier.score(arrays["test_data"], arrays["test_labels"]) > 0.6
    with pytest.raises(UserError, match="has no complete trial"):
        studies.search(Plan(url, "none", 1, str(images), timeout=1e-9), backend=InProcess())
        best_estimator(url, "none")


def test_a_winner_that_saw_mirror_images_knows_the_shape_of_an_image(sweep_of, url, images):
    write_images(images, seed=7)  # rows that no other test has put into the cache as plain ones
    with np.load(images) as arrays:
        shaped = {n: a.reshape(-1, 4, 6) if n.endswith("data") else a for n, a in arrays.items()}
    np.savez(images, **shaped)
    sweep_of(trials=1, space=narrowed(["mirror=True", "n_layers=2"]))
    classifier = best_estimator(url)
    assert (classifier.mirror, classifier.image_shape) == (True, (4, 6))
    classifier.fit(shaped["train_data"].reshape(-1, 24), shaped["train_labels"])
    images.unlink()
    assert best_estimator(url, image_shape=[4, 6]).image_shape == (4, 6)
    with pytest.raises(UserError, match=r"images\.npz"):
        best_estimator(url)
