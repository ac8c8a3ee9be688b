"""A search space in words: as it is typed, as a study keeps it, as sentences name it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from fcnet.errors import UsageError
from fcnet.hyperparameters import Hyperparameters
from fcnet.text import counted
from studies.space import CHOICES, DEFAULT_SPACE, Space, holds, start


def narrowed(ranges: Sequence[str]) -> Space:
    """Return the default space with other ranges.

    Parameters
    ----------
    ranges : sequence of str
        Each ``NAME=LOW:HIGH``, or ``NAME=VALUE`` to fix one; choices are separated by commas.

    Raises
    ------
    UsageError
        If one cannot be read, or holds values that no training takes.
    """
    space = dict(DEFAULT_SPACE)
    for text in ranges:
        name, _, bounds = text.partition("=")
        if name not in DEFAULT_SPACE:
            raise UsageError(
                f"--range {text}: no hyperparameter is called {name!r}; there are {', '.join(DEFAULT_SPACE)}"
            )
        old = space[name]
        if isinstance(old, CategoricalDistribution):
            by_word = {str(choice): choice for choice in CHOICES[name]}
            words = bounds.split(",")
            if not {*words} <= {*by_word}:
                known = ",".join(by_word)
                raise UsageError(
                    f"--range {text} names no choice of {name}: write {name}={known} or one of them"
                )
            space[name] = CategoricalDistribution(tuple(c for word, c in by_word.items() if word in words))
            continue
        kind: Any = type(old)
        number: Any = int if isinstance(old, IntDistribution) else float
        example = f"write NAME=LOW:HIGH, for example {name}={old.low:g}:{old.high:g}"
        ends = bounds.split(":")
        if len(ends) not in (1, 2) or "" in ends:
            raise UsageError(f"--range {text} does not name two ends: {example}")
        try:
            low, high = number(ends[0]), number(ends[-1])
            if low > high:
                raise ValueError("the lower end is above the upper one")
            new = kind(low, high, log=old.log)
            for bound in (low, high):
                Hyperparameters(**{name: bound})
        except ValueError as error:
            raise UsageError(f"--range {text} cannot be used ({error}): {example}") from error
        space[name] = new
    return space


def fixed(values: Sequence[str], ranges: Sequence[str] = ()) -> Sequence[str]:
    """Return what ``--fix`` was given, once it is seen to name one value each, for `narrowed`.

    Raises
    ------
    UsageError
        If one names several, no value that a training takes, or what was fixed or given a range before.
    """
    names = {text.partition("=")[0] for text in ranges}
    for text in values:
        name, _, value = text.partition("=")
        if ":" in value or "," in value:
            raise UsageError(f"--fix {text} names more than one value: write --range {text}")
        if name in names:
            raise UsageError(f"--fix {text}: {name} has a value or a range already: leave one of them out")
        names.add(name)
        _checked(name, value, f"--fix {text}", "write NAME=VALUE")
    return values


def point(text: str) -> dict[str, Any]:
    """Return the hyperparameters of ``NAME=VALUE,...``.

    Raises
    ------
    UsageError
        If it cannot be read, or holds a value that no training takes.
    """
    found: dict[str, Any] = {}
    for word in text.split(","):
        name, _, value = word.partition("=")
        if name in found:
            raise UsageError(f"--try {text}: {name!r} is named twice")
        found[name] = _checked(name, value, f"--try {text}", "write NAME=VALUE,...")
    return found


def _checked(name: str, word: str, said: str, mend: str) -> Any:
    """Return the value that a word gives to a hyperparameter; `said` is what the user said."""
    if name not in DEFAULT_SPACE:
        raise UsageError(f"{said}: {name!r} is no hyperparameter; there are {', '.join(DEFAULT_SPACE)}")
    try:
        value = _value(name, word)
        Hyperparameters(**{name: value})
    except ValueError as error:
        raise UsageError(f"{said} cannot be used ({error}): {mend}") from error
    return value


def _value(name: str, word: str) -> Any:
    if not word:
        raise ValueError(f"{name} has no value")
    if name in CHOICES:
        by_word = {str(choice): choice for choice in CHOICES[name]}
        if word not in by_word:
            raise ValueError(f"{name} is {word!r}, but it must be one of {', '.join(by_word)}")
        return by_word[word]
    return int(word) if isinstance(DEFAULT_SPACE[name], IntDistribution) else float(word)


def at(text: str, space: Space) -> Hyperparameters:
    """Return the point of ``NAME=VALUE,...`` in a space; what is not named is as in `studies.space.start`.

    Raises
    ------
    UsageError
        If it lies outside of the space, or as `point` does.
    """
    found = point(text)
    for name, value in found.items():
        if not holds(space[name], value):
            there = describe({name: space[name]})[name]
            raise UsageError(
                f"--try {text}: {name}={value} lies outside of what is searched, {there}:"
                " widen it with --range"
            )
    return replace(start(space), **found)


def describe(space: Space) -> dict[str, str]:
    """Return each range as text, for the facts that a study keeps and the sentences that name them."""
    return {
        name: ", ".join(map(str, d.choices))
        if isinstance(d, CategoricalDistribution)
        else f"{d.low:g}..{d.high:g}{' (log)' if d.log else ''}"
        for name, d in space.items()
    }


def varied(words: Mapping[str, str]) -> list[str]:
    """Return the names whose range, as `describe` put it in words, holds more than one value."""

    def many(text: str) -> bool:
        if ".." not in text:
            return ", " in text
        low, high, _ = _ends(text)
        return low != high

    return [name for name, text in words.items() if many(text)]


def fitting(asked: Space, fitted: Space, n_rows: int, n_features: int) -> str | None:
    """Say which ranges follow the data and not the defaults; None if none does."""
    was, words = describe(asked), describe(fitted)
    changed = [f"{name} {text}" for name, text in words.items() if text != was[name] and name != "mirror"]
    sentences = []
    if changed:
        rows = f"{counted(n_rows, 'row')} of {counted(n_features, 'value')}"
        sentences.append(f"Ranges fitted to {rows}: {', '.join(changed)}.")
    if words.get("mirror") == "False, True" != was["mirror"]:
        sentences.append(
            "Images are tried with and without mirror images; --range mirror=False leaves these out."
        )
    return " ".join(sentences) or None


def ranges(words: Mapping[str, str]) -> dict[str, str]:
    """Return the ranges that `describe` put in words, as ``--range`` takes them, without the default ones."""
    default = describe(DEFAULT_SPACE)
    return {
        name: text.replace(", ", ",").partition(" ")[0].replace("..", ":")
        for name, text in words.items()
        if text != default.get(name)
    }


def within(
    distributions: Mapping[str, BaseDistribution], words: Mapping[str, str]
) -> dict[str, BaseDistribution]:
    """Return distributions with the ends of the ranges that `describe` put in words."""
    found = dict(distributions)
    for name, text in words.items():
        d = found.get(name)
        if isinstance(d, FloatDistribution | IntDistribution) and ".." in text:
            low, high, _ = _ends(text)
            number: Any = int if isinstance(d, IntDistribution) else float
            kind: Any = type(d)
            found[name] = kind(number(low), number(high), log=d.log)
    return found


def contains(wide: Mapping[str, str], narrow: Mapping[str, str]) -> bool:
    """Tell whether every range that `describe` put in words lies within another one of the same scale."""
    return wide.keys() == narrow.keys() and all(_holds(wide[name], narrow[name]) for name in narrow)


def _holds(wide: str, narrow: str) -> bool:
    if ".." not in narrow:
        return {*narrow.split(", ")} <= {*wide.split(", ")}
    new, old = _ends(wide), _ends(narrow)
    return old[2] == new[2] and new[0] <= old[0] and old[1] <= new[1]


def _ends(words: str) -> tuple[float, float, str]:
    low, _, rest = words.partition("..")
    high, _, scale = rest.partition(" ")
    try:
        return float(low), float(high), scale
    except ValueError:  # nothing lies within what is no range
        return float("nan"), float("nan"), words
