"""What the documents say is what the program does."""

import importlib
import re
import shlex
from pathlib import Path

import pytest
from conftest import ROOT

import sweep as program

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])


PLACEHOLDERS = {"N": "1", "NAME": "x", "COMMAND": "best", "DATA": "auto", "URL": "sqlite:///x.db"}


def commands():
    """Yield every command of this program that a page shows as code, with the page's name."""
    for page in PAGES:
        text = page.read_text()
        blocks = "\n".join(re.findall(r"```sh\n(.*?)```", text, re.DOTALL)).replace("\\\n", " ")
        spans = [" ".join(span.split()) for span in re.findall(r"`(python sweep\.py[^`]*)`", text)]
        for line in [*spans, *re.findall(r"python \S*sweep\.py.*", blocks)]:
            yield page.name, re.split(r"[;&>|#]", line)[0].strip()


@pytest.mark.parametrize(("page", "line"), list(commands()))
def test_every_command_in_the_documents_is_understood(page, line):
    words = [PLACEHOLDERS.get(word, word) for word in shlex.split(line)[2:] if word != "--help"]
    given = words if words and words[0] in program.COMMANDS else ["run", *words]
    assert program._parser().parse_args(given).run


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), target


def test_the_readme_lists_every_command_with_its_help():
    readme = (ROOT / "README.md").read_text()
    for name in program.COMMANDS:
        sentence = importlib.import_module(f"studies.commands.{name}").__doc__.splitlines()[0]
        assert f"| `{name}` | {sentence} |" in readme


def test_integration_calls_exactly_the_test_command_of_the_readme():
    readme = (ROOT / "README.md").read_text()
    (command,) = re.findall(r"```sh\n(.*pytest)\n```", readme)
    assert command in (ROOT / ".ci" / "run").read_text().splitlines()


def test_every_extra_of_the_readme_exists():
    import tomllib

    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    line = next(x for x in (ROOT / "README.md").read_text().split("\n- ") if x.startswith("Extras"))
    assert set(re.findall(r"`(\w+)`", line)) == set(extras)


def test_no_page_promises_what_is_not_there():
    promises = re.compile(r"TBD|TODO|\?\?\?|[Nn]ot yet run|still to (come|be done)")
    for page in PAGES:
        assert not promises.search(page.read_text()), page.name
    assert Path(ROOT / "docs" / "dashboard.png").stat().st_size > 20_000
