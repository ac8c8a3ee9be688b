"""A trial trained again: identical is said when it is, and what differs is named when it is not."""

import json
import sqlite3
from dataclasses import replace

import pytest
from conftest import write_images

from fcnet.errors import UserError
from studies.api import confirm, reproduce, search
from studies.execution.local import InProcess
from studies.experiments.confirm import runs_name
from studies.experiments.data import load_data_of
from studies.experiments.plan import Plan
from studies.ranges import narrowed
from studies.storage.database import connect
from studies.storage.study import load_study

PRUNED, DIVERGED = 1, 2
RECORD = "record"


@pytest.fixture
def url(tmp_path, images):
    """A study of a complete, a pruned-looking and a diverged trial, all really trained."""
    url = f"sqlite:///{tmp_path}/sweep.db"
    plan = Plan(url, "sweep", trials=3, data=str(images), epochs=4, sampler="random", pruner="none")
    search(plan, backend=InProcess())
    return url


def opened(url, name="sweep"):
    return load_study(connect(url, create=False), name)


def change(url, number, **changes):
    """Change a trial's record behind the program's back; ``seed`` its user attribute."""
    with sqlite3.connect(url.removeprefix("sqlite:///")) as connection:
        if "seed" in changes:
            connection.execute(
                "UPDATE trial_user_attributes SET value_json = ? WHERE key = 'seed' AND trial_id = ?",
                (json.dumps(changes.pop("seed")), number + 1),
            )
        where = "key = ? AND trial_id = ?"
        (old,) = connection.execute(
            f"SELECT value_json FROM trial_system_attributes WHERE {where}", (RECORD, number + 1)
        ).fetchone()
        record = {**json.loads(old), **changes}
        connection.execute(
            f"UPDATE trial_system_attributes SET value_json = ? WHERE {where}",
            (json.dumps(record), RECORD, number + 1),
        )


def again(url, number, images, name="sweep"):
    return reproduce(opened(url, name), number, data=str(images), backend=InProcess())


def record_of(url, number):
    return opened(url).get_trials()[number].system_attrs[RECORD]


def test_the_same_machine_gives_the_same_bits(url, images):
    result = again(url, 0, images)
    assert result.identical
    assert result.succeeded
    assert result.sentence() == (
        "Trial 0 is reproduced bit for bit: 4 epochs and the final weights identical."
    )
    assert result.epochs == 4
    assert not result.environment


def test_of_a_pruned_trial_the_epochs_that_there_are_get_compared(url, images):
    change(url, PRUNED, epochs=record_of(url, PRUNED)["epochs"][:2], digest=None)
    result = again(url, PRUNED, images)
    assert result.identical
    assert result.sentence() == "Trial 1 is reproduced bit for bit: 2 epochs identical."


def test_of_a_trial_cut_from_a_longer_training_the_weights_are_not_known(tmp_path, images):
    url = f"sqlite:///{tmp_path}/sweep.db"
    plan = Plan(url, "long", trials=1, data=str(images), epochs=4, space=narrowed(["schedule=constant"]))
    search(plan, backend=InProcess())
    search(replace(plan, study="cut", epochs=2, taken_from="long"), backend=InProcess())
    result = again(url, 0, images, "cut")
    assert result.succeeded
    assert not result.weights_compared
    assert result.sentence() == (
        "Trial 0 is reproduced bit for bit: 2 epochs identical; its final weights were not kept and cannot be"
        " compared."
    )


def test_a_changed_seed_is_told_by_the_first_figure(url, images):
    change(url, 0, seed=12345)
    result = again(url, 0, images)
    assert not result.identical
    assert not result.succeeded
    assert result.sentence().startswith("Trial 0 is not reproduced: objective of epoch 0 was 26.")
    assert "bit for bit" not in result.sentence()


def test_the_first_difference_is_the_one_that_is_named(url, images):
    epochs = record_of(url, 0)["epochs"]
    epochs[2][5] += 1e-9
    epochs[3][2] += 1e-9
    change(url, 0, epochs=epochs)
    assert "validation_accuracy of epoch 2 was" in again(url, 0, images).sentence()


