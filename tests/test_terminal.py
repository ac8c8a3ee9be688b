"""The terminal: a line of small bars, the time left, warnings, 80 columns, watching, telling, completing."""

import io
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from datetime import datetime
from types import SimpleNamespace

import pytest
from conftest import ROOT
from made import NOW, make_study, more_trials
from optuna.trial import TrialState, create_trial
from rich.console import Console
from scripted import ScriptedEpochs

from studies.analysis.advice import SameScore, same_score
from studies.api import effects, open_study, report
from studies.commands import main as program
from studies.commands import watch
from studies.execution.progress import Progress
from studies.execution.signals import Interrupted
from studies.experiments.advising import advise
from studies.experiments.results import summarise
from studies.experiments.standing import Watch
from studies.record import FACTS, attributes, best_trial, write_attribute
from studies.storage.database import connect
from studies.views.confirm import print_confirmation
from studies.views.progress import SweepDisplay
from studies.views.search import print_best
from studies.views.sentences import headline, standing_sentence
from studies.views.sparkline import sparkline
from studies.views.words import roughly


def terminal(**options):
    settings = {"width": 80, "force_terminal": True, "highlight": False, "_environ": {"TERM": "xterm"}}
    return Console(**{"file": io.StringIO(), **settings, **options})


def progress(trials, **options):
    settings = {"total": 100, "begun": 0, "pruned": 0, "running": 2, "seconds": 60.0}
    return Progress(
        finished=len(trials), best=best_trial(trials), latest=tuple(trials), **{**settings, **options}
    )


@pytest.mark.parametrize(
    ("values", "bars"),
    [
        ([], ""),
        ([0.5], "▁"),
        ([0.5, 0.5], "▁▁"),
        ([0.1, 0.2, 0.3, 0.8], "▁▂▃█"),
        (list(range(100)), "▁▁▂▂▃▃▄▄▅▅▆▆▇▇██"),
    ],
)
def test_values_become_bars(values, bars):
    assert sparkline(values) == bars


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (3, "about 10 s"),
        (44, "about 40 s"),
        (55, "about 1 min"),
        (118, "about 2 min"),
        (3600, "about 1 h"),
        (5000, "about 1 h 23 min"),
    ],
)
def test_a_time_that_is_estimated_is_told_roughly(seconds, words):
    assert roughly(seconds) == words


def test_plain_lines_count_finished_trials_and_no_failed_ones():
    console = terminal(force_terminal=False, width=100)
    failed, complete = (
        create_trial(state=TrialState.FAIL),
        create_trial(value=0.9, params={}, distributions={}),
    )
    with SweepDisplay(console, "trial") as display:
        display.show(replace(progress([failed, complete]), finished=6, total=10))
    counts = [line.split()[0] for line in console.file.getvalue().splitlines()]
    assert counts == ["5/10", "6/10"]


def test_the_time_left_is_known_from_the_epochs_before_the_first_trial_has_ended():
    early = progress([], epochs=(10, 2000))
    assert early.seconds_left == pytest.approx(60 / 10 * 1990)
    assert progress([], epochs=(0, 2000)).seconds_left is None
    assert replace(early, finished=100, total=100, epochs=(2000, 2000)).seconds_left is None  # all is done
    resumed = progress([], begun=50, epochs=(1010, 2000))  # 50 of 20 epochs were there before
    assert resumed.seconds_left == pytest.approx(60 / 10 * 990)


def test_the_live_line_shows_the_best_so_far_as_bars_within_its_width():
    trials = make_study(30).get_trials()
    for width in (80, 40):
        console = terminal(width=width)
        with SweepDisplay(console) as display:
            display.show(progress(trials[:1]))
            display.show(progress(trials))
            line = display._best.plain
            assert line.startswith(sparkline(display._so_far))
            assert line[0] == "▁"
            assert "█ best 85.38 %" in line
        assert all(len(part) <= width for part in console.file.getvalue().splitlines() if "\x1b" not in part)
    ascii_only = terminal(file=io.TextIOWrapper(io.BytesIO(), encoding="ascii"))
    with SweepDisplay(ascii_only) as display:
        display.show(progress(trials))
        assert display._best.plain.startswith("best 85.38 %")


