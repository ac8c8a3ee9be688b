"""The wheel, built and installed as a stranger gets it, works from any folder under its own name."""

import json
import os
import shutil
import subprocess
import sys
import tomllib

import pytest
from conftest import ROOT

PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input")


def ran(*words, **options):
    done = subprocess.run(
        [*map(str, words)], capture_output=True, text=True, timeout=240, check=False, **options
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """Build the wheel without network, install it into a folder of its own and return that."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    for name in ("fcnet", "studies"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE", "sweep.py"):
        shutil.copy(ROOT / name, source / name)
    ran(*PIP, "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index", "-w", folder, source)
    (wheel,) = folder.glob("*.whl")
    ran(*PIP, "install", "--quiet", "--no-deps", "--no-index", "--target", folder / "site", wheel)
    return folder / "site"


@pytest.fixture
def script(installed, tmp_path):
    """Run the installed script in an empty folder."""
    path = f"{installed / 'bin'}{os.pathsep}{os.environ['PATH']}"
    env = {**os.environ, "PYTHONPATH": str(installed), "COLUMNS": "200", "PATH": path}

    def run(*words, **options):
        command = [str(installed / "bin" / "fcnet-sweep"), *map(str, words)]
        return subprocess.run(
            command,
            cwd=tmp_path,
            env=env,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            **options,
        )

    return run


def test_the_wheel_holds_the_packages_and_nothing_else(installed):
    found = {path.name for path in installed.iterdir() if not path.name.endswith(".dist-info")}
    assert found == {"bin", "fcnet", "studies"}
    for name in ("fcnet", "studies"):
        assert (installed / name / "py.typed").exists()
        modules = {path.relative_to(ROOT) for path in (ROOT / name).rglob("*.py")}
        assert modules == {path.relative_to(installed) for path in (installed / name).rglob("*.py")}


def test_a_sweep_of_the_installed_script_names_it_in_all_that_it_says(script, images, tmp_path):
    with (ROOT / "pyproject.toml").open("rb") as file:
        version = tomllib.load(file)["project"]["version"]
    assert script("--version").stdout.startswith(f"fcnet-sweep {version}, optuna ")
    text = script("--help").stdout
    assert text.startswith("usage: fcnet-sweep [OPTION ...]")
    out = script("--trials", 2, "--epochs", 2, "--data", images, "--workers", 2)
    assert out.returncode == 0, out.stderr
    assert "Next: fcnet-sweep dashboard " in out.stdout
    assert "sweep.py" not in text + out.stdout + out.stderr
    best = json.loads(script("best", "--format", "json").stdout)
    assert best["n_trials"]["complete"] + best["n_trials"]["pruned"] == 2


def test_the_installed_script_ends_with_the_exit_code_of_the_command(script):
    out = script("best")
    assert (out.returncode, out.stderr.split(":")[0]) == (1, "fcnet-sweep")
    out = script("nonsense")
    assert out.returncode == 2
    assert out.stderr.endswith("; see fcnet-sweep --help\n")
