"""The course report's own training, run again: every epoch as it comes, the best and the last by name."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from fcnet.data import Dataset
from fcnet.errors import UserError
from fcnet.metrics import EpochMetrics
from studies import record
from studies.analysis.scores import summarise
from studies.choices import at_least
from studies.execution.experiment import Experiment, Wanted
from studies.experiments.data import facts_of
from studies.experiments.effects import summary_as_json
from studies.record import REPORT, Protocol, Source, Wish
from studies.space import BASELINE, narrow

REPORTED = {
    "first": {"epoch": 0, "train_loss": 0.5875, "train_accuracy": 0.6913, "validation_accuracy": 0.7465},
    "last": {"epoch": 19, "train_loss": 0.3644, "train_accuracy": 0.8478, "validation_accuracy": 0.8195},
    "best": {"epoch": 18, "validation_accuracy": 0.8205},
}
"""What the report published of its single run; what it called its validation set was its test set."""

JUDGED_ON = {"report": "test", "holdout": "validation"}
"""The part of the data behind the validation figures, by protocol."""


def study_name(base: str, protocol: str) -> str:
    """Return the name of the report's own study beside a sweep's."""
    return f"{base}-report" if protocol == "report" else f"{base}-report-{protocol}"


@dataclass(frozen=True)
class Reproduction:
    """Trainings of the report's configuration.

    Parameters
    ----------
    study : str
    protocol : {"report", "holdout"}
    data : str
        Name of the data set.
    seeds : list of int
    runs : list of list of EpochMetrics
        Each seed's epochs.
    """

    study: str
    protocol: str
    data: str
    seeds: list[int]
    runs: list[list[EpochMetrics]]

    def as_json(self) -> dict[str, Any]:
        """Return what other programs read; accuracies and error rates are fractions."""
        return {
            "study": self.study,
            "params": asdict(BASELINE),
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
            "best_epoch": self.summary([best_epoch(run) for run in self.runs]),
            "last_epoch": self.summary([run[-1] for run in self.runs]),
            "reported": REPORTED,
        }

    @staticmethod
    def summary(epochs: Sequence[EpochMetrics]) -> dict[str, Any]:
        """Return mean, spread and interval of the accuracies of one epoch of each run."""
        values = [epoch.validation_accuracy for epoch in epochs]
        return {**summary_as_json(summarise(values)), "values": values}


def best_epoch(run: Sequence[EpochMetrics]) -> EpochMetrics:
    """Return the epoch with the highest validation accuracy, the first of equals."""
    return max(run, key=lambda epoch: (epoch.validation_accuracy, -epoch.epoch))


class Report(Experiment[Reproduction]):
    """The report's configuration with the seeds 0, 1, ...

    Parameters
    ----------
    base : str
        Name of the sweep beside which the study stands.
    dataset : Dataset
    source : Source
    protocol : {"report", "holdout"}, default="report"
    epochs : int, default=20
    n_seeds : int, default=1
    see : callable, optional
        Takes the seed and the figures of every epoch as it ends, one call at a time; first those of the
        trainings that the study holds already.
    """

    title = "The report's training"

    def __init__(
        self,
        base: str,
        dataset: Dataset,
        source: Source,
        *,
        protocol: Protocol = "report",
        epochs: int = 20,
        n_seeds: int = 1,
        see: Callable[[int, EpochMetrics], None] = lambda seed, epoch: None,
    ) -> None:
        space = narrow([BASELINE])
        facts = facts_of(dataset, space, protocol=protocol, epochs=epochs, experiment=REPORT)
        at_least(1, n_seeds=n_seeds)
        super().__init__(study_name(base, protocol), facts, dataset, source, space)
        self.seeds, self._see = list(range(n_seeds)), see

    def prepare(self, study: Study) -> None:
        """Show what there is already."""
        super().prepare(study)
        for seed, epochs in sorted(_complete(study.get_trials(deepcopy=False)).items()):
            for metrics in epochs if seed in self.seeds else ():
                self._see(seed, metrics)

    def enqueue(self, trials: Sequence[FrozenTrial]) -> Sequence[Wanted]:
        """Want every seed that the study does not hold."""
        held = {record.wish(trial).seed for trial in trials if trial.state != TrialState.FAIL}
        return [Wanted(BASELINE, Wish(seed=seed)) for seed in self.seeds if seed not in held]

    def enough(self, trials: Sequence[FrozenTrial]) -> str | None:
        """Start no more after a divergence."""
        return diverged(trials, self.seeds)

    def see(self, wish: Wish, metrics: EpochMetrics) -> None:
        """Show an epoch."""
        self._see(wish.seed or 0, metrics)

    def conclude(self, study: Study) -> Reproduction:
        """Collect the epochs.

        Raises
        ------
        UserError
            If a training diverged or failed.
        """
        trials = study.get_trials(deepcopy=False)
        if why := diverged(trials, self.seeds):
            raise UserError(f"{why}: give other data with --data")
        require_all(trials, _complete(trials), self.seeds)
        return reproduction(study, self.seeds)


def reproduction(study: Study, seeds: Sequence[int] | None = None) -> Reproduction:
    """Return complete trainings of such a study: those with some seeds, or all that there are."""
    kept, found = record.read(study), _complete(study.get_trials(deepcopy=False))
    shown = sorted(found) if seeds is None else [*seeds]
    return Reproduction(
        study.study_name, kept.facts.protocol, kept.data_name, shown, [found[seed] for seed in shown]
    )


def diverged(trials: Sequence[FrozenTrial], seeds: Sequence[int]) -> str | None:
    """Return the reason of the first training with one of the seeds that diverged; None if none did."""
    ended = (t for t in trials if t.state == TrialState.PRUNED and record.wish(t).seed in seeds)
    return next((record.reason(trial) for trial in ended), None)


def require_all(
    trials: Sequence[FrozenTrial], found: dict[int, list[EpochMetrics]], seeds: Sequence[int]
) -> None:
    """Refuse to conclude from fewer trainings than were wanted."""
    if not set(seeds) <= found.keys():
        why = record.last_failure(trials)
        raise UserError(f"a training failed because {why}: give the same command again")


def _complete(trials: Sequence[FrozenTrial]) -> dict[int, list[EpochMetrics]]:
    found = {}
    for trial in trials:
        left = record.trained(trial)
        if trial.state == TrialState.COMPLETE and left is not None:
            found[record.wish(trial).seed or 0] = left.epochs
    return found


def _epoch_as_json(epoch: EpochMetrics) -> dict[str, Any]:
    values = {
        **asdict(epoch),
        "train_error_rate": epoch.train_error_rate,
        "validation_error_rate": epoch.validation_error_rate,
    }
    return {name: value if np.isfinite(value) else None for name, value in values.items()}
