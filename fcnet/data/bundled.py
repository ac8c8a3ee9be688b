"""Small sets that come with scikit-learn, by name: a first try needs no file.

Scikit-learn is imported when such a set is asked for.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from fcnet.data.dataset import Dataset
from fcnet.data.reading import set_aside
from fcnet.errors import UsageError

PREFIX = "sklearn:"
NAMES = ("digits", "iris", "wine", "breast_cancer")


def load(name: str, say: Callable[[str], None]) -> Dataset:
    """Load a set by its name behind ``sklearn:``; a fifth of each class is set aside as test part.

    The digits are rows of 64 values here, and no images: mirrored, they are none any more.

    Raises
    ------
    UsageError
        If there is no such set.
    """
    if name not in NAMES:
        known = ", ".join(PREFIX + each for each in NAMES)
        raise UsageError(f"{PREFIX}{name} is no bundled data set; there are {known}")
    from sklearn import datasets

    found: Any = getattr(datasets, f"load_{name}")()
    dataset = Dataset.assemble(
        [found.data.astype(np.float32), np.array([str(each) for each in found.target_names])[found.target]],
        ("data", "target"),
        f"scikit-learn's {name.replace('_', ' ')}",
    )
    say(set_aside(dataset))
    return dataset
