"""Signals to the real program and processes that die or hang: a clean study, and the same command goes on."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import PROGRAM, ROOT, facts
from optuna.trial import TrialState
from started import FAST, assert_whole, finished, locked, trials_of

from fcnet.model import Model
from studies.api import open_study as open_study_of
from studies.choices import EPOCH_LIMIT_SECONDS
from studies.record import read
from studies.storage.database import connect
from studies.storage.ownership import MAX_RETRIES, coordinate
from studies.storage.study import open_study


def test_chaos_in_short():
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.stress.chaos", "--rounds", "3", "--minutes", "0.5", "--seed", "2"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "nothing lost" in done.stdout


def test_ctrl_c_while_the_database_is_locked(start, sweep, images, tmp_path):
    running = start("--trials", 10000, "--data", images, *FAST)
    running.until("2/10000")
    with locked(tmp_path):
        running.until("does not answer: waiting for it")
        os.killpg(running.process.pid, signal.SIGINT)
        code, said = running.end()
    assert code == 130
    assert "To go on:" in said
    total = len(finished(trials_of(tmp_path))) + 2
    sweep("--trials", total, "--data", images, *FAST)
    assert_whole(tmp_path, total)


STARVED = """
import resource, sys
if any("spawn_main" in word for word in sys.orig_argv):
    resource.setrlimit(resource.RLIMIT_AS, (60 * 2**20, 60 * 2**20))  # Python starts, NumPy does not
