"""Options from dataclasses, help that imports little, and what is said when a command cannot go on."""

import argparse
import subprocess
import sys
from dataclasses import MISSING, FrozenInstanceError, dataclass
from pathlib import Path

import pytest
from conftest import ROOT

from fcnet.text import counted
from studies import program
from studies.commands import best, confirm, copy, main, reproduce, run
from studies.commands.options import StudyOptions, WorkerOptions, positive
from studies.commands.parser import add_options, argument, choice, option, options_from, repeated, switch
from studies.execution.backend import cores


@dataclass(frozen=True, kw_only=True)
class Group:
    """Options that several commands share."""

    colour: str = choice(("red", "blue"), "red", "its colour")
    rate: float = option(float, 900.0, "X", "a rate")


@dataclass(frozen=True, kw_only=True)
class Options(Group):
    """One of each kind."""

    number: int = argument(int, "N", "a number")
    source: str = option(str, MISSING, "URL", "where from", name="--from")
    names: tuple[str, ...] = option(lambda text: tuple(text.split(",")), ("a", "b"), "A,B", "names")
    at_most: int = option(positive, 0, None, "at most")
    every: tuple[str, ...] = repeated("Y", "each")
    is_bold: bool = switch("bold")


def parsed(*words):
    parser = argparse.ArgumentParser(exit_on_error=False)
    add_options(parser, Options)
    return options_from(Options, parser.parse_args(words))


def test_each_kind_of_field_is_read_from_the_command_line():
    assert parsed("3", "--from", "x") == Options(number=3, source="x")
    words = "3 --from x --names c,d --at-most 2 --every 1 --every 2 --is-bold --colour blue --rate 1.5"
    assert parsed(*words.split()) == Options(
        number=3,
        source="x",
        names=("c", "d"),
        at_most=2,
        every=("1", "2"),
        is_bold=True,
        colour="blue",
        rate=1.5,
    )


def test_what_must_be_given_and_what_is_none_of_the_choices_is_an_error():
    for words in (("3", "--from", "x", "--colour", "green"), ("3", "--from", "x", "--at-most", "0")):
        with pytest.raises(argparse.ArgumentError):
            parsed(*words)
    with pytest.raises(TypeError, match="source"):
        Options(number=3)
    with pytest.raises(FrozenInstanceError):
        Options(number=3, source="x").number = 4


def test_help_names_its_own_options_first_and_every_default():
    parser = argparse.ArgumentParser(prog="x")
    add_options(parser, Options)
    text = " ".join(parser.format_help().split())
    places = [text.index(f" {name} ") for name in ("--from URL", "--names A,B", "--is-bold", "--rate X")]
    assert places == sorted(places)
    for words in (
        "--names A,B names (default: a,b)",
        "--at-most AT_MOST at most (default: 0)",
        "--rate X a rate (default: 900)",
        "--from URL where from --names",
        "--every Y each --is-bold bold --colour {red,blue} its colour (default: red)",
    ):
        assert words in text


