"""The command line: parse, run one of `studies.commands`, and tell in a sentence what went wrong."""

from __future__ import annotations

import argparse
import importlib
import os
import shlex
import shutil
import sys
import textwrap
import traceback
from collections.abc import Callable, Sequence
from functools import partial
from types import ModuleType

from fcnet.errors import UsageError, UserError
from fcnet.text import printable
from studies import program
from studies.commands import config
from studies.commands.parser import Parser, add_options, options_from
from studies.execution.signals import Interrupted, as_interrupts

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
    "export",
    "watch",
    "completion",
)
REPORT_IT = "give the same command with --debug and report what it prints"


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0 done, 1 failed, 2 wrong usage, 130 interrupted."""
    words = sys.argv[1:] if argv is None else argv
    debug = "--debug" in words  # where they cannot be read, too
    try:
        with as_interrupts():
            call, debug = read(words)
            return call()
    except Interrupted:
        return _end(f"Interrupted; nothing is lost. To go on: {_again()}", 130)
    except KeyboardInterrupt:
        return _end("interrupted; the same command goes on", 130)
    except BrokenPipeError:
        return _end("", 1)
    except Exception as error:
        if debug:
            traceback.print_exception(error)
        return _end(*_told(error))


def read(words: Sequence[str]) -> tuple[Callable[[], int], bool]:
    """Return the call that the words of a command line ask for, and whether tracebacks are to be shown.

    Raises
    ------
    SystemExit
        With code 2 if they cannot be understood; with 0 once they asked for help and had it.
    """
    named = bool(words) and not words[0].startswith("-")
    name = words[0] if named else "run"
    if name not in COMMANDS:
        known = ", ".join(map(repr, COMMANDS))
        Parser(prog=program.command()).error(f"there is no command {name!r} (choose from {known})")
    module, parser = module_of(name), make_parser(name, plain=not named)
    given = words[1:] if named else words
    found = parser.parse_args(given)
    if (path := config.find(found.config)) is not None:
        try:
            more = config.words(path, name, parser, COMMANDS, _first)
        except UsageError as error:
            parser.error(str(error))
        if "study" in vars(found):  # it takes the place of the file's, also where several may be named
            more = [word for word in more if not word.startswith("--study=")]
        parser.beside = f" (with the options in {path})" if more else ""
        found = parser.parse_args([*more, *given])
    debug = bool(found.__dict__.pop("debug"))
    del found.config
    options = options_from(module.Options, found)
    call = partial(module.run, options)
    if getattr(options, "notify", None) is not None:
        from studies.commands.notifying import notified

        return partial(notified, options.notify, name, call), debug
    return call, debug


def make_parser(name: str, *, plain: bool = False) -> Parser:
    """Return the parser of a command; a plain sweep's shows the other commands as well."""
    module = module_of(name)
    if plain:
        parser: Parser = _PlainParser(program.command())
    else:
        parser = Parser(prog=program.command(name), description=sentence_of(module))
    add_options(parser, module.Options)
    parser.add_argument(
        "--debug", action="store_true", help="show the traceback behind the sentence of an error"
    )
    parser.add_argument(
        "--config",
        metavar="FILE",
        help=f"options of any command, as TOML (default: {config.NAME}, if it is there)",
    )
    return parser


def _first(name: str) -> argparse.Action | None:
    """Return the option of a name of the first command that has it."""
    found = (make_parser(each)._option_string_actions.get(name) for each in COMMANDS)
    return next((action for action in found if action is not None), None)


class _PlainParser(Parser):
    """The parser of a sweep without the name of a command, whose help shows the other commands as well."""

    def __init__(self, prog: str) -> None:
        super().__init__(
            prog=prog,
            usage="%(prog)s [OPTION ...]\n       %(prog)s COMMAND [OPTION ...]",
            description="Sweep the hyperparameters of a fully connected network.",
        )
        self.add_argument(
            "--version", action=_Version, nargs=0, default=argparse.SUPPRESS, help="print the versions"
        )

    def format_help(self) -> str:
        """Return the help of a sweep, then each command with its sentence."""
        width = max(40, shutil.get_terminal_size().columns - 2)
        lines = [
            textwrap.fill(
                sentence_of(module_of(name)),
                width,
                initial_indent=f"  {name:<12}",
                subsequent_indent=" " * 14,
                break_on_hyphens=False,
            )
            for name in COMMANDS
        ]
        title = f"commands ({self.prog} COMMAND --help shows a command's options):"
        return "\n".join([super().format_help(), title, *lines, ""])


class _Version(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        print(_versions())
        parser.exit()


def _versions() -> str:
    from importlib.metadata import PackageNotFoundError, version

    found = []
    for name in ("fcnet-sweep", "optuna", "numpy"):
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            found.append(f"{name} (not installed)")
    return ", ".join(found)


def module_of(name: str) -> ModuleType:
    """Return the module of a command."""
    return importlib.import_module(f"studies.commands.{name}")


def sentence_of(module: ModuleType) -> str:
    """Return what a command does, as its module says."""
    return (module.__doc__ or "").splitlines()[0]


def _told(error: Exception) -> tuple[str, int]:
    """Return the sentence that tells an error and the exit code: who can mend it, and how."""
    if isinstance(error, UserError):
        return str(error), error.exit_code
    if isinstance(error, MemoryError) or "failed to map segment" in str(error):  # of a library
        return "the memory is full: free some, then give the same command again", 1
    if "can't start new thread" in str(error):
        return (
            "no further thread can be started: free memory or raise the limit of processes (ulimit -u), then"
            " give the same command again",
            1,
        )
    if isinstance(error, OSError) and (error.errno is not None or error.filename is not None):
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror or error}: mend that and give the same command again", 1
    what = " ".join([f"{type(error).__name__}:", *str(error).split()]).removesuffix(":")
    return f"this is a fault of the program ({what}): {REPORT_IT}", 1


def _again() -> str:
    """Return the command that was given, without the password of a database."""
    from studies.storage.errors import redact

    return shlex.join(redact(word) if "://" in word else word for word in program.words())


def _end(sentence: str, code: int) -> int:
    try:
        if sentence:
            start = "" if code == 130 else f"{program.name()}: "
            print(start + printable(sentence), file=sys.stderr, flush=True)
        sys.stdout.flush()
    except OSError:
        # Whoever read the output is gone; Python must not complain when it flushes the rest.
        for stream in (sys.stdout, sys.stderr):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    return code


if __name__ == "__main__":
    sys.exit(main())
