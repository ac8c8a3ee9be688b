"""Text from anywhere, such as names in files, as a terminal or a log may show it."""

import re

# C0 and C1, halves of characters, and what turns the direction of writing.
_OBEYED = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069]")
_WITH_LINES = re.compile(_OBEYED.pattern[:-1] + r"\t\n\u2028\u2029]")


def printable(text: str, *, lines: bool = False) -> str:
    r"""Return a text in which what a terminal would obey is spelled out, such as ``\x1b``.

    Parameters
    ----------
    text : str
    lines : bool, default=False
        Whether ends of lines and tabs stay.
    """
    obeyed = _OBEYED if lines else _WITH_LINES
    return obeyed.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def counted(number: int, noun: str) -> str:
    """Return ``1 row`` or ``2,000 rows``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
