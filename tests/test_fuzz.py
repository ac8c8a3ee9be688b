"""Nonsense of any kind: models, images, what a study keeps, the command line. An answer or one sentence."""

import contextlib
import io
import json
import os
import sqlite3
import uuid
import warnings
from dataclasses import asdict

import numpy as np
import pytest
from conftest import write_images
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_model import old_content, trained

from fcnet.data import Normalisation
from fcnet.data.files import read_images
from fcnet.errors import UserError
from fcnet.hyperparameters import Hyperparameters
from fcnet.model import Model
from fcnet.network import Network
from studies.api import open_study, storage_of
from studies.commands import main as program
from studies.dashboard.publishing import publish
from studies.experiments.overview import overview
from studies.record import key_of
from studies.views.page import Surroundings, render

# FUZZ_EXAMPLES=10000 pytest tests/test_fuzz.py tests/test_data_files.py tests/test_data_archive.py -k fuzz
EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "300"))


def fuzz(share=1.0):
    """Settings of a property; slow ones take a share of the examples."""
    return settings(
        max_examples=max(10, int(EXAMPLES * share)),
        deadline=None,
        suppress_health_check=list(HealthCheck),
        database=None,
    )


def saved_model(folder):
    hyperparameters = Hyperparameters(hidden_units=3, n_layers=2)
    Model(
        networks=tuple(
            Network(hyperparameters, n_features=4, n_classes=2, rng=np.random.default_rng(seed))
            for seed in (0, 1)
        ),
        normalisation=Normalisation(np.zeros(4, np.float32), np.ones(4, np.float32)),
        class_names=("0", "1"),
        hyperparameters=hyperparameters,
        data_fingerprint="0" * 64,
        seeds=(0, 1),
        epochs=2,
    ).save(folder / "model.safetensors")
    return (folder / "model.safetensors").read_bytes()


def changed(data, content):
    """Return the bytes with a few places replaced, removed or repeated."""
    result = bytearray(content)
    for _ in range(data.draw(st.integers(1, 6))):
        place = data.draw(st.integers(0, len(result)))
        removed = data.draw(st.integers(0, 4))
        result[place : place + removed] = data.draw(st.binary(max_size=6))
    return bytes(result)


def model_or_sentence(path, content):
    path.write_bytes(content)
    try:
        model = Model.load(path)
    except UserError as error:
        assert "\n" not in str(error)  # noqa: PT017
        return
    images = np.zeros((2, len(model.normalisation.mean)), np.uint8)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        assert model.probabilities(images).shape == (2, len(model.class_names))
        assert {model.class_names[label] for label in model.predict(images)} <= set(model.class_names)


@fuzz()
@given(start=st.sampled_from([b"", (8).to_bytes(8, "little"), b"\xff" * 8]), rest=st.binary(max_size=300))
def test_fuzz_models_of_any_bytes(tmp_path_factory, start, rest):
    model_or_sentence(tmp_path_factory.getbasetemp() / "any.safetensors", start + rest)


@fuzz()
@given(data=st.data(), old=st.booleans())
def test_fuzz_changed_models(tmp_path_factory, data, old):
    folder = tmp_path_factory.getbasetemp()
    content = old_content(trained()) if old else saved_model(folder)
    model_or_sentence(folder / "changed.safetensors", changed(data, content))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@fuzz()
@given(
    key=st.sampled_from(["format", "hyperparameters", "class_names", "seeds", "epochs", "data_fingerprint"]),
    value=json_values,
    as_json=st.booleans(),
    field=st.sampled_from([*asdict(Hyperparameters()), "other"]),
)
def test_fuzz_models_with_other_metadata(tmp_path_factory, key, value, as_json, field):
    folder = tmp_path_factory.getbasetemp()
    content = saved_model(folder)
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    if key == "hyperparameters" and as_json:
        value = {**asdict(Hyperparameters(hidden_units=3, n_layers=2)), field: value}
    header["__metadata__"][key] = json.dumps(value) if as_json else str(value)
    text = json.dumps(header).encode()
    model_or_sentence(
        folder / "other.safetensors", len(text).to_bytes(8, "little") + text + content[8 + length :]
    )


def images_or_sentence(content):
    try:
        images = read_images(io.BytesIO(content), "images")
    except UserError as error:
        assert "\n" not in str(error)  # noqa: PT017
    else:
        assert images.ndim == 2
        assert images.size
        assert images.dtype in (np.uint8, np.float32)
        assert np.isfinite(images).all()


def saved(writer, *arrays, **named):
    file = io.BytesIO()
    writer(file, *arrays, **named)
    return file.getvalue()


IMAGES = np.arange(24, dtype=np.uint8).reshape(2, 12)
IMAGE_FILES = [
    saved(np.save, IMAGES),
    saved(np.save, IMAGES.astype(">f8")),
    saved(np.save, np.asfortranarray(IMAGES.reshape(2, 2, 2, 3))),
    saved(np.savez, images=IMAGES),
    saved(np.savez_compressed, test_data=IMAGES),
]


@fuzz()
@given(
    start=st.sampled_from([b"", b"\x93NUMPY", b"\x93NUMPY\x01\x00", b"PK\x03\x04", b"\x80\x02"]),
    rest=st.binary(max_size=300),
)
def test_fuzz_images_of_any_bytes(start, rest):
    images_or_sentence(start + rest)


