"""Saved models predict bit for bit what the trained networks did, and nothing else is taken for one."""

import json
import os
import time
from dataclasses import asdict, replace
from functools import partial

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save
from scipy.special import expit, softmax
from test_trainer import make_split

from fcnet.errors import UserError
from fcnet.hyperparameters import Hyperparameters
from fcnet.losses import decide, pool
from fcnet.model import Model
from fcnet.trainer import Training
from fcnet.writing import write_whole


def trained(n_classes=2, dtype=np.float32, seed=4):
    split = make_split(n_train=100, n_classes=n_classes)
    h = Hyperparameters(hidden_units=7, n_layers=3)
    training = Training(split, h, epochs=3, seed=seed, dtype=dtype)
    list(training)
    names = tuple(f"class {i}" for i in range(n_classes))
    return Model((training.network,), split.normalisation, names, h, "f" * 64, seeds=(seed,), epochs=3)


def several(n_classes=2, dtype=np.float32, n=3):
    return Model.average([trained(n_classes, dtype, seed) for seed in range(n)])


def old_content(model):
    """Return the file that version 0.1.0 wrote of a single network."""
    mean, scale = model.normalisation.mean, model.normalisation.scale
    (network,), (seed,) = model.networks, model.seeds
    metadata = {
        "format": "fcnet-1",
        "hyperparameters": json.dumps(asdict(model.hyperparameters)),
        "class_names": json.dumps(model.class_names),
        "data_fingerprint": model.data_fingerprint,
        "seed": str(seed),
        "epochs": str(model.epochs),
    }
    return save({**network.parameters, "normalisation.mean": mean, "normalisation.scale": scale}, metadata)


@pytest.mark.parametrize("n_classes", [2, 4])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n", [1, 3])
def test_a_loaded_model_predicts_bit_for_bit_what_the_saved_one_did(tmp_path, n_classes, dtype, n):
    model = several(n_classes, dtype, n)
    model.save(tmp_path / "model.safetensors")
    loaded = Model.load(tmp_path / "model.safetensors")
    x = np.random.default_rng(0).standard_normal((1203, 9)).astype(np.float32)
    assert loaded.logits(x).shape == (n, 1203, 1 if n_classes == 2 else n_classes)
    assert np.array_equal(loaded.logits(x), model.logits(x))
    assert np.array_equal(loaded.predict(x), model.predict(x))
    assert [each.digest() for each in loaded.networks] == [each.digest() for each in model.networks]
    for name in ("class_names", "hyperparameters", "data_fingerprint", "seeds", "epochs"):
        assert getattr(loaded, name) == getattr(model, name)
    assert np.array_equal(loaded.normalisation.mean, model.normalisation.mean)


def test_a_file_of_the_first_version_is_read(tmp_path):
    model = trained()
    (tmp_path / "old.safetensors").write_bytes(old_content(model))
    loaded = Model.load(tmp_path / "old.safetensors")
    x = np.random.default_rng(0).standard_normal((50, 9)).astype(np.float32)
    assert np.array_equal(loaded.logits(x), model.logits(x))
    assert loaded.seeds == (4,)


@pytest.mark.parametrize("n_classes", [2, 4])
def test_several_networks_predict_by_the_mean_of_their_probabilities(n_classes):
    model = several(n_classes)
    x = np.random.default_rng(0).standard_normal((500, 9)).astype(np.float32)
    logits = [network.logits(model.normalisation.apply(x)) for network in model.networks]
    share = expit if n_classes == 2 else partial(softmax, axis=1)
    mean = np.mean([share(z.astype(np.float64)) for z in logits], axis=0)
    if n_classes == 2:
        mean = np.hstack([1 - mean, mean])
    assert model.probabilities(x) == pytest.approx(mean, abs=1e-12)
    assert np.array_equal(model.predict(x), mean.argmax(axis=1))
    assert all((decide(z) != model.predict(x)).any() for z in logits)


def test_a_model_of_classes_against_the_rest_stays_one(tmp_path):
    """Versions before 0.2 trained more than two classes so, and kept nothing about it."""
    model = replace(several(4), one_against_rest=True)
    model.save(tmp_path / "old.safetensors")
    loaded = Model.load(tmp_path / "old.safetensors")
    assert loaded.one_against_rest
    x = np.random.default_rng(0).standard_normal((50, 9)).astype(np.float32)
    z = loaded.logits(x).astype(np.float64)
    assert loaded.probabilities(x) == pytest.approx(np.mean(expit(z), axis=0), abs=1e-12)
    several(4).save(tmp_path / "new.safetensors")
    assert not Model.load(tmp_path / "new.safetensors").one_against_rest


def test_a_single_network_decides_as_it_does_alone():
    model = trained()
    x = np.random.default_rng(0).standard_normal((500, 9)).astype(np.float32)
    assert np.array_equal(model.predict(x), model.networks[0].predict(model.normalisation.apply(x)))


