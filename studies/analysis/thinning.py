"""Which of many trials to keep: the best and an even pick of the rest."""

import numpy as np
from numpy.typing import ArrayLike, NDArray


def thinned(values: ArrayLike, at_most: int) -> NDArray[np.intp]:
    """Return the indices, ascending, of the best quarter of `at_most` and of an even pick of the rest.

    Parameters
    ----------
    values : array-like of shape (n,)
        The higher the better; the earlier of equals counts as the better one.
    at_most : int
        How many are kept; all where there are no more.
    """
    y = np.asarray(values, dtype=float)
    if len(y) <= at_most:
        return np.arange(len(y))
    order = np.argsort(-y, kind="stable")
    best, rest = order[: at_most // 4], np.sort(order[at_most // 4 :])
    even = np.linspace(0, len(rest) - 1, at_most - len(best)).round().astype(int)
    return np.sort(np.concatenate([best, rest[even]]))
