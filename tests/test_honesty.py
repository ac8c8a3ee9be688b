"""The test set has one door, every opening is on record, and advice appears only where the data give it."""

import ast
import io
import json

import numpy as np
import optuna
import pytest
from conftest import ROOT, write_images
from msgspec import to_builtins
from rich.console import Console
from scripted import Scripted, noisy

from fcnet.data import Dataset, load
from fcnet.errors import UserError
from fcnet.model import Model
from studies.api import confirm, search, train
from studies.dashboard.publishing import publish
from studies.execution.local import InProcess
from studies.experiments import ledger
from studies.experiments.advising import advise
from studies.experiments.ledger import Examined
from studies.experiments.plan import Plan
from studies.experiments.results import summarise
from studies.experiments.search import REPEATS
from studies.ranges import narrowed
from studies.record import attributes, read, write_attribute
from studies.storage.database import connect
from studies.storage.study import load_study
from studies.views.note import sweep_note
from studies.views.search import print_best
from studies.views.sentences import cost_sentence

STEADY = noisy(lambda _: 0.85, spread=0.003)


def run(url, images, backend, **options):
    said = []
    plan = Plan(url, "sweep", data=str(images), **{"epochs": 2, "sampler": "random", **options})
    return search(plan, backend=backend, say=said.append), "\n".join(said)


def everything(url, images):
    """Run sweep, confirm and best with real trainings and return all that they found."""
    study, _ = run(url, images, InProcess(), trials=4)
    confirm(study, top=2, n_seeds=2, backend=InProcess())
    study = load_study(connect(url, create=False), "sweep")
    trials = [(t.params, t.value, t.intermediate_values, t.state) for t in study.get_trials()]
    found = {**to_builtins(summarise(study)), **to_builtins(advise(study))}
    del found["data"]["fingerprint"], found["confirmation"]["time"]
    for candidate in found["confirmation"]["candidates"]:
        del candidate["seconds"]
    # Seconds decide which of several equal ones is called the cheapest.
    for key in ("cheapest", "sentence"):
        del found["confirmation"][key]
    del found["ground"], found["scores"], found["wider"]  # the last one names the file
    return trials, found


def test_nothing_before_the_final_train_depends_on_the_test_set(images, tmp_path, monkeypatch):
    def locked(self):
        raise AssertionError("the test set was opened")

    monkeypatch.setattr(Dataset, "open_test", locked)
    with np.load(images) as arrays:
        other = tmp_path / "sub" / "images.npz"
        other.parent.mkdir()
        rng = np.random.default_rng(5)
        tests = {
            "test_data": rng.integers(0, 255, arrays["test_data"].shape, np.uint8),
            "test_labels": 1 - arrays["test_labels"],
        }
        np.savez(other, **{**arrays, **tests})
    assert load(str(images)).fingerprint != load(str(other)).fingerprint
    one = everything(f"sqlite:///{tmp_path}/sweep.db", images)
    two = everything(f"sqlite:///{tmp_path}/sub/sweep.db", other)
    assert one == two


