"""From data of any kind to a model: few rows, many classes, unequal ones; what the page about data shows."""

import contextlib
import csv
import io
import re
import shlex

import numpy as np
import pytest
from conftest import ROOT
from PIL import Image

from fcnet.data import Dataset, load
from fcnet.data.bundled import NAMES
from fcnet.errors import UsageError
from fcnet.model import Model
from fcnet.scores import confusion, effective_rows, score
from studies import record
from studies.api import confirm, open_study, reproduce, search, train
from studies.commands import main as program
from studies.execution.local import InProcess
from studies.experiments.plan import Plan

rng = np.random.default_rng(0)


def test_scores_by_hand():
    labels, predicted = np.array([0, 0, 0, 0, 2, 2]), np.array([0, 0, 0, 1, 2, 0])
    assert score("accuracy", predicted, labels) == pytest.approx(4 / 6)
    assert score("balanced_accuracy", predicted, labels) == pytest.approx((3 / 4 + 1 / 2) / 2)
    assert confusion(predicted, labels, 3).tolist() == [[3, 1, 0], [0, 0, 0], [1, 0, 1]]
    assert effective_rows("accuracy", labels) == 6
    assert effective_rows("balanced_accuracy", labels) == int(4 / (1 / 4 + 1 / 2))
    equal = np.arange(300) % 3
    assert effective_rows("balanced_accuracy", equal) == 300
    for k in (2, 3, 7, 11):  # reciprocals are rounded
        assert all(
            effective_rows("balanced_accuracy", np.repeat(np.arange(k), n)) == k * n for n in range(1, 300)
        )


@pytest.mark.parametrize("name", NAMES)
def test_bundled_sets_have_names_classes_and_a_part_set_aside(name):
    said = []
    data = load(f"sklearn:{name}", say=said.append)
    assert data.name == f"scikit-learn's {name.replace('_', ' ')}"
    assert len(said) == 1
    assert data.test_size == pytest.approx(0.25 * len(data.labels), rel=0.05)
    assert data.image_shape is None
    with pytest.raises(
        UsageError, match="sklearn:cats is no bundled data set; there are sklearn:digits, skl"
    ):
        load("sklearn:cats")


@pytest.fixture
def sixty(tmp_path):
    """60 rows of 4 features in three classes, the third one rare."""
    labels = np.repeat([0, 1, 2], [30, 22, 8])
    x = rng.normal(size=(60, 4)) + 2 * np.eye(3, 4)[labels]
    np.savez(tmp_path / "sixty.npz", X=x, y=np.array(["a", "b", "rare"])[labels])
    return tmp_path / "sixty.npz"


@pytest.mark.slow
def test_sixty_rows_go_all_the_way(sixty, tmp_path, url, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said, here = [], {"backend": InProcess()}
    plan = Plan(url, "s", trials=3, data=str(sixty), epochs=2, metric="balanced_accuracy", pruner="none")
    study = search(plan, say=said.append, **here)
    assert said == [
        "sixty.npz has no test part: 12 of its 60 rows, a fifth of each class, are set aside until the best"
        " parameters are trained.",
        "Ranges fitted to 48 rows of 4 values: batch_size 4..16 (log), components 1..4 (log).",
    ]
    facts = record.read(study).facts
    assert record.read(study).source.noun == "rows"
    assert (facts.metric, facts.loss) == ("balanced_accuracy", "softmax cross-entropy")
    for trial in study.get_trials():
        assert trial.value == record.trained(trial).epochs[-1].validation_balanced_accuracy
    assert confirm(study, top=1, n_seeds=2, say=said.append, **here).validation_images < 9
    assert len(said) == 2  # nothing about data that are where they were
    assert reproduce(study, 1, **here).identical
    final = train(study, 1, n_seeds=2, say=said.append, **here)
    dataset = load(str(sixty), say=said.append)
    images, labels = dataset.open_test()
    model = Model.load(tmp_path / final.model)
    expected = confusion(model.predict(images), labels, 3)
    assert final.confusion == expected.tolist()
    assert final.class_names == ["a", "b", "rare"]
    assert final.ensemble_accuracy == score("balanced_accuracy", model.predict(images), labels)
    # The same networks again are not tested again, and their matrix is known.
    assert train(study, 1, n_seeds=2, **here).confusion == final.confusion
    assert model.probabilities(images).sum(axis=1) == pytest.approx(1, abs=1e-6)
    capsys.readouterr()
    assert program.main(["best", "--storage", url, "--study", "s"]) == 0
    assert "validation balanced accuracy" in capsys.readouterr().out
    assert program.main(["predict", final.model, str(sixty), "--probabilities"]) == 0
    table = list(csv.reader(io.StringIO(capsys.readouterr().out), delimiter="\t"))
    assert table[0] == ["class", "a", "b", "rare"]
    assert len(table) == 61
    assert table[1][0] == table[0][1 + int(np.argmax([float(v) for v in table[1][1:]]))]


@pytest.mark.slow
def test_another_metric_is_refused_by_its_name(sixty, url, capsys):
    words = ["--storage", url, "--data", str(sixty), "--trials", "1", "--epochs", "1", "--workers", "1"]
    assert program.main(words) == 0
    assert program.main([*words, "--metric", "balanced_accuracy"]) == 1
    assert (
        "metric accuracy, not balanced_accuracy: give the same --metric as before" in capsys.readouterr().err
    )


def test_too_few_rows_are_refused_with_the_reason():
    with pytest.raises(
        ValueError, match="arrays has 5 rows of class 1; at least 6 are needed of each class, a"
    ):
        Dataset.from_arrays(rng.normal(size=(15, 2)), np.repeat([0, 1], [10, 5]))


def page_files(folder):
    """Write the files that the page names."""
    with (folder / "fruit.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["size", "colour", "kind"])
        for i in range(60):
            rows.writerow([i % 7 if i % 9 else "", ["red", "green"][i % 2], ["apple", "fig", "pear"][i % 3]])
    (folder / "new.csv").write_text("colour,size\nred,2\nblue,\n")
    np.savez(folder / "arrays.npz", x=rng.normal(size=(60, 5, 4)), y=np.arange(60) % 3)
    for kind in ("cat", "dog", "cow"):
        (folder / "pets" / kind).mkdir(parents=True)
        for i in range(7):
            side = 8 + i
            pixels = rng.integers(0, 256, (side, side, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / "pets" / kind / f"{i}.{'png' if i % 2 else 'jpg'}")


@pytest.mark.slow
def test_the_commands_of_the_page_work_one_after_the_other(tmp_path, capsys):
    pytest.importorskip("pyarrow")
    page_files(tmp_path)
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / "docs" / "data.md").read_text(), re.DOTALL)
    lines = [shlex.split(line)[2:] for block in blocks for line in block.splitlines()]
    assert len(lines) == 10
    with contextlib.chdir(tmp_path):
        for words in lines:
            short = []
            if words[0].startswith("--"):
                short = ["--trials", "1", "--epochs", "1", "--workers", "1"]
            elif words[0] == "train":
                short = ["--seeds", "1", "--workers", "1"]
            assert program.main([*words, *short]) == 0, (words, capsys.readouterr().err)
    out = capsys.readouterr().out
    assert "class\tapple\tfig\tpear\n" in out
    assert re.search(r"^pets/cat/0\.jpg\t(cat|cow|dog)$", out, re.MULTILINE)
    assert "Most frequent mistakes: " in out
    source = record.read(open_study(f"sqlite:///{tmp_path}/sweep.db", "fruit")).source
    assert source.options()[-4:] == ["--label", "kind", "--impute", "median"]