def test_seconds_are_not_compared(url, images):
    epochs = record_of(url, 0)["epochs"]
    epochs[1][6] += 100.0
    change(url, 0, epochs=epochs)
    assert again(url, 0, images).identical


def test_weights_that_differ_are_told_where_all_figures_agree(url, images):
    change(url, 0, digest="0" * 64)
    result = again(url, 0, images)
    assert not result.identical
    assert "the final weights" in result.sentence()


def test_another_environment_is_named_and_compared_within_tolerance(url, images):
    record = record_of(url, 0)
    elsewhere = {**record["environment"], "numpy": "1.0", "machine": "Linux riscv64"}
    close = [[*row[:1], row[1] * 1.01, *row[2:]] for row in record["epochs"]]
    change(url, 0, environment=elsewhere, epochs=close, digest="0" * 64)
    result = again(url, 0, images)
    assert not result.identical
    assert result.succeeded
    assert result.sentence().startswith("Trial 0 is reproduced within tolerance: 4 epochs compared")
    assert [line.split(" was ")[0] for line in result.environment] == ["machine", "numpy"]
    assert result.environment[1].startswith("numpy was 1.0, here it is 2.")

    far = [[*row[:5], row[5] - 0.1, row[6]] for row in record["epochs"]]
    change(url, 0, epochs=far)
    result = again(url, 0, images)
    assert not result.succeeded
    assert "not reproduced within tolerance: validation_accuracy of epoch 0" in result.sentence()


def test_a_close_miss_in_the_same_environment_is_a_miss(url, images):
    epochs = record_of(url, 0)["epochs"]
    epochs[0][1] *= 1.0001
    change(url, 0, epochs=epochs)
    result = again(url, 0, images)
    assert result.within_tolerance
    assert not result.succeeded


def test_a_diverged_trial_diverges_again(tmp_path, images):
    url = f"sqlite:///{tmp_path}/sweep.db"
    space = narrowed(["learning_rate=0.001:9", "weight_decay=0.001:1"])
    for trials in (1, 2):
        plan = Plan(url, "sweep", trials, data=str(images), epochs=4, pruner="none", space=space)
        search(plan, backend=InProcess())
        wild = {"learning_rate": 9.0, "weight_decay": 1.0}
        opened(url).enqueue_trial({**opened(url).get_trials()[0].params, **wild})
    assert "diverged" in opened(url).get_trials()[1].user_attrs["reason"]
    result = again(url, 1, images)
    assert result.identical
    assert not result.weights_compared


def test_a_confirmation_run_is_reproduced_on_its_own_split(url, images):
    confirm(opened(url), top=1, n_seeds=2, backend=InProcess())
    assert again(url, 1, images, runs_name("sweep")).identical


def test_trials_that_cannot_be_compared_are_told(url, images):
    with pytest.raises(UserError, match="has no trial 7: name one that is finished"):
        again(url, 7, images)
    study = opened(url)
    study.enqueue_trial({})
    with pytest.raises(UserError, match="trial 3 of the study 'sweep' was not trained to an end"):
        again(url, 3, images)


def test_a_changed_data_file_is_told_and_a_moved_one_is_found(url, images, tmp_path):
    moved = images.rename(tmp_path / "elsewhere.npz")
    assert load_data_of(opened(url), str(moved), say=print)[0].test_size == 60
    write_images(images, seed=1)
    with pytest.raises(UserError, match=r"with fingerprint .* but images.npz has .*: name the same data"):
        load_data_of(opened(url), None, say=print)


def test_the_command_tells_by_its_exit_code(sweep, url, images):
    good = sweep("reproduce", 0, "--format", "json")
    assert {"trial": 0, "identical": True, "epochs": 4}.items() <= json.loads(good.stdout).items()
    change(url, 0, seed=12345)
    bad = sweep("reproduce", 0, check=False)
    assert bad.returncode == 1
    assert "not reproduced: objective of epoch 0" in bad.stdout
