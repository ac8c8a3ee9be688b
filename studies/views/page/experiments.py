"""From the findings of an experiment to its page's HTML; every name in it is text, whatever it holds."""

import shlex
from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

from fcnet.text import counted
from studies.experiments.effects import MEASURES, Findings
from studies.experiments.one_factor import EXPERIMENTS, Factor, are_the_reports, configurations
from studies.experiments.report import JUDGED_ON, Reproduction
from studies.experiments.trainings import Trainings, again
from studies.program import command
from studies.space import BASELINE
from studies.views import effects, report, sentences
from studies.views.figures.panels import WORDS
from studies.views.page.experiment_plots import curve_figures, factor_figures
from studies.views.page.plots import Figure
from studies.views.page.rendering import Surroundings, framed, table_data
from studies.views.words import params_line, roughly

_FEW = 5  # seeds; with fewer, so many are advised


@dataclass(frozen=True)
class _Panel:
    """What the page shows of a factor."""

    name: str
    title: str
    sentence: str
    columns: list[str]
    cells: list[list[str]]


def render_effects(found: Findings, trained: Trainings, around: Surroundings | None = None) -> str:
    """Return the page of the one-factor experiments."""
    judged = f"{JUDGED_ON[found.protocol]} accuracy"
    figures = factor_figures(found.info, trained.rows, judged=judged)
    together = "all by the same one" if trained.folds == 1 else f"together by {trained.folds} different ones"
    fifths = f"; each is judged by a fifth of the training data, {together}"
    common = {
        name: value
        for name, value in asdict(BASELINE).items()
        if name in trained.kept.facts.space and len({getattr(h, name) for h in configurations()}) == 1
    }
    return _framed(
        "effects.html.jinja",
        trained,
        around or Surroundings(),
        figures,
        headline=effects.headline(found),
        said=[*(test.sentence for test in found.tests.values()), *_warning(found.protocol)],
        found=found,
        drawn=bool(figures),
        panels=[_panel(found, factor) for factor in found.tests],
        judged=judged,
        fixed=[("Held fixed", params_line(common)), *((WORDS[f], _varied(f)) for f in found.tests)],
        seeds_note=f", the same ones for every value{fifths if found.protocol == 'holdout' else ''}",
        more="train {} seeds of each configuration: narrower intervals",
        configurations=len(configurations()),
    )


def _panel(found: Findings, factor: Factor) -> _Panel:
    columns, cells = effects.columns(found, factor), effects.cells(found, factor)
    return _Panel(factor, WORDS[factor], found.tests[factor].sentence, columns, cells)


def _varied(factor: Factor) -> str:
    grid = [asdict(h) for h in EXPERIMENTS[factor]]
    others: dict[str, Any] = {name: grid[0][name] for name in EXPERIMENTS if name != factor}
    return f"{', '.join(f'{h[factor]:g}' for h in grid)}, at {params_line(others)}"


def render_report(found: Reproduction, trained: Trainings, around: Surroundings | None = None) -> str:
    """Return the page of the report's training."""
    on = JUDGED_ON[found.protocol]
    published = found.protocol == "report" and are_the_reports(found.data)
    seeds = report.seed_sentences(found)
    own = {name: value for name, value in asdict(BASELINE).items() if value is not None}
    return _framed(
        "report.html.jinja",
        trained,
        around or Surroundings(),
        curve_figures(found.runs, judged=on, published=published),
        headline=report.headline(found),
        said=[
            *(f"{sentence}." for sentence in report.mean_sentences(found)),
            *_warning(found.protocol),
            f"{report.published_sentence()}.",
        ],
        found=found,
        on=on,
        published=published,
        runs=[
            (seed, sentence, [report.epoch_cells(epoch) for epoch in run])
            for seed, sentence, run in zip(found.seeds, seeds, found.runs, strict=True)
        ],
        columns=report.epoch_columns(found.protocol),
        judged=f"{on} accuracy",
        fixed=[("Configuration", f"the report's: {params_line(own)}")],
        seeds_note="",
        more="train {} seeds, which tells how much they differ",
        configurations=1,
    )


def _warning(protocol: str) -> list[str]:
    """Say what the figures owe to the test set, if they were judged by it."""
    words = sentences.PROTOCOL_WORDS[protocol]
    return [f"{words[0].upper()}{words[1:]}."] if protocol == "report" else []


def _framed(
    name: str,
    trained: Trainings,
    around: Surroundings,
    figures: dict[str, Figure],
    *,
    judged: str,
    more: str,
    configurations: int,
    **values: Any,
) -> str:
    kept, standing, seeds = trained.kept, trained.standing, trained.seeds
    n_seeds = max(seeds, default=0) + 1

    def asked(n: int) -> str:
        return command(shlex.join(again(kept, n)) + around.options)

    steps = []
    if not standing.is_running and standing.finished < (standing.asked or 0):
        steps.append((asked(n_seeds), "go on with the trainings that are missing"))
    elif not standing.is_running:
        n = _FEW if n_seeds < _FEW else n_seeds + _FEW
        steps.append((asked(n), more.format(n) + _cost(trained, (n - n_seeds) * configurations)))
    return framed(
        name,
        around,
        {
            "figures": figures,
            **table_data(trained.rows),
            "judged": judged,
            "best": None,
            "running": standing.is_running,
        },
        scripts=("table.js", "experiment.js"),
        kept=kept,
        standing=standing,
        environment=trained.environment,
        seeds=seeds,
        measure=MEASURES[kept.facts.protocol],
        counts=_counts(trained),
        judged=judged,
        next=steps,
        again=asked(n_seeds),
        say=sentences,
        **values,
    )


def _cost(trained: Trainings, n: int) -> str:
    known = [r.seconds for r in trained.rows if r.state == "complete" and r.seconds is not None]
    return f"; {roughly(n * sum(known) / len(known))} of training, shared by the workers" if known else ""


def _counts(trained: Trainings) -> str:
    states = Counter(row.state for row in trained.rows)
    told = ", ".join(f"{states[state]} {state}" for state in ("complete", "diverged"))
    failed = f", {states['failed']} failed" if states["failed"] else ""
    return f"Trainings: {told}{failed}, of {counted(trained.kept.facts.epochs, 'epoch')} each."
