"""On the terminal: whether a trial was reproduced."""

from rich.console import Console
from rich.markup import escape

from studies.experiments.reproduce import Reproduced


def print_reproduced(console: Console, found: Reproduced) -> None:
    """Print what differs between the environments, and the verdict."""
    for difference in found.environment:
        console.print(f"[yellow]Another environment: {escape(difference)}[/]")
    style = "bold green" if found.succeeded else "bold red"
    console.print(f"[{style}]{escape(found.sentence())}[/]")
