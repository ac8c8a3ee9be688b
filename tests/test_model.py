"""Saved models predict bit for bit what the trained network did, and nothing else is taken for one."""

import json
import os
import time

import numpy as np
import pytest
from safetensors import safe_open
from test_trainer import make_split

from fcnet.errors import UserError
from fcnet.hyperparameters import Hyperparameters
from fcnet.model import Model
from fcnet.trainer import Training
from fcnet.writing import write_whole


def trained(n_classes=2, dtype=np.float32):
    split = make_split(n_train=100, n_classes=n_classes)
    h = Hyperparameters(hidden_units=7, n_layers=3)
    training = Training(split, h, epochs=3, seed=4, dtype=dtype)
    list(training)
    names = tuple(f"class {i}" for i in range(n_classes))
    return Model(training.network, split.normalisation, names, h, "f" * 64, seed=4, epochs=3)


@pytest.mark.parametrize("n_classes", [2, 4])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_loaded_model_predicts_bit_for_bit_what_the_saved_one_did(tmp_path, n_classes, dtype):
    model = trained(n_classes, dtype)
    model.save(tmp_path / "model.safetensors")
    loaded = Model.load(tmp_path / "model.safetensors")
    x = np.random.default_rng(0).standard_normal((1203, 9)).astype(np.float32)
    assert np.array_equal(loaded.network.logits(x), model.network.logits(x))
    assert np.array_equal(loaded.predict(x), model.predict(x))
    assert loaded.network.digest() == model.network.digest()
    for name in ("class_names", "hyperparameters", "data_fingerprint", "seed", "epochs"):
        assert getattr(loaded, name) == getattr(model, name)
    assert np.array_equal(loaded.normalisation.mean, model.normalisation.mean)


def test_the_file_is_plain_safetensors_with_readable_metadata(tmp_path):
    trained().save(tmp_path / "model.safetensors")
    with safe_open(tmp_path / "model.safetensors", framework="numpy") as file:
        metadata = file.metadata()
        assert file.get_tensor("linear0.weights").shape == (9, 7)
    assert json.loads(metadata["hyperparameters"])["hidden_units"] == 7
    assert json.loads(metadata["class_names"]) == ["class 0", "class 1"]
    assert metadata["data_fingerprint"] == "f" * 64


def altered(content, change):
    """Return the file with its metadata changed."""
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    change(header["__metadata__"])
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + content[8 + length :]


@pytest.mark.parametrize(
    "change",
    [
        lambda m: m.pop("hyperparameters"),
        lambda m: m.update(hyperparameters="[]"),
        lambda m: m.update(hyperparameters='{"hidden_units": 1000000}'),
        lambda m: m.update(hyperparameters='{"n_layers": 2, "hidden_units": 7}'),
        lambda m: m.update(class_names="[]"),
        lambda m: m.update(class_names='["a", "b", "c"]'),
        lambda m: m.update(format="other"),
        lambda m: m.update(seed="x"),
    ],
)
def test_metadata_that_does_not_fit_is_refused(tmp_path, change):
    path = tmp_path / "model.safetensors"
    trained().save(path)
    path.write_bytes(altered(path.read_bytes(), change))
    with pytest.raises(UserError, match=r"model\.safetensors is not a model saved by this program"):
        Model.load(path)


@pytest.mark.parametrize("content", [b"", b"not a model", b"\xff" * 100, b"\x02\0\0\0\0\0\0\0{}"])
def test_what_is_no_model_is_refused(tmp_path, content):
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    with pytest.raises(UserError, match="is not a model saved by this program"):
        Model.load(path)


def test_a_missing_model_is_told(tmp_path):
    with pytest.raises(UserError, match="cannot read the model"):
        Model.load(tmp_path / "absent.safetensors")


def test_a_file_appears_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "models" / "model"
    write_whole(path, b"first")

    def fail(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(UserError, match="No space left on device"):
        write_whole(path, b"second")
    assert path.read_bytes() == b"first"
    assert [file.name for file in path.parent.iterdir()] == ["model"]


def test_a_file_is_flushed_before_it_has_its_name_and_can_be_read_by_others(tmp_path, monkeypatch):
    path, flushed, real = tmp_path / "model", [], os.fsync
    monkeypatch.setattr("os.fsync", lambda handle: flushed.append(path.exists()) or real(handle))
    write_whole(path, b"first")
    assert flushed == [False]
    assert path.stat().st_mode & 0o777 == 0o644


def test_the_temporary_file_of_a_living_writer_stays_and_that_of_a_dead_one_goes(tmp_path):
    living, dead = tmp_path / ".model.living", tmp_path / ".model.dead"
    for file in (living, dead):
        file.write_bytes(b"half")
    an_hour_ago = time.time() - 3601
    os.utime(dead, (an_hour_ago, an_hour_ago))
    write_whole(tmp_path / "model", b"whole")
    assert sorted(file.name for file in tmp_path.iterdir()) == [".model.living", "model"]
