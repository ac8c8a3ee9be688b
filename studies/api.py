"""The verbs of the program as functions: what a command does, a notebook can do.

Every callback has a default, and so has the place where trainings run: this machine's cores.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import optuna
from optuna.study import Study

from fcnet.data import Reading
from fcnet.metrics import EpochMetrics
from fcnet.writing import write_whole
from studies.choices import CLASSES, STORAGE, STUDY, TOP
from studies.execution.backend import Backend, cores
from studies.execution.experiment import Experiment
from studies.execution.progress import Progress
from studies.execution.run import run
from studies.experiments.data import load_data, load_data_of
from studies.experiments.plan import Plan
from studies.experiments.search import prepared
from studies.record import Confirmation, Final, Protocol
from studies.storage import gathering
from studies.storage.database import connect, parse
from studies.storage.retrying import RetryingStorage
from studies.storage.study import load_study

if TYPE_CHECKING:
    from studies.experiments.effects import Findings
    from studies.experiments.ledger import Cost
    from studies.experiments.report import Reproduction
    from studies.experiments.reproduce import Reproduced

_Result = TypeVar("_Result")

# What a plain sweep does not need before its first training is imported where it is used, for a quick start.


def _ignore(_: object) -> None:
    """Say or show nothing."""


def publish(study: Study) -> None:
    """Write figures and the note of a study, where any optuna-dashboard shows them."""
    from studies.dashboard.publishing import publish

    publish(study)


def export_page(study: Study, path: Path, *, options: str = "") -> None:
    """Write the page of a sweep or an experiment as one file.

    Parameters
    ----------
    study : Study
    path : Path
    options : str, default=""
        What names the study in the commands that the page shows; of an experiment, its sweep.

    Raises
    ------
    UserError
        If the study has no page, as its trainings belong to another one, or the file cannot be written.
    """
    from studies.views.page import Surroundings, render_study

    write_whole(path, render_study(study, Surroundings(options=options)).encode())


def export_comparison(studies: Sequence[Study], path: Path, *, options: Sequence[str] = ("", "")) -> None:
    """Write the page of two sweeps side by side as one file; each is named by its own of the `options`."""
    from studies.experiments.comparison import compare_studies
    from studies.views.page import render_comparison

    write_whole(path, render_comparison(compare_studies(studies), options=options).encode())


def open_study(storage: str = STORAGE, study: str = STUDY) -> Study:
    """Open a study to look at it.

    Raises
    ------
    UserError
        If there is none, or it was not made by this program.
    """
    from studies.record import read

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    opened = load_study(connect(storage, create=False), study)
    read(opened)
    return opened


def storage_of(study: Study) -> RetryingStorage:
    """Return the database of a study that this program has opened."""
    storage = gathering.storage_of(study)
    assert isinstance(storage, RetryingStorage)
    return storage


def search(
    plan: Plan,
    *,
    backend: Backend | None = None,
    say: Callable[[str], None] = _ignore,
    show: Callable[[Progress], None] | None = None,
) -> Study:
    """Run a sweep, or go on with one, until the plan's number of trials is finished.

    Parameters
    ----------
    plan : Plan
    backend : Backend, optional
        Where training runs, here and below; by default in as many processes as there are cores.
    say : callable, optional
        Takes one-line notices for the user.
    show : callable, optional
        Takes the progress, a few times a second; by default a notebook shows it in one line.

    Returns
    -------
    Study
        With its figures and note published; `summarise` says what it found.

    Raises
    ------
    UserError
        If the data, the database or the study cannot be used.
    Interrupted
        If the user stopped it; the study is clean and published.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return _run(prepared(plan, say=say), connect(plan.url, create=True, say=say), backend, say, show)


def confirm(
    study: Study,
    *,
    data: str | None = None,
    top: int = TOP,
    n_seeds: int = 5,
    backend: Backend | None = None,
    say: Callable[[str], None] = _ignore,
    show: Callable[[Progress], None] | None = None,
) -> Confirmation:
    """Train the top trials and the baseline again on fresh seeds, and judge them.

    See `studies.experiments.confirm.Confirm`; `data` is where the data are now, if they were moved.
    """
    from studies.experiments.confirm import Confirm

    dataset, source = load_data_of(study, data, say=say)
    experiment = Confirm(study, dataset, source, top=top, n_seeds=n_seeds)
    return _run(experiment, storage_of(study), backend, say, show)


