"""Publish a figure and a note into the study, where any optuna-dashboard shows them.

The dashboard and what draws take long to import: they are imported when something is published, while the
first trainings run.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from optuna.exceptions import ExperimentalWarning

from fcnet.errors import UserError
from studies.experiments.results import PROTOCOL_WORDS, summarise
from studies.views.evidence import evidence_lines
from studies.views.words import count, number, percent, points

if TYPE_CHECKING:
    from collections.abc import Callable

    from optuna.study import Study
    from plotly.graph_objects import Figure

FIGURE_ID = "effects"


class Publisher:
    """Publishes a study, and tells the user instead of raising when that fails: trials matter more.

    Parameters
    ----------
    study : Study
    say : callable
        Takes a sentence; the same one is not said twice.
    """

    def __init__(self, study: Study, say: Callable[[str], None]) -> None:
        self._study, self._say, self._said = study, say, ""

    def __call__(self) -> None:
        """Publish now."""
        try:
            publish(self._study)
        except Exception as error:
            kind = "" if isinstance(error, UserError) else f"{type(error).__name__}: "
            sentence = f"the figures on the dashboard are not up to date: {kind}{error}"
            if sentence != self._said:
                self._said = sentence
                self._say(sentence)


def publish(study: Study) -> None:
    """Write the three-panel figure and the note; what was published before is replaced."""
    import optuna_dashboard

    from studies.experiments.effects import findings, is_experiments, study_info
    from studies.views.figures.one_factor import controlled_figure

    if is_experiments(study):
        figure, text = controlled_figure(study_info(study)), experiments_note(findings(study))
    else:
        figure, text = _sweep(study)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        optuna_dashboard.save_plotly_graph_object(study, figure, graph_object_id=FIGURE_ID)
    publish_note(study, text)


def publish_note(study: Study, text: str) -> None:
    """Write a study's note, in Markdown."""
    import optuna_dashboard

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        optuna_dashboard.save_note(study, text)


def _sweep(study: Study) -> tuple[Figure, str]:
    """Return an ordinary sweep's figure and note."""
    from studies.views.figures.marginals import effects_figure, effects_info

    summary = summarise(study)
    label = f"{summary['data']['name']}"
    if summary["protocol"] == "report":
        label += ", judged on the TEST set"
    info = effects_info(study.get_trials(deepcopy=False), noise=summary["noise"], label=label)
    return effects_figure(info), note(summary)


def experiments_note(found: dict[str, Any]) -> str:
    """Return the note of the one-factor experiments in Markdown."""
    from studies.views.figures.panels import WORDS

    lines = [
        f"# {found['study']}: one factor at a time",
        "",
        f"- Data: {found['data']['name']} (fingerprint {str(found['data']['fingerprint'])[:12]})",
        f"- Protocol: {found['protocol']}: {PROTOCOL_WORDS[found['protocol']]}",
        f"- A trial's value is the {found['measure']}, of {count(found['epochs'], 'epoch')}",
        f"- Trainings: {found['n_trials']['complete']} complete, {found['n_trials']['pruned']} diverged,"
        f" {found['n_trials']['waiting'] + found['n_trials']['running']} to come",
        "",
        *(f"- {test['sentence']}" for test in found["tests"].values()),
    ]
    for factor, words in WORDS.items():
        lines += [
            "",
            f"| {words.lower()} | mean | standard deviation | seeds |",
            "| ---: | ---: | ---: | ---: |",
        ]
        for level in found[factor]:
            mean = "" if level["mean"] is None else percent(level["mean"])
            std = "" if level["std"] is None else points(level["std"])
            lines.append(f"| {number(level['value'])} | {mean} | {std} | {level['n']} |")
    return "\n".join([*lines, ""])


def note(summary: dict[str, Any]) -> str:
    """Return the study's note in Markdown: the result, how it came about, and what to do next."""
    trials = summary["n_trials"]
    lines = [f"# {summary['study']}", ""]
    if summary["trial"] is None:
        lines += ["No trial is complete yet.", ""]
    else:
        lines += [
            f"**Best trial: {summary['trial']}, validation accuracy {percent(summary['value'])}**",
            "",
            "| parameter | value |",
            "| --- | ---: |",
            *(f"| {name} | {number(value)} |" for name, value in summary["params"].items()),
            "",
        ]
    if summary["baseline"] is not None:
        baseline = summary["baseline"]
        lines += [
            f"The baseline, the course report's own configuration (trial {baseline['trial']}), has"
            f" {percent(baseline['value'])}.",
            "",
        ]
    lines += [
        f"- Data: {summary['data']['name']} (fingerprint {str(summary['data']['fingerprint'])[:12]})",
        f"- Protocol: {summary['protocol']}: {PROTOCOL_WORDS.get(summary['protocol'], '')}",
        f"- {count(summary['epochs'], 'epoch')} per training; a trial's value is its last epoch's accuracy",
        f"- Trials: {trials['complete']} complete, {trials['pruned']} pruned, {trials['failed']} failed",
        f"- Test set opened: {count(summary['test_openings'], 'time')}",
        "",
        *evidence_lines(summary),
        *_next_steps(summary),
    ]
    return "\n".join(lines)


def _next_steps(summary: dict[str, Any]) -> list[str]:
    steps = []
    if summary["confirmation"] is None:
        steps.append("`python sweep.py confirm` re-trains the top trials on fresh seeds")
    if summary["test_openings"] == 0:
        steps.append("`python sweep.py train` trains the best parameters and opens the test set")
    if not steps:
        return []
    return [f"A best score is the luckiest of many: it flatters. Next: {', '.join(steps)}.", ""]
