"""Run an experiment from the opening of its study to its conclusion."""

from collections.abc import Callable
from typing import TypeVar

from optuna.study import Study

from fcnet.errors import UserError
from fcnet.text import counted
from studies.execution.backend import Backend
from studies.execution.environment import environment
from studies.execution.experiment import FINISHED, Experiment
from studies.execution.objective import Objective
from studies.execution.progress import Progress
from studies.execution.runner import Runner
from studies.execution.signals import Interrupted
from studies.record import write_source
from studies.storage.ownership import coordinate
from studies.storage.retrying import RetryingStorage
from studies.storage.study import open_study, widen

_Result = TypeVar("_Result")


def run(
    experiment: Experiment[_Result],
    storage: RetryingStorage,
    backend: Backend,
    *,
    say: Callable[[str], None] = lambda _: None,
    show: Callable[[Progress], None] = lambda _: None,
    publish: Callable[[Study], None] = lambda _: None,
) -> _Result:
    """Run an experiment, or go on with it, and return its conclusion.

    Parameters
    ----------
    experiment : Experiment
    storage : RetryingStorage
        The database of its study.
    backend : Backend
        Where training runs.
    say : callable, optional
        Takes one-line notices for the user.
    show : callable, optional
        Takes the progress, a few times a second.
    publish : callable, optional
        Writes figures and notes into a study; that it fails is said, and ends nothing.

    Raises
    ------
    UserError
        If the database or the study cannot be used, or trainings keep failing.
    Interrupted
        If the user stopped it; the study is clean and published.
    """
    environment()  # here, before there are threads: to look at libraries while one is loaded can block both
    study = open_study(storage, experiment.name, facts=experiment.facts)
    publish = _Publisher(publish, say)
    with coordinate(storage, study) as coordinator:
        with coordinator.exclusive():
            widen(study, experiment.facts)
            experiment.prepare(study)
        if recovered := coordinator.recover():
            numbers = ", ".join(map(str, recovered))
            say(f"Interrupted earlier, to be run again with the same parameters: trial {numbers}.")
        write_source(study, experiment.source, experiment.dataset.name)
        objective = Objective(experiment, backend)
        runner = Runner(
            experiment,
            study,
            coordinator,
            objective,
            backend,
            running=objective.running,
            show=show,
            publish=publish,
        )
        try:
            runner.run()
        except (Interrupted, UserError):
            publish(study)
            raise
        if runner.nothing_to_do:
            n = sum(trial.state in FINISHED for trial in study.get_trials(deepcopy=False))
            held = counted(n, "finished trial")
            say(f"The study {study.study_name} holds {held} already: nothing is left to do.")
        if runner.ended_because is not None:
            say(f"{experiment.title} ended early: {runner.ended_because}.")
        with coordinator.exclusive():
            result = experiment.conclude(study)
        for each in (study, *experiment.parents):
            publish(each)
    return result


class _Publisher:
    """Publishes a study, and tells the user instead of raising when that fails: trials matter more."""

    def __init__(self, publish: Callable[[Study], None], say: Callable[[str], None]) -> None:
        self._publish, self._say, self._said = publish, say, ""

    def __call__(self, study: Study) -> None:
        try:
            self._publish(study)
        except Exception as error:
            kind = "" if isinstance(error, UserError) else f"{type(error).__name__}: "
            sentence = f"the figures on the dashboard are not up to date: {kind}{error}"
            if sentence != self._said:
                self._said = sentence
                self._say(sentence)
