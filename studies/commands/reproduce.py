"""Train a trial again and compare every epoch bit for bit."""

from __future__ import annotations

import json
from dataclasses import dataclass

from studies.commands.options import (
    DataOptions,
    FormatOptions,
    StudyOptions,
    WorkerOptions,
    natural,
)
from studies.commands.parser import argument


@dataclass(frozen=True, kw_only=True)
class Options(StudyOptions, DataOptions, WorkerOptions, FormatOptions):
    """The command's options."""

    trial: int = argument(natural, "N", "number of a complete or pruned trial")


def run(options: Options) -> int:
    """Run the command; 1 if the trial was not reproduced."""
    from msgspec import to_builtins

    from studies.api import reproduce
    from studies.views.console import stderr, stdout
    from studies.views.progress import EpochDisplay
    from studies.views.reproduce import print_reproduced

    study, console = options.open(), stderr()
    with (
        options.backend(say=console.print, most=1) as backend,
        EpochDisplay(console, f"trial {options.trial} again") as display,
    ):
        found = reproduce(
            study,
            options.trial,
            data=options.data,
            backend=backend,
            say=console.print,
            show=display.show,
        )
    if options.as_json:
        print(json.dumps(to_builtins(found)))
    else:
        print_reproduced(stdout(), found)
    return 0 if found.succeeded else 1
