"""What the program is called by whoever started it: every command that a message advises begins with it."""

import sys
from pathlib import PurePath

SCRIPT = "fcnet-sweep"


def name() -> str:
    """Return the program's name, which stands before the sentence of an error."""
    return SCRIPT if _installed() else "sweep.py"


def command(rest: str = "") -> str:
    """Return what is typed to run the program with the words of `rest`.

    It is ``python sweep.py`` everywhere but in the installed script, in notebooks and tests as well.
    """
    return f"{SCRIPT if _installed() else 'python sweep.py'} {rest}".rstrip()


def words() -> list[str]:
    """Return the words that started the program, its arguments included, to be typed again."""
    return [SCRIPT, *sys.argv[1:]] if _installed() else ["python", *sys.argv]


def _installed() -> bool:
    return bool(sys.argv) and PurePath(sys.argv[0]).stem == SCRIPT
