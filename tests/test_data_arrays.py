"""Data sets made of arrays: the same as from a file, or a sentence that names the array."""

import io

import numpy as np
import pytest

from fcnet import Dataset
from fcnet.data import files


def arrays(n_classes=2, **changes):
    rng = np.random.default_rng(0)
    return {
        "images": rng.integers(0, 256, (30, 3, 2, 2), dtype=np.uint8),
        "labels": np.arange(30) % n_classes,
        "test_images": rng.integers(0, 256, (6, 3, 2, 2), dtype=np.uint8),
        "test_labels": np.arange(6) % n_classes,
        **changes,
    }


def test_arrays_give_what_the_same_file_gives():
    given = arrays()
    buffer = io.BytesIO()
    keys = ("train_data", "train_labels", "test_data", "test_labels")
    np.savez(buffer, **dict(zip(keys, given.values(), strict=True)))
    buffer.seek(0)
    data, from_file = Dataset.from_arrays(**given), files.read(buffer, "x.npz")
    assert data.fingerprint == from_file.fingerprint
    assert data.image_shape == from_file.image_shape == (3, 2, 2)
    assert data.class_names == from_file.class_names
    assert data.name == "arrays"


def test_more_classes_lists_and_names():
    given = arrays(3)
    given["images"] = given["images"].reshape(30, 12) / 255
    given["test_images"] = (given["test_images"].reshape(6, 12) / 255).tolist()
    assert Dataset.from_arrays(**given).class_names == ("0", "1", "2")
    data = Dataset.from_arrays(**given, class_names=["a", "b", "c"], name="mine", image_shape=[3, 2, 2])
    assert (data.class_names, data.name, data.image_shape) == (("a", "b", "c"), "mine", (3, 2, 2))
    assert (data.images.dtype, data.images.shape, data.test_size) == (np.float32, (30, 12), 6)
    assert Dataset.from_arrays(**given).image_shape is None


BAD = {
    "gap": (
        arrays(labels=np.arange(30) % 2 * 5, class_names=["a", "b"]),
        "labels in arrays holds 5, but every label must be 0 or 1",
    ),
    "one class": (arrays(labels=np.zeros(30)), "labels in arrays holds one class only, '0'"),
    "new in test": (
        arrays(test_labels=np.arange(6)),
        "test_labels in arrays holds 2, a class that labels",
    ),
    "half": (
        arrays(3, labels=np.arange(30) % 3 / 2),
        "holds 0.5, but a label must be a whole number",
    ),
    "third": (arrays(3, class_names=["a", "b", "c"], labels=np.arange(30) % 3 / 2), "from 0 to 2"),
    "NaN": (arrays(labels=np.full(30, np.nan)), "labels in arrays holds nan"),
    "dates": (arrays(labels=np.arange(30).astype("M8[D]")), "labels in arrays holds datetime64[D]"),
    "half a test part": (arrays(test_labels=None), "arrays needs test_images and test_labels, or neither"),
    "objects": (
        arrays(images=np.full((30, 2), None)),
        "images in arrays holds object: save words with .astype",
    ),
    "words as objects": (
        arrays(labels=np.array(["a", "b"], object)[np.arange(30) % 2]),
        "labels in arrays holds object: save words with .astype(str), numbers with .astype(float)",
    ),
    "one row": (arrays(images=np.zeros((1, 12))), "arrays has 1 row in images but 30 in labels"),
    "rows": (arrays(labels=np.arange(29) % 2), "arrays has 30 rows in images but 29 in labels"),
    "no test": (arrays(test_images=np.empty((0, 12), np.uint8)), "test_images in arrays has shape (0, 12)"),
    "names": (arrays(class_names=["a", "a"]), "class_names is ['a', 'a'], but it must be two or more"),
    "one name": (arrays(class_names=["a"]), "class_names is ['a']"),
    "third name": (arrays(class_names=["a", "b", "c"]), "0 rows of class c in images"),
    "shape": (arrays(image_shape=(3, 3, 3)), "image_shape is (3, 3, 3), but an image has 12 values"),
}


@pytest.mark.parametrize("case", BAD)
def test_unusable_arrays_are_told_in_a_sentence(case):
    given, words = BAD[case]
    with pytest.raises(ValueError) as error:  # noqa: PT011
        Dataset.from_arrays(**given)
    assert words in str(error.value)
    assert "\n" not in str(error.value)
