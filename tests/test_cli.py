"""The command line as its user runs it: a sweep, its result, its end by Ctrl-C and kill, and nonsense."""

import json
import os
import pickle
import signal
from collections import Counter

import numpy as np
import pytest
from conftest import PROGRAM, write_images
from optuna.trial import TrialState
from started import FAST, assert_whole, finished, trials_of


def test_the_whole_way_from_images_to_a_model(sweep, images, tmp_path):
    out = sweep("--trials", 6, "--data", images, *FAST)
    assert "Best trial" in out.stdout
    assert "6/6" in out.stderr
    assert "\x1b[" not in out.stdout + out.stderr  # no colours where no terminal is
    trials = trials_of(tmp_path)
    assert [trial.state for trial in finished(trials)].count(TrialState.COMPLETE) >= 1
    assert len(finished(trials)) == 6
    assert trials[0].params == {
        "batch_size": 16,
        "learning_rate": 0.001,
        "hidden_units": 128,
        "momentum": 0.8,
        "weight_decay": 0.05,
        "n_layers": 3,
        "components": 24,
        "whitening": 0.0,
        "mirror": False,
        "schedule": "constant",
    }
    best = json.loads(sweep("best", "--format", "json").stdout)
    assert best["study"] == "sweep"
    assert best["value"] == max(t.value for t in trials if t.state == TrialState.COMPLETE)
    assert best["params"] == trials[best["trial"]].params
    assert best["n_trials"]["complete"] + best["n_trials"]["pruned"] == 6
    assert best["data"]["name"] == "images.npz"

    final = json.loads(sweep("train", "--seeds", 2, "--format", "json", "--workers", 2).stdout)
    assert final["trial"] == best["trial"]
    assert len(set(final["seeds"])) == 2
    assert final["test_accuracy"]["mean"] == pytest.approx(np.mean(final["test_accuracy"]["values"]))
    assert final["test_accuracy"]["std"] == pytest.approx(np.std(final["test_accuracy"]["values"], ddof=1))
    assert final["test_openings"] == 1
    page = (tmp_path / final["report"]).read_text()
    assert page.startswith(("<!doctype html>", "<html>"))  # the second: before Plotly 7
    assert "plotly" in page
    assert len(list((tmp_path / "artifacts").iterdir())) == 2

    # The saved model, with nothing but its file, predicts what was measured.
    with np.load(images) as arrays:
        np.save(tmp_path / "new.npy", arrays["test_data"])
        labels = arrays["test_labels"]
    judged = [*zip(final["models"], final["test_accuracy"]["values"], strict=True)]
    for model, accuracy in [*judged, (final["model"], final["ensemble_accuracy"])]:
        said = json.loads(sweep("predict", model, "new.npy", "--format", "json").stdout)["predictions"]
        assert np.mean(np.array(said, dtype=int) == labels) == accuracy

    assert len({final["model"], *final["models"]}) == 3
    said = sweep("train", "--seeds", 2).stdout
    assert "Test accuracy of a single network: " in said
    assert "Test accuracy of the 2 as one: " in said
    assert "the 2 networks as one, by the mean of their probabilities" in said
    again = sweep("train", "--seeds", 1, "--trial", 0)
    assert "model.safetensors (the first seed's network" in again.stdout
    assert "as one" not in again.stdout.split("Learning curves")[0]
    single, first = (
        tmp_path / "models" / "sweep" / f"{name}.safetensors" for name in ("model", "model-seed1")
    )
    assert single.read_bytes() == first.read_bytes()
    assert "opened 2 times" in again.stdout
    assert ("Warning" in again.stdout) == (best["trial"] != 0)


def test_the_same_command_again_says_that_nothing_is_left(sweep, images, tmp_path):
    sweep("--trials", 3, "--data", images, *FAST)
    before = trials_of(tmp_path)
    out = sweep("--trials", 3, "--data", images, *FAST)
    assert "nothing is left to do" in out.stderr
    assert trials_of(tmp_path) == before


def test_json_output_is_one_object_and_nothing_else(sweep, images):
    out = sweep("--trials", 2, "--data", images, "--format", "json", *FAST)
    assert json.loads(out.stdout)["n_trials"]["complete"] == 2