"""


def test_workers_without_memory(start, sweep, images, tmp_path, monkeypatch):
    sweep("--trials", 1, "--data", images, *FAST)
    (tmp_path / "starved").mkdir()
    (tmp_path / "starved" / "sitecustomize.py").write_text(STARVED)
    with monkeypatch.context() as starved:
        starved.setenv("PYTHONPATH", str(tmp_path / "starved"))
        running = start("--trials", 3, "--data", images, *FAST)
    _, said = running.process.communicate(timeout=120)  # what NumPy says in a worker is not ours
    assert running.process.returncode == 1
    assert "trainings in a row failed, the last one because a worker process died" in said.splitlines()[-1]
    sweep("--trials", 3, "--data", images, *FAST)
    assert_whole(tmp_path, 3)


def test_a_worker_that_hangs_is_replaced(start, images, tmp_path):
    # So long are the trainings that the worker is stopped within one.
    options = ("--epochs", 200, "--workers", 2, "--pruner", "none", "--epoch-limit", 15)
    running = start("--trials", 12, "--data", images, *options)
    running.until("2/12")
    hung = running.workers()[0]
    os.kill(hung, signal.SIGSTOP)
    code, _ = running.end()
    assert code == 0
    assert_whole(tmp_path, 12)
    reasons = [trial.user_attrs.get("reason", "") for trial in trials_of(tmp_path)]
    assert sum("silent for 15 s (--epoch-limit) and was replaced" in reason for reason in reasons) == 1
    assert not Path(f"/proc/{hung}").exists()


def test_the_limit_for_an_epoch_is_in_the_help(sweep):
    assert f"(default: {EPOCH_LIMIT_SECONDS:g})" in " ".join(sweep("run", "--help").stdout.split())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])  # SIGINT: test_cli.py
def test_a_signal_to_the_whole_group_leaves_a_clean_study(start, images, tmp_path, number):
    running = start("--trials", 10000, "--data", images, *FAST)
    running.until("2/10000")
    os.killpg(running.process.pid, number)
    code, said = running.end()
    assert code == 130
    assert "nothing is lost. To go on:" in said
    trials = trials_of(tmp_path)
    assert TrialState.RUNNING not in {trial.state for trial in trials}
    reasons = {trial.user_attrs["reason"] for trial in trials if trial.state == TrialState.FAIL}
    assert reasons <= {"interrupted"}


def test_a_second_ctrl_c_ends_at_once_and_the_next_start_recovers(start, sweep, images, tmp_path):
    running = start("--trials", 10000, "--data", images, *FAST)
    running.until("2/10000")
    with locked(tmp_path):  # so that the first one cannot be served yet
        os.killpg(running.process.pid, signal.SIGINT)
        os.killpg(running.process.pid, signal.SIGINT)
        code, said = running.end()
    assert code == 130
    assert "interrupted" in said.lower()
    total = len(finished(trials_of(tmp_path))) + 2
    sweep("--trials", total, "--data", images, *FAST)
    assert_whole(tmp_path, total)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_while_the_options_are_read_ends_with_a_sentence(start, tmp_path, number):
    os.mkfifo(tmp_path / "options.toml")
    running = start("--config", "options.toml")
    with (tmp_path / "options.toml").open("w"):  # opened once the program is reading from it
        os.killpg(running.process.pid, number)
        assert running.end() == (130, "interrupted; the same command goes on\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_final_training_with_a_sentence(start, sweep, images, tmp_path, number):
    sweep("--trials", 1, "--data", images, "--epochs", 400, "--workers", 1)
    # Of so many trainings the first line of the progress comes long before the last one ends.
    running = start("train", "--seeds", 8, "--workers", 1)
    running.until(" of 3200 epochs")
    os.killpg(running.process.pid, number)
    code, said = running.end()
    assert code == 130
    assert f"Interrupted; nothing is lost. To go on: {PROGRAM} " in said
    for path in tmp_path.rglob("*.safetensors"):  # of trainings that were done
        Model.load(path)


@pytest.mark.parametrize(
    ("command", "study"), [(("train",), "sweep-train-0"), (("report", "--epochs", 600), "sweep-report")]
)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_final_and_report_trainings_go_on_and_nothing_is_trained_twice(
    start, sweep, images, tmp_path, command, study, number
):
    sweep("--trials", 1, "--data", images, "--epochs", 600, "--workers", 1)
    data = ("--data", images) if command[0] == "report" else ()
    words = (*command, "--seeds", 4, "--workers", 1, "--format", "json", *data)
    running = start(*words)
    for _ in range(2):  # a fifth, two fifths: the first of four trainings is done
        running.until(" of 2400 epochs")
    os.killpg(running.process.pid, number)
    running.end()
    before = finished(trials_of(tmp_path, study))
    assert 1 <= len(before) < 4
    model = tmp_path / "models" / "sweep" / "model.safetensors"
    assert not model.exists()
    sweep(*words)
    after = finished(trials_of(tmp_path, study))
    assert [trial for trial in after if trial.number in {b.number for b in before}] == before
    assert len(after) == len({trial.user_attrs["seed"] for trial in after}) == 4
    if command[0] == "train":
        (opening,) = read(open_study_of(f"sqlite:///{tmp_path}/sweep.db")).openings
        assert len(opening.test_accuracies) == len(Model.load(model).networks) == 4


def test_nohup_is_honoured(start, images, tmp_path):
    running = start(
        "--trials",
        8,
        "--data",
        images,
        *FAST,
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN),
    )
    running.until("2/8")
    os.killpg(running.process.pid, signal.SIGHUP)
    assert running.end()[0] == 0
    assert_whole(tmp_path, 8)


def test_messages_that_nobody_reads_any_more(start, sweep, images, tmp_path):
    running = start("--trials", 10000, "--data", images, *FAST)
    running.until("2/10000")
    running.process.stderr.close()
    running.process.stderr = None
    code, _ = running.end()
    assert code == 1
    trials = trials_of(tmp_path)
    assert TrialState.RUNNING not in {trial.state for trial in trials}
    sweep("--trials", len(finished(trials)) + 2, "--data", images, *FAST)
    assert_whole(tmp_path, len(finished(trials)) + 2)


def test_a_second_sweep_is_told_of_the_first_and_takes_over_when_it_was_killed(
    start, sweep, images, tmp_path
):
    running = start("--trials", 10000, "--data", images, *FAST)
    running.until("1/10000")
    before = len(trials_of(tmp_path))
    for command in (("--trials", 10000, "--data", images, *FAST), ("train",)):
        out = sweep(*command, check=False)
        assert out.returncode == 1
        assert f"in use by another sweep (process {running.process.pid}, started 20" in out.stderr
    assert before >= 1
    running.kill()
    total = len(finished(trials_of(tmp_path))) + 1
    sweep("--trials", total, "--data", images, *FAST)
    assert_whole(tmp_path, total)


def test_an_interruption_after_the_last_retry_still_comes_back(tmp_path):
    storage = connect(f"sqlite:///{tmp_path}/sweep.db", create=True)
    study = open_study(storage, "sweep", facts=facts())
    study.enqueue_trial({"x": 0.5})
    with coordinate(storage, study) as coordinator:
        for reason in (*["a worker died"] * MAX_RETRIES, *["interrupted"] * 5):
            trial = coordinator.ask(lambda _: True)
            trial.suggest_float("x", 0, 1)
            assert coordinator.requeue(trial.number, reason) == trial.number + 1
    storage.close()
