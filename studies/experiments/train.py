"""The final training: several seeds of the best parameters as one model, the test set opened once."""

import errno
import os
from collections.abc import Sequence
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from fcnet.data import Dataset
from fcnet.errors import UsageError, UserError
from fcnet.hyperparameters import Hyperparameters
from fcnet.losses import decide
from fcnet.metrics import EpochMetrics, Metric
from fcnet.model import Model
from fcnet.scores import confusion, score
from studies import record
from studies.analysis.scores import proportion_interval
from studies.choices import at_least
from studies.execution.experiment import Experiment, Wanted
from studies.experiments import ledger
from studies.experiments.report import diverged, require_all
from studies.experiments.results import require_search, require_trial
from studies.record import FINAL, Accuracies, Final, Source, Wish

MOST_CLASSES_SHOWN = 50
"""Of more classes no confusion matrix is kept."""

MOST_SEEDS = 1_000
_FINAL_STREAM = 0xF1  # keeps the final seeds apart from those of the search and of the confirmation


def study_name(base: str, trial: int) -> str:
    """Return the name of the study that keeps the final trainings of a trial's parameters."""
    return f"{base}-train-{trial}"


@cache
def _seeds() -> tuple[int, ...]:
    state = np.random.SeedSequence([0, _FINAL_STREAM], spawn_key=(_FINAL_STREAM,)).generate_state(MOST_SEEDS)
    return tuple(map(int, state))


def final_seeds(n: int) -> list[int]:
    """Return the seeds of the final trainings: fresh ones, that no trial of a sweep has."""
    return list(_seeds()[:n])


