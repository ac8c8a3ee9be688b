"""Studies and models that earlier versions wrote are read, and told what they cannot do."""

import csv
import gzip
import json
import shutil

import pytest
from conftest import ROOT

WITNESSES = ROOT / "tests" / "witnesses"
SAID_BY_0_1_0 = {  # what that version's own `best --format json` and `predict` printed
    "value": 0.65625,
    "params": {
        "batch_size": 70,
        "learning_rate": 0.008128825882244079,
        "hidden_units": 4,
        "momentum": 0.37870970922663477,
        "weight_decay": 0.003936492274779489,
        "n_layers": 2,
    },
    "test_openings": 1,
    "noise": pytest.approx(0.015625),
}
PREDICTED_BY_0_1_0 = "1 1 0 0 1 0 0 0 0 0 0 1"


@pytest.fixture(autouse=True)
def files(tmp_path):
    folder = WITNESSES / "0.1.0"
    for name in ("images.npz", "rows.npy", "model.safetensors"):
        shutil.copyfile(folder / name, tmp_path / name)
    (tmp_path / "sweep.db").write_bytes(gzip.decompress((folder / "sweep.db.gz").read_bytes()))


def test_a_study_of_0_1_0_says_what_it_said_then(sweep):
    best = json.loads(sweep("best", "--format", "json").stdout)
    assert {name: best[name] for name in SAID_BY_0_1_0} == SAID_BY_0_1_0
    assert best["n_trials"]["complete"] == 6
    assert (best["trial"], best["confirmation"]["winner"]) == (0, 5)
    assert best["scores"]["test"]["n"] == 2
    assert best["confirmation"]["top"] == 5  # its default, which it did not keep


def test_a_study_of_0_1_0_is_exported(sweep, tmp_path):
    sweep("export", "trials.csv")
    with (tmp_path / "trials.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["state"] for row in rows] == ["COMPLETE"] * 6
    assert rows[0]["hidden_units"] == "4"
    sweep("export", "page.html")
    assert "65.62 %" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_a_study_of_0_1_0_is_confirmed_by_folds(sweep):
    data = ("--data", "images.npz")
    found = json.loads(sweep("confirm", "--top", 2, "--seeds", 2, *data, "--format", "json").stdout)
    assert [len(each["values"]) for each in found["candidates"]] == [2, 2]


def test_a_sweep_over_more_hyperparameters_is_another_study(sweep):
    out = sweep("--trials", 8, "--data", "images.npz", "--epochs", 2, check=False)
    assert out.returncode == 1
    assert "the study 'sweep' was started with" in out.stderr
    assert "space.components (none)" in out.stderr
    mend = "start another study with --study NAME; --from sweep counts its trials there, where they fit"
    assert out.stderr.rstrip().endswith(f": {mend}")
    assert json.loads(sweep("best", "--format", "json").stdout)["n_trials"]["complete"] == 6
    ranges = (
        "--range",
        "batch_size=4:256",
        "--range",
        "hidden_units=4:512",
    )  # which hold those of the old one
    words = ("--trials", 6, "--data", "images.npz", "--epochs", 2, *ranges)
    taken = sweep(*words, "--study", "new", "--from", "sweep")
    assert "Of the study 'sweep', 6 finished trials count in this one" in taken.stderr


def test_a_model_of_0_1_0_predicts_what_it_predicted_then(sweep):
    out = sweep("predict", "model.safetensors", "rows.npy")
    assert out.stdout.split() == PREDICTED_BY_0_1_0.split()
