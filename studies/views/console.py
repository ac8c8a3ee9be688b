"""The consoles of results and of progress, and the one form of a table."""

import sys
from collections.abc import Iterable

from rich.console import Console as AnyConsole
from rich.console import ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.table import Table

from fcnet.text import printable


class Console(AnyConsole):
    """A console on which every name is text: none can hold what the terminal obeys."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Return the segments of what is shown; those that are meant to control the terminal are kept."""
        for each in super().render(renderable, options):
            yield each if each.control else Segment(printable(each.text, lines=True), each.style)


def stdout() -> Console:
    """Return the console of results; on a terminal, lines break between words."""
    return Console(highlight=False, soft_wrap=not sys.stdout.isatty(), emoji=False)


def stderr() -> Console:
    """Return the console of progress and notices."""
    return Console(stderr=True, highlight=False, soft_wrap=True, markup=False, emoji=False)


def table(*columns: str, left: tuple[str, ...] = ()) -> Table:
    """Return an empty table; the first column and those in `left` are text, the others numbers."""
    made = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    for i, name in enumerate(columns):
        is_text = i == 0 or name in left  # which breaks between words before a figure is cut
        made.add_column(name, justify="left" if is_text else "right", no_wrap=not is_text)
    return made
