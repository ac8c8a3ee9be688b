"""Options that several commands share, and the values that they take."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable

    from optuna.study import Study
    from rich.console import Console

    from studies.execution.cluster import DaskCluster
    from studies.execution.local import ProcessPool
    from studies.storage.retrying import PatientStorage

STORAGE = "sqlite:///sweep.db"
STUDY = "sweep"


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one sentence."""

    def error(self, message: str) -> NoReturn:
        """Exit with code 2."""
        self.exit(2, f"sweep.py: {message}; see python {self.prog} --help\n")


def add_study(parser: Parser) -> None:
    """Add ``--storage`` and ``--study``."""
    parser.add_argument("--storage", default=STORAGE, metavar="URL", help="database (default: %(default)s)")
    parser.add_argument("--study", default=STUDY, metavar="NAME", help="its study (default: %(default)s)")


def add_data(parser: Parser, *, default: str | None = None) -> None:
    """Add ``--data``."""
    parser.add_argument(
        "--data",
        default=default,
        metavar="DATA",
        help="auto, cifar10, synthetic or a file"
        + (" (default: %(default)s)" if default else " (default: where the sweep found it)"),
    )


def add_classes(parser: Parser) -> None:
    """Add ``--classes``."""
    parser.add_argument(
        "--classes",
        type=_names,
        default="airplane,ship",
        metavar="A,B",
        help="CIFAR-10 classes (default: %(default)s)",
    )


def add_epochs(parser: Parser) -> None:
    """Add ``--epochs``."""
    parser.add_argument(
        "--epochs", type=positive, default=20, metavar="N", help="epochs per training (default: %(default)s)"
    )


def add_workers(parser: Parser) -> None:
    """Add ``--workers``."""
    parser.add_argument(
        "--workers",
        type=positive,
        default=_cores(),
        metavar="N",
        help="trainings at the same time (default: the cores, %(default)s)",
    )
    parser.add_argument(
        "--cluster",
        metavar="ADDRESS",
        help="train on the workers of a Dask scheduler, such as tcp://HOST:8786, instead of here",
    )


def add_format(parser: Parser) -> None:
    """Add ``--format``."""
    parser.add_argument(
        "--format", choices=("text", "json"), default="text", help="json: one object on standard output"
    )


def add_artifacts(parser: Parser) -> None:
    """Add ``--artifacts``."""
    parser.add_argument(
        "--artifacts",
        default="artifacts",
        metavar="DIR",
        help="the study's files (default: %(default)s)",
    )


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


def open_study(args: Any) -> tuple[PatientStorage, Study]:
    """Open the study that ``--storage`` and ``--study`` name, for reading."""
    import optuna

    from studies.experiments.results import check_kept
    from studies.storage.database import connect, load_study

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = connect(args.storage, create=False)
    study = load_study(storage, args.study)
    check_kept(study)
    return storage, study


def make_backend(
    args: Any, *, say: Callable[[str], None], most: int | None = None, **options: Any
) -> ProcessPool | DaskCluster:
    """Return where ``--workers`` and ``--cluster`` say that trainings run.

    Parameters
    ----------
    args : Namespace
    say : callable
        Takes one-line notices for the user.
    most : int, optional
        Trainings that there will be at most.
    options
        For the backend, such as its `epoch_limit`.
    """
    if args.cluster is not None:
        from studies.execution.cluster import DaskCluster

        return DaskCluster(args.cluster, say=say, **options)
    from studies.execution.local import ProcessPool

    return ProcessPool(args.workers if most is None else min(args.workers, most), **options)


def tell_interrupted(console: Console) -> int:
    """Print the command that goes on, without the password of a database, and return the exit code."""
    from studies.storage.errors import redact

    again = shlex.join(["python", *(redact(word) if "://" in word else word for word in sys.argv)])
    console.print("Interrupted; nothing is lost. To go on:", again)
    return 130


def study_options(args: Any) -> str:
    """Return the options that name the study of `args` in a command to be typed, if they are needed."""
    from studies.storage.errors import redact

    here = "" if args.storage == STORAGE else f" --storage {redact(args.storage)}"
    return here + ("" if args.study == STUDY else f" --study {args.study}")


def stdout() -> Console:
    """Return the console of results; on a terminal, lines break between words."""
    from rich.console import Console

    return Console(highlight=False, soft_wrap=not sys.stdout.isatty(), emoji=False)


def stderr() -> Console:
    """Return the console of progress and notices."""
    from rich.console import Console

    return Console(stderr=True, highlight=False, soft_wrap=True, markup=False, emoji=False)


def _whole(text: str, *, at_least: int) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 12 or int(text) < at_least:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least {at_least}")
    return int(text)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split(","))
