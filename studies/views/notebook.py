"""What a notebook shows: a study's summary as HTML, and progress as one line that is updated in place."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

from optuna.study import Study
from rich.console import Console
from tqdm import tqdm

from fcnet.text import counted
from studies.execution.progress import Progress
from studies.experiments import results
from studies.experiments.results import Summary
from studies.views import sentences, words
from studies.views.page.stages import stages
from studies.views.templates import template

_SUMMARY = Path(__file__).with_name("summary.html.jinja")


class DrawnSummary(Summary):
    """What a study has found, which draws itself where HTML is shown."""

    def _repr_html_(self) -> str:
        return template(_SUMMARY).render(
            summary=self, stages=stages(self), say=sentences, words=words, counted=counted
        )


def summarise(study: Study) -> Summary:
    """Collect a study's result, which a notebook shows as tables; see `studies.experiments.results`."""
    return DrawnSummary(**vars(results.summarise(study)))


@contextlib.contextmanager
def progress_line(title: str) -> Iterator[Callable[[Progress], None]]:
    """Yield what shows progress in a notebook; elsewhere it shows nothing."""
    if not Console().is_jupyter:
        yield lambda _: None
        return
    # Without widgets, which the notebook's page may not have: a carriage return begins the line anew.
    with tqdm(desc=title, unit="trial") as bar:

        def show(progress: Progress) -> None:
            best = progress.best
            bar.total, bar.n, bar.initial = progress.total, progress.finished, progress.begun
            if best is not None:
                so_far = f"best {words.percent(best.value or 0.0)} (trial {best.number})"
                bar.set_postfix_str(so_far, refresh=False)
            bar.refresh()

        yield show
