"""Options that several commands share, the values that they take, and what is opened with them."""

from __future__ import annotations

import argparse
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from fcnet.text import counted
from studies.choices import CLASSES, STORAGE, STUDY
from studies.commands.parser import choice, option, switch
from studies.execution.backend import cores

if TYPE_CHECKING:
    from collections.abc import Callable

    from optuna.study import Study

    from fcnet.data import Reading
    from studies.execution.cluster import DaskCluster
    from studies.execution.local import ProcessPool


_CROWD = 4  # workers for each core that need a word


def positive(text: str) -> int:
    """Read a whole number of at least 1."""
    return _whole(text, at_least=1)


def natural(text: str) -> int:
    """Read a whole number of at least 0."""
    return _whole(text, at_least=0)


def seconds(text: str) -> float:
    """Read a finite number above 0."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds above 0")
    return value


def _whole(text: str, *, at_least: int) -> int:
    if not text.isascii() or not text.isdigit() or (len(text) < 13 and int(text) < at_least):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least {at_least}")
    if len(text) > 12:
        raise argparse.ArgumentTypeError(f"{text} is larger than {10**12 - 1:,}, the largest that is taken")
    return int(text)


def word(text: str) -> str:
    """Read what names something."""
    if not text.strip():
        raise argparse.ArgumentTypeError("nothing is named")
    return text


def _median(text: str) -> str:
    if text != "median":
        raise argparse.ArgumentTypeError(f"{text!r} is not median, the only value that there is")
    return text


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split(","))


@dataclass(frozen=True, kw_only=True)
class StudyOptions:
    """The study that a command is about."""

    storage: str = option(word, STORAGE, "URL", "database")
    study: str = option(word, STUDY, "NAME", "its study")

    def open(self) -> Study:
        """Open the study for reading."""
        from studies.api import open_study

        return open_study(self.storage, self.study)

    @property
    def typed(self) -> str:
        """The options that name the study in a command to be typed, if they are needed."""
        from studies.storage.errors import redact

        here = "" if self.storage == STORAGE else f" --storage {shlex.quote(redact(self.storage))}"
        return here + ("" if self.study == STUDY else f" --study {shlex.quote(self.study)}")


@dataclass(frozen=True, kw_only=True)
class DataOptions:
    """The data of a study that is there."""

    data: str | None = option(
        word,
        None,
        "DATA",
        "where the data are now, as a sweep takes it (default: where the sweep found them)",
    )


@dataclass(frozen=True, kw_only=True)
class TrainingOptions:
    """The data of a new study, and how long its trainings are."""

    data: str = option(
        word,
        "auto",
        "DATA",
        "auto, cifar10, synthetic, sklearn:NAME (digits, iris, wine, breast_cancer), a file (.npz, pickle,"
        " CSV, TSV, Parquet) or a folder with a folder of images for each class",
    )
    classes: tuple[str, ...] = option(_names, CLASSES, "A,B", "CIFAR-10 classes")
    label: str | None = option(
        str, None, "COLUMN", "column of a table that holds the classes (default: the last one)"
    )
    impute: Literal["median"] | None = option(
        _median, None, "median", "fill missing numbers of a table with their column's median"
    )
    image_size: int | None = option(
        positive, None, "N", "bring images of a folder to N rows and N columns (default: as they are)"
    )
    skip_damaged: bool = switch("leave damaged images of a folder out")
    epochs: int = option(positive, 20, "N", "epochs per training")

    @property
    def reading(self) -> Reading:
        """How the data are read."""
        from fcnet.data import Reading

        return Reading(self.label, self.impute, self.image_size, self.skip_damaged)


@dataclass(frozen=True, kw_only=True)
class WorkerOptions:
    """Where the trainings run."""

    workers: int = option(
        positive, cores(), "N", f"trainings at the same time (default: the cores, {cores()})"
    )
    cluster: str | None = option(
        str,
        None,
        "ADDRESS",
        "train on the workers of a Dask scheduler, such as tcp://HOST:8786, instead of here",
    )

    def backend(
        self, *, say: Callable[[str], None], most: int | None = None, **settings: Any
    ) -> ProcessPool | DaskCluster:
        """Return where the trainings run.

        Parameters
        ----------
        say : callable
            Takes one-line notices for the user.
        most : int, optional
            Trainings that there will be at most.
        settings
            For the backend, such as its `epoch_limit`.
        """
        if self.cluster is not None:
            from studies.execution.cluster import DaskCluster

            return DaskCluster(self.cluster, say=say, **settings)
        from studies.execution.local import ProcessPool

        slots = self.workers if most is None else min(self.workers, most)
        if slots > _CROWD * cores():
            say(f"{slots} workers share {counted(cores(), 'core')}: fewer are faster.")
        return ProcessPool(slots, **settings)


@dataclass(frozen=True, kw_only=True)
class ArtifactOptions:
    """Where a study's files are."""

    artifacts: str = option(str, "artifacts", "DIR", "the study's files")


@dataclass(frozen=True, kw_only=True)
class NotifyOptions:
    """Who is told of the end."""

    notify: str | None = option(
        str, None, "COMMAND", "run by the shell in the end, with the result as JSON on its standard input"
    )


@dataclass(frozen=True, kw_only=True)
class FormatOptions:
    """How a result is printed."""

    format: str = choice(("text", "json"), "text", "json: one object on standard output")

    @property
    def as_json(self) -> bool:
        """Whether programs read the result."""
        return self.format == "json"


def metric_option() -> Any:
    """Return the field of ``--metric``."""
    return choice(
        ("accuracy", "balanced_accuracy"),
        "accuracy",
        "what trainings are judged by; balanced_accuracy counts each class alike, however rare",
    )


def protocol_option(default: str) -> Any:
    """Return the field of ``--protocol``."""
    return choice(
        ("holdout", "report"),
        default,
        "holdout: judged on held-out training data, last epoch;"
        " report: judged on the TEST set, best epoch, as the course report did",
    )
