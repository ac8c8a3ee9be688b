"""The note of a study in Markdown, which optuna-dashboard shows: the result, and what to do next."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from fcnet.text import counted
from studies.choices import STUDY
from studies.experiments.results import Counts, Data, Summary
from studies.program import command
from studies.record import Kept
from studies.views.figures.panels import WORDS
from studies.views.sentences import (
    PROTOCOL_WORDS,
    headline,
    remarks,
    score_rows,
    sureness,
)
from studies.views.words import metric_words, number, percent, points

if TYPE_CHECKING:
    from studies.experiments.effects import Findings


def sweep_note(summary: Summary) -> str:
    """Return a sweep's note."""
    lines = [f"**{headline(summary)}** {sureness(summary)}".rstrip(), "", f"# {summary.study}", ""]
    if summary.trial is None or summary.value is None or summary.params is None:
        lines += ["The figure and the scores come with the first complete trial.", ""]
    else:
        lines += [
            f"**Best trial: {summary.trial}, validation {metric_words(summary.metric)}"
            f" {percent(summary.value)}**",
            "",
            "| parameter | value |",
            "| --- | ---: |",
            *(f"| {name} | {number(value)} |" for name, value in summary.params.items()),
            "",
        ]
    if summary.baseline is not None:
        lines += [
            f"The baseline, the course report's own configuration (trial {summary.baseline.trial}), has"
            f" {percent(summary.baseline.value)}.",
            "",
        ]
    lines += [
        *_origin(summary.data, summary.protocol),
        f"- {counted(summary.epochs, 'epoch')} per training; a trial's value is its last epoch's"
        f" {metric_words(summary.metric)}",
        _counted(summary.n_trials),
        f"- Test set opened: {counted(summary.test_openings, 'time')}",
        "",
        *_evidence(summary),
        *_next_steps(summary),
    ]
    return "\n".join(lines)


def effects_note(found: Findings) -> str:
    """Return the note of the one-factor experiments."""
    trials = found.n_trials
    lines = [
        f"# {found.study}: one factor at a time",
        "",
        *_origin(found.data, found.protocol),
        f"- A trial's value is the {found.measure}, of {counted(found.epochs, 'epoch')}",
        f"- Trainings: {trials.complete} complete, {trials.pruned} diverged,"
        f" {trials.waiting + trials.running} to come",
        "",
        *(f"- {test.sentence}" for test in found.tests.values()),
    ]
    for factor, levels in found.levels.items():
        lines += [
            "",
            f"| {WORDS[factor].lower()} | mean | standard deviation | seeds |",
            "| ---: | ---: | ---: | ---: |",
        ]
        for level in levels:
            mean = "" if level.mean is None else percent(level.mean)
            std = "" if level.std is None else points(level.std)
            lines.append(f"| {number(level.value)} | {mean} | {std} | {level.n} |")
    return "\n".join([*lines, ""])


def part_note(kept: Kept, trials: Counts) -> str:
    """Return the note of a study that belongs to another one, or to the report."""
    if kept.facts.confirms is not None:
        what = (
            f"The top trials of the study {kept.facts.confirms}, trained again on fresh seeds, fold by fold."
        )
    elif kept.facts.trains is not None:
        what = f"The final trainings of a trial of the study {kept.facts.trains}, on all training data."
    else:
        what = "The course report's own configuration, trained as the report did."
    data = Data(kept.data_name, kept.facts.data)
    lines = [f"# {kept.name}", "", what, "", *_origin(data, kept.facts.protocol), _counted(trials), ""]
    return "\n".join(lines)


def _origin(data: Data, protocol: str) -> list[str]:
    return [
        f"- Data: {data.name} (fingerprint {data.fingerprint[:12]})",
        f"- Protocol: {protocol}: {PROTOCOL_WORDS[protocol]}",
    ]


def _counted(trials: Counts) -> str:
    return f"- Trials: {trials.complete} complete, {trials.pruned} pruned, {trials.failed} failed"


def _evidence(summary: Summary) -> list[str]:
    """Return the evidence about a study's winner; empty without a complete trial."""
    if summary.scores is None:
        return []
    lines = [
        summary.ground or "",
        "",
        f"| trial {summary.scores.trial} | {metric_words(summary.metric)} | 95 % interval |",
        "| --- | ---: | ---: |",
        *(f"| {words} | {mean} | {interval} |" for words, mean, interval in score_rows(summary.scores)),
        "",
    ]
    return [*lines, *remarks(summary), ""]


def _next_steps(summary: Summary) -> list[str]:
    steps, named = [], "" if summary.study == STUDY else f" --study {shlex.quote(summary.study)}"
    if summary.confirmation is None:
        steps.append(f"`{command('confirm' + named)}` re-trains the top trials on fresh seeds")
    if summary.test_openings == 0:
        steps.append(f"`{command('train' + named)}` trains the best parameters and opens the test set")
    if not steps:
        return []
    return [f"A best score is the luckiest of many: it flatters. Next: {', '.join(steps)}.", ""]
