"""What a search would have handed over at certain moments, from what its trials reported until then."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import optuna

Report = tuple[float, Any, Any, dict[str, Any]]
"""Seconds since the start, which trial, its score (None if it shall not be picked), its configuration."""


def handed_over(reports: Iterable[Report], moments: Iterable[float]) -> list[dict[str, Any]]:
    """Return the best trial by its last report, at each of the moments at which there was one.

    What still ran at the last moment counts for it.
    """
    ordered, found = sorted(reports, key=lambda report: report[0]), []
    moments = sorted(moments)
    for seconds in moments:
        last = {
            trial: (score, configuration)
            for when, trial, score, configuration in ordered
            if when <= seconds or seconds == moments[-1]
        }
        scored = [(score, configuration) for score, configuration in last.values() if score is not None]
        if scored:
            score, configuration = max(scored, key=lambda each: each[0])
            found.append({"seconds": seconds, "value": score, "trials": len(last), **configuration})
    return found


def best_at(study: optuna.Study, began: datetime, moments: list[float]) -> list[dict[str, Any]]:
    """Return the best complete trial at each of the moments."""
    reports: list[Report] = [
        (
            (trial.datetime_complete - began).total_seconds(),
            trial.number,
            trial.value if trial.state == optuna.trial.TrialState.COMPLETE else None,
            {"number": trial.number, **trial.params},
        )
        for trial in study.trials
        if trial.datetime_complete
    ]
    return handed_over(reports, moments)