def train(
    study: Study,
    trial: int | None = None,
    *,
    data: str | None = None,
    n_seeds: int = 5,
    folder: Path | None = None,
    artifacts: Path = Path("artifacts"),
    backend: Backend | None = None,
    say: Callable[[str], None] = _ignore,
    warn: Callable[[Cost], None] = _ignore,
    show: Callable[[Progress], None] | None = None,
) -> Final:
    """Train a trial's parameters on all development images into one model, and open the test set.

    Parameters
    ----------
    study : Study
    trial : int, optional
        By default the winner, see `studies.experiments.results.winner_of`.
    n_seeds : int, default=5
    folder : Path, optional
        Where models and learning curves are written; by default ``models/STUDY``.
    artifacts : Path, default="artifacts"
        Folder of the study's artifacts, to which the model and the curves are attached.
    data, backend, say, show : optional
        See `confirm` and `search`.
    warn : callable, optional
        Takes the cost of testing one more configuration, before anything is done.
    """
    from studies.experiments.ledger import cost
    from studies.experiments.results import winner_of
    from studies.experiments.train import Train, make_writable
    from studies.storage.artifacts import attach
    from studies.views.figures.curves import learning_curves_figure
    from studies.views.figures.files import save_figure

    dataset, source = load_data_of(study, data, say=say)
    number = winner_of(study)[0].number if trial is None else trial
    folder = folder or Path("models") / study.study_name
    make_writable(artifacts)
    experiment = Train(study, number, dataset, source, n_seeds=n_seeds, folder=folder)
    judged_by = dataset.effective_test_size(experiment.facts.metric)
    if price := cost(study, experiment.trial.params, images=judged_by):
        warn(price)
    final, runs = _run(experiment, storage_of(study), backend, say, show)
    _, curves = save_figure(learning_curves_figure(runs), Path(final.report).with_suffix(""))
    attach(study, [Path(final.model), curves], artifacts)
    return final


def effects(
    storage: str = STORAGE,
    study: str = STUDY,
    *,
    data: str = "auto",
    classes: Sequence[str] = CLASSES,
    reading: Reading = Reading(),  # frozen
    protocol: Protocol = "holdout",
    epochs: int = 20,
    n_seeds: int = 5,
    backend: Backend | None = None,
    say: Callable[[str], None] = _ignore,
    show: Callable[[Progress], None] | None = None,
) -> Findings:
    """Run the course report's three one-factor experiments beside a sweep; see `experiments.effects`."""
    from studies.experiments.effects import Effects

    parse(storage)
    dataset, source = load_data(data, classes, reading, say=say)
    experiment = Effects(study, dataset, source, protocol=protocol, epochs=epochs, n_seeds=n_seeds)
    return _run(experiment, connect(storage, create=True, say=say), backend, say, show)


def report(
    storage: str = STORAGE,
    study: str = STUDY,
    *,
    data: str = "auto",
    classes: Sequence[str] = CLASSES,
    reading: Reading = Reading(),  # frozen
    protocol: Protocol = "report",
    epochs: int = 20,
    n_seeds: int = 1,
    backend: Backend | None = None,
    say: Callable[[str], None] = _ignore,
    show: Callable[[Progress], None] | None = None,
    see: Callable[[int, EpochMetrics], None] = lambda seed, metrics: None,
) -> Reproduction:
    """Train the course report's configuration as the report did; see `experiments.report`."""
    from studies.experiments.report import Report

    parse(storage)
    dataset, source = load_data(data, classes, reading, say=say)
    experiment = Report(study, dataset, source, protocol=protocol, epochs=epochs, n_seeds=n_seeds, see=see)
    return _run(experiment, connect(storage, create=True, say=say), backend, say, show)


def reproduce(
    study: Study,
    trial: int,
    *,
    data: str | None = None,
    backend: Backend | None = None,
    say: Callable[[str], None] = _ignore,
    show: Callable[[Progress], None] | None = None,
) -> Reproduced:
    """Train a trial again, beside its study, and compare every epoch; see `experiments.reproduce`."""
    from studies.experiments.reproduce import Reproduce

    dataset, source = load_data_of(study, data, say=say)
    experiment = Reproduce(study, trial, dataset, source)
    with (
        tempfile.TemporaryDirectory() as folder,
        contextlib.closing(connect(f"sqlite:///{folder}/reproduce.db", create=True)) as storage,
    ):
        return _run(experiment, storage, backend, say, show, publish=_ignore)


def _run(
    experiment: Experiment[_Result],
    storage: RetryingStorage,
    backend: Backend | None,
    say: Callable[[str], None],
    show: Callable[[Progress], None] | None,
    *,
    publish: Callable[[Study], None] = publish,
) -> _Result:
    with contextlib.ExitStack() as stack:
        if backend is None:
            from studies.execution.local import ProcessPool

            backend = stack.enter_context(ProcessPool(cores()))
        if show is None:
            from studies.views.notebook import progress_line

            show = stack.enter_context(progress_line(experiment.title))
        return run(experiment, storage, backend, say=say, show=show, publish=publish)
