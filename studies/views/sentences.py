"""Scores, noise and costs as rows and sentences, the same on the terminal and in the note."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fcnet.text import counted
from studies.analysis.advice import MIN_TRIALS
from studies.analysis.scores import distance_from_best
from studies.choices import TOP
from studies.views.words import duration, metric_words, number, percent, points, roughly, short

if TYPE_CHECKING:
    from studies.experiments.ledger import Cost
    from studies.experiments.marginal import Panel
    from studies.experiments.results import Scores, Summary
    from studies.experiments.standing import Standing
    from studies.record import Candidate, Confirmation

PROTOCOL_WORDS = {
    "holdout": "trained on 80 % of the training data, judged on the other 20 %, never on the test set",
    "report": "judged on the TEST set at every trial, as the course report did: the score flatters",
    "final": "trained on all training data; the value is the training accuracy, nothing is judged by it",
}


_CORRECTED = "the same, corrected for the picking"


def flattery_sentence(scores: Scores) -> str | None:
    """Say whether the search score flattered; None without a confirmation."""
    if scores.flattery is None:
        return None
    if points(abs(scores.flattery)) == points(0.0):
        return f"Fresh seeds score trial {scores.trial} the same as the search did."
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


def trainings(candidate: Candidate, found: Confirmation) -> str:
    """Return how many trainings a candidate's mean is of, and of how many where it left the race early."""
    whole = len(found.seeds)
    return str(whole) if candidate.n == whole else f"{candidate.n} of {whole}"


def ranked(found: Confirmation) -> list[Candidate]:
    """Return the candidates, the winner first.

    Means over different folds are not compared: who was trained longer stands above who left before.
    """
    return sorted(found.candidates, key=lambda c: (c.trial != found.winner, -c.n, -(c.mean or 0.0)))


def going_on(found: Confirmation) -> str:
    """Return the words that train the same candidates on so many seeds that a verdict is likely."""
    seeds = len(found.seeds) + (found.more_seeds or 0)
    return f"confirm --seeds {seeds}" + ("" if found.top == TOP else f" --top {found.top}")


def cost_of_going_on(found: Confirmation) -> str:
    """Say what the trainings of `going_on` take; who has left the race is not trained again."""
    most = max(candidate.n for candidate in found.candidates)
    once = sum(candidate.seconds or 0.0 for candidate in found.candidates if candidate.n == most)
    return f"{roughly((found.more_seeds or 0) * once)} of training, shared by the workers"


def interval(low: float | None, high: float | None) -> str:
    """Return a 95 % interval as text, empty where nothing was measured."""
    return "" if low is None or high is None else f"{100 * low:.2f} .. {percent(high)}"


def noise_sentence(noise: float | None, n_trials: int, baseline: float | None = None) -> str:
    """Say how large the noise is, and how far below the best of `n_trials` complete trials it reaches.

    `baseline` is the noise of the baseline; 0 is what the others' noise explains, and says nothing.
    """
    if noise is None:
        return "The noise of a training has not been measured: a confirmation repeats the top trials."
    where = f" at the top, by {points(baseline)} at the baseline" if baseline else ""
    measured = f"A single training varies by {points(noise)}{where} (standard deviation, from repeats)"
    if n_trials < 2:
        return f"{measured}."
    reach = distance_from_best(noise, n_trials)
    if reach >= 1:
        return f"{measured}: of {n_trials} trials, any may well be equal to the best."
    return (
        f"{measured}: of {n_trials} trials, those less than {points(reach)} below the best may well be equal"
        " to it."
    )


def noise_told(summary: Summary) -> str:
    """Say how large the noise of a study's trainings is."""
    found = summary.confirmation
    if summary.noise is None and found is not None:
        return (
            "The confirmation could not measure the noise of a training: its trainings were too few, or all"
            " candidates rose and fell alike from fold to fold."
        )
    at_baseline = None if found is None else found.baseline_noise
    return noise_sentence(summary.noise, summary.n_trials.complete, at_baseline)


def remarks(summary: Summary) -> list[str]:
    """Say below the scores how far they can be trusted; there must be some."""
    scores = summary.scores
    assert scores is not None
    uncorrected = None
    if summary.metric != "accuracy" and scores.confirmed is None and summary.n_trials.complete > 1:
        uncorrected = (
            f"A {metric_words(summary.metric)} is not corrected for the picking, which would need the class"
            f" of each row: a confirmation tells luck from merit."
        )
    opened = None
    if summary.test_openings and scores.test is None:
        opened = (
            f"The test set of this study was opened {counted(summary.test_openings, 'time')}, for others."
        )
    found = (flattery_sentence(scores), uncorrected, opened, noise_told(summary))
    return [sentence for sentence in found if sentence]


def cost_sentence(cost: Cost) -> str:
    """Say what it costs to test one more configuration on the same images."""
    return (
        f"{counted(cost.others, 'other configuration')} of this study met this test set before: the best of"
        f" {cost.others + 1} test results flatters by up to {points(cost.flattery)}, the first one does not"
    )


