"""Splits keep the test part apart, normalise by the training part alone, and are shared in one folder."""

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fcnet.data import Dataset, Normalisation, Split


def dataset(*, n: int = 50, features: int = 6, classes: int = 2, seed: int = 0) -> Dataset:
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, size=(n + 20, features), dtype=np.uint8)
    labels = np.arange(n + 20, dtype=np.int64) % classes
    names = tuple(f"class {label}" for label in range(classes))
    return Dataset("tiny", images[:n], labels[:n], names, None, _test=(images[n:], labels[n:]))


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


def test_a_split_is_itself_alone_and_shows_no_numbers() -> None:
    one, two = dataset().split(), dataset().split(seed=0)
    assert one != two
    assert len({one, two}) == 2
    assert "array" not in repr(one)
    np.testing.assert_array_equal(one.train.x, two.train.x)
