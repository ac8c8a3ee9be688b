"""Scores, noise and costs as rows and sentences, the same on the terminal and in the note."""

from __future__ import annotations

from typing import TYPE_CHECKING

from studies.analysis.scores import distance_from_best
from studies.program import command
from studies.views.words import count, percent, points

if TYPE_CHECKING:
    from studies.experiments.ledger import Cost
    from studies.experiments.results import Scores, Summary

PROTOCOL_WORDS = {
    "holdout": "trained on 80 % of the training images, judged on the other 20 %, never on the test set",
    "report": "judged on the TEST set at every trial, as the course report did: the score flatters",
    "final": "trained on all training images; the value is the training accuracy, nothing is judged by it",
}


_CORRECTED = "the same, corrected for the picking"


def flattery_sentence(scores: Scores) -> str | None:
    """Say whether the search score flattered; None without a confirmation."""
    if scores.flattery is None:
        return None
    if scores.flattery > 0:
        return (
            f"The search score flatters trial {scores.trial} by {points(scores.flattery)}:"
            " it was picked as the best of many."
        )
    return f"Fresh seeds score trial {scores.trial} {points(-scores.flattery)} higher than the search did."


def score_rows(scores: Scores) -> list[tuple[str, str, str]]:
    """Return the scores as rows of text: what was scored, the mean, its 95 % interval."""
    rows = []
    for score, words in (
        (scores.search, "in the search"),
        (scores.corrected, _CORRECTED),
        (scores.confirmed, "confirmed, fresh trainings"),
        (scores.test, "untouched test set"),
    ):
        if score is not None:
            rows.append((f"{words} ({score.n})", percent(score.mean), interval(score.low, score.high)))
        elif words != _CORRECTED:
            rows.append((words, "not yet", ""))
    if (one := scores.ensemble) is not None:
        rows.append((f"the same, as one model ({one.n})", percent(one.mean), interval(one.low, one.high)))
    return rows


def interval(low: float | None, high: float | None) -> str:
    """Return a 95 % interval as text, empty where nothing was measured."""
    return "" if low is None or high is None else f"{100 * low:.2f} .. {percent(high)}"


def noise_sentence(noise: float | None, n_trials: int, baseline: float | None = None) -> str:
    """Say how large the noise is, and how far below the best of `n_trials` complete trials it reaches.

    `baseline` is the noise of the baseline, where it is told apart.
    """
    if noise is None:
        return f"The noise of a training has not been measured: {command('confirm')} repeats the top trials."
    where = "" if baseline is None else f" at the top, by {points(baseline)} at the baseline"
    measured = f"A single training varies by {points(noise)}{where} (standard deviation, from repeats)"
    if n_trials < 2:
        return f"{measured}."
    return (
        f"{measured}: of {n_trials} trials, those less than {points(distance_from_best(noise, n_trials))}"
        " below the best may well be equal to it."
    )


def noise_told(summary: Summary) -> str:
    """Say how large the noise of a study's trainings is."""
    found = summary.confirmation
    at_baseline = None if found is None else found.baseline_noise
    return noise_sentence(summary.noise, summary.n_trials.complete, at_baseline)


def cost_sentence(cost: Cost) -> str:
    """Say what it costs to test one more configuration on the same images."""
    return (
        f"{count(cost.others, 'other configuration')} of this study met this test set before: the best of"
        f" {cost.others + 1} test results flatters by up to {points(cost.flattery)}, the first one does not"
    )
