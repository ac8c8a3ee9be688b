"""The figures of a study by their names, for a notebook."""

from optuna.study import Study
from plotly.graph_objects import Figure

from studies import record
from studies.experiments.overview import effects_of
from studies.experiments.results import require_search, summarise
from studies.record import ONE_FACTOR, best_trial
from studies.views.figures.curves import learning_curves_figure
from studies.views.figures.history import history_figure
from studies.views.figures.marginals import panels_figure


def figures(study: Study) -> dict[str, Figure]:
    """Return the figures of a sweep, or of the one-factor experiments.

    Parameters
    ----------
    study : Study

    Returns
    -------
    dict of str to Figure
        Of a sweep ``effects``, ``history`` and, as soon as a trial is complete, the best one's
        ``learning_curves``; of the experiments ``effects``.

    Raises
    ------
    UserError
        If the study has none, as its trainings belong to another one.
    """
    facts = record.read(study).facts
    if facts.experiment == ONE_FACTOR:
        from studies.experiments.effects import findings
        from studies.views.figures.one_factor import controlled_figure

        return {"effects": controlled_figure(findings(study).info)}
    require_search(study)
    summary, trials = summarise(study), study.get_trials(deepcopy=False)
    info = effects_of(summary, trials, facts.space)
    found = {"effects": panels_figure(info), "history": history_figure(info.progress)}
    best = best_trial(trials)
    if best is not None and (left := record.trained(best)) is not None:
        title = f"Learning curves of trial {best.number}, the best"
        found["learning_curves"] = learning_curves_figure([left.epochs], title=title)
    return found
