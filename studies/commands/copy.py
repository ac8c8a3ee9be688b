"""Copy a study with everything on it into another database, and check the copy."""

from __future__ import annotations

import json
from dataclasses import MISSING, dataclass

from studies.choices import STORAGE, STUDY
from studies.commands.options import FormatOptions
from studies.commands.parser import option


@dataclass(frozen=True, kw_only=True)
class Options(FormatOptions):
    """The command's options."""

    source: str = option(str, STORAGE, "URL", "database to read", name="--from")
    target: str = option(str, MISSING, "URL", "database to write", name="--to")
    study: str = option(str, STUDY, "NAME", "the study")


def run(options: Options) -> int:
    """Run the command."""
    import optuna

    from studies.storage.copying import copy_study
    from studies.storage.errors import redact
    from studies.views.console import stderr, stdout

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    n_trials = copy_study(options.source, options.target, options.study, say=stderr().print)
    where = redact(options.target)
    if options.as_json:
        print(json.dumps({"study": options.study, "storage": where, "n_trials": n_trials}))
    else:
        stdout().print(
            f"Copied the study {options.study!r} with {n_trials} trials to {where}; the copy was compared"
            " with the original. The artifacts' files stay where they are.",
            markup=False,
        )
    return 0
