"""What a sweep would do, as text."""

import shlex

from rich.console import Console

from fcnet.text import counted
from studies.experiments.rehearsal import Rehearsal
from studies.views.words import roughly


def print_rehearsal(console: Console, found: Rehearsal) -> None:
    """Print data, space, settings, places and time."""
    data = found.data
    lines = [
        f"Data: {data['name']}, {data['training']} rows to train on, {data['validation']} to validate on,"
        f" {data['test']} in the locked test part; {counted(data['features'], 'value')} each,"
        f" {data['classes']} classes",
        f"Fingerprint: {data['fingerprint']}",
        "Searched:",
        *(f"  {name:<14} {words}" for name, words in found.space.items()),
        "Settings:",
        *(f"  {name:<14} {_word(value)}" for name, value in found.settings.items()),
        f"Study {shlex.quote(found.study)} in {found.storage}, files below {found.folder}",
        f"Finished trials that are there: {found.begun} of {found.settings['trials']}",
    ]
    if found.seconds is None or found.epoch_seconds is None:
        lines.append("Time: not known, for the starting point diverges at once: choose lower rates")
    else:
        lines.append(
            f"Time: {roughly(found.seconds)} if no training is ended early, by one epoch of the"
            f" starting point of {found.epoch_seconds:.3g} s"
        )
    console.print("\n".join([*lines, "Nothing was written."]), markup=False, highlight=False)


def _word(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return (
        "; ".join(map(str, value)) or "none"
        if isinstance(value, list)
        else str("none" if value is None else value)
    )
