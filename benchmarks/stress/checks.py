"""What must hold where commands were killed: whole files, exact numbers, nothing trained twice."""

import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import optuna
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from fcnet.errors import UserError
from fcnet.model import Model
from studies import record
from studies.execution.experiment import FINISHED
from studies.experiments.one_factor import configurations

SWEEP = "sweep"


@dataclass
class Checks:
    """What is known of a folder, and what is wrong with it.

    Parameters
    ----------
    folder : Path
    problems : list of str
    wanted : Counter of str
        Finished trials that the commands which succeeded want of each study.
    openings : int
        Openings of the test set that they account for.
    database : str, default="sweep.db"
        The name of its file.
    """

    folder: Path
    problems: list[str] = field(default_factory=list)
    wanted: Counter[str] = field(default_factory=Counter)
    openings: int = 0
    database: str = "sweep.db"
    _finished: dict[tuple[str, int], tuple[Any, ...]] = field(default_factory=dict)
    _trained: Counter[Any] = field(default_factory=Counter)  # when the last command succeeded
    _last_final: tuple[int, int] = (-1, 0)  # trial and seeds of the last final training
    _confirmed: dict[str, int] = field(default_factory=dict)

    def succeeded(self, command: str, number: int) -> None:
        """Take note that a command has succeeded.

        Parameters
        ----------
        command : str
        number : int
            The trials or seeds that it was asked for.
        """
        with self._studies() as studies:
            kept = record.read(studies[SWEEP])
            self._trained = _completions(studies)
        match command:
            case "run":
                self.wanted[SWEEP] = number
            case "confirm":
                assert kept.confirmation is not None
                for each in kept.confirmation.candidates:
                    self._confirmed[record.configuration_hash(each.params)] = each.n + each.diverged
                self.wanted[f"{SWEEP}-confirm"] = sum(self._confirmed.values())
            case "train":
                assert kept.final is not None
                trial, before = kept.final.trial, self._last_final
                # Another trial's networks have replaced those that this one had in the folder.
                more = number - (before[1] if trial == before[0] else 0)
                self.wanted[f"{SWEEP}-train-{trial}"] += more
                self.openings += more > 0
                self._last_final = trial, number
            case "report":
                self.wanted[f"{SWEEP}-report"] = number
            case "effects":
                self.wanted[f"{SWEEP}-effects"] = number * len(configurations())

    def after_a_kill(self) -> None:
        """Check whole files, and that no finished trial was lost, changed or trained twice."""
        for model in [*self.folder.glob("models/*/*.safetensors"), *self.folder.glob("artifacts/*")]:
            if model.read_bytes()[8:10] == b'{"' and not _loads(model):
                self.problems.append(f"{model.name} is visible and does not load")
        if not (self.folder / self.database).exists():
            return
        try:
            with closing(sqlite3.connect(self.folder / self.database)) as connection:
                verdict = connection.execute("PRAGMA integrity_check").fetchone()[0]
        except sqlite3.DatabaseError as error:
            verdict = str(error)
        if verdict != "ok":
            self.problems.append(f"integrity check of {self.database}: {verdict}")
            return
        with self._studies() as studies:
            seen = {
                (name, trial.number): (trial.state, trial.value, trial.params, trial.intermediate_values)
                for name, study in studies.items()
                for trial in study.get_trials(deepcopy=False)
                if trial.state in FINISHED
            }
            completions = _completions(studies)
        for place, kept in self._finished.items():
            if seen.get(place) != kept:
                self.problems.append(f"trial {place} was finished, and is lost or changed")
        self._finished = seen
        for training, n in completions.items():
            # A final training runs again where another trial's networks have replaced its own meanwhile.
            before = self._trained[training] if f"{SWEEP}-train-" in training[0] else 0
            if n - before > 1:
                self.problems.append(f"{training} was trained to completion {n - before} times")

    def at_the_end(self) -> None:
        """Check what must hold once every command was given until it succeeded."""
        with self._studies() as studies:
            for name in studies.keys() ^ self.wanted.keys():
                self.problems.append(f"the study {name} is not one that the commands make, or is missing")
            for name, study in studies.items():
                self._check_study(name, study)
            openings = record.read(studies[SWEEP]).openings
        tested = sum(opening.test_accuracies is not None for opening in openings)
        if not len(openings) == tested == self.openings:
            found = f"{len(openings)} openings of the test set, {tested} of them to the end"
            self.problems.append(f"{found}, but {self.openings} final trainings")

    def found(self) -> str:
        """Return how many finished trials were wanted and found, by study, in words."""
        found = Counter(name for name, _ in self._finished)
        each = ", ".join(f"{name} {found[name]} of {n}" for name, n in sorted(self.wanted.items()))
        return f"finished trials found of those asked for: {each}; {self.openings} openings of the test set"

    def _check_study(self, name: str, study: Study) -> None:
        trials, facts = study.get_trials(deepcopy=False), record.read(study).facts
        finished = [trial for trial in trials if trial.state in FINISHED]
        if len(finished) != self.wanted[name]:
            self.problems.append(f"{name}: {len(finished)} finished trials, not {self.wanted[name]}")
        if open_ := [t.number for t in trials if not t.state.is_finished()]:
            self.problems.append(f"{name}: the trials {open_} are still running or waiting")
        if [trial.number for trial in trials] != list(range(len(trials))):
            self.problems.append(f"{name}: trial numbers are missing or appear twice")
        repeated = Counter(trial.user_attrs.get("retry_of") for trial in trials)
        for trial in trials:
            if repeated[trial.number] > (trial.state == TrialState.FAIL):
                self.problems.append(
                    f"{name}: trial {trial.number} ({trial.state.name}) was repeated"
                    f" {repeated[trial.number]} times"
                )
        for trial in finished:
            left = record.trained(trial)
            if left is None or [epoch.epoch for epoch in left.epochs] != list(trial.intermediate_values):
                self.problems.append(f"{name}: the record of trial {trial.number} is not that of its epochs")
            if trial.state == TrialState.COMPLETE and not _is_complete(trial, facts):
                self.problems.append(f"{name}: trial {trial.number} is complete without all its epochs")

    @contextmanager
    def _studies(self) -> Iterator[dict[str, Study]]:
        """Read all studies with Optuna alone; none where there is no database yet."""
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        storage = optuna.storages.RDBStorage(f"sqlite:///{self.folder / self.database}")
        try:
            names = optuna.get_all_study_names(storage)
            yield {name: optuna.load_study(study_name=name, storage=storage) for name in names}
        finally:
            storage.engine.dispose()


