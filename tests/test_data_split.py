"""Splits keep the test part apart, normalise by the training part alone, and are shared in one folder."""

import hashlib
import json
import multiprocessing
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fcnet.data import Dataset, Normalisation, Split, prepared, shared_split
from fcnet.errors import UserError


def dataset(*, n: int = 50, features: int = 6, classes: int = 2, seed: int = 0) -> Dataset:
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, size=(n + 20, features), dtype=np.uint8)
    labels = np.arange(n + 20, dtype=np.int64) % classes
    names = tuple(f"class {label}" for label in range(classes))
    return Dataset("tiny", images[:n], labels[:n], names, None, _test=(images[n:], labels[n:]))


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "fcnet" / "splits"


def raw(split: Split, x: np.ndarray) -> np.ndarray:
    return np.rint(x * split.normalisation.scale + split.normalisation.mean).astype(np.uint8)


def rows(images: np.ndarray) -> set[bytes]:
    return {image.tobytes() for image in images}


@pytest.mark.parametrize("classes", [2, 3])
def test_holdout_keeps_a_fifth_of_each_class(classes: int) -> None:
    data = dataset(n=60, classes=classes)
    split = data.split(seed=3)
    assert split.validation is not None
    np.testing.assert_array_equal(np.bincount(split.validation.labels), [12 // classes] * classes)
    np.testing.assert_array_equal(np.bincount(split.train.labels), [48 // classes] * classes)
    train, held = rows(raw(split, split.train.x)), rows(raw(split, split.validation.x))
    assert not train & held
    assert train | held == rows(data.images)


def test_labels_stay_with_their_images() -> None:
    data = dataset()
    label_of = dict(zip((image.tobytes() for image in data.images), data.labels, strict=True))
    split = data.split(seed=1)
    assert split.validation is not None
    for part in (split.train, split.validation):
        assert [label_of[image.tobytes()] for image in raw(split, part.x)] == part.labels.tolist()


def test_the_seed_decides_the_holdout() -> None:
    first, again, other = (dataset().split(seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.train.x, again.train.x)
    assert not np.array_equal(first.train.x, other.train.x)


def test_only_report_and_no_other_protocol_sees_the_test_part(monkeypatch: pytest.MonkeyPatch) -> None:
    data = dataset()
    report = data.split("report")
    images, labels = data.open_test()
    assert report.validation is not None
    np.testing.assert_array_equal(raw(report, report.validation.x), images)
    np.testing.assert_array_equal(report.validation.labels, labels)
    assert report.protocol == "report"

    # the other protocols do not depend on it
    blank = Dataset("t", data.images, data.labels, data.class_names, None, _test=(images * 0, labels * 0))
    for protocol in ("holdout", "final"):
        one, two = data.split(protocol), blank.split(protocol)
        np.testing.assert_array_equal(one.train.x, two.train.x)
        np.testing.assert_array_equal(one.normalisation.scale, two.normalisation.scale)
    assert data.split("final").validation is None
    assert len(data.split("final").train.x) == len(report.train.x) == 50


def test_unknown_protocol() -> None:
    with pytest.raises(ValueError, match="protocol is 'test', but it must be one of holdout, report, final"):
        dataset().split("test")


def test_test_labels_are_not_shown() -> None:
    assert "_test" not in repr(dataset())
    assert dataset().test_size == 20


def test_rows_are_normalised_by_the_training_part_alone() -> None:
    split = dataset(n=500).split()
    assert split.validation is not None
    x = split.train.x
    assert x.dtype == np.float32
    assert x.flags.c_contiguous
    np.testing.assert_allclose(x.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(x.std(axis=0), 1, rtol=1e-5)
    assert np.abs(split.validation.x.mean(axis=0)).max() > 1e-3


def test_constant_features_are_not_blown_up() -> None:
    images = np.random.default_rng(0).standard_normal((3000, 3)).astype(np.float32)
    images[:, 1], images[:, 2] = 7, 0.1
    normalisation = Normalisation.fit(images)
    np.testing.assert_array_equal(normalisation.scale[1:], 1)
    np.testing.assert_allclose(normalisation.apply(images)[:, 1:], 0, atol=1e-7)
    with pytest.raises(ValueError, match=r"images has shape \(2, 4\), but it must be \(n, 3\)"):
        normalisation.apply(np.zeros((2, 4), np.uint8))


@given(st.lists(st.floats(-(2.0**49), 2.0**49, width=32), min_size=8, max_size=8))
def test_normalised_values_are_finite(values: list[float]) -> None:
    images = np.array(values, dtype=np.float32).reshape(4, 2)
    assert np.isfinite(Normalisation.fit(images[:3]).apply(images)).all()


def test_fingerprint_follows_every_part() -> None:
    data = dataset()
    images, labels = data.open_test()

    def changed(**parts: object) -> str:
        fields = {"images": data.images, "labels": data.labels, "class_names": data.class_names}
        return Dataset(
            **{"name": "x", "image_shape": None, "_test": (images, labels)} | fields | parts
        ).fingerprint

    assert changed() == data.fingerprint  # the name does not count
    others = {
        changed(images=data.images ^ 1),
        changed(images=data.images.astype(np.float32)),
        changed(images=data.images.reshape(25, 12)),
        changed(labels=1 - data.labels),
        changed(class_names=("a", "b")),
        changed(_test=(images ^ 1, labels)),
        changed(_test=(images, 1 - labels)),
    }
    assert len(others | {data.fingerprint}) == 8


def test_fingerprint_is_the_stated_sum() -> None:
    data = dataset()
    images, labels = data.open_test()
    text = hashlib.sha256(b'["class 0", "class 1"]')
    for array, kind in ((data.images, "|u1"), (data.labels, "<i8"), (images, "|u1"), (labels, "<i8")):
        text.update(f"|{kind}{array.shape}".encode() + array.tobytes())
    assert data.fingerprint == text.hexdigest()


@pytest.mark.parametrize("protocol", ["holdout", "report", "final"])
def test_the_shared_copy_is_the_split(protocol: str, cache: Path) -> None:
    data = dataset()
    expected = data.split(protocol, seed=5)
    path = shared_split(data, protocol, seed=5)
    opened = Split.open(path)
    assert path.parent == cache
    for name in ("class_names", "fingerprint", "protocol", "seed"):
        assert getattr(opened, name) == getattr(expected, name)
    for (_, one), (_, two) in zip(opened._arrays(), expected._arrays(), strict=True):
        np.testing.assert_array_equal(one, two)
        assert isinstance(one, np.memmap)
        assert one.dtype == two.dtype
        with pytest.raises(ValueError, match="read-only"):
            one[0] = 0
    assert (opened.validation is None) == (protocol == "final")
    assert [folder.name for folder in cache.iterdir()] == [path.name]  # no draft is left


def test_a_prepared_copy_is_used_again(cache: Path) -> None:
    path = shared_split(dataset())
    made = (path / "train_x.npy").stat().st_ino
    assert shared_split(dataset()) == path
    assert (path / "train_x.npy").stat().st_ino == made
    others = {
        shared_split(dataset(), seed=1),
        shared_split(dataset(), "final"),
        shared_split(dataset(seed=1)),
    }
    assert len(others | {path}) == 4


def _truncate(folder: Path) -> None:
    os.truncate(folder / "train_x.npy", 500)


def _forget(folder: Path) -> None:
    (folder / "validation_labels.npy").unlink()


def _older(folder: Path) -> None:
    about = json.loads((folder / "split.json").read_text())
    (folder / "split.json").write_text(json.dumps(about | {"format": 0}))


def _garble(folder: Path) -> None:
    (folder / "split.json").write_text("[]")


@pytest.mark.parametrize("damage", [_truncate, _forget, _older, _garble])
def test_a_damaged_copy_is_told_and_made_again(damage: object, cache: Path) -> None:
    path = shared_split(dataset())
    damage(path)
    with pytest.raises(UserError, match=r"prepared data in .* cannot be used .*delete that folder"):
        Split.open(path)
    assert shared_split(dataset()) == path
    np.testing.assert_array_equal(Split.open(path).train.x, dataset().split().train.x)
    assert len(list(cache.iterdir())) == 1


def test_a_missing_copy() -> None:
    with pytest.raises(UserError, match="prepared data in /nowhere cannot be used"):
        Split.open(Path("/nowhere"))


def test_the_cache_keeps_the_last_used(cache: Path) -> None:
    made = [shared_split(dataset(), seed=seed) for seed in range(prepared.KEPT)]
    for age, folder in enumerate(made):
        os.utime(folder, (1000 + age, 1000 + age))
    shared_split(dataset(), seed=0)  # used again: now the youngest
    newest = shared_split(dataset(), seed=99)
    assert {folder.name for folder in cache.iterdir()} == {f.name for f in {*made, newest} - {made[1]}}


def test_abandoned_drafts_are_removed_and_live_ones_kept(cache: Path) -> None:
    for name in ("draft-dead", "draft-live"):
        (cache / name).mkdir(parents=True)
    os.utime(cache / "draft-dead", (1000, 1000))
    path = shared_split(dataset())
    assert {folder.name for folder in cache.iterdir()} == {path.name, "draft-live"}


def test_without_a_writable_cache_the_copy_is_temporary(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where the cache folder should be")
    script = (
        "import sys; sys.path.insert(0, sys.argv[1]); from test_data_split import *\n"
        "path = shared_split(dataset()); assert len(Split.open(path).train.x) == 40; print(path)"
    )
    environment = os.environ | {"XDG_CACHE_HOME": str(tmp_path / "cache"), "TMPDIR": str(tmp_path)}
    run = subprocess.run(
        [sys.executable, "-c", script, str(Path(__file__).parent)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    path = Path(run.stdout.strip())
    assert path.is_relative_to(tmp_path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["cache"]  # gone with its process


def test_no_place_to_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cache").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(prepared.tempfile, "tempdir", str(tmp_path / "none"))
    with pytest.raises(UserError, match=r"can be written neither to the user's cache nor to .*set TMPDIR"):
        shared_split(dataset())


def _prepare(barrier: object, out: object) -> None:
    barrier.wait(30)
    out.put(str(shared_split(dataset(n=2000, features=300))))


def test_processes_that_prepare_at_once_share_one_copy(cache: Path) -> None:
    context = multiprocessing.get_context("spawn")
    barrier, out = context.Barrier(3), context.Queue()
    processes = [context.Process(target=_prepare, args=(barrier, out)) for _ in range(3)]
    for process in processes:
        process.start()
    paths = {out.get(timeout=60) for _ in processes}
    for process in processes:
        process.join(30)
    assert [str(folder) for folder in cache.iterdir()] == list(paths)
    Split.open(Path(*paths))
