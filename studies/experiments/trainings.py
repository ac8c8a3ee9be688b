"""The trainings of an experiment as its page shows them, and the command that asks for them."""

from dataclasses import dataclass
from datetime import datetime

from optuna.study import Study

from studies import record
from studies.experiments import effects, report
from studies.experiments.overview import Row, rows_of
from studies.experiments.plan import Plan
from studies.experiments.standing import Standing, standing
from studies.record import ONE_FACTOR, Kept


@dataclass(frozen=True)
class Trainings:
    """The trainings of an experiment.

    Parameters
    ----------
    kept : record.Kept
    standing : Standing
    rows : list of Row
    folds : int
        Parts of the training data that judge them.
    environment : dict of str to str
        Of the newest training: versions, libraries, machine.
    """

    kept: Kept
    standing: Standing
    rows: list[Row]
    folds: int
    environment: dict[str, str]

    @property
    def seeds(self) -> list[int]:
        """The seeds of all trainings that there are or shall be."""
        return sorted({row.seed for row in self.rows if row.seed is not None})


def trainings(study: Study, *, now: datetime | None = None) -> Trainings:
    """Collect the trainings of an experiment; `now` is the local time.

    Raises
    ------
    UserError
        If the study was not made by this program, or somebody changed what it keeps.
    """
    kept, trials = record.read(study), study.get_trials(deepcopy=False)
    left = {trial.number: record.trained(trial) for trial in trials}
    newest = next((found for found in reversed(left.values()) if found is not None), None)
    return Trainings(
        kept=kept,
        standing=standing(trials, kept, now=now or datetime.now()),
        rows=rows_of(trials, left),
        folds=len({record.wish(trial).fold for trial in trials}),
        environment={} if newest is None else newest.environment,
    )


def again(kept: Kept, n_seeds: int) -> list[str]:
    """Return the words that ask for an experiment with so many seeds, besides those that name its study."""
    verb, default = ("effects", "holdout") if kept.facts.experiment == ONE_FACTOR else ("report", "report")
    words = [verb, "--seeds", str(n_seeds)]
    if kept.facts.protocol != default:
        words += ["--protocol", kept.facts.protocol]
    words += kept.source.options()
    if kept.facts.epochs != Plan.epochs:
        words += ["--epochs", str(kept.facts.epochs)]
    return words


def asked_by(kept: Kept) -> str:
    """Return the name that ``--study`` takes in commands about a study: an experiment's is its sweep's."""
    if kept.facts.experiment is None:
        return kept.name
    whose = effects if kept.facts.experiment == ONE_FACTOR else report
    return kept.name.removesuffix(whose.study_name("", kept.facts.protocol))