def test_the_same_score_again_and_again_is_warned_of_once():
    assert same_score([0.5] * 9) is None
    assert same_score([0.8, 0.5, 0.5, 0.5, 0.6, 0.5, 0.5, 0.5, 0.7, 0.5]) == SameScore(0.5, 7, 10)
    assert same_score([0.8 + i / 100 for i in range(10)]) is None
    trial = make_study(1).get_trials()[0]
    console = Console(file=io.StringIO(), width=200)
    with SweepDisplay(console) as display:
        for _ in range(15):
            display.show(progress([trial]))
    said = console.file.getvalue()
    assert said.count("10 of the last 10 trials scored exactly 81.00 %: they learn nothing") == 1


@pytest.mark.parametrize("environ", [{"TERM": "xterm", "NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_results_fit_80_columns_without_colour_where_that_is_wished(environ):
    study = make_study(120, confirmed=True, data="a_file_of_images_with_quite_a_long_name.npz")
    console = terminal(_environ=environ)
    summary = summarise(study)
    print_best(console, summary, advise(study))
    print_confirmation(console, summary.confirmation, summary)
    said = console.file.getvalue()
    assert "\x1b[3" not in said  # colours
    said = re.sub(r"\x1b\[[0-9;]*m", "", said)
    assert "…" not in said
    assert max(len(line) for line in said.splitlines()) <= 80


def test_a_sweep_of_another_process_is_watched_from_its_storage_alone(tmp_path):
    study = make_study(12, asked=20, running=1, storage=connect(f"sqlite:///{tmp_path}/a.db", create=True))
    before = (tmp_path / "a.db").read_bytes()
    watching = Watch(study)
    standing, shown = watching.look(now=NOW)
    assert (shown.finished, shown.total, shown.running, shown.latest) == (12, 20, 1, ())
    assert standing.is_running
    assert shown.seconds_left == standing.seconds_left
    assert (tmp_path / "a.db").read_bytes() == before
    more_trials(study, 2, now=NOW)
    _, shown = watching.look(now=NOW)
    assert [trial.number for trial in shown.latest] == [13, 14]
    assert shown.finished == 14


def test_watching_ends_with_the_sweep(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    storage = connect("sqlite:///sweep.db", create=True)
    make_study(12, storage=storage)
    make_study(12, storage=storage, name="runs", asked=20, running=1, now=datetime.now())
    assert program.main(["watch", "--every", "0.01"]) == 0
    assert "Study sweep: finished, 12 trials." in capsys.readouterr().out
    assert program.main(["watch", "--study", "runs", "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["study"], found["finished"], found["asked"], found["is_running"]) == ("runs", 12, 20, True)


def test_what_is_no_search_is_watched_without_a_sweeps_headline(images, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    given = {"data": str(images), "epochs": 3, "backend": ScriptedEpochs()}
    found = effects("sqlite:///sweep.db", n_seeds=2, **given)
    report("sqlite:///sweep.db", **given)
    sweep = make_study(12, storage=connect("sqlite:///sweep.db", create=False))
    part = make_study(5, storage=connect("sqlite:///sweep.db", create=False), name="sweep-confirm")
    write_attribute(part, FACTS, {**attributes(sweep)[FACTS], "confirms": "sweep"})

    def watched(study):
        assert program.main(["watch", "--every", "0.01", "--study", study]) == 0
        return capsys.readouterr().out.splitlines()

    sentences = [test.sentence for test in found.tests.values()]
    assert watched("sweep-effects") == ["Study sweep-effects: finished, 26 trials.", *sentences]
    (trained,) = watched("sweep-report")[1:]
    assert trained == "80.00 % test accuracy in the best epoch (1), 75.00 % in the last (2)."
    assert watched("sweep-confirm") == ["Study sweep-confirm: finished, 5 trials."]
    assert watched("sweep")[1:] == [headline(summarise(sweep))]


def test_experiments_are_counted_against_all_that_they_enqueued(images, tmp_path):
    url = f"sqlite:///{tmp_path}/sweep.db"
    backend = ScriptedEpochs(lambda job: [[0.7], [Interrupted()]][len(backend.jobs) > 5])
    with pytest.raises(Interrupted):
        effects(url, n_seeds=2, data=str(images), epochs=1, backend=backend)
    found, shown = Watch(open_study(url, "sweep-effects")).look()
    assert (found.finished, found.asked, shown.total) == (5, 26, 26)
    assert standing_sentence(found) == "stopped, 5 of 26"


def test_trials_that_end_between_two_looks_are_watched(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    study = make_study(12, asked=20, storage=connect("sqlite:///sweep.db", create=True))

    def sleep(seconds):
        if len(study.trials) < 18:
            more_trials(study, 1, now=NOW)

    monkeypatch.setattr(watch, "time", SimpleNamespace(sleep=sleep))
    assert program.main(["watch"]) == 0
    assert len(study.trials) == 18
    assert "18 of 20" in capsys.readouterr().out


def test_who_asked_for_it_is_told_the_result_or_the_error(tmp_path, images, sweep):
    line = f"{sys.executable} -c \"open('told.json', 'w').write(input()); print('told')\""
    run = (
        "--trials",
        2,
        "--epochs",
        1,
        "--data",
        images,
        "--workers",
        1,
        "--notify",
        line,
        "--format",
        "json",
    )
    done = sweep(*run)
    told = json.loads((tmp_path / "told.json").read_text())
    assert (told["command"], told["exit_code"], told["error"]) == ("run", 0, None)
    assert told["result"] == json.loads(done.stdout)  # and nothing of the command's own words in between
    assert "told" in done.stderr
    failed = sweep("train", "--trial", 99, "--notify", line, check=False)
    told = json.loads((tmp_path / "told.json").read_text())
    assert (failed.returncode, told["exit_code"], told["result"]) == (1, 1, None)
    assert told["error"] in failed.stderr
    lost = sweep("confirm", "--seeds", 2, "--top", 1, "--workers", 1, "--notify", "exit 3")
    assert "the command of --notify ended with code 3: exit 3" in lost.stderr


def completed(script, *words):
    line = f'source {script}; COMP_WORDS=(fcnet-sweep {" ".join(words)} ""); COMP_CWORD={len(words) + 1}'
    line += '; _fcnet_sweep; echo "${COMPREPLY[@]}"'
    told = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=True)
    return told.stdout.split()


def test_bash_completes_commands_options_and_their_values(tmp_path, capsys):
    assert program.main(["completion", "bash"]) == 0
    script = tmp_path / "completion.sh"
    script.write_text(capsys.readouterr().out)
    assert {*program.COMMANDS, "--trials"} <= {*completed(script)}
    assert {"--top", "--seeds"} <= {*completed(script, "confirm")}
    assert "--trials" not in completed(script, "confirm")
    assert completed(script, "run", "--format") == ["text", "json"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_takes_its_script(shell, tmp_path, capsys):
    assert program.main(["completion", shell]) == 0
    script = capsys.readouterr().out
    for name in program.COMMANDS:
        assert name in script
    if shutil.which(shell):
        (tmp_path / "script").write_text(script)
        subprocess.run(
            [shell, "-n", tmp_path / "script"], check=True, env={**os.environ, "HOME": str(tmp_path)}
        )


def test_another_shell_is_refused_in_a_sentence():
    done = subprocess.run(
        [sys.executable, str(ROOT / "sweep.py"), "completion", "csh"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "'csh' is no shell that is known: write bash, zsh, fish" in done.stderr


def test_figures_are_whole_on_a_narrow_terminal():
    console = terminal(width=60)
    study = make_study(60, confirmed=True, tested=True)
    print_best(console, summarise(study), advise(study))
    told = re.sub(r"\x1b\[[\d;]*m", "", console.file.getvalue())
    assert "…" not in told
    for score in (summarise(study).scores.confirmed, summarise(study).scores.ensemble):
        assert f"{100 * score.mean:.2f} %" in told
        assert f"{100 * score.low:.2f} .. {100 * score.high:.2f} %" in told


def test_what_is_advised_follows_from_what_was_done():
    def told(study):
        console = terminal(width=200)
        print_best(console, summarise(study), advise(study), options=" --study x")
        return console.file.getvalue()

    assert "train the winner and open the test set" in told(make_study(60))
    assert "train the winner" not in told(make_study(60, confirmed=True, tested=True))
    broken = told(make_study(3, diverged=1.0, first=None))
    assert "No trial is complete yet.\nAll 3 trainings diverged: choose lower rates, as --range lea" in broken
    mixed, early = make_study(3, diverged=1.0, first=None), {"reason": "pruned after epoch 2"}
    mixed.add_trials([create_trial(state=TrialState.PRUNED, user_attrs=early) for _ in range(2)])
    both = told(mixed)
    assert "yet.\n3 trainings diverged: choose lower rates" in both
    assert "The pruner ended 2 trainings early: go on with more --trials, or with --pruner none." in both
