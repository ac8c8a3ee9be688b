"""Publish a figure and a note into a study, where any optuna-dashboard shows them.

What draws takes long to import: it is imported when something is published, while the first trainings run.
"""

from __future__ import annotations

import importlib.util
import warnings
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from optuna.exceptions import ExperimentalWarning

from studies import record
from studies.experiments.results import summarise
from studies.record import ONE_FACTOR

if TYPE_CHECKING:
    from optuna.study import Study
    from plotly.graph_objects import Figure

FIGURE_ID = "effects"


def publish(study: Study) -> None:
    """Write the figure, where the study has one, and the note; what was published before is replaced."""
    figure, text = figure_and_note(study)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        if figure is not None:
            _part("optuna_dashboard._custom_plot_data").save_plotly_graph_object(
                study, figure, graph_object_id=FIGURE_ID
            )
        _part("optuna_dashboard._note").save_note(study, text)


@cache
def _part(name: str) -> ModuleType:
    """Return a module of optuna-dashboard alone: its package would load scikit-learn, which takes seconds."""
    package, _, module = name.partition(".")
    whole = importlib.util.find_spec(package)
    assert whole is not None
    assert whole.submodule_search_locations is not None
    path = Path(whole.submodule_search_locations[0]) / f"{module}.py"
    spec = importlib.util.spec_from_file_location(name.replace(".", ""), path)
    assert spec is not None
    assert spec.loader is not None
    part = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(part)
    return part


def figure_and_note(study: Study) -> tuple[Figure | None, str]:
    """Return what is published of a study: a figure of its effects, if it has any, and a note in Markdown."""
    from studies.views import note

    kept = record.read(study)
    if kept.facts.experiment == ONE_FACTOR:
        from studies.experiments.effects import findings
        from studies.views.figures.one_factor import controlled_figure

        found = findings(study)
        return controlled_figure(found.info), note.effects_note(found)
    summary = summarise(study)
    if not kept.facts.is_search:
        return None, note.part_note(kept, summary.n_trials)
    from studies.experiments.overview import effects_of
    from studies.views.figures.marginals import effects_figure

    info = effects_of(summary, study.get_trials(deepcopy=False), kept.facts.space)
    return effects_figure(info), note.sweep_note(summary)
