"""The trials of a study as files that other programs read."""

import csv
import io
import json
import math
from datetime import datetime

import pytest
from conftest import facts
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.trial import TrialState, create_trial

import studies
from fcnet.errors import UserError
from studies.commands.main import main
from studies.execution.local import InProcess
from studies.experiments.tables import Table, epochs_table, trials_table
from studies.record import attributes
from studies.views.tables import write_table

ENDINGS = (".csv", ".json", ".parquet")


@pytest.fixture
def searched(images, url):
    plan = studies.Plan(url, trials=4, data=str(images), epochs=3, sampler="random", pruner="median")
    return studies.search(plan, backend=InProcess())


def rows_of(path):
    """Return the rows of a file as another program reads them, with plain values."""
    if path.suffix == ".parquet":
        return pytest.importorskip("pyarrow.parquet").read_table(path).to_pylist()
    if path.suffix == ".json":
        return json.loads(path.read_text())
    return [*csv.DictReader(io.StringIO(path.read_text()))]


def test_a_row_has_all_that_is_known_of_a_trial(searched):
    table = trials_table(searched)
    for row, trial in zip(table.rows, searched.get_trials(), strict=True):
        assert {*row} - {"epoch"} <= {*table.columns}
        assert (row["number"], row["state"], row["value"]) == (trial.number, trial.state.name, trial.value)
        assert {name: row[name] for name in trial.params} == trial.params
        assert row["validation_accuracy"] == row["value"]
        assert row["epochs"] == 3
        assert row["seed"] == trial.user_attrs["seed"]
        assert 0 < row["seconds"] <= (row["ended"] - row["started"]).total_seconds()
        assert row["reason"] is None
    assert table.rows[0]["schedule"] == "constant"


def test_a_row_an_epoch_has_every_metric(searched):
    table = epochs_table(searched)
    assert [(row["number"], row["epoch"]) for row in table.rows] == [
        (n, e) for n in range(4) for e in range(3)
    ]
    assert {*table.columns} == {*table.rows[0]}
    lasts = [row["validation_loss"] for row in trials_table(searched).rows]
    assert [row["validation_loss"] for row in table.rows[2::3]] == lasts


@pytest.mark.parametrize("ending", ENDINGS)
def test_every_form_holds_the_same(searched, tmp_path, ending):
    path = tmp_path / f"trials{ending}"
    write_table(trials_table(searched), path)
    rows = rows_of(path)
    assert [int(row["number"]) for row in rows] == [0, 1, 2, 3]
    assert [float(row["value"]) for row in rows] == [trial.value for trial in searched.get_trials()]
    assert [str(row["mirror"]) for row in rows] == ["False"] * 4
    assert {*rows[0]} == {*trials_table(searched).columns}
    if ending == ".parquet":
        assert isinstance(rows[0]["started"], datetime)
        assert isinstance(rows[0]["batch_size"], int)


@pytest.mark.parametrize("ending", ENDINGS)
def test_trials_that_were_never_trained_and_numbers_that_are_none_are_there_too(opened, tmp_path, ending):
    _, study = opened
    study.ask()
    study.enqueue_trial({"momentum": 0.5})
    write_table(trials_table(study), tmp_path / f"trials{ending}")
    assert [row["state"] for row in rows_of(tmp_path / f"trials{ending}")] == ["RUNNING", "WAITING"]
    table = Table({"x": float, "word": str}, [{"x": math.nan, "word": "a,b\n"}, {"x": math.inf}, {}])
    write_table(table, tmp_path / f"made{ending}")
    found = rows_of(tmp_path / f"made{ending}")
    assert found[0]["word"] == "a,b\n"
    assert found[2]["x"] in ("", None)


@pytest.mark.parametrize("start", [*"=+-@\t\r", "\uff1d"])
def test_no_text_is_a_formula_to_a_spreadsheet(opened, tmp_path, start):
    _, study = opened
    formula = f'{start}HYPERLINK("http://x.example";"click")'
    study.add_trial(
        create_trial(
            state=TrialState.FAIL,
            params={"momentum": -0.5, "schedule": formula},
            distributions={
                "momentum": FloatDistribution(-1, 1),
                "schedule": CategoricalDistribution((formula, "cosine")),
            },
            user_attrs={"reason": formula},
        )
    )
    write_table(trials_table(study), tmp_path / "trials.csv")
    (row,) = csv.DictReader(io.StringIO((tmp_path / "trials.csv").read_bytes().decode(), newline=""))
    assert row["reason"] == row["schedule"] == f"'{formula}"
    assert row["momentum"] == "-0.5"


def test_the_command_writes_by_the_ending(searched, url, tmp_path, capsys):
    for name, options in (("trials.csv", ()), ("epochs.json", ("--epochs",)), ("T.PARQUET", ())):
        assert main(["export", str(tmp_path / "out" / name), "--storage", url, *options]) == 0
        assert capsys.readouterr().out == f"Written: {tmp_path / 'out' / name}\n"
    assert len(json.loads((tmp_path / "out" / "epochs.json").read_text())) == 12
    assert main(["export", str(tmp_path / "a.csv"), "--storage", url, "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"study": "sweep", "file": str(tmp_path / "a.csv")}


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (
            ["trials.xls"],
            2,
            "trials.xls has none of the endings that can be written: choose one of .html, .csv",
        ),
        (
            ["x.onnx", "--epochs"],
            2,
            "--epochs is for a file .csv, .json or .parquet, but x.onnx was asked for",
        ),
        (["x.csv", "--model", "m"], 2, "--model is for a file .onnx, but x.csv was asked for: leave it out"),
        (
            ["x.onnx"],
            1,
            "has no trained model yet: run python sweep.py train --storage sqlite:///",
        ),
        (["x.onnx", "--model", "none"], 1, "cannot read the model none"),
        (["images.npz/x.csv"], 1, "cannot write images.npz/x.csv"),
    ],
)
def test_what_cannot_be_written_is_said_in_a_sentence(
    searched, url, tmp_path, monkeypatch, capsys, words, code, sentence
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["sweep.py"])
    assert main(["export", *words, "--storage", url]) == code
    assert sentence in capsys.readouterr().err


def test_a_missing_package_is_named(searched, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(UserError, match=r'needs a package more: pip install "fcnet-sweep\[tables\]"'):
        write_table(trials_table(searched), tmp_path / "trials.parquet")
    assert not (tmp_path / "trials.parquet").exists()


def test_a_study_without_trials_is_a_file_of_names(opened, tmp_path):
    _, study = opened
    assert attributes(study)["facts"] == facts().as_kept()
    write_table(epochs_table(study), tmp_path / "epochs.csv")
    assert (tmp_path / "epochs.csv").read_text().startswith("number,state,epoch,objective,")
