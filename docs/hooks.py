"""What the site has beside this folder's pages: those of the repository's root, and one for each command."""

import re
from collections.abc import Iterator
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from studies.commands.main import COMMANDS, make_parser, module_of, sentence_of
from studies.execution.backend import cores
from studies.program import command

ROOT = Path(__file__).parent.parent


def on_config(config: MkDocsConfig) -> None:
    """List the commands in the navigation."""
    pages = [f"commands/{name}.md" for name in COMMANDS]
    config.nav = [{"Commands": pages} if "Commands" in entry else entry for entry in config.nav]


def on_files(files: Files, *, config: MkDocsConfig) -> None:
    """Add the pages that are not in this folder."""
    for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md"):
        text = (ROOT / name).read_text(encoding="utf-8")
        text = re.sub(r"(\]\(|\]: )docs/", r"\1", text).replace("](LICENSE)", "](LICENSE.md)")
        if name == "README.md":
            named = rf"(?m)^\| `({'|'.join(COMMANDS)})` \|"
            text = re.sub(named, r"| [`\1`](commands/\1.md) |", text)
        files.append(File.generated(config, name, content=text))
    files.append(File.generated(config, "LICENSE.md", content="# " + (ROOT / "LICENSE").read_text("utf-8")))
    for name in COMMANDS:
        page = "\n".join(_page(name))
        files.append(File.generated(config, f"commands/{name}.md", content=page))


def _page(name: str) -> Iterator[str]:
    """Yield the lines of a command's page."""
    rows, places = [], []
    for action in make_parser(name)._actions:
        if action.dest == "help":
            continue
        value = action.metavar or ("{" + ", ".join(action.choices) + "}" if action.choices else "")
        what = " ".join([*action.option_strings, value]).strip()
        places += [] if action.option_strings else [value]
        text, default = re.fullmatch(r"(.*?)(?: \(default: (.*)\))?", action.help).groups("")
        default = default.removesuffix(f", {cores()}")  # how many this machine has says nothing to a reader
        rows.append(f"| `{what}` | {text} | {default} |")
    yield f"# {name}\n"
    yield sentence_of(module_of(name)) + "\n"
    yield f"```sh\n{' '.join([command(name), *places, '[OPTION ...]'])}\n```\n"
    yield "| option | what it says | default |\n| --- | --- | --- |"
    yield from rows
