"""Run the course report's three one-factor experiments with several seeds, and tell effects from noise."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from fcnet.errors import UserError
from studies.commands.notifying import keep
from studies.commands.options import (
    FormatOptions,
    NotifyOptions,
    StudyOptions,
    TrainingOptions,
    WorkerOptions,
    positive,
    protocol_option,
)
from studies.commands.parser import option

if TYPE_CHECKING:
    from studies.experiments.marginal import Marginal
    from studies.record import Protocol


@dataclass(frozen=True, kw_only=True)
class Options(StudyOptions, TrainingOptions, WorkerOptions, FormatOptions, NotifyOptions):
    """The command's options."""

    seeds: int = option(positive, 5, "N", "trainings of each configuration")
    protocol: Protocol = protocol_option("holdout")
    out: str | None = option(str, None, "DIR", "where the figure is saved (default: effects/STUDY)")


def run(options: Options) -> int:
    """Run the command."""
    from msgspec import to_builtins

    from studies.api import effects
    from studies.views.console import stderr, stdout
    from studies.views.effects import print_effects
    from studies.views.figures.files import save_figure
    from studies.views.figures.one_factor import controlled_figure
    from studies.views.progress import SweepDisplay

    console = stderr()
    with options.backend(say=console.print) as backend, SweepDisplay(console) as display:
        found = effects(
            options.storage,
            options.study,
            data=options.data,
            classes=options.classes,
            reading=options.reading,
            protocol=options.protocol,
            epochs=options.epochs,
            n_seeds=options.seeds,
            backend=backend,
            say=console.print,
            show=display.show,
        )
    folder = Path(options.out or f"effects/{found.study}")
    files = save_figure(controlled_figure(found.info), folder / "effects")
    result = keep({**found.as_json(), "files": [str(file) for file in files]})
    if options.as_json:
        print(json.dumps({**result, "marginal": to_builtins(_marginal(options))}))
    else:
        typed = replace(options, study=found.study).typed
        print_effects(stdout(), found, files, options=typed)
    return 0


def _marginal(options: Options) -> dict[str, Marginal] | None:
    """Return what the ordinary sweep of that name lets one expect; None if there is none."""
    from studies import record
    from studies.api import open_study
    from studies.experiments.marginal import marginal_effects

    try:
        study = open_study(options.storage, options.study)
    except UserError:
        return None
    return marginal_effects(study.get_trials(deepcopy=False), record.read(study).facts.space)
