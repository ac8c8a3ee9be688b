"""The data of a study: found anew for a sweep, and found again for all that follows it."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from optuna.study import Study

from fcnet.data import Dataset, Reading, load
from fcnet.errors import UserError
from fcnet.losses import kind_of
from fcnet.metrics import Metric
from studies import record
from studies.choices import CLASSES
from studies.ranges import describe
from studies.record import Facts, Protocol, Source
from studies.space import Space


def load_data(
    data: str,
    classes: Sequence[str],
    reading: Reading = Reading(),  # frozen
    *,
    say: Callable[[str], None],
) -> tuple[Dataset, Source]:
    """Load data, and return where they can be found again from any folder, without asking the network.

    Parameters
    ----------
    data : str
        See `fcnet.load`.
    classes : sequence of str
        CIFAR-10 classes.
    reading : Reading, optional
        How tables and folders of images are read.
    say : callable
        Takes one-line notices for the user.
    """
    dataset = load(data, classes=classes, reading=reading, say=say)
    if data == "auto":
        data = "synthetic" if dataset.name.startswith("synthetic") else "cifar10"
    elif data not in ("cifar10", "synthetic") and not data.startswith("sklearn:"):
        data = str(Path(data).resolve())
    chosen = list(classes) if data == "cifar10" else []
    return dataset, Source(data, chosen, **asdict(reading), images=dataset.are_images)


def facts_of(
    dataset: Dataset,
    space: Space,
    *,
    protocol: Protocol,
    epochs: int,
    metric: Metric = "accuracy",
    experiment: str | None = None,
) -> Facts:
    """Return what the trainings of a study on some data have in common."""
    n_classes = len(dataset.class_names)
    return Facts(
        data=dataset.fingerprint,
        data_name=dataset.name,
        protocol=protocol,
        epochs=epochs,
        space=describe(space),
        loss=None if n_classes == 2 else f"{kind_of(n_classes)} cross-entropy",
        metric=metric,
        experiment=experiment,
    )


def load_data_of(study: Study, data: str | None, *, say: Callable[[str], None]) -> tuple[Dataset, Source]:
    """Load the data that a study was started with.

    Parameters
    ----------
    study : Study
    data : str or None
        Where they are now; None takes where the sweep found them.
    say : callable
        Takes one-line notices for the user.

    Raises
    ------
    UserError
        If they are not there any more, or are not the same.
    """
    kept = record.read(study)
    if data is None and Path(kept.source.source).is_absolute() and not Path(kept.source.source).exists():
        raise UserError(
            f"the data of the study {study.study_name!r} were at {kept.source.source}, which is not there any"
            " more: name where they are now with --data DATA"
        )
    # What a sweep said of data that are where it found them is not said again.
    heard = say if data is not None else lambda _: None
    dataset, source = load_data(
        data or kept.source.source, kept.source.classes or CLASSES, kept.source.reading, say=heard
    )
    if dataset.fingerprint != kept.facts.data:
        raise UserError(
            f"the study {study.study_name!r} was run on {kept.data_name} with fingerprint"
            f" {kept.facts.data[:12]}, but {dataset.name} has {dataset.fingerprint[:12]}:"
            " name the same data with --data"
        )
    return dataset, source
