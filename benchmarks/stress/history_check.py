"""What the history of a study proves: who took each trial, who ended it, and whether that was right.

A history is a list of changes as the database itself witnessed them (`benchmarks.stress.witness`). The check
is a function of it: it opens nothing, and knows nothing of the program but the names of the states.
"""

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

FINISHED = ("COMPLETE", "PRUNED")
ENDED = (*FINISHED, "FAIL")
NEXT = {  # what may follow a state; None is a trial that is not there
    None: ("WAITING", "RUNNING"),
    "WAITING": ("RUNNING", "FAIL"),
    "RUNNING": ENDED,
}


@dataclass(frozen=True)
class Change:
    """A trial's state changed.

    Parameters
    ----------
    at : float
        Seconds, by the server's clock.
    trial : int
    before, after : str or None
        Its states; None where there is no such trial.
    who : str
        Whose connection it was.
    holder : str or None
        Who held the right to start trials in that moment.
    """

    at: float
    trial: int
    before: str | None
    after: str | None
    who: str
    holder: str | None


@dataclass(frozen=True)
class Kept:
    """What a study keeps of a trial in the end.

    Parameters
    ----------
    wish : hashable or None
        Configuration, seed and split; None if it had no parameters yet.
    retry_of : int or None
        The trial that it takes up again.
    """

    wish: Hashable | None
    retry_of: int | None = None


@dataclass(frozen=True)
class Outage:
    """Somebody could not work, from one second to another: killed, stopped, or cut off."""

    who: str
    why: str
    began: float
    ended: float = float("inf")


@dataclass(frozen=True)
class Verdict:
    """What is wrong, and what was seen.

    Parameters
    ----------
    problems : list of str
    taken_over : int
        Trials that another ended than who had claimed them.
    longest_wait : float
        Seconds between two claims while a trial was there to be claimed.
    """

    problems: list[str]
    taken_over: int
    longest_wait: float


def check(
    changes: Sequence[Change],
    kept: Mapping[int, Kept],
    outages: Sequence[Outage] = (),
    *,
    total: int,
    limit: float,
    grace: float,
) -> Verdict:
    """Check the history of a study that has ended.

    Parameters
    ----------
    changes : sequence of Change
        All of them, in the order in which they took place.
    kept : mapping of int to Kept
        Every trial that the study holds.
    outages : sequence of Outage
        What was done to the coordinators.
    total : int
        Finished trials that were asked for.
    limit : float
        Seconds for which nobody may be kept from claiming a trial.
    grace : float
        Seconds for which a claimant must be away before its trial is taken over.
    """
    problems: list[str] = []
    states: dict[int, str | None] = {}
    claimants: dict[int, str] = {}
    since, longest, taken_over = None, 0.0, 0
    for change in changes:
        trial, before, after = change.trial, states.get(change.trial), change.after
        if before != change.before or after not in NEXT.get(before, ()):
            problems.append(f"trial {trial} became {after} after {before}, by {change.who}")
        claimant = claimants.get(trial)
        if after == "RUNNING":
            if change.holder != change.who:
                problems.append(f"{change.who} started trial {trial}, but {change.holder} held the right")
            claimants[trial] = change.who
            if since is not None:
                longest = max(longest, change.at - since)
        elif before == "RUNNING" and change.who != claimant:
            taken_over += 1
            if after != "FAIL":
                problems.append(f"trial {trial} of {claimant} was ended by {change.who}")
            elif not _away(claimant, change.at, outages, grace):
                problems.append(f"trial {trial} was taken by {change.who} from {claimant}, who lives")
        states[trial] = after
        counts = Counter(states.values())
        started = sum(counts[state] for state in (*FINISHED, "RUNNING"))
        if after == "RUNNING" and started > total:
            problems.append(f"{change.who} started trial {trial}, one more than {total}")
        if started >= total:
            since = None  # there is nothing to claim
        elif after == "RUNNING" or since is None:
            since = change.at
    if longest > limit:
        problems.append(
            f"a trial could be claimed, and for {longest:.1f} s nobody did: the limit is {limit:g} s"
        )
    problems += _at_the_end(states, kept, total)
    return Verdict(problems, taken_over, longest)


def _away(who: str | None, at: float, outages: Sequence[Outage], grace: float) -> bool:
    """Tell whether something had kept somebody from its work for so long, a moment ago at the latest."""
    return any(
        outage.who == who and outage.began + grace <= at and outage.ended + grace >= at for outage in outages
    )


def _at_the_end(states: Mapping[int, str | None], kept: Mapping[int, Kept], total: int) -> list[str]:
    """Check that nothing is open, lost or finished twice, and that the number is exact."""
    problems = []
    finished = [trial for trial, state in states.items() if state in FINISHED]
    if len(finished) != total:
        problems.append(f"{len(finished)} trials were finished, not {total}")
    for trial, state in states.items():
        if state not in ENDED:
            problems.append(f"trial {trial} is {state} in the end")
    if unknown := states.keys() ^ kept.keys():
        problems.append(f"the trials {sorted(unknown)} are in the history or in the study, not in both")
    for wish, n in Counter(kept[trial].wish for trial in finished if trial in kept).items():
        if n > 1:
            problems.append(f"{wish} ran to completion {n} times")
    for origin, n in Counter(_origin(trial, kept) for trial in finished).items():
        if n > 1:
            problems.append(f"trial {origin} and what takes it up again ran to completion {n} times")
    successors = Counter(each.retry_of for each in kept.values() if each.retry_of is not None)
    for trial, each in kept.items():
        if successors[trial] and states.get(trial) != "FAIL":
            problems.append(f"trial {trial} is {states.get(trial)} and was run again")
        is_double = each.retry_of is not None and successors[each.retry_of] > 1
        if states.get(trial) == "FAIL" and each.wish is not None and not successors[trial] and not is_double:
            problems.append(f"trial {trial} failed and was never run again")
    return problems


def _origin(trial: int, kept: Mapping[int, Kept]) -> int:
    while trial in kept and (earlier := kept[trial].retry_of) is not None:
        trial = earlier
    return trial
