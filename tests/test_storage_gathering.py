"""What is gathered is what would have been written at once, in one transaction and in no other thread's."""

import contextlib
import math
import threading

import optuna
import pytest
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import InMemoryStorage
from optuna.trial import TrialState
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from studies.storage.database import connect
from studies.storage.gathering import gathered


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def study(request, tmp_path):
    server = request.param == "postgresql"
    url = request.getfixturevalue("database") if server else f"sqlite:///{tmp_path}/sweep.db"
    with contextlib.closing(connect(url, create=True)) as storage:
        yield optuna.create_study(study_name="a", storage=storage, direction="maximize")


def fill(trial):
    trial.suggest_float("x", 0.25, 0.25)
    trial.suggest_categorical("c", (None, "a"))
    trial.suggest_int("n", 1, 64, log=True)
    for step, value in enumerate((0.5, math.nan, math.inf, -math.inf)):
        trial.report(value, step)
    trial.set_user_attr("reason", "first")
    trial.set_user_attr("reason", {"nested": [1, None]})
    trial.storage.set_trial_system_attr(trial._trial_id, "record", {"epochs": [[0, 0.1]]})


def stored(study, number):
    """Return what another one reads: the caches of this process know more."""
    with contextlib.closing(connect(study._storage._backend.url, create=False)) as storage:
        trial = optuna.load_study(study_name="a", storage=storage).get_trials()[number]
    params = (trial.distributions, {**trial.params, "n": 0, "c": 0})
    return repr((params, sorted(trial.intermediate_values.items()), trial.user_attrs, trial.system_attrs))


@contextlib.contextmanager
def counted(study):
    commits, engine = [], study._storage._backend.engine

    def count(connection):
        commits.append(connection)

    event.listen(engine, "commit", count)
    yield commits
    event.remove(engine, "commit", count)


def test_what_is_gathered_is_what_is_written_at_once(study):
    fill(study.ask())
    with counted(study) as commits:
        fill(second := study.ask())
        at_once = len(commits)
    with gathered(study):
        fill(third := study.ask())
    assert stored(study, third.number) == stored(study, second.number)
    fourth = study.ask()
    with counted(study) as commits, gathered(study):
        fill(fourth)
    assert len(commits) == 1 < at_once - 5


def test_it_is_written_on_leaving_or_when_it_has_waited(study):
    fill(study.ask())
    trial = study.ask()
    empty = stored(study, trial.number)
    with gathered(study) as write:
        trial.report(0.5, 0)
        write(3600.0)
        assert stored(study, trial.number) == empty
        write(0.0)
        assert "(0, 0.5)" in stored(study, trial.number)
        trial.set_user_attr("reason", "first")
        trial.report(0.75, 1)
        trial.set_user_attr("reason", "second")
    assert "'reason': 'second'" in stored(study, trial.number)
    assert "[(0, 0.5), (1, 0.75)]" in stored(study, trial.number)
    trial.report(1.0, 2)
    assert "(2, 1.0)" in stored(study, trial.number)


def test_what_a_pruner_keeps_is_written_at_once_with_all_that_waits(study):
    trial = study.ask()
    with counted(study) as commits, gathered(study):
        trial.report(0.5, 0)
        trial.storage.set_trial_system_attr(trial._trial_id, "completed_rung_0", 0.5)
        assert "[(0, 0.5)], {}, {'completed_rung_0': 0.5}" in stored(study, trial.number)
    assert len(commits) == 1


def test_an_error_within_loses_nothing(study):
    trial = study.ask()
    with pytest.raises(optuna.TrialPruned), gathered(study):
        trial.report(0.5, 0)
        raise optuna.TrialPruned
    assert "(0, 0.5)" in stored(study, trial.number)


def test_other_threads_write_at_once(study):
    trial, other = study.ask(), study.ask()
    with gathered(study):
        trial.report(0.5, 0)
        thread = threading.Thread(target=other.report, args=(0.25, 0))
        thread.start()
        thread.join()
        assert "(0, 0.25)" in stored(study, other.number)
        assert "(0, 0.5)" not in stored(study, trial.number)


def test_a_trial_that_was_ended_by_others_is_not_written_to(study):
    trial = study.ask()
    with pytest.raises(UpdateFinishedTrialError), gathered(study):
        trial.report(0.5, 0)
        study.tell(trial.number, state=TrialState.FAIL)
        before = stored(study, trial.number)
    assert stored(study, trial.number) == before


def test_a_parameter_must_agree_with_that_of_other_trials(study):
    study.ask().suggest_categorical("c", (None, "a"))
    with pytest.raises(ValueError, match="does not support dynamic value space"), gathered(study):
        study.ask().suggest_categorical("c", (None, "b"))


def test_parameters_keep_the_order_in_which_they_were_set(study):
    study.ask().suggest_float("b", 0, 1)
    trial = study.ask()
    with gathered(study):
        for name in "abc":  # there was a value of b before, so that it is gathered
            trial.suggest_float(name, 0, 1)
    with contextlib.closing(connect(study._storage._backend.url, create=False)) as storage:
        assert list(optuna.load_study(study_name="a", storage=storage).trials[1].params) == [*"abc"]


def test_it_is_written_again_where_the_database_was_away(study, monkeypatch):
    monkeypatch.setattr("studies.storage.retrying.PAUSE_SECONDS", 0.0)
    trial, storage, failures = study.ask(), study._storage._backend, [1, 2]

    def fail_once_before_and_once_after(connection):
        if failures:
            failures.pop()
            raise OperationalError("COMMIT", {}, Exception("database is locked"))

    event.listen(storage.engine, "commit", fail_once_before_and_once_after)
    with gathered(study):
        trial.report(0.5, 0)
    assert not failures
    assert "(0, 0.5)" in stored(study, trial.number)


def test_a_storage_that_cannot_gather_writes_at_once():
    study = optuna.create_study(storage=InMemoryStorage())
    trial = study.ask()
    with gathered(study) as write:
        trial.report(0.5, 0)
        write(3600.0)
        assert study.get_trials()[0].intermediate_values == {0: 0.5}
