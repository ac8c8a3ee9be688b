"""Copy a study with everything on it into another database, and check the copy."""

from __future__ import annotations

import json
from typing import Any

from studies.commands.options import STORAGE, STUDY, Parser, add_format, stdout


def add_options(parser: Parser) -> None:
    """Add the command's options."""
    parser.add_argument(
        "--from",
        dest="source",
        default=STORAGE,
        metavar="URL",
        help="database to read (default: %(default)s)",
    )
    parser.add_argument("--to", dest="target", required=True, metavar="URL", help="database to write")
    parser.add_argument("--study", default=STUDY, metavar="NAME", help="the study (default: %(default)s)")
    add_format(parser)


def run(args: Any) -> int:
    """Run the command."""
    import optuna

    from studies.storage.copying import copy_study
    from studies.storage.database import connect, load_study
    from studies.storage.errors import redact

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    copy_study(args.source, args.target, args.study)
    storage = connect(args.target, create=False)
    n_trials = len(load_study(storage, args.study).get_trials(deepcopy=False))
    storage.close()
    where = redact(args.target)
    if args.format == "json":
        print(json.dumps({"study": args.study, "storage": where, "n_trials": n_trials}))
    else:
        stdout().print(
            f"Copied the study {args.study!r} with {n_trials} trials to {where}; the copy was compared with"
            " the original. The artifacts' files stay where they are.",
            markup=False,
        )
    return 0
