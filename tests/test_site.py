"""The pages as a site: built without a warning, whole, and as they look where the repository is read."""

import html
import re
import subprocess
import sys

import pytest
from conftest import ROOT
from markdown_it import MarkdownIt

import fcnet
import studies
from studies.commands.main import COMMANDS, make_parser

TAGS = ("h1", "h2", "h3", "li", "table", "tr", "td", "pre", "code", "img", "strong", "em")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", folder]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return folder


def content(page):
    """Return what a page says, without what stands around it."""
    _, _, text = page.read_text(encoding="utf-8").partition('role="main">')
    return text.partition("<footer")[0]


def test_every_command_has_a_page_with_its_options(site):
    start = content(site / "index.html")
    for name in COMMANDS:
        assert f'<a href="commands/{name}.html"><code>{name}</code></a>' in start
        options = re.findall(r"<td><code>(--[\w-]+)", content(site / "commands" / f"{name}.html"))
        parser = make_parser(name)
        assert options == [option for option in parser._option_string_actions if option[1] == "-"][1:]


def test_a_default_stands_in_its_own_column(site):
    page = content(site / "commands" / "confirm.html")
    assert re.search(r"<td>trainings of each, one per fold; at least 2</td>\s*<td>5</td>", page)
    assert re.search(r"<td>trainings at the same time</td>\s*<td>the cores</td>", page)


@pytest.mark.parametrize("package", [fcnet, studies], ids=lambda package: package.__name__)
def test_every_public_name_has_its_docstring_on_the_site(site, package):
    page = html.unescape(content(site / "api" / f"{package.__name__}.html"))
    for name in package.__all__:
        assert f'id="{package.__name__}.{name}"' in page
        sentence = getattr(package, name).__doc__.partition("\n")[0].partition("`")[0]
        assert sentence in page, name


def test_every_link_and_picture_of_the_site_is_there(site):
    pages = [*site.rglob("*.html")]
    assert len(pages) > 30
    for page in pages:
        if page.name == "404.html":  # its addresses begin at the root of a server
            continue
        for target in re.findall(r'(?:href|src)="([^"#?]+)', page.read_text(encoding="utf-8")):
            if not target.startswith(("http:", "https:", "data:")):
                assert (page.parent / target).exists(), f"{page.name}: {target}"


@pytest.mark.parametrize("name", ["README", *sorted(path.stem for path in (ROOT / "docs").glob("*.md"))])
def test_a_page_has_the_same_parts_on_the_site_as_where_the_repository_is_read(site, name):
    """Markdown's dialects differ in what makes a list, a table or a block of code."""
    source = ROOT / "README.md" if name == "README" else ROOT / "docs" / f"{name}.md"
    there = MarkdownIt("commonmark").enable("table").render(source.read_text(encoding="utf-8"))
    here = content(site / ("index.html" if name == "README" else f"{name}.html"))

    def parts(text):
        return {tag: len(re.findall(rf"<{tag}\b", text)) for tag in TAGS}

    assert parts(here) == parts(there)
