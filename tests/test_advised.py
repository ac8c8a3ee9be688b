"""Every command that the program advises is typed as it stands there, and does what it is advised for."""

import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT, write_images

from studies.commands.main import COMMANDS

ADVISED = re.compile(
    rf"python sweep\.py(?: (?:{'|'.join(COMMANDS)})\b)?"
    r"(?: --help| --range [a-z_]+=[^\s;,]+| --[a-z-]+ (?:'[^']*'|[^\s;:,]+))*"
)
# It says what to try; the command that does stands below it.
LEFT_OUT = ("Edge: ",)


def advised(text):
    """Return the commands that a text advises; ``python sweep.py`` alone is the first sweep."""
    lines = [line for line in text.splitlines() if not line.startswith(LEFT_OUT)]
    return [found for found in ADVISED.findall("\n".join(lines)) if found != "python sweep.py"]


@pytest.fixture
def folder(tmp_path):
    """A folder that holds the program and a file of images, as a clone does."""
    (tmp_path / "sweep.py").symlink_to(ROOT / "sweep.py")
    write_images(tmp_path / "images.npz")
    return tmp_path


def typed(folder, line, code=0):
    """Type a line at a shell and return what it says."""
    env = {**os.environ, "COLUMNS": "200", "PYTHONUNBUFFERED": "1"}
    env["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{env['PATH']}"
    serves = line.startswith("python sweep.py dashboard") and "--help" not in line
    process = subprocess.Popen(
        f"exec {line}{' --port 0 --no-browser' if serves else ''}",
        shell=True,
        cwd=folder,
        env=env,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    said = ""
    try:
        if serves:
            for text in process.stdout:
                said += text
                if "http://" in text:
                    break
            process.send_signal(signal.SIGINT)
        said += process.communicate(timeout=600)[0]  # a verdict may ask for hundreds of trainings
    finally:
        process.kill()
        process.wait()
    assert process.returncode == code, f"{line}: {said}"
    return said


def followed(folder, texts):
    """Type all that texts advise, and all that the answers advise, each once; return what was typed."""
    waiting, done = [line for text in texts for line in advised(text)], []
    while waiting:
        line = waiting.pop(0)
        wider = "--range" in line and any("--range" in other for other in done)  # there is no end to that
        if line not in done and not wider:
            done.append(line)
            waiting += advised(typed(folder, line))
    return done


def test_what_is_advised_is_found_in_what_is_said():
    said = """
Trial 2 has the best search score; it was not confirmed: python sweep.py confirm tells luck from merit.
Edge: momentum is at the end of its range: python sweep.py --range momentum=0:1 goes beyond.
To go on: python sweep.py confirm --seeds 9 --study 'two words'
Next: python sweep.py train --study x   train the winner
sweep.py: no; see python sweep.py best --help
the study 'sweep' has no complete trial yet: run python sweep.py first
"""
    assert advised(said) == [
        "python sweep.py confirm",
        "python sweep.py confirm --seeds 9 --study 'two words'",
        "python sweep.py train --study x",
        "python sweep.py best --help",
    ]


@pytest.mark.timeout(900)  # against a hang alone: how much is advised depends on what is found
def test_every_command_that_the_output_advises_works_as_it_is_printed(folder):
    data = "--epochs 2 --data images.npz"
    texts = [
        typed(folder, line)
        for line in (
            f"python sweep.py --trials 30 {data}",
            "python sweep.py best",
            "python sweep.py confirm --top 2 --seeds 2",
            f"python sweep.py effects --seeds 2 {data}",
            f"python sweep.py report {data}",
            "python sweep.py train --seeds 2",
        )
    ]
    texts += [
        typed(folder, line, code)
        for line, code in (
            ("python sweep.py train --trial 99", 1),
            ("python sweep.py best --nonsense", 2),
            ("python sweep.py --nonsense", 2),
            ("python sweep.py nonsense", 2),
        )
    ]
    lines = followed(folder, texts)
    assert any("--range" in line for line in lines)
    assert {
        "python sweep.py dashboard",
        "python sweep.py confirm",
        "python sweep.py train",
        "python sweep.py dashboard --study sweep-effects",
        "python sweep.py best",
        "python sweep.py best --help",
        "python sweep.py --help",
    } <= set(lines)


def test_what_to_do_next_names_a_study_of_another_name_in_another_database(folder):
    study = ["--study", "two words", "--storage", "sqlite:///an other.db"]
    command = ["python", "sweep.py", "--trials", "2", "--epochs", "1", "--data", "images.npz", *study]
    said = typed(folder, shlex.join(command))
    steps = [line for line in said.splitlines() if line.startswith(("Next: ", "      "))]
    lines = followed(folder, ["\n".join(steps)])
    assert [line.split()[2] for line in lines[:3]] == ["dashboard", "confirm", "train"]
