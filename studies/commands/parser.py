"""From a dataclass of options, a field each, to the parser that reads them from the command line."""

from __future__ import annotations

import argparse
import inspect
from collections.abc import Callable, Iterator
from dataclasses import MISSING, Field, field, fields
from typing import Any, NoReturn, TypeVar

from fcnet.text import printable
from studies import program

T = TypeVar("T")


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one sentence; `beside` says what was read besides the command line."""

    beside = ""

    def error(self, message: str) -> NoReturn:
        """Exit with code 2."""
        self.exit(2, f"{program.name()}: {printable(message + self.beside)}; see {self.prog} --help\n")


def option(
    read: Callable[[str], object], default: object, metavar: str | None, text: str, *, name: str = ""
) -> Any:
    """Return the field of an option ``--name VALUE``.

    Parameters
    ----------
    read : callable
        Makes the value of the word that was given.
    default : object
        The value where the option is not given; `dataclasses.MISSING` if it must be given.
    metavar : str or None
        What stands for the value in the help; None for the option's name in capitals.
    text : str
        Its help, to which the default is added.
    name : str, default=""
        The option's name if it is not the field's.
    """
    return _field(default, text, name=name, type=read, metavar=metavar, required=default is MISSING)


def choice(values: tuple[str, ...], default: str, text: str) -> Any:
    """Return the field of an option that takes one of several words."""
    return _field(default, text, choices=values)


def repeated(metavar: str, text: str, *, name: str = "") -> Any:
    """Return the field of an option that may be given several times: a tuple of what was given."""
    return _field((), text, name=name, metavar=metavar, action="append")


def switch(text: str) -> Any:
    """Return the field of an option without a value."""
    return _field(False, text, action="store_true")


def argument(read: Callable[[str], object], metavar: str, text: str) -> Any:
    """Return the field of what is given without the name of an option."""
    return _field(MISSING, text, positional=True, type=read, metavar=metavar)


def add_options(parser: argparse.ArgumentParser, options: type) -> None:
    """Add every field of a dataclass to a parser: its own, then those of each group that it inherits."""
    for each in _in_order(options):
        settings = dict(each.metadata)
        if settings.pop("positional", False):
            name = each.name
        else:
            name = settings.pop("name", "") or "--" + each.name.replace("_", "-")
            settings["dest"] = each.name
        parser.add_argument(name, default=argparse.SUPPRESS, **settings)


def options_from(options: Callable[..., T], found: argparse.Namespace) -> T:
    """Return the options that a parser of `add_options` found."""
    given = {key: tuple(value) if isinstance(value, list) else value for key, value in vars(found).items()}
    return options(**given)


def _field(default: object, text: str, **settings: object) -> Any:
    shown = ",".join(default) if isinstance(default, tuple) else default
    nothing = default is None or default is MISSING or default is False or default == ()
    if not nothing and "(default: " not in text:
        text += f" (default: {shown:g})" if isinstance(shown, float) else f" (default: {shown})"
    return field(default=default, metadata={"help": text, **settings})


def _in_order(options: type) -> Iterator[Field[Any]]:
    found = {each.name: each for each in fields(options)}
    for group in options.__mro__:
        for name in inspect.get_annotations(group):
            if name in found:
                yield found.pop(name)
