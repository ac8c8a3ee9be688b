"""The command line: parse, run one of `studies.commands`, exit."""

import importlib
import os
import sys
from collections.abc import Sequence

from fcnet.errors import UserError
from studies.commands.options import Parser
from studies.execution.signals import as_interrupts

COMMANDS = (
    "run",
    "best",
    "confirm",
    "train",
    "reproduce",
    "effects",
    "report",
    "dashboard",
    "predict",
    "copy",
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0 done, 1 failed, 2 wrong usage, 130 interrupted."""
    given = list(sys.argv[1:] if argv is None else argv)
    if not given or (given[0].startswith("-") and given[0] not in ("-h", "--help")):
        given.insert(0, "run")
    args = _parser().parse_args(given)
    try:
        with as_interrupts():
            return int(args.run(args))
    except UserError as error:
        return _end(str(error), error.exit_code)
    except KeyboardInterrupt:
        return _end("interrupted; the same command goes on", 130)
    except BrokenPipeError:
        return _end("", 1)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        return _end(f"{where}{error.strerror or error}: mend that and give the same command again", 1)
    except MemoryError:
        return _end("the memory is full: free some, then give the same command again", 1)


def _end(sentence: str, code: int) -> int:
    try:
        if sentence:
            print(f"sweep.py: {sentence}", file=sys.stderr, flush=True)
        sys.stdout.flush()
    except OSError:
        # Whoever read the output is gone; Python must not complain when it flushes the rest.
        for stream in (sys.stdout, sys.stderr):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    return code


def _parser() -> Parser:
    parser = Parser(
        prog="sweep.py",
        description="Sweep the hyperparameters of a fully connected network.",
        epilog="python sweep.py COMMAND --help shows a command's options.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND", parser_class=Parser)
    for name in COMMANDS:
        module = importlib.import_module(f"studies.commands.{name}")
        sentence = (module.__doc__ or "").splitlines()[0]
        child = commands.add_parser(name, help=sentence, description=sentence)
        module.add_options(child)
        child.set_defaults(run=module.run)
    return parser


if __name__ == "__main__":
    sys.exit(main())