def test_only_the_final_train_uses_the_door():
    uses = {}
    for path in [ROOT / "sweep.py", *(ROOT / "fcnet").rglob("*.py"), *(ROOT / "studies").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and node.attr in ("open_test", "_test"):
                uses.setdefault(node.attr, set()).add(str(path.relative_to(ROOT)))
    rows_alone = "fcnet/data/unseen.py"  # to predict: no label is looked at
    assert uses["open_test"] == {"fcnet/data/dataset.py", rows_alone, "studies/experiments/train.py"}
    assert uses["_test"] == {"fcnet/data/dataset.py"}


def test_an_opening_is_on_record_before_the_test_set_is_read(url, images, tmp_path, monkeypatch):
    study, _ = run(url, images, InProcess(), trials=2)
    options = {"folder": tmp_path / "models", "artifacts": tmp_path / "artifacts", "backend": InProcess()}

    def crash(self):
        (opening,) = attributes(load_study(connect(url, create=False), "sweep"))["test_openings"]
        assert opening["test_accuracies"] is None
        assert opening["trial"] == 0
        assert len(Model.load(tmp_path / "models" / "model.safetensors").networks) == 2  # chosen already
        raise OSError("the power went")

    with monkeypatch.context() as patch:
        patch.setattr(Dataset, "open_test", crash)
        with pytest.raises(OSError, match="the power went"):
            train(study, 0, n_seeds=2, **options)
    result = train(study, 0, n_seeds=2, **options)
    assert (result.test_openings, result.configurations_tested_before) == (1, 0)
    (opening,) = attributes(study)["test_openings"]
    assert opening["test_accuracies"] == result.test_accuracy.values
    assert opening["ensemble_accuracy"] == result.ensemble_accuracy
    assert len(opening["configuration"]) == 64
    assert opening["images"] == 60
    # The same networks again teach nothing; another one, or another configuration, does.
    assert train(study, 0, n_seeds=2, **options) == result
    alone = train(study, 0, n_seeds=1, **options)
    assert (alone.test_openings, alone.ensemble_accuracy) == (1, result.test_accuracy.values[0])
    more = train(study, 0, n_seeds=3, **options)
    assert (more.test_openings, more.configurations_tested_before) == (2, 0)
    assert more.test_accuracy.values[:2] == result.test_accuracy.values
    other = train(study, 1, n_seeds=1, **options)
    assert (other.test_openings, other.configurations_tested_before) == (3, 1)


def test_the_note_names_the_steps_that_are_still_to_be_done(url, images, tmp_path):
    def steps():
        text = sweep_note(summarise(load_study(connect(url, create=False), "sweep")))
        return "re-trains the top trials" in text, "opens the test set" in text

    study, _ = run(url, images, InProcess(), trials=2)
    assert steps() == (True, True)
    confirm(study, top=2, n_seeds=2, backend=InProcess())
    assert steps() == (False, True)
    folders = {"folder": tmp_path / "models", "artifacts": tmp_path / "artifacts"}
    train(study, 0, n_seeds=1, backend=InProcess(), **folders)
    assert steps() == (False, False)


def test_a_crashed_opening_of_another_configuration_stays_on_record(opened):
    _, study = opened
    for trial, n_layers, model in ((0, 2, "a"), (0, 2, "a"), (1, 3, "b"), (1, 3, "b")):  # taken up again
        ledger.begin(study, trial, {"n_layers": n_layers}, [model], images=2000)
    ledger.finish(study, Examined([0.85], 0.85))
    assert [opening.test_accuracies for opening in read(study).openings] == [None, [0.85]]
    assert ledger.known(study, ["b"]) == Examined([0.85], 0.85)
    assert ledger.known(study, ["a"]) is None


def test_networks_that_were_tested_are_known_and_as_one_if_they_were_tested_so(opened):
    _, study = opened
    ledger.begin(study, 0, {"n_layers": 2}, ["a", "b", "c"], images=2000)
    ledger.finish(study, Examined([0.83, 0.84, 0.85], 0.87))
    assert ledger.known(study, ["c", "a", "b"]) == Examined([0.85, 0.83, 0.84], 0.87)
    assert ledger.known(study, ["b"]) == Examined([0.84], 0.84)
    assert ledger.known(study, ["a", "b"]) is None
    (opening,) = attributes(study)["test_openings"]
    del opening["ensemble_accuracy"]  # as version 0.1.0 kept it
    write_attribute(study, "test_openings", [opening])
    assert ledger.known(study, ["a"]) == Examined([0.83], 0.83)
    assert ledger.known(study, ["a", "b", "c"]) is None


def test_what_a_second_configuration_costs_is_said_and_the_first_one_is_free(opened):
    _, study = opened
    assert ledger.cost(study, {"n_layers": 2}, images=2000) is None
    ledger.begin(study, 0, {"n_layers": 2}, ["a", "b"], images=2000)
    ledger.finish(study, Examined([0.85, 0.85], 0.85))
    assert ledger.cost(study, {"n_layers": 2}, images=2000) is None
    # The larger of two standard normal variates is 0.5642 on average; the error is 0.798 points.
    cost = cost_sentence(ledger.cost(study, {"n_layers": 3}, images=2000))
    assert "1 other configuration of this study met this test set before" in cost
    assert "the best of 2 test results flatters by up to 0.45 points" in cost


def printed(study):
    out = io.StringIO()
    print_best(Console(file=out, width=200, highlight=False, soft_wrap=True), summarise(study), advise(study))
    return out.getvalue()


@pytest.mark.parametrize(
    ("components", "ranges", "rows", "told"),
    [
        (62, [], 160, []),  # of 64 values in a row
        (32, ["components=16:32"], 160, ["try --range components=16:48."]),
        (39, ["components=16:40"], 50, []),  # 40 rows are trained on
    ],
)
def test_no_more_components_are_advised_than_the_data_have(url, tmp_path, components, ranges, rows, told):
    few = write_images(tmp_path / "few.npz", n_train=rows, n_features=64)
    scored = Scripted(lambda job: 0.9 if job.hyperparameters.components == components else 0.6)
    points = (f"components={components},momentum=0.4",)
    study, _ = run(url, few, scored, trials=2, space=narrowed(ranges), points=points)
    assert summarise(study).params["components"] == components
    warnings = [warning.partition(": ") for warning in advise(study).warnings]
    assert [advice for edge, _, advice in warnings if edge.startswith("components")] == told


def test_advice_appears_with_the_data_for_it(url, images):
    study, _ = run(url, images, Scripted(STEADY), trials=22, pruner="none")
    advice, text = advise(study), printed(study)
    assert advice.outlook is None  # nothing was repeated
    assert "has not been measured" in text
    assert "flattened" not in text
    # The baseline differs in what the sweep does not search.
    assert set(advice.importances) == set(study.get_trials()[0].params) - {"mirror", "schedule"}
    assert "Importances (no significance: pure noise has some too): " in text
    first = study.get_trials()[0]
    for value in (0.846, 0.850, 0.853):
        study.add_trial(
            optuna.trial.create_trial(params=first.params, distributions=first.distributions, value=value)
        )
    text = printed(study)
    assert "The sweep has flattened out" in text
    assert "has not been measured" not in text
    publish(study)
    assert "A single training varies by" in json.dumps(study._storage.get_study_system_attrs(study._study_id))


def at_an_edge(url, images, *, sampler):
    """Run a sweep whose best network is as wide as it may be."""
    scored = Scripted(lambda job: 0.6 if job.hyperparameters.weight_decay == 0.0002 else 0.5)
    points = () if sampler == "grid" else ("hidden_units=32,weight_decay=0.0002",)
    return run(
        url,
        images,
        scored,
        trials=26,
        sampler=sampler,
        pruner="none",
        seed=3,
        points=points,
        space=narrowed(["hidden_units=8:32", "learning_rate=0.001:0.1", "momentum=0.8"]),
    )[0]


def test_who_searches_wider_goes_on_as_before(url, images):
    wider = advise(at_an_edge(url, images, sampler="qmc")).wider
    assert "hidden_units=8:" in " ".join(wider)
    assert wider[-6:] == ["--sampler", "qmc", "--pruner", "none", "--seed", "3"]


def test_a_grid_has_no_wider_ranges_and_what_it_does_not_vary_is_not_important(url, images):
    advice = advise(at_an_edge(url, images, sampler="grid"))
    assert (advice.warnings, advice.wider) == ([], [])
    assert advice.importances is None or not {"momentum", "weight_decay", "n_layers"} & {*advice.importances}


def test_too_few_trials_have_no_importances(url, images):
    study, _ = run(url, images, Scripted(STEADY), trials=5, pruner="none")
    assert advise(study).importances is None
    assert "Importances" not in printed(study)


def test_a_winner_at_an_edge_is_told_the_option_and_one_in_the_middle_is_not(url, images):
    study, _ = run(url, images, Scripted(lambda _: 0.8), trials=1, pruner="none")
    first = study.get_trials()[0]
    middle = {**first.params, "batch_size": 8, "learning_rate": 0.005}
    study.add_trial(optuna.trial.create_trial(params=middle, distributions=first.distributions, value=0.85))
    assert "Edge:" not in printed(study)
    edge = {**middle, "learning_rate": 0.1}
    study.add_trial(optuna.trial.create_trial(params=edge, distributions=first.distributions, value=0.9))
    assert "Edge: learning_rate 0.1 is at the upper end of its range 0.0003..0.1: try --range " in printed(
        study
    )


@pytest.mark.parametrize("winner", [0, 1])
def test_what_the_program_tried_first_is_no_edge_that_the_search_went_to(url, images, winner):
    study, _ = run(url, images, Scripted(noisy(lambda _: 0.8, spread=0.0)), trials=2, pruner="none")
    for trial in study.get_trials():
        assert trial.params["batch_size"] == trial.distributions["batch_size"].high  # of so few rows
    first = study.get_trials()[winner]
    study.add_trial(
        optuna.trial.create_trial(params=first.params, distributions=first.distributions, value=0.9)
    )
    assert "Edge:" not in printed(study)


def test_until_flat_ends_a_flat_sweep_on_repeats(url, images):
    study, said = run(url, images, Scripted(STEADY), trials=90, until_flat=True, pruner="none")
    trials = study.get_trials()
    assert 20 <= len(trials) < 90
    assert "The sweep ended early: it has flattened out: the next 20 trials are expected to gain" in said
    assert "less than the noise of one training" in said
    repeats = [t for t in trials if "repeat" in t.user_attrs]
    assert len(repeats) == REPEATS
    assert all(t.params == trials[0].params and t.value is not None for t in repeats)
    assert len({t.user_attrs["seed"] for t in trials}) == len(trials)


def test_until_flat_repeats_the_best_where_the_first_one_learns_nothing(url, images):
    first = {}

    def accuracy(job):
        return 0.5 if first.setdefault("h", job.hyperparameters) == job.hyperparameters else STEADY(job)

    study, said = run(url, images, Scripted(accuracy), trials=90, until_flat=True, pruner="none")
    trials = study.get_trials()
    assert 20 <= len(trials) < 90
    assert "The sweep ended early: it has flattened out" in said
    repeats = [trials[trial.user_attrs["repeat"]] for trial in trials if "repeat" in trial.user_attrs]
    assert len(repeats) == 2 * REPEATS
    assert {trial.number for trial in repeats[:REPEATS]} == {0}
    assert len({trial.number for trial in repeats[REPEATS:]} - {0}) == 1


def test_until_flat_goes_on_to_the_budget_while_more_trials_pay(url, images):
    seen = {}

    def climbing(job):
        return 0.5 + 0.01 * seen.setdefault(job.hyperparameters, len(seen)) + STEADY(job) - 0.85

    study, said = run(url, images, Scripted(climbing), trials=32, until_flat=True, pruner="none")
    assert len(study.get_trials()) == 32
    assert "flattened" not in said


def test_without_the_option_nothing_is_repeated(url, images):
    study, said = run(url, images, Scripted(STEADY), trials=30, pruner="none")
    assert len(study.get_trials()) == 30
    assert not any("repeat" in t.user_attrs for t in study.get_trials())
    assert "ended early" not in said


def test_repeats_are_never_pruned(url, images):
    study, _ = run(url, images, Scripted(STEADY), trials=12, epochs=6)
    first = study.get_trials()[0]
    study.enqueue_trial(first.params, user_attrs={"repeat": 0})
    study.enqueue_trial(first.params)
    # Both are worse than all before.
    study, _ = run(url, images, Scripted(lambda _: 0.1), trials=14, epochs=6)
    assert [t.state.name for t in study.get_trials()[12:]] == ["COMPLETE", "PRUNED"]


def test_until_flat_asks_for_repeats_once(url, images):
    study, _ = run(url, images, Scripted(STEADY), trials=2, pruner="none", until_flat=True)
    for trials in (3, 7, 9):
        study, _ = run(url, images, Scripted(STEADY), trials=trials, pruner="none", until_flat=True)
    assert sum("repeat" in t.user_attrs for t in study.get_trials()) == REPEATS


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("confirmation", "trial 3"),
        ("confirmation", {"winner": 0}),
        ("test_openings", [{"configuration": "a", "test_accuracies": ["much"], "images": 60}]),
        ("test_openings", [{"configuration": "a", "test_accuracies": [0.8]}]),
    ],
)
def test_evidence_of_another_form_is_refused_in_one_sentence(url, images, name, value):
    study, _ = run(url, images, Scripted(STEADY), trials=1)
    read(study)
    write_attribute(study, name, value)
    with pytest.raises(
        UserError, match=f"the attribute '{name}' of the study 'sweep' is not as this program"
    ):
        read(study)