def test_a_command_line_becomes_the_options_of_its_command():
    calls = {
        ("--trials", "3", "--range", "momentum=0:0.5"): run.Options(trials=3, range=("momentum=0:0.5",)),
        ("run", "--classes", "cat,dog"): run.Options(classes=("cat", "dog")),
        ("copy", "--from", "sqlite:///a.db", "--to", "sqlite:///b.db"): copy.Options(
            source="sqlite:///a.db", target="sqlite:///b.db"
        ),
        ("reproduce", "7", "--data", "x.npz"): reproduce.Options(trial=7, data="x.npz"),
        ("confirm", "--debug"): confirm.Options(),
    }
    for words, options in calls.items():
        call, debug = main.read(words)
        assert call.args == (options,)
        assert debug == ("--debug" in words)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--study", ""], "argument --study: nothing is named"),
        (["--data", " "], "argument --data: nothing is named"),
        (["best", "--storage", ""], "argument --storage: nothing is named"),
        (
            ["--seed", "9" * 13],
            f"argument --seed: {'9' * 13} is larger than 999,999,999,999, the largest that",
        ),
        (["--trials", "0"], "argument --trials: '0' is not a whole number of at least 1"),
        (
            ["--range", "momentum"],
            "--range momentum does not name two ends: write NAME=LOW:HIGH, for example",
        ),
        (
            ["--range", "momentum=0.9:0.1"],
            "cannot be used (the lower end is above the upper one): write NAME=",
        ),
        (["--fix", "momentum=1.5"], "--fix momentum=1.5 cannot be used (momentum is 1.5, but it must be in"),
        (["--fix", "momentum"], "--fix momentum cannot be used (momentum has no value): write NAME=VALUE"),
        (["--fix", "x=1"], "--fix x=1: 'x' is no hyperparameter; there are batch_size, "),
        (["--fix", "n_layers=2", "--fix", "n_layers=3"], "--fix n_layers=3: n_layers has a value or a range"),
        (["--fix", "n_layers=2", "--range", "n_layers=2:3"], "--fix n_layers=2: n_layers has a value or a"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_a_sentence_that_says_how_to_mend_it(words, sentence, capsys):
    try:
        code = main.main([*words, "--data", "no such file"] if "--data" not in words else words)
    except SystemExit as end:
        code = end.code
    assert code == 2
    assert sentence in capsys.readouterr().err


def test_a_crowd_of_workers_is_told():
    said = []
    with WorkerOptions(workers=4 * cores()).backend(say=said.append):
        assert said == []
    with WorkerOptions(workers=4 * cores() + 1).backend(say=said.append, most=2):
        assert said == []
    with WorkerOptions(workers=4 * cores() + 1).backend(say=said.append):
        (sentence,) = said
    assert sentence == (f"{4 * cores() + 1} workers share {counted(cores(), 'core')}: fewer are faster.")


def test_options_name_the_study_in_a_command_to_be_typed():
    assert StudyOptions().typed == ""
    assert StudyOptions(study="two words").typed == " --study 'two words'"
    url = "postgresql://me:secret@db/sweeps?host=a&port=1"
    typed = StudyOptions(storage=url).typed
    assert "secret" not in typed
    assert typed.startswith(" --storage 'postgresql://me")


def test_only_the_command_that_is_asked_for_is_imported_and_nothing_slow():
    code = (
        "import sys; from studies.commands.main import read; read(['copy', '--to', 'x']);"
        "print(sorted(n for n in sys.modules if n.startswith('studies.commands.')));"
        "print([n for n in ('numpy', 'optuna', 'rich', 'importlib.metadata') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    commands = [f"studies.commands.{name}" for name in ("config", "copy", "main", "options", "parser")]
    assert done.stdout == f"{commands}\n[]\n"


def test_help_without_a_command_shows_a_sweeps_options_and_then_the_commands(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    with pytest.raises(SystemExit, match="0"):
        main.main(["--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert text.startswith("usage: python sweep.py [OPTION ...] python sweep.py COMMAND [OPTION ...]")
    assert "--trials N finished trials that the study shall hold in the end (default: 100)" in text
    assert "--version" in text
    commands = text[text.index("python sweep.py COMMAND --help") :]
    for name in main.COMMANDS:
        assert f"{name} {main.sentence_of(main.module_of(name))}" in commands
    with pytest.raises(SystemExit, match="0"):
        main.main(["run", "--help"])
    text = capsys.readouterr().out
    assert text.startswith("usage: python sweep.py run [-h]")
    assert "sweep.py COMMAND" not in text


def test_an_unknown_command_is_one_sentence_that_lists_the_commands(capsys):
    with pytest.raises(SystemExit, match="2"):
        main.main(["nonsense", "--trials", "3"])
    known = ", ".join(map(repr, main.COMMANDS))
    assert capsys.readouterr().err == (
        f"sweep.py: there is no command 'nonsense' (choose from {known}); see python sweep.py --help\n"
    )


@pytest.mark.parametrize(
    ("started", "name", "start"),
    [
        (["python", "sweep.py"], "sweep.py", "python sweep.py"),
        (
            [".venv/bin/python", "-X", "dev", "../a b/sweep.py"],
            "sweep.py",
            ".venv/bin/python -X dev '../a b/sweep.py'",
        ),
        (["python", "/a/notebook/launcher.py"], "sweep.py", "python sweep.py"),
        (["/nowhere/bin/python", "/nowhere/bin/fcnet-sweep"], "fcnet-sweep", "/nowhere/bin/fcnet-sweep"),
        (["fcnet-sweep.exe"], "fcnet-sweep", "fcnet-sweep.exe"),
    ],
)
def test_messages_name_the_program_as_it_was_started(monkeypatch, capsys, tmp_path, started, name, start):
    arguments = ["best", "--trial", "1"]
    monkeypatch.setattr(sys, "orig_argv", started + arguments)
    monkeypatch.setattr(sys, "argv", started[-1:] + arguments)
    monkeypatch.chdir(tmp_path)
    assert program.command("confirm --seeds 5") == f"{start} confirm --seeds 5"
    assert program.words()[-3:] == ["best", "--trial", "1"]
    assert main.main(["best"]) == 1
    assert capsys.readouterr().err.startswith(f"{name}: there is no database")
    with pytest.raises(SystemExit, match="2"):
        main.main(["best", "--nonsense"])
    assert capsys.readouterr().err == (
        f"{name}: unrecognized arguments: --nonsense; see {start} best --help\n"
    )


def test_debug_shows_the_traceback_behind_a_sentence(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert main.main(["best"]) == 1
    sentence = capsys.readouterr().err
    assert len(sentence.splitlines()) == 1
    assert main.main(["best", "--debug"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("Traceback (most recent call last)")
    assert "fcnet.errors.UserError: there is no database" in said
    assert said.endswith(sentence)


@pytest.mark.parametrize(
    ("error", "what"),
    [
        (ZeroDivisionError("division\nby zero"), "ZeroDivisionError: division by zero"),
        (KeyError("seed"), "KeyError: 'seed'"),
        (AssertionError(), "AssertionError"),
        (TimeoutError("nobody said when"), "TimeoutError: nobody said when"),
    ],
)
def test_a_bug_is_told_as_a_fault_of_the_program(capsys, monkeypatch, error, what):
    def broken(_):
        raise error

    monkeypatch.setattr(best, "run", broken)
    assert main.main(["best"]) == 1
    sentence = capsys.readouterr().err
    assert sentence == (
        f"sweep.py: this is a fault of the program ({what}):"
        " give the same command with --debug and report what it prints\n"
    )
    assert main.main(["best", "--debug"]) == 1
    said = capsys.readouterr().err
    assert "in broken" in said
    assert said.endswith(sentence)


def test_a_bug_while_the_options_are_read_is_told_with_its_traceback_too(capsys, monkeypatch):
    def broken(_):
        raise ZeroDivisionError

    monkeypatch.setattr(main, "module_of", broken)
    assert main.main(["best"]) == 1
    sentence = capsys.readouterr().err
    assert sentence.startswith("sweep.py: this is a fault of the program (ZeroDivisionError): give the same")
    assert main.main(["best", "--debug"]) == 1
    said = capsys.readouterr().err
    assert "in broken" in said
    assert said.endswith(sentence)


def test_what_the_user_can_mend_outside_of_the_program_is_told_so(capsys, monkeypatch, tmp_path):
    absent = tmp_path / "no" / "file"
    for path, what in ((absent, f"{absent}: No such file"), (Path("/dev/full"), "No space left on device")):
        monkeypatch.setattr(best, "run", lambda _, path=path: path.write_text("a line"))
        assert main.main(["best"]) == 1
        said = capsys.readouterr().err
        assert said.startswith(f"sweep.py: {what}")
        assert said.endswith(": mend that and give the same command again\n")
        assert main.main(["best", "--debug"]) == 1
        assert "Traceback (most recent call last)" in capsys.readouterr().err


def test_the_versions_are_one_line(sweep):
    from importlib.metadata import version

    said = sweep("--version").stdout
    assert (
        said
        == f"fcnet-sweep {version('fcnet-sweep')}, optuna {version('optuna')}, numpy {version('numpy')}\n"
    )


def test_a_silent_worker_is_given_the_same_time_on_the_command_line_and_in_a_notebook():
    from studies.choices import EPOCH_LIMIT_SECONDS

    assert run.Options.epoch_limit == EPOCH_LIMIT_SECONDS == 900.0


MEMORY = "the memory is full: free some, then give the same command again"
THREAD = (
    "no further thread can be started: free memory or raise the limit of processes (ulimit -u), then give the"
    " same command again"
)


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (MemoryError(), MEMORY),
        (ImportError("_fblas.so: failed to map segment from shared object"), MEMORY),
        (RuntimeError("can't start new thread"), THREAD),
    ],
)
def test_a_machine_that_has_too_little_is_told_as_that(capsys, monkeypatch, error, sentence):
    def starved(_):
        raise error

    monkeypatch.setattr(best, "run", starved)
    assert main.main(["best"]) == 1
    assert capsys.readouterr().err == f"sweep.py: {sentence}\n"
