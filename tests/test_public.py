"""What `import fcnet` gives, and the examples in its docstrings and on its page."""

import contextlib
import doctest
import io
import os
import re
import subprocess
import sys

import msgspec
import pytest
from conftest import ROOT

import fcnet
import studies
from fcnet.errors import UsageError, UserError
from studies.execution.local import InProcess
from studies.record import ASKED, Asked, attributes, write


def test_every_public_name_is_there_and_listed():
    for name in fcnet.__all__:
        assert getattr(fcnet, name).__name__ == name
        assert name in dir(fcnet)
    assert set(fcnet.__all__) == set(fcnet._MODULES)
    with pytest.raises(AttributeError, match="module 'fcnet' has no attribute 'Layers'"):
        fcnet.Layers  # noqa: B018


def test_an_error_or_a_parameter_does_not_load_numpy():
    code = "import sys, fcnet.errors; from fcnet import Hyperparameters; print({'numpy'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_a_type_checker_knows_the_public_names(tmp_path):
    (tmp_path / "notebook.py").write_text(
        "from fcnet import Dataset, Hyperparameters, Model, Network, Split, Training, load\n"
        "data: Dataset = load('synthetic')\nreveal_type(Training)\nHyperparameters(batch_size='x')\n"
    )
    command = [sys.executable, "-m", "mypy", "--cache-dir", tmp_path, tmp_path / "notebook.py"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert "def (split: fcnet.data.split.Split" in done.stdout
    assert 'Argument "batch_size" to "Hyperparameters" has incompatible type "str"' in done.stdout
    assert done.stdout.count("notebook.py:4: error") == done.stdout.count("notebook.py:") - 1 == 1


EXAMPLES = [*fcnet.__all__, "Dataset.from_arrays", "Dataset.split"]


@pytest.mark.parametrize("name", [name for name in EXAMPLES if name != "Dataset"])
def test_the_example_in_the_docstring_is_right(name, tmp_path):
    public, *method = name.split(".")
    documented = getattr(getattr(fcnet, public), *method) if method else getattr(fcnet, public)
    example = doctest.DocTestParser().get_doctest(documented.__doc__, {}, name, None, None)
    assert example.examples
    said = io.StringIO()
    with contextlib.chdir(tmp_path):
        result = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(example, out=said.write)
    assert result.failed == 0, said.getvalue()


def blocks(page, section, language):
    """Return the blocks of code in a section of a page."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    (content,) = re.findall(rf"^## {section}\n(.*?)(?=^## |\Z)", text, re.DOTALL | re.MULTILINE)
    return re.findall(rf"```{language}\n(.*?)```", content, re.DOTALL)


def test_the_five_lines_of_the_page_train_a_network_and_print_what_stands_there():
    (code, _), (output,) = blocks("api.md", "fcnet", "python"), blocks("api.md", "fcnet", "text")
    assert len([line for line in code.splitlines() if line]) == 5
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        exec(code, {})
    # another BLAS may round the last figure otherwise
    assert re.sub(r"\d%", "%", said.getvalue()) == re.sub(r"\d%", "%", output)


def test_the_classifier_of_the_page_reads_digits():
    _, code = blocks("api.md", "fcnet", "python")
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        exec(code, {})
    assert re.fullmatch(r"9\d% of the digits right\n", said.getvalue())


def test_the_page_names_all_that_there_is():
    text = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)) >= set(fcnet.__all__)


def test_the_functions_of_a_notebook_are_there_and_import_nothing_before_they_are_asked_for():
    code = (
        "import sys, studies; assert not {'optuna', 'numpy'} & {*sys.modules};"
        "print([callable(getattr(studies, name)) and name in dir(studies) for name in studies.__all__])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == f"{[True] * len(studies.__all__)}\n"
    with pytest.raises(AttributeError, match="module 'studies' has no attribute 'nothing'"):
        studies.nothing  # noqa: B018


def test_the_page_of_a_notebook_runs_a_sweep_and_trains_its_winner(images, tmp_path):
    (code,) = blocks("api.md", "studies", "python")
    (tmp_path / "notebook.py").write_text(code)
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "notebook.py"]
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(
        r"best trial \d: \d+% of the validation images right\n"
        r"\d+% of the test images right, model in models/sweep/model.safetensors\n",
        done.stdout,
    )


def test_a_sweep_and_the_experiments_have_a_figure_and_other_studies_say_that_they_have_none(images, url):
    options = {"data": str(images), "epochs": 1}
    sweep = studies.search(studies.Plan(url, trials=2, **options), backend=InProcess())
    figures = studies.figures(sweep)
    assert list(figures) == ["effects", "history", "learning_curves"]
    assert "complete trials" in figures["effects"].layout.title.text
    studies.report(url, backend=InProcess(), **options)
    with pytest.raises(UserError, match="is no search: name one with --study NAME"):
        studies.figures(studies.open_study(url, "sweep-report"))


def test_the_walk_of_one_trial_names_files_that_are_there_and_at_most_thirty():
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    walk = page[page.index("## The walk of one trial") :]
    named = set(re.findall(r"`([\w/]+\.py)`", walk))
    for name in named:
        assert (ROOT / name).exists() or (ROOT / "studies" / name).exists(), name
    (stated,) = re.findall(r"These are (\d+) files", walk)
    assert len(named) == int(stated) <= 30


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"trials": 0}, r"Expected `int` >= 1 - at `\$\.trials`"),
        ({"trials": 5.0}, r"Expected `int`, got `float` - at `\$\.trials`"),
        ({"epochs": 0}, r"at `\$\.epochs`"),
        ({"metric": "f1"}, r"Invalid enum value 'f1' - at `\$\.metric`"),
        ({"timeout": -1}, r"at `\$\.timeout`"),
        ({"classes": "cat"}, r"at `\$\.classes`"),
        ({"points": [{}]}, r"at `\$\.points\[0\]`"),
        ({"seed": -1}, r"at `\$\.seed`"),
        ({"study": ""}, r"at `\$\.study`"),
        ({"space": {"momentum": (0.1, 0.9)}}, r"such as those of studies\.ranges\.narrowed\("),
    ],
)
def test_a_plan_that_no_study_could_keep_is_refused_at_once(changes, words):
    with pytest.raises(UsageError, match=words):
        studies.Plan(**changes)


def test_numbers_that_no_study_could_keep_leave_it_as_it_is(images, url):
    study = studies.search(studies.Plan(url, trials=2, data=images, epochs=1), backend=InProcess())
    before = attributes(study)
    for refused, words in (
        (lambda: studies.confirm(study, top=0), "top is 0, but it must be a whole number of at least 1"),
        (
            lambda: studies.confirm(study, n_seeds=1),
            "n_seeds is 1, but it must be a whole number of at least 2",
        ),
        (lambda: studies.train(study, n_seeds=0), "n_seeds is 0, but it"),
        (lambda: studies.effects(url, data=str(images), n_seeds=0), "n_seeds is 0, but it"),
        (lambda: studies.report(url, data=str(images), epochs=0), "epochs is 0, but it"),
    ):
        with pytest.raises(UsageError, match=words):
            refused()
    with pytest.raises(msgspec.ValidationError):
        write(study, ASKED, Asked(trials=-1))
    assert attributes(study) == before
    assert studies.summarise(studies.open_study(url)).n_trials.complete == 2
