"""Train the course report's configuration as the report did, and print every epoch."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fcnet.text import counted
from studies.commands.options import (
    FormatOptions,
    StudyOptions,
    TrainingOptions,
    WorkerOptions,
    positive,
    protocol_option,
)
from studies.commands.parser import option

if TYPE_CHECKING:
    from studies.record import Protocol


@dataclass(frozen=True, kw_only=True)
class Options(StudyOptions, TrainingOptions, WorkerOptions, FormatOptions):
    """The command's options."""

    protocol: Protocol = protocol_option("report")
    seeds: int = option(positive, 1, "N", "trainings")
    out: str = option(str, "report", "DIR", "where the curves are saved")


def run(options: Options) -> int:
    """Run the command."""
    from studies.api import report
    from studies.experiments.report import JUDGED_ON
    from studies.views.console import stderr, stdout
    from studies.views.figures.curves import learning_curves_figure
    from studies.views.figures.files import save_figure
    from studies.views.progress import EpochDisplay
    from studies.views.report import EpochLines, print_reproduction

    console, out = stderr(), stdout()
    lines = EpochLines(out, options.protocol, n_epochs=options.epochs, n_seeds=options.seeds)
    with (
        options.backend(say=console.print, most=options.seeds) as backend,
        EpochDisplay(console, "training") as display,
    ):
        found = report(
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
            show=display.show if options.as_json else lambda _: None,
            see=(lambda seed, metrics: None) if options.as_json else lines.see,
        )
    judged = JUDGED_ON[found.protocol]
    figure = learning_curves_figure(
        found.runs,
        title=f"The report's configuration on {found.data}, judged on the {judged} data"
        f" ({found.protocol} protocol, {counted(len(found.seeds), 'seed')})",
        judged=judged,
    )
    files = save_figure(figure, Path(options.out) / "learning-curves")
    if options.as_json:
        print(json.dumps({**found.as_json(), "files": [str(file) for file in files]}))
    else:
        print_reproduction(out, found, files)
    return 0
