"""Train the top trials and the baseline again on fresh seeds, and say which difference is real."""

from __future__ import annotations

import argparse
import json
from typing import Any

from studies.commands.options import (
    Parser,
    add_data,
    add_format,
    add_study,
    add_workers,
    make_backend,
    open_study,
    positive,
    stderr,
    stdout,
    study_options,
    tell_interrupted,
)


def add_options(parser: Parser) -> None:
    """Add the command's options."""
    add_study(parser)
    add_data(parser)
    add_workers(parser)
    parser.add_argument(
        "--top",
        type=positive,
        default=5,
        metavar="N",
        help="distinct configurations, the best first; the baseline comes on top (default: %(default)s)",
    )
    parser.add_argument(
        "--seeds",
        type=_several,
        default=5,
        metavar="N",
        help="fresh seeds, at least 2 (default: %(default)s)",
    )
    add_format(parser)


def run(args: Any) -> int:
    """Run the command; 130 if it was interrupted."""
    from studies.execution.runner import Interrupted
    from studies.experiments.confirm import confirm
    from studies.experiments.results import summarise
    from studies.experiments.search import load_data_of
    from studies.views.evidence import print_confirmation
    from studies.views.progress import SweepDisplay

    storage, study = open_study(args)
    console = stderr()
    dataset = load_data_of(study, args.data, say=console.print)
    with make_backend(args, say=console.print) as backend, SweepDisplay(console, "run") as display:
        try:
            confirm(study, dataset, storage, backend, top=args.top, n_seeds=args.seeds, show=display.show)
        except Interrupted:
            return tell_interrupted(console)
    summary = summarise(study)
    if args.format == "json":
        print(json.dumps({**summary["confirmation"], "scores": summary["scores"]}))
    else:
        print_confirmation(stdout(), summary, options=study_options(args))
    return 0


def _several(text: str) -> int:
    number = positive(text)
    if number < 2:
        raise argparse.ArgumentTypeError("one seed says nothing about noise: give at least 2")
    return number
