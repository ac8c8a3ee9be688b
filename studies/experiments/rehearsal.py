"""What a sweep would do, and how long it would take by one measured epoch; nothing is written."""

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fcnet.blas import one_blas_thread
from fcnet.data import Dataset
from fcnet.errors import Diverged
from fcnet.trainer import Training
from studies.execution.experiment import FINISHED
from studies.experiments.plan import Plan
from studies.experiments.search import Search, prepared
from studies.ranges import describe
from studies.space import start
from studies.storage.database import connect, parse
from studies.storage.errors import redact
from studies.storage.study import check_facts, load_study

_START, _BESIDE = 3.0, 0.1  # seconds of a sweep, and of each trial, that are no training


@dataclass(frozen=True)
class Rehearsal:
    """What a sweep would do.

    Parameters
    ----------
    data : dict
        Name, fingerprint, number of training, validation and test rows, of features and of classes.
    space : dict of str to str
        What is searched, in words.
    settings : dict
        Everything else that was asked for.
    storage, study : str
    folder : str
        Where files are written: that of the program's call.
    begun : int
        Finished trials that the study holds already, those that would be taken over included.
    epoch_seconds : float or None
        Time of one epoch of the starting point, in one process; None if it diverged at once.
    seconds : float or None
        About what all trainings take, if none is ended early.
    """

    data: dict[str, Any]
    space: dict[str, str]
    settings: dict[str, Any]
    storage: str
    study: str
    folder: str
    begun: int
    epoch_seconds: float | None
    seconds: float | None


def rehearse(plan: Plan, *, workers: int, say: Callable[[str], None]) -> Rehearsal:
    """Check a plan as `studies.search` does, train one epoch, and say what the sweep would do.

    Raises
    ------
    UserError
        If the sweep could not begin.
    """
    experiment = prepared(plan, say=say)
    dataset, source = experiment.dataset, experiment.source
    begun = _begun(plan, experiment)
    rows, each = _measure(dataset, experiment)
    left = max(0, experiment.most - begun)
    tried = {name: ", ".join(map(str, values)) for name, values in (experiment.grid or {}).items()}
    return Rehearsal(
        data={
            "name": dataset.name,
            "fingerprint": dataset.fingerprint,
            "training": rows[0],
            "validation": rows[1],
            "test": dataset.test_size,
            "features": dataset.images.shape[1],
            "classes": len(dataset.class_names),
        },
        space=tried or describe(experiment.searched),
        settings={**plan.settings(), "data": source.source, "epochs": plan.epochs, "workers": workers},
        storage=redact(plan.url),
        study=plan.study,
        folder=str(Path.cwd()),
        begun=begun,
        epoch_seconds=each,
        seconds=None if each is None else _START + left * _BESIDE + -(-left // workers) * plan.epochs * each,
    )


def _begun(plan: Plan, experiment: Search) -> int:
    """Return how many finished trials there would be at the start, once the study is seen to fit."""
    taken = experiment.taken
    at_first = 0 if taken is None else len(taken.trials)
    where = parse(plan.url)
    if where.get_backend_name() == "sqlite" and not Path(str(where.database)).exists():
        return at_first
    with contextlib.closing(connect(plan.url, create=False)) as storage:
        if plan.study not in {study.study_name for study in storage.get_all_studies()}:
            return at_first
        study = load_study(storage, plan.study)
        check_facts(study, experiment.facts)
        trials = study.get_trials(deepcopy=False)
        further = 0 if taken is None else len(taken.further(trials))
        return further + sum(trial.state in FINISHED for trial in trials)


def _measure(dataset: Dataset, experiment: Search) -> tuple[tuple[int, int], float | None]:
    """Return the number of training and validation rows, and the seconds of an epoch."""
    split = dataset.split()
    rows = len(split.train.labels), 0 if split.validation is None else len(split.validation.labels)
    with one_blas_thread():  # as in a worker
        training = Training(split, start(experiment.searched), epochs=2, seed=0)
        try:
            began = time.perf_counter()
            next(iter(training))
            return rows, time.perf_counter() - began
        except Diverged:
            return rows, None
