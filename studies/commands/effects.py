"""Run the course report's three one-factor experiments with several seeds, and tell effects from noise."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studies.commands.options import (
    Parser,
    add_classes,
    add_data,
    add_epochs,
    add_format,
    add_study,
    add_workers,
    make_backend,
    positive,
    stderr,
    stdout,
    study_options,
    tell_interrupted,
)

if TYPE_CHECKING:
    from optuna.study import Study

    from studies.storage.retrying import PatientStorage


def add_options(parser: Parser) -> None:
    """Add the command's options."""
    parser.add_argument(
        "--seeds",
        type=positive,
        default=5,
        metavar="N",
        help="trainings of each configuration (default: %(default)s)",
    )
    add_protocol(parser, default="holdout")
    add_study(parser)
    add_data(parser, default="auto")
    add_classes(parser)
    add_epochs(parser)
    add_workers(parser)
    parser.add_argument("--out", metavar="DIR", help="where the figure is saved (default: effects/STUDY)")
    add_format(parser)


def add_protocol(parser: Parser, *, default: str) -> None:
    """Add ``--protocol``."""
    parser.add_argument(
        "--protocol",
        choices=("holdout", "report"),
        default=default,
        help="holdout: judged on held-out training images, last epoch;"
        " report: judged on the TEST set, best epoch, as the course report did (default: %(default)s)",
    )


def run(args: Any) -> int:
    """Run the command; 130 if it was interrupted."""
    from studies.execution.runner import Interrupted
    from studies.experiments.effects import experiment_space, findings, study_info, study_name
    from studies.experiments.search import Plan, search
    from studies.views.figures.files import save_figure
    from studies.views.figures.one_factor import controlled_figure
    from studies.views.progress import SweepDisplay

    base, args.study = args.study, study_name(args.study, args.protocol)
    plan = Plan(
        url=args.storage,
        study=args.study,
        data=args.data,
        classes=args.classes,
        epochs=args.epochs,
        sampler="random",
        pruner="none",
        space=experiment_space(),
        protocol=args.protocol,
        seeds=args.seeds,
    )
    console = stderr()
    with make_backend(args, say=console.print) as backend, SweepDisplay(console) as display:
        try:
            study = search(plan, backend, say=console.print, show=display.show)
        except Interrupted:
            return tell_interrupted(console)
    folder = Path(args.out or f"effects/{study.study_name}")
    found = findings(study)
    found["files"] = [
        str(file) for file in save_figure(controlled_figure(study_info(study)), folder / "effects")
    ]
    if args.format == "json":
        print(json.dumps({**found, "marginal": _marginal(args, base)}))
    else:
        from studies.views.experiments import print_experiments

        print_experiments(stdout(), found, options=study_options(args))
    return 0


def _marginal(args: Any, name: str) -> dict[str, Any] | None:
    """Return what the ordinary sweep of that name lets one expect; None if there is none."""
    from studies.experiments.effects import marginal_findings
    from studies.storage.database import connect

    storage = connect(args.storage, create=False)
    study = _find(storage, name)
    return None if study is None else marginal_findings(study)


def _find(storage: PatientStorage, name: str) -> Study | None:
    import optuna

    names = {study.study_name for study in storage.get_all_studies()}
    return optuna.load_study(study_name=name, storage=storage) if name in names else None
