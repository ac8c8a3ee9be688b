"""Options from a file: ``sweep.toml`` in the folder, or what ``--config FILE`` names."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Container, Iterator, Mapping
from pathlib import Path
from typing import Any

from fcnet.errors import UsageError

NAME = "sweep.toml"


def find(given: str | None) -> Path | None:
    """Return the file to read: the given one, else that of the folder, if there is one."""
    if given is not None:
        return Path(given)
    return Path(NAME) if Path(NAME).is_file() else None


def words(
    path: Path,
    command: str,
    parser: argparse.ArgumentParser,
    commands: Container[str],
    first: Callable[[str], argparse.Action | None],
) -> list[str]:
    """Return a file's options as words, to stand before those of the command line, which win.

    Keys are the names of options. Those at the top hold for every command that has them as a sweep does,
    those in a table named after a command for that one.

    Parameters
    ----------
    path : Path
    command : str
        The command that is given.
    parser : ArgumentParser
        Of that command.
    commands : container of str
        Every command.
    first : callable
        Returns the option of a name, as ``--name``, of the first command that has it; None if none has.

    Raises
    ------
    UsageError
        If the file cannot be read, or holds what is no option.
    """
    import tomllib

    try:
        content = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise UsageError(
            f"cannot read {path}: {error.strerror or error}; name another with --config"
        ) from error
    except ValueError as error:  # of TOML, and of UTF-8
        raise UsageError(f"{path} is no TOML ({error}): write lines such as trials = 100") from error
    own = content.get(command, {})
    if not isinstance(own, dict):
        raise UsageError(f"{path}: {command} is a command: write its options below a line [{command}]")
    top = {key: value for key, value in content.items() if key not in commands}
    found: list[str] = []
    for group, of in ((top, "any command"), (own, command)):
        for key, value in group.items():
            name = f"--{key.replace('_', '-')}"
            action = parser._option_string_actions.get(name)
            meant = action if group is own else first(name)
            if meant is None or name in ("--config", "--help", "--version"):
                raise UsageError(f"{path}: {key} is no option of {of}")
            if action is not None and action.metavar == meant.metavar:  # else the same word for another thing
                found += _words(name, value, action, f"{path}: {key}")
    return found


def _words(name: str, value: Any, action: argparse.Action, where: str) -> Iterator[str]:
    """Yield an option's words."""
    if action.nargs == 0:  # without a value
        if not isinstance(value, bool):
            raise UsageError(f"{where} is {value!r}, but it must be true or false")
        yield from [name] if value else []
    elif isinstance(action, argparse._AppendAction):
        several = [f"{k}={_word(v, where)}" for k, v in value.items()] if isinstance(value, dict) else value
        for each in several if isinstance(several, list) else [several]:
            # a point is a table of values
            yield (
                f"{name}={_point(each, where)}" if isinstance(each, dict) else f"{name}={_word(each, where)}"
            )
    elif isinstance(value, list):
        yield f"{name}={','.join(_word(each, where) for each in value)}"
    else:
        yield f"{name}={_word(value, where)}"


def _point(values: Mapping[str, Any], where: str) -> str:
    return ",".join(f"{name}={_word(value, where)}" for name, value in values.items())


def _word(value: Any, where: str) -> str:
    if not isinstance(value, str | int | float):
        raise UsageError(f"{where} holds {value!r}, but it must be a word or a number")
    return str(value)
