"""Labels of any kind, arrays of any usual name, and the test part that is set aside where there is none."""

import numpy as np
import pytest
from datafiles import npz, python2_pickle, python3_pickle, read

from fcnet import Dataset
from fcnet.data import files, labels
from fcnet.errors import UserError

X = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32)
WORDS = np.array(["pear", "apple", "fig"])[np.arange(60) % 3]
PAIRS = [
    ("X", "y"),
    ("data", "target"),
    ("x_train", "y_train"),
    ("images", "labels"),
    ("train_images", "train_labels"),
]


@pytest.mark.parametrize("names", PAIRS)
@pytest.mark.parametrize("writer", [npz, python3_pickle(4), python3_pickle(5)])
def test_arrays_go_by_their_usual_names_and_words_are_classes(names, writer):
    said = []
    data = files.read(_file(writer(dict(zip(names, (X, WORDS), strict=True)))), "fruit.bin", say=said.append)
    assert data.class_names == ("apple", "fig", "pear")
    assert [data.class_names[label] for label in data.labels[:3]] != []
    assert (len(data.labels), data.test_size) == (48, 12)
    assert said == [
        "fruit.bin has no test part: 12 of its 60 rows, a fifth of each class, are set aside until the best"
        " parameters are trained."
    ]


def _file(content):
    import io

    return io.BytesIO(content)


def test_the_part_that_is_set_aside_is_stratified_always_the_same_and_no_holdout():
    data = Dataset.from_arrays(X, WORDS)
    images, codes = data.open_test()
    assert np.bincount(codes).tolist() == [4, 4, 4]
    assert {row.tobytes() for row in images}.isdisjoint({row.tobytes() for row in data.images})
    assert len({row.tobytes() for row in (*images, *data.images)}) == 60
    assert Dataset.from_arrays(X, WORDS).fingerprint == data.fingerprint
    # Every row keeps its label.
    label_of = {row.tobytes(): word for row, word in zip(X, WORDS, strict=True)}
    for rows, codes_of in ((data.images, data.labels), (images, codes)):
        assert [label_of[row.tobytes()] for row in rows] == [data.class_names[code] for code in codes_of]


def test_a_test_part_that_is_there_is_taken_and_nothing_is_said():
    said = []
    content = npz({"X": X[:48], "Y": WORDS[:48], "x_test": X[48:], "y_test": WORDS[48:]})
    data = files.read(_file(content), "fruit.npz", say=said.append)
    assert (len(data.labels), data.test_size, said) == (48, 12, [])


@pytest.mark.parametrize(
    ("given", "names"),
    [
        (np.arange(12) % 3 - 1, ("-1", "0", "1")),
        (np.arange(12) % 2 * 9 + 2.0, ("2", "11")),
        (np.array(["10", "9", "-1"])[np.arange(12) % 3], ("-1", "9", "10")),
        (np.array(["b10", "b9"])[np.arange(12) % 2], ("b10", "b9")),
        (np.array([b"no", b"yes"])[np.arange(12) % 2], ("no", "yes")),
        (np.arange(12) % 2 == 0, ("False", "True")),
        (np.arange(12, dtype=np.uint8)[:, np.newaxis] % 2, ("0", "1")),
    ],
)
def test_classes_are_called_by_their_labels_in_their_order(given, names):
    found, (codes,) = labels.encode([given], ["y"], "x")
    assert found == names
    assert codes.shape == given.shape
    plain = [text.decode() if isinstance(text, bytes) else text for text in given.ravel().tolist()]
    said = [str(int(value)) if isinstance(value, float) else str(value) for value in plain]
    assert [found[code] for code in codes.ravel()] == said


BAD = {
    "quantities": ({"X": X, "y": X[:, 0]}, "a whole number or a word: the program tells classes apart and"),
    "numbers of rows": (
        {"X": np.zeros((1500, 2)), "y": np.arange(1500)},
        "1,500 different labels, more than 1,000",
    ),
    "a rare class": (
        {"X": X, "y": np.arange(60) // 55},
        "has 5 rows of class 1; at least 6 are needed of each",
    ),
    "a single row": ({"X": X, "y": np.arange(60) // 59}, "has 1 row of class 1; at least 6"),
    "no labels": ({"X": X}, "lacks y; save train_data and train_labels in it, and test_data and test_labels"),
    "other names": ({"a": X, "b": WORDS}, "lacks train_data and train_labels"),
    "half a test part": ({"X": X, "y": WORDS, "x_test": X}, "lacks y_test"),
    "labels of dates": ({"X": X, "y": np.arange(60).astype("M8[D]")}, "holds datetime64[D]"),
    "images of words": (
        {"X": WORDS[:, np.newaxis], "y": WORDS},
        "X in x.bin holds <U5, but it must hold plain",
    ),
    "rows of 20,000 values": ({"X": np.zeros((60, 20_000), np.uint8), "y": WORDS}, "more than 12,288"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_used_is_told_in_a_sentence(case):
    content, words = BAD[case]
    with pytest.raises(UserError) as error:
        files.read(_file(npz(content)), "x.bin")
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_the_assignments_form_is_what_it_was():
    """Two classes, 0 and 1: the fingerprint that studies keep has not changed."""
    content = {
        "train_data": np.arange(240, dtype=np.uint8).reshape(20, 12),
        "train_labels": np.arange(20) % 2,
        "test_data": np.arange(72, dtype=np.uint8).reshape(6, 12),
        "test_labels": np.arange(6) % 2,
    }
    for writer in (npz, python2_pickle):
        assert read(writer(content)).fingerprint[:16] == FINGERPRINT


FINGERPRINT = "c0262c0bc76865d2"
