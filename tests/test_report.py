"""The report's own configuration: its epochs printed as they come, the best and the last by name."""

import io
import json

import numpy as np
import pytest
from rich.console import Console
from scripted import ScriptedEpochs, metrics, text_of

from fcnet.errors import Diverged, UserError
from fcnet.hyperparameters import Hyperparameters
from studies.api import report
from studies.execution.local import InProcess
from studies.experiments.report import best_epoch
from studies.views.report import EpochLines, print_reproduction


def test_the_reports_epochs_are_printed_with_the_best_and_the_last_by_name(sweep, images, tmp_path):
    text = sweep("report", "--data", images, "--epochs", 5, "--seeds", 2, "--workers", 2).stdout
    url, options = f"sqlite:///{tmp_path}/here.db", {"data": str(images), "epochs": 5, "n_seeds": 2}
    result = report(url, backend=InProcess(), **options)
    found = result.as_json()
    assert found["params"] == vars(Hyperparameters())
    assert (found["protocol"], found["judged_on"], found["seeds"]) == ("report", "test", [0, 1])
    assert "judged on the TEST set" in text
    for run in found["runs"]:
        assert [epoch["epoch"] for epoch in run["epochs"]] == list(range(5))
        for epoch in run["epochs"]:
            assert round(60 * epoch["validation_accuracy"], 6).is_integer()  # of 60 test images
            assert epoch["validation_error_rate"] == pytest.approx(1 - epoch["validation_accuracy"])
            line = (
                f"{epoch['train_loss']:.4f}",
                f"{100 * epoch['train_accuracy']:.2f} %",
                f"{100 * epoch['validation_accuracy']:.2f} %",
                f"{100 * epoch['train_error_rate']:.2f} %",
                f"{100 * epoch['validation_error_rate']:.2f} %",
            )
            assert sum(all(cell in row for cell in line) for row in text.splitlines()) >= 1
        assert run["best"]["validation_accuracy"] == max(e["validation_accuracy"] for e in run["epochs"])
        assert run["last"] == run["epochs"][-1]
        best, last = (100 * run[which]["validation_accuracy"] for which in ("best", "last"))
        which = f"in the best epoch ({run['best']['epoch']}), {last:.2f} % in the last (4)"
        assert f"Seed {run['seed']}: test accuracy {best:.2f} % {which}" in text
    assert found["best_epoch"]["values"] == [run["best"]["validation_accuracy"] for run in found["runs"]]
    assert found["last_epoch"]["mean"] == pytest.approx(
        np.mean([run["last"]["validation_accuracy"] for run in found["runs"]])
    )
    assert "Learning curves: report/learning-curves.html, report/learning-curves.json" in text
    assert "<html>" in (tmp_path / "report" / "learning-curves.html").read_text()[:50]
    figure = tmp_path / "report" / "learning-curves.json"
    assert {trace.get("name") for trace in json.loads(figure.read_text())["data"]} >= {"training", "test"}


def test_epochs_are_printed_as_they_come_one_seed_after_the_other():
    out = io.StringIO()
    lines = EpochLines(Console(file=out, width=200), "report", n_epochs=2, n_seeds=2)

    def printed():
        return [row.split()[0] for row in out.getvalue().splitlines() if row.strip()[:1].isdigit()]

    lines.see(1, metrics(0, 0.7))
    assert printed() == []
    lines.see(0, metrics(0, 0.6))
    assert printed() == ["0"]
    lines.see(0, metrics(0, 0.6))  # its worker was lost, the training begun again
    assert printed() == ["0"]
    lines.see(0, metrics(1, 0.6))
    assert printed() == ["0", "1", "0"]
    lines.see(1, metrics(1, 0.7))
    assert printed() == ["0", "1", "0", "1"]
    rows = out.getvalue().splitlines()
    assert rows.index("seed 0") < rows.index("seed 1")


def test_the_best_epoch_is_the_first_of_equals_and_one_seed_has_no_mean_line(images, url):
    assert best_epoch([metrics(0, 0.7), metrics(1, 0.8), metrics(2, 0.8)]).epoch == 1
    result = report(url, data=str(images), protocol="holdout", epochs=3, backend=ScriptedEpochs())
    found = result.as_json()
    assert found["judged_on"] == "validation"
    assert (found["best_epoch"]["mean"], found["last_epoch"]["mean"]) == (0.8, 0.75)
    assert found["best_epoch"]["std"] is None
    json.dumps(found, allow_nan=False)
    text = text_of(print_reproduction, result, [])
    assert "Seed 0: validation accuracy 80.00 % in the best epoch (1), 75.00 % in the last (2)" in text
    assert "Mean of" not in text
    assert "TEST" not in text


def test_a_diverged_report_is_one_sentence_and_starts_no_further_training(images, url):
    diverging = ScriptedEpochs(lambda job: [0.7, Diverged("the training diverged after 1 epoch")])
    for _ in range(2):  # it is on record: the second time nothing is trained
        with pytest.raises(UserError, match="diverged after 1 epoch: give other data with --data"):
            report(url, data=str(images), n_seeds=5, backend=diverging)
        assert len(diverging.jobs) == 1


def test_a_folder_that_cannot_be_written_is_told(sweep, images, tmp_path):
    (tmp_path / "file").write_text("")
    out = sweep("report", "--data", images, "--epochs", 1, "--out", "file", check=False)
    assert out.returncode == 1
    assert "cannot write" in out.stderr


def test_more_seeds_add_to_what_is_there_and_what_is_there_is_shown(images, url):
    seen, backend = [], ScriptedEpochs()
    options = {"data": str(images), "epochs": 3, "backend": backend}
    for n_seeds in (1, 2):
        seen.clear()
        report(url, n_seeds=n_seeds, see=lambda seed, epoch: seen.append((seed, epoch.epoch)), **options)
        assert seen == [(seed, epoch) for seed in range(n_seeds) for epoch in range(3)]
    assert [job.seed for job in backend.jobs] == [0, 1]
