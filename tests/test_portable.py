"""A model as an ONNX file says in another program what it says here."""

import builtins
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from test_model import several, trained

import studies
from fcnet import load
from fcnet.errors import UserError
from fcnet.model import Model
from fcnet.portable import as_onnx
from studies.commands.main import main
from studies.execution.local import InProcess

onnxruntime = pytest.importorskip("onnxruntime")


def said(content, rows):
    """Return the labels and probabilities that onnxruntime finds."""
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    return session.run(["labels", "probabilities"], {"rows": rows})


@pytest.mark.parametrize("n_classes", [2, 4])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n", [1, 3])
def test_raw_rows_have_the_same_classes_and_probabilities(n_classes, dtype, n):
    model = several(n_classes, dtype, n)
    rows = np.random.default_rng(0).normal(0, 3, (2003, 9)).astype(np.float32)
    labels, probabilities = said(as_onnx(model), rows)
    assert labels.dtype == np.int64
    assert np.array_equal(labels, model.predict(rows))
    assert len({*labels}) > 1
    assert probabilities.dtype == np.float32
    assert probabilities == pytest.approx(model.probabilities(rows), abs=1e-5)


@pytest.mark.parametrize("n", [1, 3])
def test_models_that_judge_each_class_against_the_rest_stay_so(n):
    model = replace(several(4, n=n), one_against_rest=True)
    rows = np.random.default_rng(0).normal(0, 3, (503, 9)).astype(np.float32)
    labels, probabilities = said(as_onnx(model), rows)
    assert np.array_equal(labels, model.predict(rows))
    assert probabilities == pytest.approx(model.probabilities(rows), abs=1e-5)


def test_extreme_rows_are_decided_alike():
    model = several(2, n=3)
    rows = (np.random.default_rng(0).standard_normal((300, 9)) * 1e6).astype(np.float32)
    labels, probabilities = said(as_onnx(model), rows)
    assert np.array_equal(labels, model.predict(rows))
    assert probabilities == pytest.approx(model.probabilities(rows), abs=1e-5)


def test_the_file_names_the_classes_and_is_the_same_each_time(tmp_path):
    model = trained(3)
    content = as_onnx(model)
    about = onnxruntime.InferenceSession(content).get_modelmeta().custom_metadata_map
    assert json.loads(about["class_names"]) == ["class 0", "class 1", "class 2"]
    assert about["data_fingerprint"] == "f" * 64
    model.save(tmp_path / "model.safetensors")
    assert as_onnx(Model.load(Path(tmp_path / "model.safetensors"))) == content


@pytest.mark.parametrize("data", ["images.npz", "sklearn:wine"])
def test_the_command_writes_what_train_has_made(data, images, url, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    plan = studies.Plan(url, trials=2, data=data, epochs=3, sampler="random")
    study = studies.search(plan, backend=InProcess())
    final = studies.train(study, n_seeds=2, backend=InProcess())
    assert main(["export", "model.onnx", "--storage", url]) == 0
    assert capsys.readouterr().out == "Written: model.onnx\n"
    rows, truth = load(data, say=lambda _: None).open_test()
    labels, probabilities = said((tmp_path / "model.onnx").read_bytes(), rows.astype(np.float32))
    model = Model.load(Path(final.model))
    assert np.array_equal(labels, model.predict(rows))
    assert probabilities == pytest.approx(model.probabilities(rows), abs=1e-5)
    assert np.mean(labels == truth) == final.ensemble_accuracy
    assert main(["export", "first.onnx", "--model", final.models[0], "--storage", "sqlite:///none.db"]) == 0


def test_a_missing_package_is_named(monkeypatch):
    real = builtins.__import__

    def without(name, *rest, **options):
        if name == "onnx":
            raise ImportError(name)
        return real(name, *rest, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(UserError, match=r'needs a package more: pip install "fcnet-sweep\[onnx\]"'):
        as_onnx(trained())
