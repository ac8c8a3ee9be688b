"""What a sweep is asked to do, and the options that ask for it again."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

import msgspec
from msgspec import Meta
from optuna.distributions import BaseDistribution

from fcnet.data import Reading
from fcnet.errors import UsageError
from fcnet.metrics import Metric
from studies.choices import CLASSES, STORAGE, STUDY
from studies.ranges import ranges
from studies.record import Asked, Kept
from studies.record.final import Positive
from studies.space import DEFAULT_SPACE, Space
from studies.storage.errors import redact


@dataclass(frozen=True)
class Plan:
    """What a sweep is asked to do; the defaults are those of the command line.

    Parameters
    ----------
    url : str, default="sqlite:///sweep.db"
        Address of the database.
    study : str, default="sweep"
        The study's name.
    trials : int, default=100
        Finished trials that the study shall hold in the end.
    data : str, default="auto"
        See `fcnet.load`.
    classes : tuple of str
        CIFAR-10 classes.
    reading : Reading
        How tables and folders of images are read.
    metric : {"accuracy", "balanced_accuracy"}, default="accuracy"
        What a training is judged by.
    epochs : int, default=20
    sampler : str, default="tpe"
        A name that the option takes.
    pruner : str, default="median"
        A name that the option takes.
    seed : int, default=0
    timeout : float, optional
        Seconds after which the sweep ends; trials that run then are run again by the next start.
    until_flat : bool, default=False
        Whether it ends when further trials promise less than the noise of one. The noise must have been
        measured: where the study has no repeats, its first complete trial is trained
        `studies.experiments.search.REPEATS` times more with fresh seeds; they count as trials of the sweep.
    space : Space
    points : tuple of str
        Configurations to be tried first, each ``NAME=VALUE,...``, see `studies.ranges.at`.
    taken_from : str, optional
        ``[URL#]STUDY`` whose finished trials are taken over, see `studies.experiments.taking`.
    """

    url: str = STORAGE
    study: str = STUDY
    trials: int = 100
    data: str = "auto"
    classes: tuple[str, ...] = CLASSES
    reading: Reading = Reading()  # frozen
    metric: Metric = "accuracy"
    epochs: int = 20
    sampler: str = "tpe"
    pruner: str = "median"
    seed: int = 0
    timeout: float | None = None
    until_flat: bool = False
    space: Space = field(default_factory=lambda: DEFAULT_SPACE)
    points: tuple[str, ...] = ()
    taken_from: str | None = None

    def __post_init__(self) -> None:
        """Refuse what no study could keep.

        Raises
        ------
        UsageError
        """
        object.__setattr__(self, "data", os.fspath(self.data))
        names = ("url", "study", "data", "classes", "epochs", "metric")
        try:
            msgspec.convert({**self.settings(), **{name: getattr(self, name) for name in names}}, _Checked)
        except msgspec.ValidationError as error:
            raise UsageError(f"this plan cannot be carried out: {error}") from error
        if not all(isinstance(each, BaseDistribution) for each in self.space.values()):
            raise UsageError(
                "the space of a plan holds Optuna's distributions, such as those of"
                " studies.ranges.narrowed(['n_layers=2:3'])"
            )

    def settings(self) -> dict[str, Any]:
        """Return what a study keeps of it besides its facts."""
        names = ("trials", "sampler", "pruner", "seed", "timeout", "until_flat", "points")
        found = {name: getattr(self, name) for name in names}
        origin = self.taken_from and redact(self.taken_from)
        return {**found, "points": list(self.points), "taken_from": origin}


class _Checked(Asked, frozen=True, kw_only=True):
    """What a plan's numbers and words must be."""

    url: str
    study: Annotated[str, Meta(min_length=1)]
    data: Annotated[str, Meta(min_length=1)]
    classes: tuple[str, ...]
    epochs: Positive
    metric: Metric


def again(kept: Kept, *, trials: int | None = None, wider: Mapping[str, str] | None = None) -> list[str]:
    """Return the options of the sweep that a study holds, besides those that name the study.

    Parameters
    ----------
    kept : Kept
    trials : int, optional
        Another number of trials than was asked for.
    wider : mapping of str to str, optional
        Other ranges for some hyperparameters.
    """
    given, asked = {**ranges(kept.facts.space), **(wider or {})}, kept.asked
    trials = asked.trials if trials is None and asked is not None else trials
    options = [] if trials is None else ["--trials", str(trials)]
    options += kept.source.options()
    if kept.facts.metric != Plan.metric:
        options += ["--metric", kept.facts.metric]
    if kept.facts.epochs != Plan.epochs:
        options += ["--epochs", str(kept.facts.epochs)]
    options += [word for name, ends in given.items() for word in ("--range", f"{name}={ends}")]
    for name in () if asked is None else ("sampler", "pruner", "seed"):
        if (value := getattr(asked, name)) != getattr(Plan, name):
            options += [f"--{name}", str(value)]
    return options
