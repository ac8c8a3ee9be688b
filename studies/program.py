"""What the program is called by whoever started it: every command that a message advises begins with it."""

import shlex
import shutil
import sys
from pathlib import Path, PurePath

SCRIPT = "fcnet-sweep"


def name() -> str:
    """Return the program's name, which stands before the sentence of an error."""
    return SCRIPT if _installed() else "sweep.py"


def command(rest: str = "") -> str:
    """Return what is typed to run the program with the words of `rest`.

    It begins as the program was started, with ``python sweep.py`` or ``../.venv/bin/python ../sweep.py``, and
    like the former in notebooks and tests.
    """
    return f"{shlex.join(_start())} {rest}".rstrip()


def words() -> list[str]:
    """Return the words that started the program, its arguments included, to be typed again."""
    return [*_start(), *sys.argv[1:]]


def _start() -> list[str]:
    if _installed():
        found = shutil.which(SCRIPT)
        return [SCRIPT if found and Path(found).absolute() == Path(sys.argv[0]).absolute() else sys.argv[0]]
    typed = sys.orig_argv[: len(sys.orig_argv) - len(sys.argv) + 1]
    by_script = len(typed) > 1 and typed[-1] == sys.argv[0] and PurePath(typed[-1]).name == name()
    return typed if by_script else ["python", name()]


def _installed() -> bool:
    return bool(sys.argv) and PurePath(sys.argv[0]).stem == SCRIPT
