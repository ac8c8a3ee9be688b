"""Templates of HTML: every name that is put into one is text, whatever it holds."""

import re
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template


@cache
def template(path: Path) -> Template:
    """Return a file as a template."""
    environment = Environment(
        loader=FileSystemLoader(path.parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["whole"] = _whole
    return environment.get_template(path.name)


def _whole(sentence: str) -> str:
    """Keep a number and its unit on one line, and what it is equal to."""
    return re.sub(r"(?<=\d) (?=%|points?\b)|(?<=\bp) (?==)|(?<=\bp =) ", "\u00a0", sentence)
