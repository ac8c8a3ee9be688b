"""The report's three one-factor experiments: what was measured, and whether it is more than noise."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from fcnet.hyperparameters import Hyperparameters
from studies.analysis.factors import FactorTest, factor_tests
from studies.analysis.scores import summarise

Factor = Literal["batch_size", "learning_rate", "hidden_units"]

_REPORT = Hyperparameters(momentum=0.8, weight_decay=0.05, n_layers=3)

EXPERIMENTS: dict[Factor, list[Hyperparameters]] = {
    "batch_size": [
        replace(_REPORT, batch_size=n, learning_rate=0.001, hidden_units=256) for n in (16, 32, 64, 128, 256)
    ],
    "learning_rate": [
        replace(_REPORT, batch_size=64, learning_rate=rate, hidden_units=256)
        for rate in (0.001, 0.005, 0.01, 0.05, 0.1)
    ],
    "hidden_units": [
        replace(_REPORT, batch_size=64, learning_rate=0.001, hidden_units=n) for n in (32, 64, 128, 256, 512)
    ],
}
"""The configurations of the report's Figures 6, 7 and 8; 13 of the 15 are distinct."""

REPORTED: dict[Factor, tuple[float, float]] = {
    "batch_size": (16, 0.83),
    "learning_rate": (0.005, 0.836),
    "hidden_units": (128, 0.815),
}
"""The best value of each figure and its test accuracy: the only points that the report gives as numbers."""


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
        Mean, sample standard deviation and Student's 95 % interval; NaN where one seed cannot give them.
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
        None until at least two values share at least two seeds.
    sentence : str
        Whether the differences are larger than noise, in plain English.
    """

    factor: Factor
    values: list[float]
    levels: list[Level]
    reported: tuple[float, float] | None
    test: FactorTest | None
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
    reported: Mapping[Factor, tuple[float, float]] = REPORTED,
    protocol: str = "holdout",
) -> ControlledInfo:
    """Summarise and test the experiments.

    Parameters
    ----------
    records : mapping of (Hyperparameters, seed) to float
        Accuracy of each finished training as a fraction. Unfinished experiments are summarised as far as
        they are; the test uses the seeds that all trained values share.
    reported : mapping, default=REPORTED
        The report's points.
    protocol : str, default="holdout"
        ``"holdout"`` or ``"report"``.
    """
    tables = {factor: _table(factor, records) for factor in EXPERIMENTS}
    paired = {factor: _paired(table) for factor, table in tables.items()}
    tests = factor_tests({factor: rows for factor, rows in paired.items() if rows is not None})
    experiments = []
    for factor, table in tables.items():
        levels = []
        for value, by_seed in table.items():
            accuracies = [by_seed[seed] for seed in sorted(by_seed)]
            s = summarise(accuracies)
            levels.append(Level(value, s.mean, s.std, s.n, s.low, s.high, accuracies))
        test = tests.get(factor)
        sentence = _sentence(factor, list(table), test, n_factors=len(tests))
        values = [float(getattr(h, factor)) for h in EXPERIMENTS[factor]]
        experiments.append(OneFactor(factor, values, levels, reported.get(factor), test, sentence))
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


def _paired(table: Mapping[float, Mapping[int, float]]) -> list[list[float]] | None:
    shared = sorted(set.intersection(*(set(row) for row in table.values()))) if table else []
    if len(table) < 2 or len(shared) < 2:
        return None
    return [[row[seed] for seed in shared] for row in table.values()]


def _sentence(factor: Factor, values: Sequence[float], test: FactorTest | None, *, n_factors: int) -> str:
    name = factor.replace("_", " ").capitalize()
    if test is None:
        return f"{name}: too few trainings to tell differences from noise."
    points = 100 * test.largest_difference
    p = f"p = {test.p_value:.2g}, corrected for {n_factors} experiments"
    if test.real:
        return (
            f"{name}: the differences are larger than noise ({p}); {values[test.best]:g} is"
            f" {points:.1f} points above {values[test.worst]:g}."
        )
    return f"{name}: the differences, {points:.1f} points at most, could be noise ({p})."
