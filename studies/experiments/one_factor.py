"""The report's three one-factor experiments: what was measured, and whether it is more than noise."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import scipy  # loads a part when it is used

from fcnet.hyperparameters import Hyperparameters
from studies import record
from studies.analysis.factors import FactorTest, factor_test
from studies.analysis.outcomes import Outcomes
from studies.analysis.scores import paired_noise, summarise
from studies.analysis.verdict import listed
from studies.space import BASELINE

Factor = Literal["batch_size", "learning_rate", "hidden_units"]

EXPERIMENTS: dict[Factor, list[Hyperparameters]] = {
    "batch_size": [
        replace(BASELINE, batch_size=n, learning_rate=0.001, hidden_units=256) for n in (16, 32, 64, 128, 256)
    ],
    "learning_rate": [
        replace(BASELINE, batch_size=64, learning_rate=rate, hidden_units=256)
        for rate in (0.001, 0.005, 0.01, 0.05, 0.1)
    ],
    "hidden_units": [
        replace(BASELINE, batch_size=64, learning_rate=0.001, hidden_units=n) for n in (32, 64, 128, 256, 512)
    ],
}
"""The configurations of the report's Figures 6, 7 and 8; 13 of the 15 are distinct."""

REPORTED_EFFECTS: dict[Factor, tuple[float, float]] = {
    "batch_size": (16, 0.83),
    "learning_rate": (0.005, 0.836),
    "hidden_units": (128, 0.815),
}
"""The best value of each figure and its test accuracy: the only points that the report gives as numbers."""


def are_the_reports(data_name: str) -> bool:
    """Tell by their name whether data are the course report's, with which its numbers can be compared."""
    return data_name == "CIFAR-10 airplane/ship" or "cifar_2class" in data_name.lower()


def configurations() -> list[Hyperparameters]:
    """The distinct configurations of all experiments, each once, in the order of their first figure."""
    return list(dict.fromkeys(h for grid in EXPERIMENTS.values() for h in grid))


@dataclass(frozen=True)
class Level:
    """Repeated trainings at one value of a factor; accuracies are fractions.

    Parameters
    ----------
    value : float
        The factor's value.
    mean, std, low, high : float
        Mean, sample standard deviation and 95 % interval over seeds, simultaneous for all values of the
        factor; NaN where one seed cannot give them.
    n : int
        Number of seeds.
    accuracies : list of float
        The single trainings, in the order of the seeds.
    """

    value: float
    mean: float
    std: float
    n: int
    low: float
    high: float
    accuracies: list[float]


@dataclass(frozen=True)
class OneFactor:
    """One factor, the others fixed.

    Parameters
    ----------
    factor : str
    values : list of float
        All values that the experiment has, ascending.
    levels : list of Level
        By ascending value; only values that have been trained.
    reported : tuple of (float, float) or None
        Value and accuracy that the report published.
    test : FactorTest or None
        Of the `tested` values; None until at least two of them share at least two seeds.
    tested : list of float
        Values with at least two seeds, ascending.
    sentence : str
        Whether the differences are larger than noise, in plain English.
    """

    factor: Factor
    values: list[float]
    levels: list[Level]
    reported: tuple[float, float] | None
    test: FactorTest | None
    tested: list[float]
    sentence: str


@dataclass(frozen=True)
class ControlledInfo:
    """The experiments as plain data.

    Parameters
    ----------
    experiments : list of OneFactor
    protocol : str
        How accuracy was judged, for the title.
    """

    experiments: list[OneFactor]
    protocol: str


def controlled_info(
    records: Mapping[tuple[Hyperparameters, int], float],
    *,
    outcomes: Mapping[tuple[Hyperparameters, int], record.Outcomes] | None = None,
    protocol: str = "holdout",
    reported: Mapping[Factor, tuple[float, float]] | None = None,
) -> ControlledInfo:
    """Summarise and test the experiments.

    Parameters
    ----------
    records : mapping of (Hyperparameters, seed) to float
        Accuracy of each finished training as a fraction. Unfinished experiments are summarised as far as
        they are; the test uses the seeds that all values with at least two share.
    outcomes : mapping of (Hyperparameters, seed) to record.Outcomes, optional
        Which images each training got right. Where some are not known, or those of a seed were judged by
        different images, the test knows of seeds alone, and is about these images.
    protocol : str, default="holdout"
        ``"holdout"`` or ``"report"``.
    reported : mapping of str to (float, float), optional
        What was published of these data by factor: a value and its accuracy.
    """
    tables = {factor: _table(factor, records) for factor in EXPERIMENTS}
    tested = {factor: _repeated(table) for factor, table in tables.items()}
    paired = {factor: _paired(factor, table, outcomes or {}) for factor, table in tested.items()}
    tests = {factor: factor_test(found) for factor, found in paired.items() if found is not None}
    experiments = []
    for factor, table in tables.items():
        levels, half = [], _half_width(table)
        for value, by_seed in table.items():
            accuracies = [by_seed[seed] for seed in sorted(by_seed)]
            s, wide = summarise(accuracies), half / math.sqrt(len(accuracies))
            levels.append(Level(value, s.mean, s.std, s.n, s.mean - wide, s.mean + wide, accuracies))
        test = tests.get(factor)
        sentence = _sentence(factor, list(table), list(tested[factor]), test)
        values = [float(getattr(h, factor)) for h in EXPERIMENTS[factor]]
        published = (reported or {}).get(factor)
        experiments.append(OneFactor(factor, values, levels, published, test, list(tested[factor]), sentence))
    return ControlledInfo(experiments, protocol)