def _completions(studies: dict[str, Study]) -> Counter[Any]:
    """Count the complete trainings of each study, configuration, seed and split."""
    found: Counter[Any] = Counter()
    for name, study in studies.items():
        for trial in study.get_trials(deepcopy=False):
            if trial.state == TrialState.COMPLETE:
                wish = record.wish(trial)
                found[name, record.configuration(trial), wish.seed, wish.split_seed] += 1
    return found


def _is_complete(trial: FrozenTrial, facts: record.Facts) -> bool:
    values = [value for _, value in sorted(trial.intermediate_values.items())]
    expected = max(values) if facts.protocol == "report" else values[-1]
    return len(values) == facts.epochs and trial.value == expected


def _loads(model: Path) -> bool:
    try:
        Model.load(model)
    except UserError:
        return False
    return True


def half_written(folder: Path) -> list[str]:
    """Tell what is visible and not whole, besides what `Checks` looks at."""
    page, other = folder / "page.html", folder / "other.db"
    problems = []
    if page.exists() and not page.read_text(encoding="utf-8").rstrip().endswith("</html>"):
        problems.append("page.html is visible and not whole")
    if other.exists():
        copied = Checks(folder, database=other.name)
        copied.after_a_kill()
        problems += copied.problems
    return problems


def is_copied(folder: Path) -> bool:
    """Tell whether the copy holds the study with all of its trials."""
    if not (folder / "other.db").exists():
        return False
    found = []
    for name in ("sweep.db", "other.db"):
        with closing(sqlite3.connect(folder / name)) as connection:
            query = "SELECT count(*) FROM trials JOIN studies USING (study_id) WHERE study_name = 'sweep'"
            found.append(connection.execute(query).fetchone())
    return found[0] == found[1]
