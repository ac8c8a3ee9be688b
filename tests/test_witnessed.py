"""The checker of histories: every kind of bad history, made up, is found; a good one is not blamed."""

from typing import Any

import pytest

from benchmarks.stress.history_check import Change, Kept, Outage, Verdict, check

GOOD = [  # trial, state, who; one trial is interrupted, and taken over by another
    (1, "RUNNING", "a"),
    (2, "RUNNING", "b"),
    (1, "COMPLETE", "a"),
    (3, "WAITING", "a"),
    (2, "FAIL", "a"),
    (3, "RUNNING", "a"),
    (3, "PRUNED", "a"),
]
KEPT = {1: Kept("x"), 2: Kept("y"), 3: Kept("y", retry_of=2)}
KILLED = (Outage("b", "killed", 0.0),)


def verdict(steps: list[Any], kept: dict[int, Kept] = KEPT, **options: Any) -> Verdict:
    """Check changes that are ten seconds apart; a fourth says who has the right, if not who acts."""
    states: dict[int, str] = {}
    changes = []
    for place, (trial, state, who, *holder) in enumerate(steps):
        holds = holder[0] if holder else who
        changes.append(Change(10.0 * place, trial, states.get(trial), state, who, holds))
        states[trial] = state
    return check(changes, kept, **{"outages": KILLED, "total": 2, "limit": 60.0, "grace": 10.0, **options})


def test_a_good_history_is_not_blamed() -> None:
    found = verdict(GOOD)
    assert (found.problems, found.taken_over, found.longest_wait) == ([], 1, 10.0)


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        ([*GOOD, (3, "COMPLETE", "a")], "trial 3 became COMPLETE after PRUNED, by a"),
        ([*GOOD, (4, "RUNNING", "a"), (4, "COMPLETE", "a")], "a started trial 4, one more than 2"),
        (GOOD[:4], "trial 2 is RUNNING in the end"),
        (GOOD[:5], "1 trials were finished, not 2"),
        ([*GOOD[:6], (3, "COMPLETE", "b")], "trial 3 of a was ended by b"),
        ([*GOOD[:5], (3, "RUNNING", "a", "b"), GOOD[6]], "a started trial 3, but b held the right"),
        ([*GOOD[:5], (3, "RUNNING", "a", None), GOOD[6]], "a started trial 3, but None held the right"),
        ([*GOOD[:2], (1, "FAIL", "b"), *GOOD[3:]], "trial 1 was taken by b from a, who lives"),
        ([(1, "COMPLETE", "a"), *GOOD[1:2], *GOOD[3:]], "trial 1 became COMPLETE after None, by a"),
        ([*GOOD[:6], (2, "RUNNING", "b"), *GOOD[6:]], "trial 2 became RUNNING after FAIL, by b"),
    ],
)
def test_a_bad_history_is_found(steps: list[Any], said: str) -> None:
    assert said in verdict(steps).problems


@pytest.mark.parametrize(
    ("kept", "said"),
    [
        ({3: Kept("x", retry_of=2)}, "x ran to completion 2 times"),
        ({3: Kept("z", retry_of=1)}, "trial 1 and what takes it up again ran to completion 2 times"),
        ({3: Kept("z", retry_of=1)}, "trial 1 is COMPLETE and was run again"),
        ({3: Kept("z")}, "trial 2 failed and was never run again"),
        ({4: Kept("z")}, "the trials [4] are in the history or in the study, not in both"),
    ],
)
def test_what_the_study_keeps_must_agree(kept: dict[int, Kept], said: str) -> None:
    assert said in verdict(GOOD, {**KEPT, **kept}).problems


def test_a_trial_without_parameters_may_fail_for_ever() -> None:
    assert verdict(GOOD, {**KEPT, 2: Kept(None), 3: Kept("z")}).problems == []


def test_who_may_be_taken_over() -> None:
    taken = ["trial 2 was taken by a from b, who lives"]
    assert verdict(GOOD, outages=()).problems == taken
    assert verdict(GOOD, outages=[Outage("b", "stopped", 35.0)]).problems == taken  # not for long enough
    assert verdict(GOOD, outages=[Outage("b", "cut off", 0.0, 25.0)]).problems == taken  # long ago
    assert verdict(GOOD, outages=[Outage("b", "cut off", 0.0, 35.0)]).problems == []


def test_a_wait_that_is_too_long_is_found_where_there_was_something_to_claim() -> None:
    slow = verdict([GOOD[0], *[(n, "WAITING", "b") for n in range(4, 10)], *GOOD[1:]], limit=60.0)
    assert "a trial could be claimed, and for 70.0 s nobody did: the limit is 60 s" in slow.problems
    busy = verdict([GOOD[0], GOOD[1], *[(n, "WAITING", "b") for n in range(4, 12)], *GOOD[2:]])
    assert busy.longest_wait == 10.0