def _table(
    factor: Factor, records: Mapping[tuple[Hyperparameters, int], float]
) -> dict[float, dict[int, float]]:
    """Accuracies by the factor's value, then by seed; values without a training are left out."""
    table = {}
    for configuration in EXPERIMENTS[factor]:
        by_seed = {seed: value for (h, seed), value in records.items() if h == configuration}
        if by_seed:
            table[float(getattr(configuration, factor))] = by_seed
    return table


def _repeated(table: Mapping[float, dict[int, float]]) -> dict[float, dict[int, float]]:
    """Return the values with at least two seeds: one alone would leave no seeds that all share."""
    return {value: row for value, row in table.items() if len(row) > 1}


def _half_width(table: Mapping[float, Mapping[int, float]]) -> float:
    """Return half of the interval of a single training, simultaneous for all values; NaN without repeats.

    The values share their seeds and are taken to be equally noisy, see `paired_noise`; the chance of 5 % that
    any interval misses is divided by their number (Bonferroni).
    """
    seeds = sorted({seed for row in table.values() for seed in row})
    values = [[row.get(seed, np.nan) for seed in seeds] for row in table.values()]
    found = paired_noise(values) if table else None
    if found is None:
        return float("nan")
    noise, freedom = found
    return noise * float(scipy.special.stdtrit(freedom, 1.0 - 0.025 / len(table)))


def _paired(
    factor: Factor,
    table: Mapping[float, Mapping[int, float]],
    outcomes: Mapping[tuple[Hyperparameters, int], record.Outcomes],
) -> Outcomes | None:
    """Return what all values scored with the seeds that they share; None with fewer than two of either."""
    shared = sorted(set.intersection(*(set(row) for row in table.values()))) if table else []
    if len(table) < 2 or len(shared) < 2:
        return None
    trained = [h for h in EXPERIMENTS[factor] if float(getattr(h, factor)) in table]
    known = [[outcomes[h, seed] for seed in shared if (h, seed) in outcomes] for h in trained]
    judged = {tuple((each.split_seed, each.fold, each.images) for each in row) for row in known}
    if len(judged) > 1 or len(known[0]) < len(shared):
        return Outcomes.of_accuracies([[row[seed] for seed in shared] for row in table.values()])
    (divisions,) = judged
    folds = list(dict.fromkeys(divisions))  # each has images of its own
    ends = np.cumsum([0, *(images for _, _, images in folds)])
    images = [np.arange(ends[i], ends[i + 1]) for i in map(folds.index, divisions)]
    return Outcomes.of([[each.mask() for each in row] for row in known], images)


def _sentence(
    factor: Factor, trained: Sequence[float], values: Sequence[float], test: FactorTest | None
) -> str:
    name = factor.replace("_", " ").capitalize()
    if test is None:
        return f"{name}: too few trainings to tell differences from noise."
    alone = [value for value in trained if value not in values]
    verb = " each, are" if len(alone) > 1 else ", is"
    rest = f" {_listed(alone)}, with a single accuracy{verb} left out." if alone else ""
    points = 100 * test.largest_difference
    p = f"p = {test.p_value:.2g}, corrected for {test.pairs} comparisons"
    if not test.real:
        apart = f"{_listed(values)} cannot be told apart"
        return f"{name}: {apart}: the differences, {points:.1f} points at most, could be noise ({p}).{rest}"
    worse: dict[tuple[int, ...], list[float]] = {}
    for i in test.order:
        better = tuple(j for j in sorted(test.order) if (j, i) in test.apart)
        worse.setdefault(better, []).append(values[i])
    told = [
        f"{_listed(sorted(lower))} {'is' if len(lower) == 1 else 'are'} worse than"
        f" {_listed([values[j] for j in better], each=True)}"
        for better, lower in worse.items()
        if better
    ]
    best = sorted(worse.get((), []))
    alike = f"; {_listed(best)} cannot be told apart" if len(best) > 1 else ""
    extremes = f"{values[test.best]:g} is {points:.1f} points above {values[test.worst]:g}"
    return f"{name}: {', '.join(told)}{alike}; {extremes} ({p}).{rest}"


def _listed(values: Sequence[float], *, each: bool = False) -> str:
    words = listed([f"{value:g}" for value in values])
    return f"each of {words}" if each and len(values) > 1 else words
