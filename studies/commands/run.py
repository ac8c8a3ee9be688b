"""Run the sweep, or go on with it (the command when none is named)."""

from __future__ import annotations

from typing import Any

from studies.commands import best
from studies.commands.options import (
    Parser,
    add_classes,
    add_data,
    add_epochs,
    add_format,
    add_study,
    add_workers,
    make_backend,
    natural,
    open_study,
    positive,
    seconds,
    stderr,
    tell_interrupted,
)


def add_options(parser: Parser) -> None:
    """Add the command's options."""
    parser.add_argument(
        "--trials",
        type=positive,
        default=100,
        metavar="N",
        help="finished trials that the study shall hold in the end (default: %(default)s)",
    )
    add_study(parser)
    add_data(parser, default="auto")
    add_classes(parser)
    add_epochs(parser)
    add_workers(parser)
    parser.add_argument(
        "--sampler",
        choices=("tpe", "random", "qmc", "grid", "gp", "cmaes"),
        default="tpe",
        help="how parameters are proposed (default: %(default)s)",
    )
    parser.add_argument(
        "--pruner",
        choices=("median", "hyperband", "none"),
        default="median",
        help="how bad trainings are ended early (default: %(default)s)",
    )
    parser.add_argument(
        "--range",
        action="append",
        default=[],
        metavar="NAME=LOW:HIGH",
        help="another range for a hyperparameter; may be given several times",
    )
    parser.add_argument(
        "--seed", type=natural, default=0, metavar="N", help="seed of the sweep (default: %(default)s)"
    )
    parser.add_argument("--timeout", type=seconds, metavar="SECONDS", help="start no trial after that time")
    parser.add_argument(
        "--until-flat",
        action="store_true",
        help="end earlier when the gain that more trials promise is below the noise, measured by repeats",
    )
    parser.add_argument(
        "--epoch-limit",
        type=seconds,
        default=900.0,
        metavar="SECONDS",
        help="a worker that is silent for longer is replaced, its trial run again (default: %(default)g)",
    )
    add_format(parser)


def run(args: Any) -> int:
    """Run the command; 130 if it was interrupted."""
    from studies.execution.runner import Interrupted
    from studies.experiments.search import Plan, search
    from studies.space import narrowed
    from studies.views.progress import SweepDisplay

    plan = Plan(
        url=args.storage,
        study=args.study,
        trials=args.trials,
        data=args.data,
        classes=args.classes,
        epochs=args.epochs,
        sampler=args.sampler,
        pruner=args.pruner,
        seed=args.seed,
        timeout=args.timeout,
        until_flat=args.until_flat,
        space=narrowed(args.range),
    )
    console = stderr()
    with (
        make_backend(args, say=console.print, epoch_limit=args.epoch_limit) as backend,
        SweepDisplay(console) as display,
    ):
        try:
            search(plan, backend, say=console.print, show=display.show)
        except Interrupted:
            return tell_interrupted(console)
    best.show(open_study(args)[1], args)
    return 0
