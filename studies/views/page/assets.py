"""Style and scripts of the page: as files for the server, as text with its hash for a page in one file."""

import base64
import hashlib
import re
from functools import cache
from pathlib import Path

_FOLDER = Path(__file__).parent
_TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8"}
_FILES = {
    "page.css": _FOLDER / "page.css",
    **{name: _FOLDER / name for name in ("news.js", "figures.js", "page.js", "table.js", "compare.js")},
    "experiment.js": _FOLDER / "experiment.js",
    # The part of plotly.js that draws lines and points, as published: the whole, which comes with Plotly for
    # Python, takes a browser two seconds to read. How it is renewed: CONTRIBUTING.md.
    "plotly.js": _FOLDER / "plotly-basic.min.js",
}

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""What a browser lets the served page do: no script or style that is not a file of ours."""


def asset_names() -> dict[str, str]:
    """Return the name under which each file is served: it changes with the content, so it may be kept."""
    return {name: f"{fingerprint(name)[:12]}-{name}" for name in _FILES}


def asset(served: str) -> tuple[str, bytes] | None:
    """Return type and content of a file by the name under which it is served; None if there is none."""
    name = next((name for name, other in asset_names().items() if other == served), None)
    return None if name is None else (_TYPES[Path(name).suffix], content(name))


@cache
def content(name: str) -> bytes:
    """Return a file's content."""
    return _FILES[name].read_bytes()


@cache
def fingerprint(name: str) -> str:
    """Return the SHA-256 of a file, in hex."""
    return hashlib.sha256(content(name)).hexdigest()


@cache
def style_ids() -> list[str]:
    """Return the ids of styles that plotly.js adds to a page unless it has an element of that id.

    The policy forbids them.
    """
    return sorted(set(re.findall(r'getElementById\("([0-9a-f]{64})"\)', content("plotly.js").decode())))


def inline(name: str) -> str:
    """Return a file as text that can stand within a script or style element."""
    text = content(name).decode()
    for end in ("</script", "</style", "<!--"):
        text = text.replace(end, end.replace("<", "\\x3c"))
    return text


def inline_policy(scripts: list[str], styles: list[str]) -> str:
    """Return the policy of a page in one file: these very scripts and styles, and nothing else."""
    allowed = " ".join(_hash(text) for text in scripts), " ".join(_hash(text) for text in styles)
    return (
        f"default-src 'none'; script-src {allowed[0]}; style-src {allowed[1]}; img-src data:;"
        " base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
