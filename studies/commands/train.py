"""Train the best parameters with several seeds, save the networks as one model, open the test set."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

from studies.commands.notifying import keep
from studies.commands.options import (
    ArtifactOptions,
    DataOptions,
    FormatOptions,
    NotifyOptions,
    StudyOptions,
    WorkerOptions,
    natural,
    positive,
)
from studies.commands.parser import option


@dataclass(frozen=True, kw_only=True)
class Options(StudyOptions, DataOptions, WorkerOptions, ArtifactOptions, FormatOptions, NotifyOptions):
    """The command's options."""

    trial: int | None = option(natural, None, "N", "train this trial's parameters instead of the best")
    seeds: int = option(positive, 5, "N", "trainings, averaged into one model")
    out: str | None = option(str, None, "DIR", "where models are saved (default: models/STUDY)")


def run(options: Options) -> int:
    """Run the command."""
    from msgspec import to_builtins

    from studies.api import train
    from studies.experiments.results import scores_of_trial, summarise, winner_of
    from studies.views.console import stderr, stdout
    from studies.views.progress import EpochDisplay
    from studies.views.search import print_scores
    from studies.views.sentences import cost_sentence
    from studies.views.train import print_final

    study, console = options.open(), stderr()
    number, ground = options.trial, f"Trial {options.trial}, as asked."
    if number is None:
        winner, ground = winner_of(study)
        number = winner.number
    console.print(ground)
    with (
        options.backend(say=console.print, most=options.seeds) as backend,
        EpochDisplay(console, "final training") as display,
    ):
        final = train(
            study,
            number,
            data=options.data,
            n_seeds=options.seeds,
            folder=Path(options.out) if options.out else None,
            artifacts=Path(options.artifacts),
            backend=backend,
            say=console.print,
            warn=lambda cost: console.print(f"Warning: {cost_sentence(cost)}."),
            show=display.show,
        )
    summary = replace(summarise(study), scores=scores_of_trial(study, number))
    result = keep({**to_builtins(final), "ground": ground, "scores": to_builtins(summary.scores)})
    if options.as_json:
        print(json.dumps(result))
    else:
        print_final(stdout(), final)
        print_scores(stdout(), summary)
    return 0
