"""The tutorial runs from its first block to its last, and prints what it shows."""

import contextlib
import re
import shlex

import pytest
from conftest import ROOT

from studies.commands import main as program


def masked(text):
    """Return the lines of what was printed without figures and columns: these differ from run to run."""
    return [re.sub(r"[\d.,e-]*\d( of \d+)?", "#", " ".join(line.split())) for line in text.splitlines()]


@pytest.mark.slow
def test_every_block_of_the_tutorial_runs_and_prints_what_it_shows(tmp_path, capsys):
    for package in ("pyarrow", "onnxruntime"):
        pytest.importorskip(package)
    page = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```(sh|python|text)\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    assert [language for language, _ in blocks].count("text") == 6
    said = ""
    with contextlib.chdir(tmp_path):
        for language, block in blocks:
            if language == "text":
                missing = {line for line in masked(block) if line != "..."} - {*masked(said)}
                assert not missing, said
                continue
            if language == "python":
                exec(block, {})
            else:
                for line in block.splitlines():
                    assert program.main(shlex.split(line)[2:]) == 0, (line, capsys.readouterr().err)
            said = "".join(capsys.readouterr())
        assert {path.name for path in tmp_path.iterdir()} >= {"page.html", "trials.csv", "model.onnx"}
