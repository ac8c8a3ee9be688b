"""What the documents say is what the program does."""

import importlib
import re
import shlex
from pathlib import Path

import pytest
from conftest import ROOT, SLOW

from studies.commands import main as program

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])


PLACEHOLDERS = {
    "N": "1",
    "NAME": "x",
    "COMMAND": "best",
    "DATA": "auto",
    "URL": "sqlite:///x.db",
    "FILE": "page.html",
}


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
    call, _ = program.read(words)
    assert callable(call)


def options():
    """Yield every option of every command: the command, the option's name, its metavar and its help."""
    for command in program.COMMANDS:
        for action in program.make_parser(command)._actions:
            if action.option_strings:
                yield command, action.option_strings[-1], action.metavar, action.help


# Other things, which nobody would look for under another name.
OTHERWISE = (("export", "--epochs"), ("copy", "--from"))


def test_an_option_is_the_same_in_every_command():
    own = {  # what these say differs from command to command
        "--seeds", "--study", "--out", "--protocol", "--data",
    }  # fmt: skip
    metavars, helps = {}, {}
    for command, name, metavar, text in options():
        if (command, name) in OTHERWISE:
            continue
        assert metavars.setdefault(name, metavar) == metavar, name
        assert name in own or helps.setdefault(name, text) == text, name
    readers = [command for command, name, *_ in options() if name == "--format"]
    assert {*program.COMMANDS} - {*readers} == {"dashboard", "completion"}
    assert [command for command, name, *_ in options() if name == "--debug"] == [*program.COMMANDS]


def test_pages_messages_and_help_use_the_same_nouns():
    metavars = {name: metavar for command, name, metavar, _ in options() if (command, name) not in OTHERWISE}
    shown = re.compile(r"(--[a-z-]+)[ =]([A-Z][A-Z:=]*)\b")
    for path in [*PAGES, *(ROOT / "fcnet").rglob("*.py"), *(ROOT / "studies").rglob("*.py")]:
        for name, noun in shown.findall(path.read_text()):
            if (name, noun) not in (("--data", "FILE"), ("--name", "VALUE")):  # a file; any option
                assert metavars.get(name) == noun, f"{path.name}: {name} {noun}"
    glossary = (ROOT / "docs" / "glossary.md").read_text()
    for noun in ("trial", "study", "epoch", "sampler", "protocol"):
        assert re.search(rf"^\| {noun} \|", glossary, re.MULTILINE), noun
        assert any(name.removeprefix("--").removesuffix("s") == noun for name in metavars), noun


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


def test_the_checks_before_a_commit_are_those_of_the_test_run():
    from test_style import CHECKS

    hooks = (ROOT / ".pre-commit-config.yaml").read_text()
    entries = [line.removeprefix(".venv/bin/") for line in re.findall(r"entry: (.*)", hooks)]
    assert entries == CHECKS
    assert " && ".join(CHECKS).replace(" --check", "") in " ".join(
        (ROOT / "CONTRIBUTING.md").read_text().split()
    )


def test_the_slow_files_are_there():
    assert [name for name in SLOW if not (ROOT / "tests" / f"test_{name}.py").exists()] == []


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
