"""The example notebook, executed by a real kernel, and what a study's summary shows there."""

import re

import nbformat
import pytest
from made import make_study
from test_page import EVIL, read

import studies
from benchmarks.notebook import NOTEBOOK, executed
from studies.views.notebook import progress_line

PLOTLY = "application/vnd.plotly.v1+json"


@pytest.fixture(scope="module")
def outputs(tmp_path_factory):
    """Return what each cell of code leaves, by its last line; a warning would stand there too."""
    notebook = executed(
        tmp_path_factory.mktemp("notebook"),
        before="import warnings; warnings.simplefilter('always')",
        coalesce=False,
    )
    return [(cell.source.splitlines()[-1], cell.outputs) for cell in notebook.cells if "outputs" in cell]


def kinds(found):
    """Return what is shown, and as what, without the number of times that a line was written."""
    shown = {name for each in found for name in each.get("data", {each.get("name"): 0})}
    return sorted(shown - {"text/html"} if PLOTLY in shown else shown)  # Plotly 6.0 adds HTML of its own


def test_a_summary_is_a_sentence_the_parameters_and_the_stages(outputs):
    shown = [found[-1].data["text/html"] for line, found in outputs if line == "studies.summarise(sweep)"]
    tags, text = read(shown[0])
    assert re.match(r"Trial \d+ reaches \d\d\.\d\d % validation accuracy in the search", text)
    assert [tag for tag, _ in tags if tag == "table"] == ["table"] * 2
    assert re.search(r"Best trial \d+: validation accuracy .* batch_size \d+ learning_rate 0\.\d+", text)
    assert "Confirmed fresh seeds and splits not yet" in text
    assert re.search(
        r"Study sweep: \d+ complete, \d pruned, 0 failed on scikit-learn.s digits, 2 epochs each", text
    )
    _, tested = read(shown[1])
    assert re.match(r"The model of trial \d+ names the class of \d\d\.\d\d % of the untouched test", tested)
    assert "not yet" not in tested


def test_progress_is_one_line_that_is_written_anew(outputs):
    for line, title, total in (
        ("sweep = studies.search(plan)", "The sweep", 20),
        ("studies.summarise(sweep)", "The final training", 2),
    ):
        (found,) = [f for source, f in outputs if source == line and f[0].get("name") == "stderr"]
        text = "".join(each.text for each in found if each.output_type == "stream")
        assert {each.name for each in found if each.output_type == "stream"} == {"stderr"}
        assert text.count("\n") == 1
        states = text.strip().split("\r")
        assert len(states) > 2
        assert all(state.startswith(title) for state in states)
        assert f"| {total}/{total} [" in states[-1]
        assert re.search(r"best \d\d\.\d\d % \(trial \d+\)\]$", states[-1])


def test_figures_are_drawn_by_the_notebook_itself(outputs):
    figures = [each.data[PLOTLY] for _, found in outputs for each in found if PLOTLY in each.get("data", {})]
    effects, history, curves = (figure["layout"] for figure in figures)
    assert {"Batch size", "Learning rate", "Hidden units"} == {
        effects[axis]["title"]["text"] for axis in ("xaxis", "xaxis2", "xaxis3")
    }
    assert "yaxis2" not in effects
    assert history["yaxis"]["title"]["text"] == "Best so far (%)"
    assert re.fullmatch(r"Learning curves of trial \d+, the best", curves["title"]["text"])


def test_what_the_example_keeps_is_what_it_leaves_and_names_no_machine(outputs):
    text = NOTEBOOK.read_text(encoding="utf-8")
    kept = [cell.outputs for cell in nbformat.reads(text, as_version=4).cells if "outputs" in cell]
    assert [kinds(found) for found in kept] == [kinds(found) for _, found in outputs]
    assert not re.search(r"[\" ~](/\w+){2}|\w:\\\\", text)
    assert len(text) < 100_000


def test_names_are_text_in_a_summary():
    study = make_study(5, name=EVIL, data=EVIL)
    tags, text = read(studies.summarise(study)._repr_html_())
    assert not {"script", "img"} & {tag for tag, _ in tags}
    assert "<script>alert(1)</script>" in text
    assert "No training has finished yet." in studies.summarise(make_study(0))._repr_html_()


def test_where_there_is_no_notebook_nothing_is_shown(capsys):
    with progress_line("The sweep") as show:
        show(None)
    assert capsys.readouterr() == ("", "")