def test_the_same_seed_and_one_worker_give_identical_trials(sweep, images, tmp_path):
    results = []
    for folder in ("a", "b", "c"):
        (tmp_path / folder).mkdir()
        seed, n = (2, 3) if folder == "c" else (1, 14)
        options = ("--data", images, "--epochs", 3, "--workers", 1, "--seed", seed)
        sweep("--trials", n, *options, cwd=tmp_path / folder)
        results.append([(t.params, t.value, t.intermediate_values) for t in trials_of(tmp_path / folder)])
    assert results[0] == results[1]
    same = [one[0] == other[0] for one, other in zip(results[0], results[2], strict=False)]
    assert same == [True, True, False]  # the baseline, the start; the seed reaches the sampler
    assert results[0][0][2] != results[2][0][2]  # and the trainings


def test_a_resumed_sweep_proposes_new_parameters(sweep, images, tmp_path):
    sweep("--trials", 3, "--data", images, "--sampler", "random", *FAST)
    sweep("--trials", 6, "--data", images, "--sampler", "random", *FAST)
    rates = [trial.params["learning_rate"] for trial in trials_of(tmp_path)]
    assert len(set(rates)) == len(rates) == 6


def test_ctrl_c_leaves_a_clean_study_and_prints_the_command_that_goes_on(start, sweep, images, tmp_path):
    running = start("--trials", 10000, "--data", images, *FAST)
    running.until("3/10000")
    os.killpg(running.process.pid, signal.SIGINT)
    code, said = running.end()
    assert code == 130
    assert "--trials 10000" in said
    trials = trials_of(tmp_path)
    assert not [trial for trial in trials if trial.state == TrialState.RUNNING]
    n_before = len(finished(trials))
    sweep("--trials", n_before + 3, "--data", images, *FAST)
    after = trials_of(tmp_path)
    assert len(finished(after)) == n_before + 3
    assert finished(after)[:n_before] == finished(trials)


def test_kill_9_of_everything_loses_nothing_and_repeats_nothing(start, sweep, images, tmp_path):
    sweeping = start("--trials", 10000, "--data", images, *FAST)
    sweeping.until("5/10000")
    sweeping.kill()
    before = trials_of(tmp_path)
    running = [trial for trial in before if trial.state == TrialState.RUNNING]
    total = len(finished(before)) + 4
    sweep("--trials", total, "--data", images, *FAST)
    assert_whole(tmp_path, total)
    after = trials_of(tmp_path)
    assert [t for t in after if t.number in {b.number for b in finished(before)}] == finished(before)
    rerun = Counter(trial.user_attrs.get("retry_of") for trial in finished(after))
    for trial in running:
        if trial.params:  # else it was killed before it had any
            assert rerun[trial.number] == 1
            (again,) = [t for t in after if t.user_attrs.get("retry_of") == trial.number]
            assert trial.params.items() <= again.params.items()


def test_a_killed_worker_costs_nothing_but_its_retry(start, images, tmp_path):
    running = start("--trials", 25, "--data", images, *FAST)
    running.until("3/25")
    os.kill(running.workers()[0], signal.SIGKILL)
    code, said = running.end()
    assert code == 0, said
    assert_whole(tmp_path, 25)


class _Evil:
    def __reduce__(self):
        return os.system, ("touch owned",)


