"""The final training: several seeds of the best parameters, the test set opened once, the models kept."""

import contextlib
import errno
import hashlib
import json
import mimetypes
import os
import threading
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from optuna.artifacts import ArtifactMeta
from optuna.artifacts._upload import ARTIFACTS_ATTR_PREFIX
from optuna.study import Study

from fcnet.data import Dataset, shared_split
from fcnet.errors import UserError
from fcnet.hyperparameters import Hyperparameters
from fcnet.metrics import EpochMetrics
from fcnet.model import Model
from fcnet.trainer import Diverged
from fcnet.writing import write_whole
from studies.execution.backend import Backend, Job, TrainingFailed, WorkerLost
from studies.experiments.ledger import begin_opening, finish_opening
from studies.experiments.results import FINAL
from studies.storage.ownership import MAX_RETRIES
from studies.views.figures.curves import learning_curves_figure
from studies.views.figures.files import save_figure

_FINAL_STREAM = 0xF1  # keeps the final seeds apart from those of the sweep


@dataclass(frozen=True)
class FinalResult:
    """What the final training found.

    Parameters
    ----------
    trial : int
        The trial whose parameters were trained.
    params : dict
    validation_accuracy : float
        The trial's value in the sweep.
    seeds : list of int
    test_accuracies : list of float
        Of each seed's model on the test set, in [0, 1].
    opening : int
        How many times this study's test set was opened, this time included.
    tested_before : int
        How many other configurations were tested on it before.
    models : list of Path
        The first one is ``model.safetensors``: the first seed's, whatever the test set says of it.
    report : Path
        Interactive page with the learning curves.
    """

    trial: int
    params: dict[str, Any]
    validation_accuracy: float
    seeds: list[int]
    test_accuracies: list[float]
    opening: int
    tested_before: int
    models: list[Path]
    report: Path

    @property
    def mean(self) -> float:
        """Mean test accuracy."""
        return float(np.mean(self.test_accuracies))

    @property
    def std(self) -> float | None:
        """Standard deviation over the seeds (n - 1 in the denominator); None for one seed."""
        return float(np.std(self.test_accuracies, ddof=1)) if len(self.seeds) > 1 else None

    def as_json(self) -> dict[str, Any]:
        """Return the keys that other programs read."""
        return {
            "trial": self.trial,
            "params": self.params,
            "seeds": self.seeds,
            "test_accuracy": {"mean": self.mean, "std": self.std, "values": self.test_accuracies},
            "validation_accuracy": self.validation_accuracy,
            "model": str(self.models[0]),
            "models": [str(model) for model in self.models],
            "report": str(self.report),
            "test_openings": self.opening,
            "configurations_tested_before": self.tested_before,
        }


def final_seeds(n: int, *, seed: int = 0) -> list[int]:
    """Return the seeds of the final trainings: fresh ones, that no trial of a sweep has."""
    state = np.random.SeedSequence([seed, _FINAL_STREAM], spawn_key=(_FINAL_STREAM,)).generate_state(n)
    return [int(value) for value in state]


def train_final(
    study: Study,
    trial: int,
    dataset: Dataset,
    backend: Backend,
    *,
    n_seeds: int = 5,
    folder: Path,
    artifacts: Path,
    show: Callable[[int, int], None] = lambda done, total: None,
) -> FinalResult:
    """Train a trial's parameters on training and validation images, with several seeds, and test each once.

    Parameters
    ----------
    study : Study
    trial : int
        Number of the trial whose parameters are taken.
    dataset : Dataset
        The study's data.
    backend : Backend
        Where training runs.
    n_seeds : int, default=5
    folder : Path
        Where models and the learning curves are written; made if it is not there.
    artifacts : Path
        Folder of the study's artifacts, to which they are attached.
    show : callable, optional
        Takes the numbers of epochs done and to do.

    Raises
    ------
    UserError
        If a training diverges, or the files cannot be written. The test set stays closed then.
    """
    chosen = study.get_trials(deepcopy=False)[trial]
    hyperparameters = Hyperparameters(**chosen.params)
    epochs = int(study.user_attrs["facts"]["epochs"])
    seeds = final_seeds(n_seeds)
    models = [
        folder / ("model.safetensors" if i == 0 else f"model-seed{i + 1}.safetensors") for i in range(n_seeds)
    ]
    split = shared_split(dataset, "final")
    jobs = [
        Job(hyperparameters, epochs=epochs, seed=seed, split=split, model=model)
        for seed, model in zip(seeds, models, strict=True)
    ]
    for place in (folder, artifacts):  # before any work is done, and before the test set is opened
        _make_writable(place)
    runs = train_all(jobs, backend, show=show)
    accuracies, opening, before = _open_test(study, chosen.number, chosen.params, dataset, models)
    result = FinalResult(
        trial=trial,
        params=chosen.params,
        validation_accuracy=chosen.value if chosen.value is not None else float("nan"),
        seeds=seeds,
        test_accuracies=accuracies,
        opening=opening,
        tested_before=before,
        models=models,
        report=folder / "learning-curves.html",
    )
    _, curves = save_figure(learning_curves_figure(runs), result.report.with_suffix(""))
    _attach(study, [*models, curves], artifacts)
    study.set_user_attr(FINAL, result.as_json())
    return result


