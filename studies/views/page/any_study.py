"""From a study of any kind to its own page."""

from optuna.study import Study

from studies import record
from studies.experiments.effects import findings
from studies.experiments.overview import overview
from studies.experiments.report import reproduction
from studies.experiments.results import require_search
from studies.experiments.trainings import trainings
from studies.record import ONE_FACTOR, REPORT
from studies.views.page.experiments import render_effects, render_report
from studies.views.page.rendering import Surroundings, render


def render_study(study: Study, around: Surroundings | None = None) -> str:
    """Return the page of a sweep or of an experiment.

    Raises
    ------
    UserError
        If the study has none, as its trainings belong to another one.
    """
    experiment = record.read(study).facts.experiment
    if experiment == ONE_FACTOR:
        return render_effects(findings(study), trainings(study), around)
    if experiment == REPORT:
        return render_report(reproduction(study), trainings(study), around)
    require_search(study)
    return render(overview(study), around)
