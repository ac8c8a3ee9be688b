"""The sweep: exact totals, lost workers, failures, time limits, whatever the backend."""

import contextlib
import io
import itertools
import os
import signal
import sqlite3
import threading
from types import SimpleNamespace

import optuna
import pytest
from conftest import facts, until
from optuna.trial import TrialState
from rich.console import Console
from scripted import Asked, OfSplit, ScriptedEpochs

from fcnet.errors import UserError
from studies.api import search
from studies.execution.backend import TrainingFailed, WorkerLost
from studies.execution.environment import environment
from studies.execution.local import InProcess
from studies.execution.objective import Objective
from studies.execution.runner import Runner
from studies.execution.signals import Interrupted
from studies.experiments.plan import Plan
from studies.ranges import narrowed
from studies.samplers import is_exhausted, make_sampler
from studies.space import suggest as suggest_all
from studies.storage import sqlite
from studies.storage.database import connect
from studies.storage.ownership import coordinate
from studies.storage.study import open_study
from studies.views.progress import SweepDisplay


class Slots:
    """A backend of which only the slots matter."""

    ahead = 0

    def __init__(self, slots):
        self.slots = slots
        self.closed = threading.Event()

    def close(self):
        self.closed.set()


def run(opened, objective, *, slots=1, show=lambda _: None, publish=lambda _: None, **asked):
    storage, study = opened
    with coordinate(storage, study) as coordinator:
        runner = Runner(
            Asked(**asked), study, coordinator, objective, Slots(slots), show=show, publish=publish
        )
        runner.run()
    return runner


def states(study):
    return [trial.state for trial in study.get_trials(deepcopy=False)]


def suggest(trial):
    return trial.suggest_float("learning_rate", 0.1, 1.0)


@pytest.mark.parametrize("slots", [1, 4])
def test_the_total_is_exact(opened, slots):
    run(opened, suggest, total=30, slots=slots)
    assert states(opened[1]) == [TrialState.COMPLETE] * 30
    run(opened, suggest, total=30, slots=slots)
    assert len(states(opened[1])) == 30


def test_pruned_trials_count_and_failed_ones_do_not(opened):
    def objective(trial):
        suggest(trial)
        if trial.number % 3 == 1:
            raise optuna.TrialPruned
        if trial.number % 3 == 2:
            raise TrainingFailed("no good")
        return 0.5

    run(opened, objective, total=9, slots=2)
    found = states(opened[1])
    assert sum(state in (TrialState.COMPLETE, TrialState.PRUNED) for state in found) == 9
    failed = [trial for trial in opened[1].get_trials() if trial.state == TrialState.FAIL]
    assert failed
    assert all(trial.user_attrs["reason"] == "no good" for trial in failed)


def test_a_lost_worker_costs_one_retry_with_the_same_parameters(opened):
    lost = []

    def objective(trial):
        value = suggest(trial)
        if trial.number == 2:
            lost.append(value)
            raise WorkerLost("a worker process died (exit code -9)")
        return value

    run(opened, objective, total=6, slots=2)
    trials = opened[1].get_trials()
    assert trials[2].state == TrialState.FAIL
    assert "exit code -9" in trials[2].user_attrs["reason"]
    (again,) = [trial for trial in trials if trial.user_attrs.get("retry_of") == 2]
    assert again.state == TrialState.COMPLETE
    assert again.params["learning_rate"] == lost[0]
    assert sum(state == TrialState.COMPLETE for state in states(opened[1])) == 6


@pytest.mark.parametrize("then", ["reports", "is complete", "is pruned", "fails", "loses its worker"])
def test_who_lost_its_trial_to_another_coordinator_goes_on_with_the_next(opened, then):
    storage, study = opened

    def objective(trial):
        value = suggest(trial)
        if trial.number == 0:  # after a silence another one takes it over
            storage.set_trial_state_values(trial._trial_id, TrialState.FAIL)
            match then:
                case "reports":
                    trial.report(value, 0)
                case "is pruned":
                    raise optuna.TrialPruned
                case "fails":
                    raise TrainingFailed("no good")
                case "loses its worker":
                    raise WorkerLost("gone")
        return value

    run(opened, objective, total=2)
    assert states(study) == [TrialState.FAIL, TrialState.COMPLETE, TrialState.COMPLETE]
    assert study.trials[0].values is None


