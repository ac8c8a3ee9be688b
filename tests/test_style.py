"""Lint, format, types and the direction of imports are part of the test run."""

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
    late = ("sklearn", "optuna_dashboard", "plotly", "scipy.stats", "scipy.optimize", "distributed")
    code = f"import sys, studies.experiments.search; print([name for name in {late} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120, check=True
    )
    assert done.stdout == "[]\n"
