"""A searched study whose trials have known scores, and its confirmation by scripted trainings."""

import io

from rich.console import Console
from scripted import Scripted, noisy

from fcnet.data import load
from fcnet.hyperparameters import Hyperparameters
from studies.api import confirm, search
from studies.experiments.confirm import runs_name
from studies.experiments.plan import Plan
from studies.experiments.results import summarise
from studies.storage.database import connect
from studies.storage.study import load_study
from studies.views.confirm import print_confirmation


class World:
    """A searched study whose trials score 0.80 (the baseline), 0.81, 0.82, ... by their number."""

    def __init__(self, folder, images):
        self.url, self.dataset = f"sqlite:///{folder}/sweep.db", load(str(images))
        if not (folder / "sweep.db").exists():
            options = {"trials": 5, "epochs": 2, "sampler": "random", "pruner": "none"}
            numbers = iter(range(5))
            backend = Scripted(lambda job: 0.80 + 0.01 * next(numbers))
            search(Plan(self.url, "sweep", data=str(images), **options), backend=backend)
        self.numbers = {Hyperparameters(**t.params): t.number for t in self.study.get_trials()}

    @property
    def study(self):
        return load_study(connect(self.url, create=False), "sweep")

    @property
    def runs(self):
        return load_study(connect(self.url, create=False), runs_name("sweep")).get_trials()

    def confirm(self, quality, *, spread=0.001, top=2, n_seeds=4, **options):
        backend = Scripted(noisy(lambda h: quality[self.numbers[h]], spread=spread), **options)
        found = confirm(self.study, top=top, n_seeds=n_seeds, backend=backend)
        return found, backend


def printed(study):
    out = io.StringIO()
    summary = summarise(study)
    console = Console(file=out, width=200, highlight=False, soft_wrap=True)
    print_confirmation(console, summary.confirmation, summary)
    return out.getvalue()
