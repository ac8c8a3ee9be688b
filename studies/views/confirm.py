"""A confirmation on the terminal: the candidates, the verdict, what to do next."""

from rich.console import Console
from rich.markup import escape

from fcnet.text import counted
from studies.experiments.results import Summary
from studies.program import command
from studies.record import Confirmation
from studies.views.console import table
from studies.views.search import print_next, print_scores
from studies.views.sentences import cost_of_going_on, going_on, interval, ranked, trainings
from studies.views.words import percent


def print_confirmation(console: Console, found: Confirmation, summary: Summary, *, options: str = "") -> None:
    """Print a verdict, and the winner's scores from the study's summary."""
    up_to = "up to " if any(candidate.n < len(found.seeds) for candidate in found.candidates) else ""
    console.print(
        f"Confirmation of study {escape(found.study)}: {counted(len(found.candidates), 'configuration')},"
        f" {up_to}{counted(len(found.seeds), 'fresh training')} each, on folds of the development data"
    )
    rows = table("candidate", "search", "confirmed", "95 % interval", "std", "n", "s")
    for candidate in ranked(found):
        rows.add_row(
            f"trial {candidate.trial}" + (" (baseline)" if candidate.baseline else ""),
            percent(candidate.search or 0.0),
            "diverged" if candidate.mean is None else percent(candidate.mean),
            interval(candidate.low, candidate.high),
            "" if candidate.std is None else f"{100 * candidate.std:.2f}",
            trainings(candidate, found),
            "" if candidate.seconds is None else f"{candidate.seconds:.1f}",
        )
    console.print(rows)
    console.print(f"[bold green]{escape(found.sentence)}[/]")
    if found.more_seeds:
        more = command(going_on(found) + options)
        console.print(escape(f"To go on: {more}   {cost_of_going_on(found)}"))
    print_scores(console, summary)
    print_next(console, [(command(f"train{options}"), "train the winner and open the test set")])
