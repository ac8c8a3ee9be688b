"""Train a trial again and compare every epoch bit for bit."""

from __future__ import annotations

import json
from typing import Any

from studies.commands.options import (
    Parser,
    add_data,
    add_format,
    add_study,
    natural,
    open_study,
    stderr,
    stdout,
)


def add_options(parser: Parser) -> None:
    """Add the command's options."""
    parser.add_argument("trial", type=natural, metavar="N", help="number of a complete or pruned trial")
    add_study(parser)
    add_data(parser)
    add_format(parser)


def run(args: Any) -> int:
    """Run the command; 1 if the trial was not reproduced."""
    from studies.execution.local import ProcessPool
    from studies.experiments.reproduce import retrace
    from studies.experiments.search import load_data_of
    from studies.views.evidence import print_retraced
    from studies.views.progress import EpochDisplay

    _, study = open_study(args)
    console = stderr()
    dataset = load_data_of(study, args.data, say=console.print)
    with ProcessPool(1) as backend, EpochDisplay(console, f"trial {args.trial} again") as display:
        result = retrace(study, args.trial, dataset, backend, show=display.show)
    if args.format == "json":
        print(json.dumps(result.as_json()))
    else:
        print_retraced(stdout(), result)
    return 0 if result.succeeded else 1
