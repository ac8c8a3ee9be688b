"""Print the best trial and its parameters."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from studies.commands.options import Parser, add_format, add_study, open_study, stdout, study_options

if TYPE_CHECKING:
    from optuna.study import Study


def add_options(parser: Parser) -> None:
    """Add the command's options."""
    add_study(parser)
    add_format(parser)


def run(args: Any) -> int:
    """Run the command."""
    show(open_study(args)[1], args)
    return 0


def show(study: Study, args: Any) -> None:
    """Print a study's result in the asked format."""
    from studies.experiments.outlook import advise
    from studies.experiments.results import summarise
    from studies.views.results import print_best

    summary, advice = summarise(study), advise(study)
    if args.format == "json":
        print(json.dumps({**summary, **advice}))
        return
    print_best(stdout(), summary, advice, options=study_options(args))
