"""Print the best trial and its parameters."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from studies.commands.notifying import keep
from studies.commands.options import FormatOptions, StudyOptions

if TYPE_CHECKING:
    from optuna.study import Study


@dataclass(frozen=True, kw_only=True)
class Options(StudyOptions, FormatOptions):
    """The command's options."""


def run(options: Options) -> int:
    """Run the command."""
    from studies.experiments.results import require_search

    study = options.open()
    require_search(study)
    show(study, options)
    return 0


def show(study: Study, options: Options) -> None:
    """Print a study's result in the asked format."""
    from msgspec import to_builtins

    from studies.experiments.advising import advise
    from studies.experiments.results import summarise
    from studies.views.console import stdout
    from studies.views.search import print_best

    summary, advice = summarise(study), advise(study)
    result = keep({**to_builtins(summary), **to_builtins(advice)})
    if options.as_json:
        print(json.dumps(result))
        return
    print_best(stdout(), summary, advice, options=options.typed)