@pytest.mark.parametrize(
    ("slots", "allowed"), [(1, 5), (2, 5), (6, 12)]
)  # a machine dies with all its workers
def test_trainings_that_keep_failing_end_the_sweep(opened, slots, allowed):
    def objective(trial):
        suggest(trial)
        raise TrainingFailed("MemoryError: no room")

    with pytest.raises(
        UserError, match="trainings in a row failed, the last one because MemoryError: no room"
    ) as told:
        run(opened, objective, total=100, slots=slots)
    assert TrialState.RUNNING not in states(opened[1])
    assert allowed <= int(str(told.value).partition(" ")[0]) < allowed + slots


def test_failures_that_are_scattered_end_nothing(opened):
    def objective(trial):
        value = suggest(trial)
        if trial.number % 2:
            raise TrainingFailed("no good")
        return value

    run(opened, objective, total=12)
    assert states(opened[1]).count(TrialState.FAIL) >= 11
    assert states(opened[1]).count(TrialState.COMPLETE) == 12


def test_epochs_of_a_lost_worker_are_not_counted_twice(opened, split):
    lost, seen = [], []

    def accuracies(job):
        if lost:
            return [0.7, 0.8, 0.75]
        lost.append(job)
        return [0.7, 0.8, WorkerLost("gone")]

    storage, study = opened
    experiment, backend = OfSplit(split, 3, may_prune=False), ScriptedEpochs(accuracies)
    with coordinate(storage, study) as coordinator:
        objective = Objective(experiment, backend)
        runner = Runner(
            experiment, study, coordinator, objective, backend, running=objective.running, show=seen.append
        )
        runner.run()
    assert len(backend.jobs) == 4
    assert seen[-1].epochs == (9, 9)
    assert all(progress.epochs[0] <= 9 for progress in seen)


def test_an_unexpected_error_is_raised_and_leaves_no_running_trial(opened):
    def objective(trial):
        suggest(trial)
        if trial.number == 3:
            raise ZeroDivisionError
        return 0.5

    with pytest.raises(ZeroDivisionError):
        run(opened, objective, total=10, slots=2)
    assert TrialState.RUNNING not in states(opened[1])


def test_a_thread_that_cannot_start_ends_the_sweep_and_not_the_study(opened, monkeypatch):
    start = threading.Thread.start

    def full(thread):
        if thread.name == "slot 1":
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", full)
    with pytest.raises(RuntimeError, match="can't start new thread"):
        run(opened, suggest, total=10**6, slots=2)
    assert TrialState.RUNNING not in states(opened[1])


def test_the_time_limit_starts_no_more(opened):
    sweep = run(opened, suggest, total=10**6, timeout=0.3)
    assert "time limit of 0.3 s" in sweep.ended_because
    assert 0 < len(states(opened[1])) < 10**6


def test_enough_is_enough(opened):
    sweep = run(opened, suggest, total=50, enough=lambda trials: "flat" if len(trials) >= 7 else None)
    assert sweep.ended_because == "flat"
    assert len(states(opened[1])) == 7


def test_a_grid_ends_when_every_point_was_tried(opened):
    space = narrowed(["batch_size=64:128", "learning_rate=0.001:0.01", "hidden_units=128:128"])
    study = opened[1]
    study.sampler = make_sampler("grid", seed=0, n_trials=0, space=space)
    exhausted = {"enough": lambda trials: "every point of the grid" if is_exhausted(study) else None}
    sweep = run(opened, lambda trial: suggest_all(trial, space).learning_rate, total=50, slots=3, **exhausted)
    assert "grid" in sweep.ended_because
    points = {(t.params["batch_size"], t.params["learning_rate"]) for t in opened[1].get_trials()}
    assert points == {(b, r) for b in (64, 128) for r in (0.001, 0.005, 0.01)}
    assert len(states(opened[1])) == 6


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_a_clean_study_that_goes_on(opened, number):
    storage, study = opened
    backend = Slots(2)

    def objective(trial):
        suggest(trial)
        if trial.number == 4:
            os.kill(os.getpid(), number)
            assert backend.closed.wait(30)
            raise WorkerLost("closed")
        return 0.5

    with coordinate(storage, study) as coordinator, pytest.raises(Interrupted):
        Runner(Asked(), study, coordinator, objective, backend).run()
    assert TrialState.RUNNING not in states(study)
    waiting = [trial for trial in study.get_trials() if trial.state == TrialState.WAITING]
    assert [trial.user_attrs["retry_of"] for trial in waiting] == [4]


