"""Lint, format, types and the direction of imports are part of the test run."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

BIN = Path(sys.executable).parent
CHECKS = ["ruff check .", "ruff format --check .", "mypy", "lint-imports"]
ENCODINGS = "ruff check --preview --select PLW1514 fcnet studies sweep.py"  # none is the system's


def ran(command):
    tool, *arguments = command.split()
    return subprocess.run(
        [BIN / tool, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=280, check=False
    )


@pytest.mark.parametrize("command", [*CHECKS, ENCODINGS])
def test_the_tree_passes(command):
    done = ran(command)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("platform", ["darwin", "win32"])
def test_what_a_system_does_not_have_is_not_called_there(platform):
    # No linter knows which calls are POSIX's; the type checker does, and needs no other package for that.
    words = f"--platform {platform} --cache-dir .mypy_cache/{platform}"
    said = ran(f"mypy {words} --no-site-packages --ignore-missing-imports -p fcnet -p studies").stdout
    assert "source files" in said
    missing = [line for line in said.splitlines() if "Module has no attribute" in line]
    assert not missing, "\n".join(missing)


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