@pytest.mark.parametrize(
    ("logits", "label"),
    [
        ([[3.0], [-3.0]], 0),  # a tie, as a single logit of 0
        ([[4.0], [-3.0]], 1),
        ([[1e30], [-1e30]], 0),
        ([[1e-9], [1e-9]], 1),  # though both probabilities are 0.5 in single precision
        ([[50.0, 60.0], [50.0, 60.0]], 1),  # all probabilities are 1 in double precision
        ([[-800.0, -900.0], [-900.0, -900.0]], 0),  # and here 0
        ([[2.0, 2.0], [1.0, 1.0]], 0),
    ],
)
def test_ties_are_decided_as_for_one_network_and_probabilities_beyond_rounding(logits, label):
    pooled = pool(np.array(logits, np.float32)[:, np.newaxis], "sigmoid")
    assert np.isfinite(pooled).all()
    assert decide(pooled).tolist() == [label]


@pytest.mark.parametrize("change", [{"epochs": 2}, {"class_names": ("a", "b")}, {"data_fingerprint": "0"}])
def test_models_that_were_not_trained_alike_are_not_averaged(change):
    with pytest.raises(UserError, match="that differ in more than their seeds cannot be averaged"):
        Model.average([trained(seed=1), replace(trained(seed=2), **change)])
    with pytest.raises(UserError, match="cannot be averaged"):
        Model.average([trained(), trained(dtype=np.float64)])


def test_no_models_have_no_average():
    with pytest.raises(UserError, match="there are no models to average: give at least one"):
        Model.average([])


def test_the_file_is_plain_safetensors_with_readable_metadata(tmp_path):
    trained().save(tmp_path / "model.safetensors")
    with safe_open(tmp_path / "model.safetensors", framework="numpy") as file:
        metadata = file.metadata()
        assert file.get_tensor("linear0.weights").shape == (1, 9, 7)
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
        lambda m: m.update(format="fcnet-1"),
        lambda m: m.update(format="fcnet-1", seed="4"),
        lambda m: m.update(seeds="x"),
        lambda m: m.update(seeds="[]"),
        lambda m: m.update(seeds="[1, 2]"),
        lambda m: m.update(seeds="[1.0]"),
        lambda m: m.update(class_names="[" * 100_000),
    ],
)
def test_metadata_that_does_not_fit_is_refused(tmp_path, change):
    path = tmp_path / "model.safetensors"
    trained().save(path)
    path.write_bytes(altered(path.read_bytes(), change))
    with pytest.raises(UserError, match=r"model\.safetensors is not a model saved by this program"):
        Model.load(path)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        *((f"normalisation.{name}", lambda x: x.astype(np.float64)) for name in ("mean", "scale")),
        *((f"normalisation.{name}", lambda x: np.append(x, x[:1])) for name in ("mean", "scale")),
        *(("linear0.weights", lambda x, n=n: np.ones((1, n, 7), x.dtype)) for n in (8, 10)),
        ("linear1.biases", lambda x: x.astype(np.float64)),
    ],
)
def test_numbers_that_do_not_fit_are_refused(tmp_path, name, change):
    path = tmp_path / "model.safetensors"
    trained().save(path)
    with safe_open(path, "np") as file:
        tensors, metadata = {key: file.get_tensor(key) for key in file.keys()}, file.metadata()  # noqa: SIM118
    Model.load(path)
    path.write_bytes(save(tensors | {name: change(tensors[name])}, metadata))
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


def test_a_file_is_flushed_before_it_has_its_name_and_its_name_after(tmp_path, monkeypatch):
    path, flushed, real = tmp_path / "model", [], os.fsync
    monkeypatch.setattr("os.fsync", lambda handle: flushed.append(path.exists()) or real(handle))
    write_whole(path, b"first")
    assert flushed == [False, True]


def test_who_may_read_a_file_is_what_the_user_asked_for(tmp_path):
    before = os.umask(0o027)
    try:
        write_whole(tmp_path / "model", b"content")
    finally:
        os.umask(before)
    assert (tmp_path / "model").stat().st_mode & 0o777 == 0o640


def test_the_temporary_file_of_a_living_writer_stays_and_that_of_a_dead_one_goes(tmp_path):
    living, dead = tmp_path / ".model.living.draft", tmp_path / ".model.dead.draft"
    others = tmp_path / ".model.swp", tmp_path / ".model.bak.draft.txt"  # of an editor, say
    an_hour_ago = time.time() - 3601
    for file in (living, dead, *others):
        file.write_bytes(b"half")
        if file != living:
            os.utime(file, (an_hour_ago, an_hour_ago))
    write_whole(tmp_path / "model", b"whole")
    assert set(tmp_path.iterdir()) == {living, *others, tmp_path / "model"}


@pytest.mark.parametrize("fingerprint", ["f" * n for n in range(60, 68)])
def test_the_numbers_of_a_file_stand_at_a_multiple_of_eight_bytes(fingerprint, tmp_path):
    replace(trained(), data_fingerprint=fingerprint).save(tmp_path / "model")
    assert int.from_bytes((tmp_path / "model").read_bytes()[:8], "little") % 8 == 0
