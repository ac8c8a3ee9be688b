"""The course report's own training, run again: every epoch as it comes, the best and the last by name."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fcnet.data import Dataset, shared_split
from fcnet.hyperparameters import Hyperparameters
from fcnet.metrics import EpochMetrics
from studies.analysis.decisions import summarise
from studies.execution.backend import Backend, Job
from studies.experiments.effects import summary_as_json
from studies.experiments.train import train_all
from studies.views.figures.curves import learning_curves_figure
from studies.views.figures.files import save_figure
from studies.views.words import count

REPORTED = {
    "first": {"epoch": 0, "train_loss": 0.5875, "train_accuracy": 0.6913, "validation_accuracy": 0.7465},
    "last": {"epoch": 19, "train_loss": 0.3644, "train_accuracy": 0.8478, "validation_accuracy": 0.8195},
    "best": {"epoch": 18, "validation_accuracy": 0.8205},
}
"""What the report published of its single run; what it called its validation set was its test set."""

JUDGED_ON = {"report": "test", "holdout": "validation"}
"""The part of the data behind the validation figures, by protocol."""


@dataclass(frozen=True)
class Reproduction:
    """Trainings of one configuration.

    Parameters
    ----------
    hyperparameters : Hyperparameters
    protocol : {"report", "holdout"}
    data : str
        Name of the data set.
    seeds : list of int
    runs : list of list of EpochMetrics
        Each seed's epochs.
    files : list of Path
        The learning curves: an interactive page, and the figure as Plotly JSON.
    """

    hyperparameters: Hyperparameters
    protocol: str
    data: str
    seeds: list[int]
    runs: list[list[EpochMetrics]]
    files: list[Path]

    def as_json(self) -> dict[str, Any]:
        """Return what other programs read; accuracies and error rates are fractions."""
        return {
            "params": asdict(self.hyperparameters),
            "protocol": self.protocol,
            "judged_on": JUDGED_ON[self.protocol],
            "data": self.data,
            "epochs": len(self.runs[0]),
            "seeds": self.seeds,
            "runs": [
                {
                    "seed": seed,
                    "epochs": [_epoch_as_json(epoch) for epoch in run],
                    "best": _epoch_as_json(best_epoch(run)),
                    "last": _epoch_as_json(run[-1]),
                }
                for seed, run in zip(self.seeds, self.runs, strict=True)
            ],
            "best_epoch": self._summary([best_epoch(run) for run in self.runs]),
            "last_epoch": self._summary([run[-1] for run in self.runs]),
            "reported": REPORTED,
            "files": [str(file) for file in self.files],
        }

    def _summary(self, epochs: Sequence[EpochMetrics]) -> dict[str, Any]:
        values = [epoch.validation_accuracy for epoch in epochs]
        return {**summary_as_json(summarise(values)), "values": values}


def best_epoch(run: Sequence[EpochMetrics]) -> EpochMetrics:
    """Return the epoch with the highest validation accuracy, the first of equals."""
    return max(run, key=lambda epoch: (epoch.validation_accuracy, -epoch.epoch))


def train_report(
    dataset: Dataset,
    backend: Backend,
    *,
    protocol: str = "report",
    epochs: int = 20,
    n_seeds: int = 1,
    folder: Path,
    show: Callable[[int, int], None] = lambda done, total: None,
    see: Callable[[int, EpochMetrics], None] = lambda seed, epoch: None,
) -> Reproduction:
    """Train the report's configuration with the seeds 0, 1, ... and save its learning curves.

    Parameters
    ----------
    dataset : Dataset
    backend : Backend
        Where training runs.
    protocol : {"report", "holdout"}, default="report"
        See `fcnet.data.Dataset.split`.
    epochs : int, default=20
    n_seeds : int, default=1
    folder : Path
        Where the learning curves are written; made if it is not there.
    show : callable, optional
        Takes the numbers of epochs done and to do.
    see : callable, optional
        Takes the seed and the figures of every epoch as it ends, one call at a time.

    Raises
    ------
    UserError
        If a training diverges, or the files cannot be written.
    """
    hyperparameters, seeds = Hyperparameters(), list(range(n_seeds))
    split = shared_split(dataset, protocol)
    jobs = [Job(hyperparameters, epochs=epochs, seed=seed, split=split) for seed in seeds]
    runs = train_all(
        jobs,
        backend,
        show=show,
        see=lambda job, epoch: see(job.seed, epoch),
        mend="give other images with --data",
    )
    judged = JUDGED_ON[protocol]
    figure = learning_curves_figure(
        runs,
        title=f"The report's configuration on {dataset.name}, judged on the {judged} images"
        f" ({protocol} protocol, {count(n_seeds, 'seed')})",
        judged=judged,
    )
    files = save_figure(figure, folder / "learning-curves")
    return Reproduction(hyperparameters, protocol, dataset.name, seeds, runs, files)


def _epoch_as_json(epoch: EpochMetrics) -> dict[str, Any]:
    values = {
        **asdict(epoch),
        "train_error_rate": epoch.train_error_rate,
        "validation_error_rate": epoch.validation_error_rate,
    }
    return {name: value if np.isfinite(value) else None for name, value in values.items()}