def _bad_npz(path, **changes):
    write_images(path)
    with np.load(path) as arrays:
        np.savez(path, **{**arrays, **changes})


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("missing", "absent.npz"),
        ("truncated", "truncated.p"),
        ("evil", "evil.p"),
        ("shapes", "shapes.npz"),
        ("nan", "nan.npz"),
        ("third", "third.npz"),
    ],
)
def test_bad_data_is_one_sentence_and_nothing_is_written(sweep, tmp_path, name, sentence):
    path = tmp_path / sentence
    if name == "truncated":
        arrays = {"train_data": np.zeros((10, 4), np.uint8), "train_labels": np.zeros((10, 1), np.int64)}
        path.write_bytes(pickle.dumps(arrays, protocol=2)[:60])
    elif name == "evil":
        path.write_bytes(pickle.dumps(_Evil(), protocol=2))
    elif name == "shapes":
        _bad_npz(path, test_data=np.zeros((60, 7), np.uint8))
    elif name == "nan":
        _bad_npz(path, train_data=np.full((160, 24), np.nan, np.float32))
    elif name == "third":
        _bad_npz(path, train_labels=np.arange(160) % 3)
    before = sorted(tmp_path.iterdir())
    out = sweep("--trials", 2, "--data", path, check=False)
    assert out.returncode in (1, 2)
    assert sentence in out.stderr
    assert len(out.stderr.strip().splitlines()) == 1
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--trials", "0"), "--trials"),
        (("--trials", "many"), "--trials"),
        (("--epochs", "-1"), "--epochs"),
        (("--workers", "0"), "--workers"),
        (("--timeout", "nan"), "--timeout"),
        (("--sampler", "magic"), "--sampler"),
        (("--range", "depth=1:2"), "depth"),
        (("--range", "momentum=0.5:1.5"), "momentum"),
        (("--range", "batch_size=64:16"), "batch_size"),
        (("--range", "batch_size=1:2:3"), "does not name two ends"),
        (("--range", "schedule=linear"), "write schedule=constant,cosine or one of them"),
        (("--nonsense",), "--nonsense"),
        (("nonsense",), "choose from 'run', 'best'"),
        (("predict",), "MODEL"),
    ],
)
def test_wrong_usage_is_one_sentence_and_exit_code_2(sweep, tmp_path, arguments, words):
    out = sweep(*arguments, check=False)
    assert out.returncode == 2
    assert words in out.stderr
    assert len(out.stderr.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_mirror_images_of_what_is_no_image_are_refused(sweep, images, tmp_path):
    out = sweep("--data", images, "--range", "mirror=True", check=False)
    assert out.returncode == 2
    assert "the data are no images; write --range mirror=False" in out.stderr
    assert list(tmp_path.iterdir()) == [images]
    sweep("--data", images, "--range", "mirror=False", "--trials", 1, *FAST)


def test_an_address_that_is_none_is_told_before_any_data_is_fetched(sweep):
    out = sweep("--storage", "foo", check=False)
    assert out.returncode == 1
    assert out.stderr == "sweep.py: foo is not a database address: write --storage sqlite:///foo\n"


def test_a_database_that_is_none_is_left_as_it_is(sweep, images, tmp_path):
    (tmp_path / "sweep.db").write_text("my diary")
    for command in (("--data", images), ("best",), ("train",), ("dashboard", "--no-browser")):
        out = sweep(*command, check=False)
        assert out.returncode == 1
        assert "not a SQLite database" in out.stderr
    assert (tmp_path / "sweep.db").read_text() == "my diary"


def test_commands_without_a_sweep_name_the_command_that_makes_one_as_they_were_started(sweep, tmp_path):
    for command in ("best", "train", "dashboard"):
        out = sweep(command, check=False)
        assert out.returncode == 1
        assert f"make one with {PROGRAM}\n" in out.stderr
    assert not list(tmp_path.iterdir())


def test_a_study_of_other_data_space_or_epochs_is_refused_by_what_differs(sweep, images, tmp_path):
    sweep("--trials", 1, "--data", images, *FAST)
    other = write_images(tmp_path / "other.npz", seed=1)
    for arguments, words in (
        (("--data", other, *FAST), "data images.npz (fingerprint "),
        (("--data", images, "--epochs", 4), "epochs 3, not 4"),
        (("--data", images, *FAST, "--range", "momentum=0:0.5"), "give the same --range"),
    ):
        out = sweep("--trials", 2, *arguments, check=False)
        assert out.returncode == 1
        assert words in out.stderr
    assert len(trials_of(tmp_path)) == 1
    renamed = images.rename(tmp_path / "renamed.npz")
    sweep("--trials", 2, "--data", renamed, *FAST)


def test_a_folder_that_cannot_be_written_is_told(sweep, images):
    # Not even root writes there.
    out = sweep("--data", images, "--storage", "sqlite:////proc/sweep.db", check=False)
    assert out.returncode == 1
    assert "cannot make the database /proc/sweep.db" in out.stderr


def test_a_missing_folder_is_told(sweep, images):
    out = sweep("--data", images, "--storage", "sqlite:///no/such/folder/sweep.db", check=False)
    assert out.returncode == 1
    assert "no/such/folder" in out.stderr


def test_help_describes_every_command(sweep):
    text = sweep("--help").stdout
    for command in ("run", "best", "train", "dashboard", "predict"):
        assert command in text
        assert "--help" in sweep(command, "--help").stdout
