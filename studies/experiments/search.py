"""One sweep from the data to the published result."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import optuna
from optuna.study import Study
from optuna.trial import FrozenTrial

from fcnet.data import Dataset, load, shared_split
from fcnet.errors import UserError
from studies.dashboard.publishing import Publisher
from studies.execution.backend import Backend
from studies.execution.objective import Objective
from studies.execution.runner import Interrupted, Progress, Sweep
from studies.experiments.results import DATA_NAME, DATA_SOURCE
from studies.samplers import make_pruner, make_sampler
from studies.space import DEFAULT_SPACE, Space, baseline, describe
from studies.storage.database import connect, open_study, parse
from studies.storage.ownership import Coordinator, coordinate

FORMAT = 1


@dataclass(frozen=True)
class Plan:
    """What a sweep is asked to do; the defaults are those of the command line.

    Parameters
    ----------
    url, study : str
        Address of the database, and the study's name.
    trials : int, default=100
        Finished trials that the study shall hold in the end.
    data : str, default="auto"
        See `fcnet.data.load`.
    classes : tuple of str
        CIFAR-10 classes.
    epochs : int, default=20
    sampler, pruner : str
        Names that the options take.
    seed : int, default=0
    timeout : float, optional
        Seconds after which no further trial is started.
    until_flat : bool, default=False
        Whether it ends when further trials promise less than the noise of one, see `UntilFlat`.
    space : Space
    protocol : {"holdout", "report"}, default="holdout"
        What is trained on and judged, see `fcnet.data.Dataset.split`; for ``"report"`` the best epoch counts.
    seeds : int, optional
        Run the one-factor experiments with so many seeds in place of a search; `trials` does not count then.
    """

    url: str
    study: str
    trials: int = 100
    data: str = "auto"
    classes: tuple[str, ...] = ("airplane", "ship")
    epochs: int = 20
    sampler: str = "tpe"
    pruner: str = "median"
    seed: int = 0
    timeout: float | None = None
    until_flat: bool = False
    space: Space = field(default_factory=lambda: DEFAULT_SPACE)
    protocol: str = "holdout"
    seeds: int | None = None


def search(
    plan: Plan, backend: Backend, *, say: Callable[[str], None], show: Callable[[Progress], None]
) -> Study:
    """Run a sweep, or go on with one, until the plan's number of trials is finished.

    Parameters
    ----------
    plan : Plan
    backend : Backend
        Where training runs.
    say : callable
        Takes one-line notices for the user.
    show : callable
        Takes the progress, a few times a second.

    Returns
    -------
    Study
        With its figures and note published.

    Raises
    ------
    UserError
        If the data, the database or the study cannot be used.
    Interrupted
        If the user stopped it; the study is clean and published.

    Notes
    -----
    A sweep goes on when its figures cannot be published; `say` is told once.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    # Errors that need no data come before its download.
    parse(plan.url)
    sampler = make_sampler(plan.sampler, seed=plan.seed, n_trials=0, space=plan.space)
    dataset = load(plan.data, classes=plan.classes, say=say)
    storage = connect(plan.url, create=True, say=say)
    study = open_study(storage, plan.study, facts=facts(dataset, plan))
    with coordinate(storage, study) as coordinator:
        total = _begin(plan, study, coordinator, dataset, say)
        study.sampler = sampler
        study.pruner = make_pruner(plan.pruner, epochs=plan.epochs)
        if n_trials := len(study.get_trials(deepcopy=False)):
            study.sampler = make_sampler(plan.sampler, seed=plan.seed, n_trials=n_trials, space=plan.space)
        objective = Objective(
            backend,
            split=shared_split(dataset, plan.protocol),
            epochs=plan.epochs,
            seed=plan.seed,
            space=plan.space,
            may_prune=plan.pruner != "none",
            judged_by="best" if plan.protocol == "report" else "last",
        )
        publisher = Publisher(study, say)
        sweep = Sweep(
            study,
            coordinator,
            objective,
            backend,
            total=total,
            timeout=plan.timeout,
            is_enough=_enough(plan, study),
            show=show,
            publish=publisher,
        )
        try:
            sweep.run()
        except (Interrupted, UserError):
            publisher()
            raise
        publisher()
        if sweep.nothing_to_do:
            say(f"The study holds {total} finished trials already: nothing is left to do.")
        if sweep.ended_because is not None:
            say(f"The sweep ended early: {sweep.ended_because}.")
    return study


# What a plain sweep does not need before its first training is imported where it is used, for a quick start.


def _enough(plan: Plan, study: Study) -> Callable[[Sequence[FrozenTrial]], str | None]:
    if plan.seeds is not None:
        from studies.experiments.effects import nothing_waits

        return nothing_waits
    if plan.until_flat:
        from studies.experiments.outlook import UntilFlat

        return UntilFlat(study)
    return lambda _: None


def facts(dataset: Dataset, plan: Plan) -> dict[str, Any]:
    """Return what the values of a study depend on; it is kept in the study and compared at every start."""
    kept = {
        "format": FORMAT,
        "data": dataset.fingerprint,
        "data_name": dataset.name,
        "protocol": plan.protocol,
        "epochs": plan.epochs,
        "space": describe(plan.space),
    }
    if plan.seeds is not None:
        from studies.experiments.effects import EXPERIMENT

        kept[EXPERIMENT] = "one factor at a time"
    return kept


def _begin(
    plan: Plan, study: Study, coordinator: Coordinator, dataset: Dataset, say: Callable[[str], None]
) -> int:
    """Recover what was interrupted, enqueue what the study must hold, and return its total of trials."""
    total = plan.trials
    recovered = coordinator.recover()
    if recovered:
        numbers = ", ".join(map(str, recovered))
        say(f"Interrupted earlier, to be run again with the same parameters: trial {numbers}.")
    with coordinator.exclusive():
        if plan.seeds is not None:
            from studies.experiments.effects import enqueue_missing

            total = enqueue_missing(study, plan.seeds)
        elif not study.get_trials(deepcopy=False) and (params := baseline(plan.space)) is not None:
            study.enqueue_trial(params)
    source = {"source": _absolute(plan.data, dataset), "classes": list(plan.classes)}
    if study.user_attrs.get(DATA_SOURCE) != source:
        study.set_user_attr(DATA_SOURCE, source)
        study.set_user_attr(DATA_NAME, dataset.name)
    return total


def _absolute(source: str, dataset: Dataset) -> str:
    """Return a source that finds the same data from any folder, without asking the network again."""
    if source == "auto":
        return "synthetic" if dataset.name.startswith("synthetic") else "cifar10"
    return source if source in ("cifar10", "synthetic") else str(Path(source).resolve())


def load_data_of(study: Study, source: str | None, *, say: Callable[[str], None]) -> Dataset:
    """Load the data that a study was started with.

    Parameters
    ----------
    study : Study
    source : str or None
        Where it is now; None takes where the sweep found it.
    say : callable
        Takes one-line notices for the user.

    Raises
    ------
    UserError
        If the data is not there any more, or is not the same.
    """
    kept = study.user_attrs.get(DATA_SOURCE, {})
    dataset = load(source or kept.get("source", "auto"), classes=kept.get("classes", ()), say=say)
    wanted = study.user_attrs["facts"]["data"]
    if dataset.fingerprint != wanted:
        raise UserError(
            f"the study {study.study_name!r} was run on {study.user_attrs.get(DATA_NAME)} with fingerprint"
            f" {wanted[:12]}, but {dataset.name} has {dataset.fingerprint[:12]}:"
            " name the same data with --data"
        )
    return dataset
