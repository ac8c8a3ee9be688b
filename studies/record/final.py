"""What a study keeps of its final training, and of every opening of the test set."""

from collections.abc import Sequence
from typing import Annotated

import numpy as np
from msgspec import Meta, Struct

from fcnet.metrics import Metric

Fraction = Annotated[float, Meta(ge=0, le=1)]
Count = Annotated[int, Meta(ge=0)]
Positive = Annotated[int, Meta(ge=1)]
Value = int | float | bool | str
"""Of a hyperparameter."""


class Opening(Struct, frozen=True, kw_only=True):
    """An opening of the test set.

    Parameters
    ----------
    time : str, in ISO 8601
    trial : int
    configuration : str
        See `configuration_hash`.
    images : int
        Number of test images, or as many as a balanced accuracy counts, see `fcnet.scores.effective_rows`.
    test_accuracies : list of float or None
        Of each network; None from before the opening until its end.
    ensemble_accuracy : float or None
        Of all networks as one; version 0.1.0 did not test that.
    models : list of str
        Digests of the networks that were tested.
    confusion : list of list of int or None
        Of all networks as one, see `Final`.
    """

    configuration: str
    time: str = ""
    trial: int | None = None
    images: Positive | None = None
    test_accuracies: Annotated[list[Fraction], Meta(min_length=1)] | None = None
    ensemble_accuracy: Fraction | None = None
    models: list[str] = []
    confusion: list[list[Count]] | None = None

    def __post_init__(self) -> None:
        if self.test_accuracies is not None and self.images is None:
            raise ValueError("test accuracies without their number of images")


class Accuracies(Struct, frozen=True):
    """Accuracies of several networks: mean, standard deviation (None for one), and each."""

    mean: float
    std: float | None
    values: list[Fraction]

    @classmethod
    def of(cls, values: Sequence[float]) -> "Accuracies":
        """Summarise accuracies; n - 1 is in the denominator."""
        std = float(np.std(values, ddof=1)) if len(values) > 1 else None
        return cls(float(np.mean(values)), std, [float(value) for value in values])


class Final(Struct, frozen=True, kw_only=True):
    """What the final training found.

    Parameters
    ----------
    trial : int
        The trial whose parameters were trained.
    params, seeds, test_accuracy : dict, list of int, Accuracies
    ensemble_accuracy : float or None
        Test accuracy of `model`; None in what version 0.1.0 kept, as the interval.
    ensemble_interval : pair of float or None
        Its 95 % interval about fresh images.
    validation_accuracy : float
        The trial's value in the search.
    model : str
        Path of all networks as one, chosen before the test set was opened.
    models : list of str
        Path of each network on its own.
    report : str
        Path of the page with the learning curves.
    test_openings : int
        How many times the test set of the study was opened, this time included.
    configurations_tested_before : int
    class_names : list of str
    confusion : list of list of int or None
        Test rows by their class and the one that `model` gave them, of 3 to 50 classes.
    metric : {"accuracy", "balanced_accuracy"}
        What every accuracy here is.
    """

    trial: Count
    params: dict[str, Value]
    seeds: list[int]
    test_accuracy: Accuracies
    validation_accuracy: float | None
    model: str
    models: list[str]
    report: str
    test_openings: Count
    configurations_tested_before: Count
    ensemble_accuracy: Fraction | None = None
    ensemble_interval: tuple[Fraction, Fraction] | None = None
    class_names: list[str] = []
    confusion: list[list[Count]] | None = None
    metric: Metric = "accuracy"
