"""Reading many trials at once gives exactly what Optuna's own reading gives."""

import math

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.storages import RDBStorage
from optuna.trial import TrialState, create_trial

from studies.storage.bulk import read_trial, read_trials
from studies.storage.database import connect


@pytest.fixture
def url(tmp_path):
    url = f"sqlite:///{tmp_path}/sweep.db"
    storage = connect(url, create=True)
    for name in ("another", "a"):
        study = optuna.create_study(study_name=name, storage=storage, direction="maximize")
        study.add_trial(create_trial(state=TrialState.WAITING, system_attrs={"fixed_params": {"x": 0.5}}))
        for i, value in enumerate((0.5, math.inf, -math.inf, 1e-300)):
            study.add_trial(
                create_trial(
                    value=value,
                    params={"z": 3, "x": 0.25, "c": None},
                    distributions={
                        "z": IntDistribution(1, 64, log=True),
                        "x": FloatDistribution(0, 1),
                        "c": CategoricalDistribution([None, "a", 1.5]),
                    },
                    intermediate_values={2: math.nan, 0: math.inf, 1: 0.1 * i},
                    user_attrs={"reason": "", "nested": {"a": [1, None]}},
                    system_attrs={"record": {"epochs": [[0, 0.1]]}},
                )
            )
        study.ask().suggest_float("x", 0, 1)
        study.add_trial(create_trial(state=TrialState.FAIL))
    yield url
    storage.close()


def plain(trial):
    """All of a trial, comparable: NaN is not equal to itself, and attributes have no order."""
    attrs = (trial.user_attrs, trial.system_attrs, trial.intermediate_values)
    return (
        *(trial.number, trial._trial_id, trial.state, trial.values, list(trial.params.items())),
        *(trial.distributions, trial.datetime_start, trial.datetime_complete),
        *(repr(sorted(each.items())) for each in attrs),
    )


@pytest.mark.parametrize("states", [None, (TrialState.COMPLETE,), (TrialState.RUNNING, TrialState.WAITING)])
@pytest.mark.parametrize(
    ("named", "after"),
    [
        *((set(), -1), ({8}, 9), ({8, 9}, 12), (set(range(1000)), 9), (set(), 99)),
        ({*range(9), *range(-1000, -1)}, 9),
    ],
)
def test_the_same_trials_as_optuna_reads(url, states, named, after):
    theirs = RDBStorage(url)
    study_id = theirs.get_study_id_from_name("a")
    expected = theirs._get_trials(study_id, states, named, after)
    with connect(url, create=False).engine.connect() as connection:
        found = read_trials(connection, study_id, states, named, after)
    assert list(map(plain, found)) == list(map(plain, expected))
    theirs.engine.dispose()


def test_one_trial_as_optuna_reads_it(url):
    theirs = RDBStorage(url)
    study_id = theirs.get_study_id_from_name("a")
    with connect(url, create=False).engine.connect() as connection:
        for expected in theirs._get_trials(study_id, None, set(), -1):
            assert plain(read_trial(connection, expected._trial_id)) == plain(expected)
            connection.rollback()
    theirs.engine.dispose()


def test_a_study_or_a_trial_that_is_not_there(url):
    storage = connect(url, create=False)
    with pytest.raises(KeyError):
        storage._get_trials(99, None, set(), -1)
    with pytest.raises(KeyError):
        storage._get_trials(99, None, {1}, 1000)
    with pytest.raises(KeyError):
        storage.get_trial(99)