@fuzz()
@given(content=st.sampled_from(IMAGE_FILES), data=st.data())
def test_fuzz_changed_images(content, data):
    images_or_sentence(changed(data, content))


def run_main(arguments):
    """Run the program in this process and return its exit code and messages."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = program.main(arguments)
        except SystemExit as error:
            code = error.code
    return code, err.getvalue()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a small study of three trials, in which the program runs."""
    folder = tmp_path_factory.mktemp("fuzz")
    write_images(folder / "images.npz")
    with contextlib.chdir(folder), pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        command = ["--trials", "3", "--data", "images.npz", "--epochs", "2", "--workers", "1"]
        code, err = run_main(command)
        assert code == 0, err
        with contextlib.closing(sqlite3.connect("sweep.db")) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        yield folder


@contextlib.contextmanager
def changed_study(folder, *statements):
    """Give the address of a copy of the study in which statements of SQL were run."""
    path = folder / f"{uuid.uuid4().hex}.db"
    path.write_bytes((folder / "sweep.db").read_bytes())
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        for statement in statements:
            connection.execute(*statement)
    try:
        yield f"sqlite:///{path.name}"
    finally:
        for file in folder.glob(f"{path.name}*"):
            file.unlink()


KEPT = ["facts", "data_name", "data_source", "test_openings", "final", "confirmation", "asked", "other"]
facts = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(("format", "data", "data_name", "protocol", "epochs", "space"), json_values),
)


@fuzz(0.2)
@given(key=st.sampled_from(KEPT), value=json_values | facts | st.lists(facts, max_size=2))
def test_fuzz_what_a_study_keeps(folder, key, value):
    delete = "DELETE FROM study_system_attributes WHERE key = ?"
    insert = "INSERT INTO study_system_attributes (study_id, key, value_json) VALUES (1, ?, ?)"
    with changed_study(folder, (delete, (key_of(key),)), (insert, (key_of(key), json.dumps(value)))) as url:
        code, err = run_main(["best", "--format", "json", "--storage", url])
        assert code in (0, 1)
        assert len(err.strip().splitlines()) <= 1
        if code == 0:  # then it can be published, too
            study = open_study(url)
            publish(study)
            render(overview(study), Surroundings(live=True))
            storage_of(study).close()


@fuzz(0.1)
@given(
    value=json_values,
    name=st.sampled_from(["batch_size", "learning_rate", "other"]),
    where=st.sampled_from(["record", "seed", "params", "value"]),
    number=st.floats(),
)
def test_fuzz_what_a_trial_keeps(folder, value, name, where, number):
    text = json.dumps(value)
    changes = {
        "record": ("UPDATE trial_system_attributes SET value_json = ? WHERE key = 'record'", (text,)),
        "seed": ("UPDATE trial_user_attributes SET value_json = ? WHERE key = 'seed'", (text,)),
        "params": ("UPDATE trial_params SET param_name = 'x' WHERE param_name = ?", (name,)),
        "value": ("UPDATE trial_values SET value = ?", (number if np.isfinite(number) else 1e308,)),
    }
    with changed_study(folder, changes[where]) as url:
        for command in (["best"],) if where in ("seed", "value") else (["best"], ["reproduce", "1"]):
            code, err = run_main([*command, "--storage", url])
            assert code in (0, 1)
            assert "Traceback" not in err


OPTIONS = [
    "--trials", "--study", "--storage", "--data", "--classes", "--epochs", "--workers", "--sampler", "nan",
    "--range", "--seed", "--timeout", "--format", "--trial", "--seeds", "--out", "--artifacts", "--host",
    "--port", "--allow-edit", "--epoch-limit", "--top", "--", "-h", "json", "tpe", "1", "0", "-1", "1e400",
]  # fmt: skip
ODD = ["\udcff", "--pruner", "[/red]", "[bold]", "a" * 300, "../..", "sqlite:///", "sqlite:////dev/null", "sqlite:///\udcff.db",
       "sqlite:///{x}", "oracle://a", "postgresql://[", "x=1:2", "learning_rate=1:0", "learning_rate=nan:nan",
       "batch_size=1:99999999999999999999", "momentum=0.5", "hidden_units=1:1"]  # fmt: skip
words = (
    st.sampled_from(OPTIONS)
    | st.sampled_from(ODD)
    | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)
)


@fuzz(0.5)
@given(command=st.sampled_from([*program.COMMANDS, "other"]), arguments=st.lists(words, max_size=6))
def test_fuzz_command_lines(folder, tmp_path_factory, command, arguments):
    empty = tmp_path_factory.getbasetemp() / "empty"
    empty.mkdir(exist_ok=True)
    # The last value of an option counts: no sweep starts, for there is no such data.
    last = [] if command in ("best", "dashboard", "predict", "reproduce") else ["--data", "absent.npz"]
    with contextlib.chdir(empty):
        code, err = run_main([command, *arguments, *last])
    assert code in (0, 1, 2)
    assert (code == 0) == (err == "")
    assert "Traceback" not in err
    assert not list(empty.iterdir())
