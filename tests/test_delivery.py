"""What is delivered: the same bytes each time, and files for others' machines that fit this program."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib

import pytest
import yaml
from conftest import ROOT

from studies.commands import main
from studies.dashboard.serving import PASSWORD_VARIABLE

SOURCE = ("fcnet", "studies", "sweep.py", "pyproject.toml", "README.md", "LICENSE")
BUILD = "import hatchling.build as b, sys; print(b.build_wheel(sys.argv[1]), b.build_sdist(sys.argv[1]))"


def loaded(name):
    return yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))


def copy_source(folder):
    folder.mkdir(parents=True)
    for name in SOURCE:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copyfile(ROOT / name, folder / name)


def test_wheel_and_source_archive_are_the_same_bytes_wherever_and_whenever_they_are_built(tmp_path):
    built = []
    for name, age in (("one", 0), ("other", 1_000_000)):
        copy_source(tmp_path / name / "source")
        for path in (tmp_path / name / "source").rglob("*.py"):
            os.utime(path, (age, age))
        command = [sys.executable, "-c", BUILD, str(tmp_path / name)]
        subprocess.run(command, cwd=tmp_path / name / "source", check=True, capture_output=True)
        built.append({p.name: p.read_bytes() for p in (tmp_path / name).iterdir() if p.is_file()})
    assert {name.rpartition(".")[2] for name in built[0]} == {"whl", "gz"}
    assert built[0] == built[1]


def test_the_locked_requirements_hold_every_requirement_with_its_hashes():
    with (ROOT / "pyproject.toml").open("rb") as file:
        project = tomllib.load(file)["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *extras["test"]]
    wanted += [need for name in ("cluster", "postgres", "cmaes", "onnx", "tables") for need in extras[name]]
    names = {re.match(r"[A-Za-z0-9._-]+", need).group().lower() for need in wanted} - {"fcnet-sweep"}
    text = (ROOT / "requirements-test.txt").read_text(encoding="utf-8")
    pinned = re.findall(
        r"^([a-z0-9._-]+)(?:\[.*\])?==\S+.*\\\n(?:\s+--hash=sha256:[0-9a-f]{64}.*\n)+", text, re.M
    )
    assert names <= set(pinned)
    assert len(pinned) == len(re.findall(r"^[a-z]", text, re.M))


def test_the_workflow_runs_the_readmes_test_command_on_every_promised_python():
    jobs = loaded(".github/workflows/tests.yml")["jobs"]
    matrix = jobs["tests"]["strategy"]["matrix"]
    assert matrix["python"] == ["3.11", "3.12", "3.13", "3.14"]
    assert {name.split("-")[0] for name in matrix["os"]} == {"ubuntu", "macos", "windows"}
    assert jobs["tests"]["steps"][-1]["run"] == "python -m pytest"
    assert "python -m pytest" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_what_the_services_of_the_compose_file_type_is_understood(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    composed = loaded("compose.yaml")
    services, options = composed["services"], composed["configs"]["options"]["content"]
    (tmp_path / "sweep.toml").write_text(options, encoding="utf-8")
    for service in (services["sweep"], services["dashboard"]):
        assert service["configs"] == [{"source": "options", "target": "/sweeps/sweep.toml"}]
        call, _ = main.read(service.get("command", []))
        database = services["database"]["environment"]
        where = f"postgresql://{database['POSTGRES_USER']}@database/{database['POSTGRES_DB']}"
        assert call.args[0].storage == where
        # The client of PostgreSQL takes its password from there.
        assert service["environment"]["PGPASSWORD"] == database["POSTGRES_PASSWORD"]
    assert PASSWORD_VARIABLE in services["dashboard"]["environment"]
    assert services["dashboard"]["ports"] == ["127.0.0.1:8080:8080"]


def test_the_steps_of_the_dockerfile_make_the_program_that_its_entry_names(tmp_path):
    """Run here what it runs, without the engine: the folders are those of a test, the packages are here."""
    lines = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    steps = [line.partition(" ") for line in lines if line and not line.startswith("#")]
    known = {"FROM", "WORKDIR", "COPY", "RUN", "USER", "ENTRYPOINT", "CMD"}
    assert {step for step, _, _ in steps} <= known
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line[0] == "!"}
    copied = {
        name
        for step, _, rest in steps
        if step == "COPY" and not rest.startswith("--from")
        for name in rest.split()[:-1]
    }
    assert copied == kept == set(SOURCE)
    copy_source(tmp_path / "source")
    build, install = (rest for step, _, rest in steps if step == "RUN")
    here = f"{sys.executable} -m pip --disable-pip-version-check"
    build = build.replace("pip", here, 1).replace("/wheels", str(tmp_path / "wheels"))
    subprocess.run(build + " --no-build-isolation", shell=True, cwd=tmp_path / "source", check=True)
    install = install.partition("&&")[0].replace("[postgres,tables]", "")
    install = install.replace("pip", here, 1).replace("/wheels", str(tmp_path / "wheels"))
    install += f" --no-deps --target {tmp_path / 'site'}"
    subprocess.run(install, shell=True, cwd=tmp_path, check=True)
    (entry,) = json.loads(next(rest for step, _, rest in steps if step == "ENTRYPOINT"))
    words = json.loads(next(rest for step, _, rest in steps if step == "CMD"))
    scripts = tmp_path / "site" / "bin"
    path = f"{scripts}{os.pathsep}{os.environ['PATH']}"
    env = {**os.environ, "PYTHONPATH": str(tmp_path / "site"), "PATH": path}
    command = [scripts / entry, *words]
    done = subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.startswith(f"usage: {entry} ")


@pytest.mark.parametrize("name", ["compose.yaml", ".github/workflows/tests.yml", ".pre-commit-config.yaml"])
def test_no_secret_stands_in_a_file_of_the_delivery(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    found = re.findall(r"(?:PASSWORD|TOKEN|SECRET)\w*:\s*(\S+)", text)
    assert all(value.startswith("${") for value in found), found
