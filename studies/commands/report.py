"""Train the course report's configuration as the report did, and print every epoch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from studies.commands.effects import add_protocol
from studies.commands.options import (
    Parser,
    add_classes,
    add_data,
    add_epochs,
    add_format,
    add_workers,
    make_backend,
    positive,
    stderr,
    stdout,
)


def add_options(parser: Parser) -> None:
    """Add the command's options."""
    add_protocol(parser, default="report")
    parser.add_argument(
        "--seeds", type=positive, default=1, metavar="N", help="trainings (default: %(default)s)"
    )
    add_data(parser, default="auto")
    add_classes(parser)
    add_epochs(parser)
    add_workers(parser)
    parser.add_argument(
        "--out", default="report", metavar="DIR", help="where the curves are saved (default: %(default)s)"
    )
    add_format(parser)


def run(args: Any) -> int:
    """Run the command."""
    from fcnet.data import load
    from studies.experiments.report import train_report
    from studies.views.experiments import EpochLines, print_reproduction
    from studies.views.progress import EpochDisplay

    console, out = stderr(), stdout()
    dataset = load(args.data, classes=args.classes, say=console.print)
    as_json = args.format == "json"
    lines = EpochLines(out, args.protocol, dataset.name, n_epochs=args.epochs, n_seeds=args.seeds)
    with (
        make_backend(args, say=console.print, most=args.seeds) as backend,
        EpochDisplay(console, "training") as display,
    ):
        result = train_report(
            dataset,
            backend,
            protocol=args.protocol,
            epochs=args.epochs,
            n_seeds=args.seeds,
            folder=Path(args.out),
            **({"show": display.show} if as_json else {"see": lines.see}),
        )
    if as_json:
        print(json.dumps(result.as_json()))
    else:
        print_reproduction(out, result)
    return 0
