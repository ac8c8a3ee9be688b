"""From an overview of a sweep to the page's HTML; every name in it is text, whatever it holds."""

import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from fcnet.text import counted
from studies.experiments.marginal import FACTORS, Panel
from studies.experiments.overview import Overview, Row
from studies.experiments.plan import again
from studies.program import command
from studies.views import sentences, words
from studies.views.figures.panels import rounded
from studies.views.page import assets
from studies.views.page.learning import curve_columns, curve_layouts
from studies.views.page.plots import MARKS, effect_figure, progress_figure, winner_beside
from studies.views.page.stages import stages
from studies.views.templates import template


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What stands around a page.

    Parameters
    ----------
    options : str
        What names the study in a command to be typed, if that is needed; of an experiment, its sweep.
    live : bool
        Whether a server answers, which the page asks for news.
    studies : sequence of (str, str, str)
        Name and address of the other pages of the database, and that of the comparison with each, if any.
    dashboard : str or None
        Address of the study in optuna-dashboard.
    """

    options: str = ""
    live: bool = False
    studies: Sequence[tuple[str, str, str]] = ()
    dashboard: str | None = None


def render(overview: Overview, around: Surroundings | None = None) -> str:
    """Return the page of a sweep."""
    around = around or Surroundings()
    return framed(
        "page.html.jinja",
        around,
        _data(overview),
        scripts=("table.js", "page.js"),
        o=overview,
        summary=overview.summary,
        stages=stages(overview.summary),
        panels=[(panel, sentences.panel_sentence(panel)) for panel in _varied(overview)],
        do=_effects_title(overview),
        fixed=[
            f"{name} {words.range_words(text)}"
            for name, text in overview.kept.facts.space.items()
            if words.range_words(text) != text
        ],
        main=_in_view(overview),
        marks=_marks_shown(overview),
        next=_next(overview, around.options),
        again=command(shlex.join(again(overview.kept)) + around.options),
        reproduce=command(f"reproduce {_winner(overview)}" + around.options),
        winner=next((row for row in overview.rows if row.trial == _winner(overview)), None),
        aside=winner_beside(overview),
        kept=overview.kept,
        judged=words.metric_words(overview.summary.metric),
        say=sentences,
    )


def framed(
    name: str, around: Surroundings, data: dict[str, Any], *, scripts: Sequence[str], **values: object
) -> str:
    """Return a page in the frame that all share.

    Parameters
    ----------
    name : str
        Of its template's file.
    around : Surroundings
    data : dict
        What its scripts read.
    scripts : sequence of str
        Names of their files, besides those of every page.
    values
        What the template shows.
    """
    needed = ("plotly.js", "news.js", "figures.js", *scripts)
    texts = [] if around.live else [assets.inline(each) for each in needed]
    styles = [] if around.live else [assets.inline("page.css")]
    served = assets.asset_names()
    return template(Path(__file__).with_name(name)).render(
        around=around,
        data=_json(data),
        policy=assets.inline_policy(texts, styles),
        scripts=[Markup(text) for text in texts],  # our own files
        styles=[Markup(text) for text in styles],
        served=[served[each] for each in needed],
        style=served["page.css"],
        style_ids=assets.style_ids(),
        words=words,
        counted=counted,
        **values,
    )


def _json(value: Any) -> Markup:
    """Return JSON that can stand within a script element: no name in it can end the element."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return Markup(text)


def _data(overview: Overview) -> dict[str, Any]:
    rows = overview.rows
    figures = {f"effect-{panel.name}": effect_figure(overview, panel) for panel in _varied(overview)}
    for against in ("trial", "time"):
        if (drawn := progress_figure(overview, against=against)) is not None:
            figures[f"progress-{against}"] = drawn
    return {
        "figures": figures,
        "curves": curve_columns(overview),
        "layouts": curve_layouts(overview.summary.epochs),
        **table_data(rows),
        "judged": words.metric_words(overview.summary.metric),
        "best": overview.summary.trial,
        "winner": _winner(overview),
        "baseline": overview.baseline,
        "running": overview.standing.is_running,
    }


def table_data(rows: Sequence[Row]) -> dict[str, Any]:
    """Return what the script of the table reads: the names of the parameters, and the rows."""
    names = list(dict.fromkeys(name for row in rows for name in row.params))
    return {
        "names": names,
        "rows": [
            [
                row.trial,
                row.state,
                None if row.accuracy is None else round(100 * row.accuracy, 2),
                row.epochs,
                None if row.seconds is None else rounded(row.seconds),
                None if row.ended is None else round(row.ended, 1),
                row.seed,
                row.reason,
                *(_value(row.params.get(name)) for name in names),
            ]
            for row in rows
        ],
    }


def _varied(overview: Overview) -> list[Panel]:
    """Return the panels that have something to show: the others' hyperparameter is fixed."""
    return [panel for panel in overview.effects.panels if panel.low < panel.high]


def _effects_title(overview: Overview) -> str:
    """Say what stands in the panels in view."""
    panels = [panel.name for panel in _varied(overview)] if overview.effects.panels else FACTORS
    *names, last = [name.replace("_", " ") for name in FACTORS if name in panels] or ["the hyperparameters"]
    if names:
        return f"What {', '.join(names)} and {last} do"
    return f"What {last} do" if last.endswith("s") else f"What {last} does"


def _in_view(overview: Overview) -> list[str]:
    """Return whose panels are in view at once: the main hyperparameters', or all where those are fixed."""
    names = [panel.name for panel in _varied(overview)]
    return [name for name in names if name in FACTORS] or names


def _winner(overview: Overview) -> int | None:
    return None if overview.summary.scores is None else overview.summary.scores.trial


def _value(value: Any) -> Any:
    return float(f"{value:.8g}") if isinstance(value, float) else value  # the script rounds what is shown


def _marks_shown(overview: Overview) -> list[tuple[str, str]]:
    present = {row.state for row in overview.rows}
    return [(state, text) for state, (text, *_) in MARKS.items() if state in present]


def _next(overview: Overview, options: str) -> list[tuple[str, str]]:
    """Return the commands to be typed next, each with what it does."""
    summary, standing = overview.summary, overview.standing
    steps = []
    if not standing.is_running and (standing.asked or 0) > standing.finished:
        steps.append((shlex.join(again(overview.kept)), "go on with the sweep"))
    if summary.trial is not None:
        if summary.confirmation is None:
            steps.append(("confirm", "train the top trials again on fresh seeds: luck or merit?"))
        elif summary.confirmation.more_seeds:
            more = sentences.going_on(summary.confirmation)
            cost = sentences.cost_of_going_on(summary.confirmation)
            steps.append((more, f"train them on so many seeds that a verdict is likely: {cost}"))
        if summary.test_openings == 0:
            steps.append(("train", "train the winner, save the model, open the test set once"))
        which = "best trial" if summary.confirmation is None else "winner"
        steps.append((f"reproduce {_winner(overview)}", f"train the {which} again and compare every bit"))
        if overview.advice.wider:
            steps.append(
                (shlex.join(overview.advice.wider), "search beyond the edges that the best trial touches")
            )
    return [(command(verb + options), text) for verb, text in steps]