def test_a_signal_ends_the_wait_for_a_locked_database_while_figures_are_published(tmp_path, monkeypatch):
    monkeypatch.setattr(sqlite, "ANSWER_SECONDS", 0.01)
    storage = connect(f"sqlite:///{tmp_path}/sweep.db", create=True)
    study = open_study(storage, "sweep", facts=facts())
    storage.say = lambda sentence: os.kill(os.getpid(), signal.SIGINT)
    with contextlib.closing(sqlite3.connect(tmp_path / "sweep.db", isolation_level=None)) as other:

        def publish(study):
            other.execute("BEGIN IMMEDIATE")
            study.set_user_attr("figure", 1)

        with coordinate(storage, study) as coordinator, pytest.raises((Interrupted, UserError)):
            Runner(Asked(), study, coordinator, suggest, Slots(1), publish=publish).run()
    assert "figure" not in study.user_attrs


def test_progress_counts_and_estimates(opened):
    seen = []

    def objective(trial):
        if trial.number % 3 == 1:
            raise optuna.TrialPruned
        return suggest(trial)

    run(opened, objective, total=12, show=seen.append)
    last = seen[-1]
    assert (last.finished, last.pruned, last.total, last.running) == (12, 4, 12, 0)
    assert last.best.value == max(trial.value or 0.0 for trial in opened[1].get_trials())
    assert sum(len(progress.latest) for progress in seen) == 12
    assert last.seconds_left is None


def test_lines_of_progress_count_on_whenever_trials_end(opened):
    study, out = opened[1], io.StringIO()
    read = study.get_trials

    def slots():
        return any(thread.name.startswith("slot") for thread in threading.enumerate())

    def finished():
        return sum(trial.state.is_finished() for trial in read(deepcopy=False))

    def read_just_before_another_ends(**options):
        found = read(**options)
        if threading.current_thread() is threading.main_thread():
            before = sum(trial.state.is_finished() for trial in found)
            until(lambda: finished() > before or not slots())
        return found

    study.get_trials = read_just_before_another_ends
    run(opened, suggest, total=6, show=SweepDisplay(Console(file=out, width=200)).show)
    assert [line.split("/6")[0] for line in out.getvalue().splitlines()] == ["1", "2", "3", "4", "5", "6"]


def test_publishing_happens_and_is_throttled(opened):
    published = []
    run(opened, suggest, total=40, publish=lambda _: published.append(len(states(opened[1]))))
    assert 1 <= len(published) < 40


def test_libraries_are_looked_at_before_there_are_threads(images, url, monkeypatch):
    looked = []

    def look():
        looked.append(threading.current_thread())
        return []

    environment.cache_clear()
    monkeypatch.setattr("studies.execution.environment.threadpool_info", look)
    try:
        search(Plan(url, trials=2, data=str(images), epochs=1), backend=InProcess())
    finally:
        environment.cache_clear()
    assert looked == [threading.main_thread()]


def test_a_pruned_trial_begins_the_row_of_failures_anew(opened):
    turn = itertools.count(1)

    def objective(trial):
        suggest(trial)
        if next(turn) % 5 == 0:  # four failures in a row, never five
            raise optuna.TrialPruned
        raise TrainingFailed("no good")

    run(opened, objective, total=3)
    assert states(opened[1]).count(TrialState.FAIL) == 12


def test_publishing_takes_a_hundredth_of_the_time_and_the_time_is_that_of_this_run(opened, monkeypatch):
    now, seen, published = [1000.0], [], []
    monkeypatch.setattr("studies.execution.runner.time", SimpleNamespace(monotonic=lambda: now[0]))

    def publish(_):
        published.append(now[0])
        now[0] += 2.0

    def objective(trial):
        now[0] += 10.0
        return suggest(trial)

    run(opened, objective, total=60, publish=publish, show=seen.append)
    assert all(later - earlier >= 200 for earlier, later in itertools.pairwise(published))
    assert 600 <= seen[-1].seconds <= 700