class Train(Experiment[tuple[Final, list[list[EpochMetrics]]]]):
    """A trial's parameters on training and validation images, with several seeds: one model, tested once.

    The model, ``model.safetensors``, is all networks as one; each is kept as ``model-seedN.safetensors`` too.
    Its conclusion is what was found, and each training's epochs.

    Parameters
    ----------
    study : Study
        The searched study; the opening of the test set and the result are written into it.
    trial : int
        Number of the trial whose parameters are taken.
    dataset : Dataset
        The study's data.
    source : Source
    n_seeds : int, default=5
    folder : Path
        Where the models are written; made if it is not there.

    Raises
    ------
    UserError
        If the study is no search or has no such trial, more than `MOST_SEEDS` seeds are asked for, or the
        folder cannot be written.
    """

    title = "The final training"

    def __init__(
        self, study: Study, trial: int, dataset: Dataset, source: Source, *, n_seeds: int = 5, folder: Path
    ) -> None:
        at_least(1, n_seeds=n_seeds)
        if n_seeds > MOST_SEEDS:
            raise UsageError(f"{n_seeds:,} seeds are too many: at most {MOST_SEEDS:,} become one model")
        facts = require_search(study).facts
        self.trial = require_trial(study, trial)
        super().__init__(
            study_name(study.study_name, trial),
            msgspec.structs.replace(facts, protocol="final", trains=study.study_name),
            dataset,
            source,
            self.trial.distributions,  # type: ignore[arg-type]  # of the search's own space
        )
        self.folder, self.seeds, self.parents = folder, final_seeds(n_seeds), (study,)
        make_writable(folder)  # before any work is done, and before the test set is opened

    @property
    def models(self) -> list[Path]:
        """Files of the networks, one for each seed."""
        return [self._file(seed) for seed in self.seeds]

    def model(self, hyperparameters: Hyperparameters, wish: Wish) -> Path:
        """Return the file of a seed's network."""
        return self._file(wish.seed or 0)

    def _file(self, seed: int) -> Path:
        return self.folder / f"model-seed{_seeds().index(seed) + 1}.safetensors"

    def enqueue(self, trials: Sequence[FrozenTrial]) -> Sequence[Wanted]:
        """Want every seed whose training the study does not hold, or whose network is not in the folder."""
        complete, held = self._complete(trials), set()
        for trial in trials:
            seed = record.wish(trial).seed or 0
            if trial.state not in (TrialState.FAIL, TrialState.COMPLETE) or seed in complete:
                held.add(seed)
        h = record.configuration(self.trial)
        wanted = [seed for seed in self.seeds if seed not in held]
        return [Wanted(h, Wish(seed=seed, origin=self.trial.number)) for seed in wanted]

    def enough(self, trials: Sequence[FrozenTrial]) -> str | None:
        """Start no more after a divergence."""
        return diverged(trials, self.seeds)

    def conclude(self, study: Study) -> tuple[Final, list[list[EpochMetrics]]]:
        """Save the model, test its networks, and record the opening of the test set in the searched study.

        Raises
        ------
        UserError
            If a training diverged or failed, or the model cannot be saved. The test set stays closed then.
        """
        trials = study.get_trials(deepcopy=False)
        if why := diverged(trials, self.seeds):
            raise UserError(f"{why}: choose another trial with --trial N")
        complete = self._complete(trials)
        require_all(trials, {seed: left.epochs for seed, left in complete.items()}, self.seeds)
        (parent,), params = self.parents, self.trial.params
        digests = [complete[seed].digest or "" for seed in self.seeds]
        model, path = (
            Model.average([Model.load(each) for each in self.models]),
            self.folder / "model.safetensors",
        )
        model.save(path)
        tested, metric = ledger.known(parent, digests), self.facts.metric
        n_rows = self.dataset.effective_test_size(metric)
        if tested is None:
            ledger.begin(parent, self.trial.number, params, digests, images=n_rows)
            tested = _judge(model, *self.dataset.open_test(), metric)
            ledger.finish(parent, tested)
        openings = record.read(parent).openings
        final = Final(
            trial=self.trial.number,
            params=params,
            seeds=self.seeds,
            test_accuracy=Accuracies.of(tested.accuracies),
            ensemble_accuracy=tested.ensemble,
            ensemble_interval=proportion_interval(tested.ensemble, n_rows),
            validation_accuracy=self.trial.value,
            model=str(path),
            models=[str(each) for each in self.models],
            report=str(self.folder / "learning-curves.html"),
            class_names=list(self.dataset.class_names),
            confusion=tested.confusion,
            metric=metric,
            test_openings=len(openings),
            configurations_tested_before=len(
                {opening.configuration for opening in openings} - {record.configuration_hash(params)}
            ),
        )
        record.write(parent, FINAL, final)
        return final, [complete[seed].epochs for seed in self.seeds]

    def _complete(self, trials: Sequence[FrozenTrial]) -> dict[int, record.Trained]:
        """Return what is left of each finished training whose network is in the folder."""
        found = {}
        for trial in trials:
            seed, left = record.wish(trial).seed or 0, record.trained(trial)
            if trial.state != TrialState.COMPLETE or left is None or seed not in self.seeds:
                continue
            if left.digest is not None and _digest(self._file(seed)) == left.digest:
                found[seed] = left
        return found


def _judge(model: Model, images: NDArray[Any], labels: NDArray[Any], metric: Metric) -> ledger.Examined:
    """Judge each network and all as one by labels (n,) of raw images (n, n_features)."""
    logits, n_classes = model.logits(images), len(model.class_names)
    predicted = decide(model.pooled(logits))
    table = confusion(predicted, labels, n_classes).tolist() if 2 < n_classes <= MOST_CLASSES_SHOWN else None
    return ledger.Examined(
        [score(metric, decide(z), labels) for z in logits], score(metric, predicted, labels), table
    )


def _digest(path: Path) -> str | None:
    """Return the digest of a saved network; None if there is none that can be read."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return _digest_of(path, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=256)
def _digest_of(path: Path, mtime_ns: int, size: int) -> str | None:
    try:
        networks = Model.load(path).networks
    except UserError:
        return None
    return networks[0].digest() if len(networks) == 1 else None


def make_writable(folder: Path) -> None:
    """Make a folder if it is not there.

    Raises
    ------
    UserError
        If it cannot be made or written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise UserError(
            f"cannot write the folder {folder}: {error.strerror or error};"
            " name another with --out or --artifacts"
        ) from error