def train_all(
    jobs: Sequence[Job],
    backend: Backend,
    *,
    show: Callable[[int, int], None] = lambda done, total: None,
    see: Callable[[Job, EpochMetrics], None] = lambda job, metrics: None,
    mend: str = "choose another trial with --trial N",
) -> list[list[EpochMetrics]]:
    """Run all jobs, as many at a time as the backend has slots, and return each one's epochs.

    A training whose worker is lost is begun again, at most `MAX_RETRIES` times.

    Parameters
    ----------
    jobs : sequence of Job
    backend : Backend
    show : callable, optional
        Takes the numbers of epochs done and to do.
    see : callable, optional
        Takes every epoch's figures with their job, one call at a time; a training begun again repeats some.
    mend : str, optional
        What the user can do when a training diverges.

    Raises
    ------
    UserError
        If one diverges, fails, or loses its worker too often.
    """
    done, lock = 0, threading.Lock()
    total = sum(job.epochs for job in jobs)

    def train(job: Job) -> list[EpochMetrics]:
        nonlocal done
        epochs: list[EpochMetrics] = []
        try:
            with backend.train(job) as training:
                for metrics in training:
                    epochs.append(metrics)
                    with lock:
                        done += 1
                        show(done, total)
                        see(job, metrics)
        except WorkerLost:
            with lock:
                done -= len(epochs)
            raise
        return epochs

    def run(job: Job) -> list[EpochMetrics]:
        for _ in range(MAX_RETRIES):
            with contextlib.suppress(WorkerLost):
                return train(job)
        return train(job)

    with ThreadPoolExecutor(backend.slots) as pool:
        futures = [pool.submit(run, job) for job in jobs]
        try:
            return [future.result() for future in futures]
        except Diverged as error:
            raise UserError(f"{error}: {mend}") from error
        except (TrainingFailed, WorkerLost) as error:
            raise UserError(f"a training failed because {error}") from error
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            backend.close()
            raise


def _open_test(
    study: Study, trial: int, params: dict[str, Any], dataset: Dataset, models: Sequence[Path]
) -> tuple[list[float], int, int]:
    """Test the saved models, and record the opening of the test set in the study."""
    begin_opening(study, trial, params, images=dataset.test_size)
    images, labels = dataset.open_test()
    accuracies = [float(np.mean(Model.load(model).predict(images) == labels)) for model in models]
    return accuracies, *finish_opening(study, accuracies)


def _attach(study: Study, files: Sequence[Path], artifacts: Path) -> None:
    """Attach files to a study as Optuna does, but each whole or not at all, and the same file only once."""
    for file in files:
        content = file.read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        kind, encoding = mimetypes.guess_type(file.name)
        meta = ArtifactMeta(
            artifact_id=str(uuid.uuid5(uuid.NAMESPACE_OID, f"{study.study_name}/{file.name}/{digest}")),
            filename=file.name,
            mimetype=kind or "application/octet-stream",
            encoding=encoding,
        )
        write_whole(artifacts / meta.artifact_id, content)
        key = ARTIFACTS_ATTR_PREFIX + meta.artifact_id
        study._storage.set_study_system_attr(study._study_id, key, json.dumps(asdict(meta)))


def _make_writable(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise UserError(
            f"cannot write the folder {folder}: {error.strerror or error};"
            " name another with --out or --artifacts"
        ) from error
