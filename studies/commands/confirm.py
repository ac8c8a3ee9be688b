"""Train the top trials and the baseline again on fresh seeds, and say which difference is real."""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass

from studies.choices import TOP
from studies.commands.notifying import keep
from studies.commands.options import (
    DataOptions,
    FormatOptions,
    NotifyOptions,
    StudyOptions,
    WorkerOptions,
    positive,
)
from studies.commands.parser import option


def _several(text: str) -> int:
    number = positive(text)
    if number < 2:
        raise argparse.ArgumentTypeError("one seed says nothing about noise: give at least 2")
    return number


@dataclass(frozen=True, kw_only=True)
class Options(StudyOptions, DataOptions, WorkerOptions, FormatOptions, NotifyOptions):
    """The command's options."""

    top: int = option(
        positive, TOP, "N", "distinct configurations, the best first; the baseline comes on top"
    )
    seeds: int = option(_several, 5, "N", "trainings of each, one per fold; at least 2")


def run(options: Options) -> int:
    """Run the command."""
    from msgspec import to_builtins

    from studies.api import confirm
    from studies.experiments.results import summarise
    from studies.views.confirm import print_confirmation
    from studies.views.console import stderr, stdout
    from studies.views.progress import SweepDisplay

    study, console = options.open(), stderr()
    with options.backend(say=console.print) as backend, SweepDisplay(console, "run") as display:
        found = confirm(
            study,
            data=options.data,
            top=options.top,
            n_seeds=options.seeds,
            backend=backend,
            say=console.print,
            show=display.show,
        )
    summary = summarise(study)
    result = keep({**to_builtins(found), "scores": to_builtins(summary.scores)})
    if options.as_json:
        print(json.dumps(result))
    else:
        print_confirmation(stdout(), found, summary, options=options.typed)
    return 0
