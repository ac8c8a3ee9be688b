"""Write what a study holds into a file; its ending says what: .html is a page to look at."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fcnet.errors import UsageError
from studies.commands.options import FormatOptions, StudyOptions
from studies.commands.parser import argument


@dataclass(frozen=True, kw_only=True)
class Options(StudyOptions, FormatOptions):
    """The command's options."""

    file: str = argument(str, "FILE", "the file to write, such as page.html")


def run(options: Options) -> int:
    """Run the command."""
    path = Path(options.file)
    write = WRITERS.get(path.suffix.lower())
    if write is None:
        known = ", ".join(WRITERS)
        raise UsageError(f"{options.file} has none of the endings that can be written: choose one of {known}")
    write(options, path)
    if options.as_json:
        print(json.dumps({"study": options.study, "file": str(path)}))
    else:
        print(f"Written: {path}")
    return 0


def _page(options: Options, path: Path) -> None:
    from studies.api import export_page

    export_page(options.open(), path, options=options.typed)


WRITERS: dict[str, Callable[[Options, Path], None]] = {".html": _page}
"""What writes a study into a file, by the file's ending."""
