"""Run the sweep, or go on with it (the command when none is named)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from studies.choices import EPOCH_LIMIT_SECONDS, PRUNERS, SAMPLERS
from studies.commands import best
from studies.commands.options import (
    NotifyOptions,
    TrainingOptions,
    WorkerOptions,
    metric_option,
    natural,
    positive,
    seconds,
)
from studies.commands.parser import choice, option, repeated, switch

if TYPE_CHECKING:
    from fcnet.metrics import Metric
    from studies.experiments.plan import Plan


@dataclass(frozen=True, kw_only=True)
class Options(best.Options, TrainingOptions, WorkerOptions, NotifyOptions):
    """The command's options."""

    trials: int = option(positive, 100, "N", "finished trials that the study shall hold in the end")
    sampler: str = choice(SAMPLERS, "tpe", "how parameters are proposed")
    pruner: str = choice(PRUNERS, "median", "how bad trainings are ended early")
    metric: Metric = metric_option()
    range: tuple[str, ...] = repeated(
        "NAME=LOW:HIGH", "another range for a hyperparameter; may be given several times"
    )
    fix: tuple[str, ...] = repeated(
        "NAME=VALUE",
        "take a hyperparameter out of the search: a range of one value; may be given several times",
    )
    points: tuple[str, ...] = repeated(
        "NAME=VALUE,...",
        "train this configuration first, what is not named as in the starting point; several times too",
        name="--try",
    )
    taken_from: str | None = option(
        str,
        None,
        "[URL#]STUDY",
        "count finished trials of another study on the same data, where they fit",
        name="--from",
    )
    seed: int = option(natural, 0, "N", "seed of the sweep")
    timeout: float | None = option(
        seconds, None, "SECONDS", "end after that time; what runs then waits for the same command"
    )
    until_flat: bool = switch(
        "end earlier when the gain that more trials promise is below the noise, measured by repeats"
    )
    epoch_limit: float = option(
        seconds,
        EPOCH_LIMIT_SECONDS,
        "SECONDS",
        "a worker that is silent for longer is replaced, its trial run again",
    )
    dry_run: bool = switch(
        "say what would be done, and how long that takes by one measured epoch; write nothing"
    )

    def plan(self) -> Plan:
        """Return what the sweep is asked to do."""
        from studies.experiments.plan import Plan
        from studies.ranges import fixed, narrowed

        return Plan(
            url=self.storage,
            study=self.study,
            trials=self.trials,
            data=self.data,
            classes=self.classes,
            reading=self.reading,
            metric=self.metric,
            epochs=self.epochs,
            sampler=self.sampler,
            pruner=self.pruner,
            seed=self.seed,
            timeout=self.timeout,
            until_flat=self.until_flat,
            space=narrowed([*self.range, *fixed(self.fix, self.range)]),
            points=self.points,
            taken_from=self.taken_from,
        )


def run(options: Options) -> int:
    """Run the command."""
    from studies.api import search
    from studies.views.console import stderr
    from studies.views.progress import SweepDisplay

    plan, console = options.plan(), stderr()
    if options.dry_run:
        return _rehearse(plan, options)
    with (
        options.backend(say=console.print, epoch_limit=options.epoch_limit) as backend,
        SweepDisplay(console) as display,
    ):
        study = search(plan, backend=backend, say=console.print, show=display.show)
    best.show(study, options)
    return 0


def _rehearse(plan: Plan, options: Options) -> int:
    from msgspec import to_builtins

    from studies.experiments.rehearsal import rehearse
    from studies.views.console import stderr, stdout
    from studies.views.rehearsal import print_rehearsal

    found = rehearse(plan, workers=options.workers, say=stderr().print)
    if options.as_json:
        print(json.dumps(to_builtins(found)))
    else:
        print_rehearsal(stdout(), found)
    return 0
