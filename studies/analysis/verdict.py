"""What `confirm` concludes about its candidates, and how it says it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Kind = Literal["beats", "tie", "more_seeds", "only_candidate"]


@dataclass(frozen=True)
class Verdict:
    """What paired trainings say about the candidates.

    Parameters
    ----------
    kind : {"beats", "tie", "more_seeds", "only_candidate"}
        The winner beats every other candidate; the contenders are equal within the margin; neither is shown;
        or there is no opponent, because it is alone or all others diverged.
    winner : int
        Candidate with the highest mean.
    runner_up : int or None
        Opponent with the next mean; None if there is none.
    contenders : list of int
        The winner and all that it does not beat, best mean first.
    beaten : list of int
        All that it beats, or that left the race.
    hopeless : list of int
        Contenders that no affordable number of trainings would tell from the winner.
    cheapest : int
        The contender that costs least, of those that are equal to the winner or within a standard error.
    p_value : float or None
        Largest corrected p-value of the winner against an opponent; None if there is none.
    difference : float or None
        Mean of winner less runner-up, over the trainings that both had.
    seeds : int
        Paired trainings behind the verdict.
    more_seeds : int or None
        About how many more of each contender would tell those that are not hopeless; None when all are, or
        when none is needed.
    margin : float
        The difference taken as negligible.
    diverged : dict of int to (int, int)
        Per candidate that diverged, how often, and in how many trainings.
    """

    kind: Kind
    winner: int
    runner_up: int | None
    contenders: list[int]
    beaten: list[int]
    hopeless: list[int]
    cheapest: int
    p_value: float | None
    difference: float | None
    seeds: int
    more_seeds: int | None
    margin: float
    diverged: dict[int, tuple[int, int]]

    def sentence(self, names: Sequence[str]) -> str:
        """Say the verdict; `names` holds one name per candidate."""
        told = [_capital(self._verdict(names))]
        if self.beaten and self.kind != "beats":
            told.append(f"{_capital(names[self.winner])} beats {listed([names[i] for i in self.beaten])}.")
        for i, (times, trainings) in self.diverged.items():
            told.append(f"{_capital(names[i])} diverged in {times} of {trainings} trainings.")
        return " ".join(told)

    def _verdict(self, names: Sequence[str]) -> str:
        winner, joined = names[self.winner], listed([names[i] for i in self.contenders])
        if self.runner_up is None:
            return f"{winner} is the only candidate{' that did not diverge' if self.diverged else ''}."
        if self.kind == "beats":
            rest = " and every other candidate" if len(names) - len(self.diverged) > 2 else ""
            rest += " that did not diverge" if rest and self.diverged else ""
            corrected = f"p = {self.p_value:.2g}, corrected for the number of comparisons"
            return f"{winner} beats {names[self.runner_up]}{rest} ({corrected})."
        if self.kind == "tie":
            return (
                f"{joined} tie within {100 * self.margin:.1f} points: any is fine,"
                f" the cheapest one is {names[self.cheapest]}."
            )
        if self.more_seeds is None:
            return (
                f"These data cannot tell {joined} apart, however many trainings:"
                f" {names[self.cheapest]} is the cheapest within a standard error of the best."
            )
        apart = listed([names[i] for i in self.contenders if i not in self.hopeless])
        more = f"Not enough trainings to tell {apart} apart: about {self.more_seeds} more of each would tell"
        if not self.hopeless:
            return f"{more}."
        return f"{more}; {listed([names[i] for i in self.hopeless])} would not be told from {winner} by them."


def listed(names: Sequence[str]) -> str:
    """Return names as a sentence lists them: ``a, b and c``."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _capital(name: str) -> str:
    return f"{name[0].upper()}{name[1:]}"
