"""Train the best parameters with several seeds, open the test set, save the models."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from studies.commands.options import (
    Parser,
    add_artifacts,
    add_data,
    add_format,
    add_study,
    add_workers,
    make_backend,
    natural,
    open_study,
    positive,
    stderr,
    stdout,
)


def add_options(parser: Parser) -> None:
    """Add the command's options."""
    add_study(parser)
    add_data(parser)
    add_workers(parser)
    parser.add_argument(
        "--trial", type=natural, metavar="N", help="train this trial's parameters instead of the best"
    )
    parser.add_argument(
        "--seeds",
        type=positive,
        default=5,
        metavar="N",
        help="trainings (default: %(default)s)",
    )
    parser.add_argument("--out", metavar="DIR", help="where models are saved (default: models/STUDY)")
    add_artifacts(parser)
    add_format(parser)


def run(args: Any) -> int:
    """Run the command."""
    from studies.dashboard.publishing import publish
    from studies.experiments.ledger import cost_of_opening
    from studies.experiments.results import require_trial, require_winner, scores, summarise
    from studies.experiments.search import load_data_of
    from studies.experiments.train import train_final
    from studies.storage.ownership import coordinate
    from studies.views.evidence import print_scores
    from studies.views.progress import EpochDisplay
    from studies.views.results import print_final

    storage, study = open_study(args)
    console = stderr()
    if args.trial is None:
        trial, ground = require_winner(study)
    else:
        trial, ground = require_trial(study, args.trial), f"Trial {args.trial}, as asked."
    console.print(ground, markup=False)
    dataset = load_data_of(study, args.data, say=console.print)
    if cost := cost_of_opening(study, trial.params, images=dataset.test_size):
        console.print(f"Warning: {cost}.")
    with (
        coordinate(storage, study),
        make_backend(args, say=console.print) as backend,
        EpochDisplay(console, "final training") as display,
    ):
        result = train_final(
            study,
            trial.number,
            dataset,
            backend,
            n_seeds=args.seeds,
            folder=Path(args.out or f"models/{study.study_name}"),
            artifacts=Path(args.artifacts),
            show=display.show,
        )
        publish(study)
    summary = {**summarise(study), "scores": scores(study, trial)}
    if args.format == "json":
        print(json.dumps({**result.as_json(), "ground": ground, "scores": summary["scores"]}))
    else:
        print_final(stdout(), result)
        print_scores(stdout(), summary)
    return 0
