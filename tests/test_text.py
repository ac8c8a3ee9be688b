"""Names of any kind are text: nothing that a user or a file names is obeyed by a terminal."""

import io
import re
from dataclasses import replace

import numpy as np
import pytest
from made import make_study
from test_model import trained

from fcnet.text import printable
from studies.commands import main as program
from studies.dashboard.publishing import publish
from studies.experiments.advising import advise
from studies.experiments.results import summarise
from studies.storage.database import connect
from studies.views.console import Console
from studies.views.search import print_best

EVIL = "=1\x1b]0;title\x07\x9b31m\rgone"
OBEYED = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Größe 1 · ▁█ 日本", "Größe 1 · ▁█ 日本"),
        ("\x1b[31m\x00\x7f\x9b", r"\x1b[31m\x00\x7f\x9b"),
        ("a\tb\nc\u2028d", r"a\tb\nc\u2028d"),
        ("\udcff\u202eabc", r"\udcff\u202eabc"),
    ],
)
def test_what_is_obeyed_is_spelled_out(text, shown):
    assert printable(text) == shown


def test_lines_stay_where_they_are_meant():
    assert printable("a\tb\n\x1b", lines=True) == "a\tb\n\\x1b"


@pytest.mark.parametrize("is_terminal", [False, True])
def test_a_study_may_have_any_name(is_terminal):
    study = make_study(12, name=EVIL, data=EVIL)
    console = Console(file=io.StringIO(), force_terminal=is_terminal, width=300, _environ={"TERM": "xterm"})
    print_best(console, summarise(study), advise(study))
    said = re.sub(r"\x1b\[[0-9;]*m", "", console.file.getvalue())  # the program's own colours
    assert r"\x1b]0;title" in said
    assert not OBEYED.search(said)
    publish(study)


def test_an_error_is_one_line_of_text(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    make_study(3, storage=connect("sqlite:///sweep.db", create=True))
    assert program.main(["best", "--study", f"{EVIL}\nfcnet: all is well"]) == 1
    with pytest.raises(SystemExit):
        program.main(["best", f"--{EVIL}\nall is well"])
    said = capsys.readouterr().err
    assert len(said.splitlines()) == 2
    assert said.count(r"\x1b]0;title\x07") == 2
    assert not OBEYED.search(said)


def test_a_class_is_one_cell_of_text(tmp_path, capsys):
    model = replace(trained(), class_names=(EVIL, "a\tb\nc"))
    model.save(tmp_path / "model.safetensors")
    np.save(tmp_path / "new.npy", np.zeros((3, len(model.normalisation.mean)), np.uint8))
    words = ["predict", str(tmp_path / "model.safetensors"), str(tmp_path / "new.npy"), "--probabilities"]
    assert program.main(words) == 0
    rows = capsys.readouterr().out.splitlines()
    assert [row.count("\t") for row in rows] == [2] * 4
    assert not OBEYED.search("".join(rows))