def headline(summary: Summary) -> str:
    """Say what a study has found, in one sentence: what the note, the page and a newcomer begin with."""
    scores, baseline = summary.scores, summary.baseline
    if scores is None:
        return "No training has finished yet."
    whole, judged = scores.ensemble or scores.test, metric_words(summary.metric)
    if whole is not None and summary.metric == "accuracy":
        return (
            f"The model of trial {scores.trial} names the class of {percent(whole.mean)} of the untouched"
            f" test {summary.data.noun} correctly."
        )
    if whole is not None:
        return (
            f"The model of trial {scores.trial} has {percent(whole.mean)} {judged} on untouched test"
            f" {summary.data.noun}."
        )
    score = scores.confirmed or scores.search
    where = "on fresh seeds" if scores.confirmed else "in the search"
    than = ""
    if baseline is not None and baseline.trial != scores.trial:
        gap = _confirmed_gap(summary, scores.trial) if scores.confirmed else score.mean - baseline.value
        if gap is not None:
            side = "above" if gap >= 0 else "below"
            than = f", {points(abs(gap))} {side} the course report's configuration"
    return f"Trial {scores.trial} reaches {percent(score.mean)} validation {judged} {where}{than}."


def sureness(summary: Summary) -> str:
    """Say how sure the headline is."""
    scores, confirmation = summary.scores, summary.confirmation
    if scores is None:
        return ""
    whole = scores.ensemble or scores.test
    if whole is not None and whole.low is not None and whole.high is not None:
        return (
            f"On fresh {summary.data.noun} it would be between {100 * whole.low:.1f} and"
            f" {percent(whole.high, 1)}, with 95 % confidence; the test set was opened"
            f" {counted(summary.test_openings, 'time')}."
        )
    if confirmation is not None:
        return summary.ground or ""
    n = summary.n_trials.complete
    if n < 2:
        return "It is the only complete trial so far."
    luckiest = f"It is the best of {n} complete trials, and so partly the luckiest"
    if (corrected := scores.corrected) is not None:
        within = interval(corrected.low, corrected.high)
        within = f" ({within})" if within else ""
        return f"{luckiest}: corrected for the picking it is {percent(corrected.mean)}{within}."
    return f"{luckiest}: how much of its lead is luck is not known until it is confirmed."


def _confirmed_gap(summary: Summary, trial: int) -> float | None:
    """Return how far a trial is above the baseline on the folds that both were trained on; None without any.

    Folds differ in how hard they are, and who leaves the race early has seen the first ones alone.
    """
    candidates = summary.confirmation.candidates if summary.confirmation else []
    ours = next((c for c in candidates if c.trial == trial), None)
    theirs = next((c for c in candidates if c.baseline), None)
    if ours is None or theirs is None or ours.diverged or theirs.diverged:  # it is not kept in which fold
        return None
    shared = [a - b for a, b in zip(ours.values, theirs.values, strict=False)]
    return sum(shared) / len(shared) if shared else None


def panel_sentence(panel: Panel) -> str:
    """Say in words what a panel of effects shows: where no difference can be told, and what the ends cost."""
    if panel.low == panel.high:
        return f"Fixed at {number(panel.low)}."
    trend = panel.tuned
    if trend is None or not trend.told:
        return f"Too few complete trials yet: it takes {MIN_TRIALS} to say something."
    top = max(range(len(trend.mean)), key=trend.mean.__getitem__)
    first = last = top
    while first > 0 and not trend.told[first - 1]:
        first -= 1
    while last + 1 < len(trend.told) and not trend.told[last + 1]:
        last += 1
    ends = [i for i in (0, len(trend.grid) - 1) if not first <= i <= last and trend.told[i]]
    costs = [f"{short(trend.grid[i])} costs about {_about(trend.behind[i])}" for i in reversed(ends)]
    if first == 0 and last == len(trend.grid) - 1:
        return f"Between {short(trend.grid[0])} and {short(trend.grid[-1])} no difference can be told."
    if first == last:
        found = f"Best near {short(trend.grid[top])}"
    else:
        found = f"Between {short(trend.grid[first])} and {short(trend.grid[last])} no difference can be told"
    return "; ".join([found, *costs]) + "."


def _about(points_behind: float) -> str:
    digits = 1 if points_behind < 1.95 else 0
    rounded = f"{points_behind:.{digits}f}".removesuffix(".0")
    return f"{rounded} point" + ("" if rounded == "1" else "s")


def standing_sentence(standing: Standing) -> str:
    """Say where a sweep stands that another process may be running."""
    of = f" of {standing.asked}" if standing.asked is not None else ""
    if standing.is_running:
        left = "" if standing.seconds_left is None else f", {roughly(standing.seconds_left)} left"
        return f"running, {standing.finished}{of}{left}"
    if standing.silent is not None:
        return f"interrupted? {standing.finished}{of}, no sign for {duration(standing.silent)}"
    if standing.asked is not None and standing.finished < standing.asked:
        return f"stopped, {standing.finished}{of}"
    return f"finished, {counted(standing.finished, 'trial')}"
