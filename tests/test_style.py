"""Lint, format, types and the direction of imports are part of the test run."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

BIN = Path(sys.executable).parent
CHECKS = ["ruff check .", "ruff format --check .", "mypy", "lint-imports"]
ELSEWHERE = [  # no linter knows which calls are POSIX's; the type checker does
    *(f"mypy --platform {name} --cache-dir .mypy_cache/{name}" for name in ("darwin", "win32")),
    "ruff check --preview --select PLW1514 fcnet studies sweep.py",  # text whose encoding is the system's
]


@pytest.mark.parametrize("command", [*CHECKS, *ELSEWHERE])
def test_the_tree_passes(command):
    tool, *arguments = command.split()
    done = subprocess.run(
        [BIN / tool, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=280, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_sweep_starts_without_what_only_its_end_needs():
    scipy = ("scipy.linalg", "scipy.special", "scipy.stats", "scipy.optimize")
    late = ("sklearn", "optuna_dashboard", "plotly", *scipy, "distributed")
    code = f"import sys, studies.experiments.search; print([name for name in {late} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120, check=True
    )
    assert done.stdout == "[]\n"


def test_a_short_sweep_is_published_without_scikit_learn(images):
    words = ["run", "--trials", "2", "--epochs", "2", "--workers", "1", "--data", str(images)]
    code = (
        f"import sys; from studies.commands.main import main; assert main({words}) == 0;"
        "print([name for name in ('plotly', 'sklearn', 'scipy.stats', 'pandas') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=images.parent,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "['plotly']", done.stderr
