"""The page of a study, as one HTML text."""

from html import escape

from optuna.study import Study

from studies.experiments.results import summarise


def page(study: Study) -> str:
    """Return the page."""
    summary = summarise(study)
    return f"<!doctype html><title>{escape(summary.study)}</title><p>{escape(summary.ground or '')}"
