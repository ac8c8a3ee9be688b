"""What the tests of a Dask cluster share: a training, a sweep, and what must hold after it."""

from functools import partial

import conftest
from conftest import job
from optuna.trial import TrialState
from scripted import OfSplit

from studies.execution.objective import Objective
from studies.execution.runner import Runner
from studies.storage.ownership import coordinate

FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)
until = partial(conftest.until, seconds=60.0)  # a worker starts in seconds


def train(backend, split):
    with backend.train(job(split)) as training:
        return list(training)


def run(opened, backend, split, *, total, epochs=2, may_prune=False, show=lambda _: None):
    storage, study = opened
    experiment = OfSplit(split, total, may_prune=may_prune, epochs=epochs)
    with coordinate(storage, study) as coordinator:
        objective = Objective(experiment, backend)
        Runner(experiment, study, coordinator, objective, backend, show=show).run()


def check_exact(study, total):
    """Assert that the total is exact, nothing is left running, and no retried trial was finished twice."""
    trials = study.get_trials(deepcopy=False)
    assert sum(trial.state in FINISHED for trial in trials) == total
    assert TrialState.RUNNING not in {trial.state for trial in trials}
    origins = []
    for trial in trials:
        if trial.state in FINISHED:
            origin = trial
            while (earlier := origin.user_attrs.get("retry_of")) is not None:
                origin = trials[earlier]
                assert origin.state == TrialState.FAIL
            origins.append(origin.number)
    assert len(set(origins)) == total
