"""Run the sweep, or go on with it (the command when none is named)."""

from __future__ import annotations

from dataclasses import dataclass

from studies.choices import PRUNERS, SAMPLERS
from studies.commands import best
from studies.commands.options import (
    NotifyOptions,
    TrainingOptions,
    WorkerOptions,
    natural,
    positive,
    seconds,
)
from studies.commands.parser import choice, option, repeated, switch


@dataclass(frozen=True, kw_only=True)
class Options(best.Options, TrainingOptions, WorkerOptions, NotifyOptions):
    """The command's options."""

    trials: int = option(positive, 100, "N", "finished trials that the study shall hold in the end")
    sampler: str = choice(SAMPLERS, "tpe", "how parameters are proposed")
    pruner: str = choice(PRUNERS, "median", "how bad trainings are ended early")
    range: tuple[str, ...] = repeated(
        "NAME=LOW:HIGH", "another range for a hyperparameter; may be given several times"
    )
    seed: int = option(natural, 0, "N", "seed of the sweep")
    timeout: float | None = option(
        seconds, None, "SECONDS", "end after that time; what runs then waits for the same command"
    )
    until_flat: bool = switch(
        "end earlier when the gain that more trials promise is below the noise, measured by repeats"
    )
    epoch_limit: float = option(
        seconds, 900.0, "SECONDS", "a worker that is silent for longer is replaced, its trial run again"
    )


def run(options: Options) -> int:
    """Run the command."""
    from studies.api import search
    from studies.experiments.search import Plan
    from studies.ranges import narrowed
    from studies.views.console import stderr
    from studies.views.progress import SweepDisplay

    plan = Plan(
        url=options.storage,
        study=options.study,
        trials=options.trials,
        data=options.data,
        classes=options.classes,
        epochs=options.epochs,
        sampler=options.sampler,
        pruner=options.pruner,
        seed=options.seed,
        timeout=options.timeout,
        until_flat=options.until_flat,
        space=narrowed(list(options.range)),
    )
    console = stderr()
    with (
        options.backend(say=console.print, epoch_limit=options.epoch_limit) as backend,
        SweepDisplay(console) as display,
    ):
        study = search(plan, backend=backend, say=console.print, show=display.show)
    best.show(study, options)
    return 0
