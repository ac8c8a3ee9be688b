"""Everything that the program keeps in a study: every key, and the form of what stands under it.

Nothing else writes or reads these keys. What is read may have been written by another version or by a person:
it is checked as a whole, once, and refused in a sentence. User attributes are shown by optuna-dashboard,
system attributes are not.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple
from typing import Annotated, Any, Literal, TypeVar

import msgspec
import numpy as np
from msgspec import Meta, Struct
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, Trial

from fcnet.errors import UserError
from fcnet.hyperparameters import Hyperparameters
from fcnet.metrics import EpochMetrics

FORMAT = 1
"""Of all that stands here; a study of another one is told so and left as it is."""

FACTS, SOURCE, DATA_NAME = "facts", "data_source", "data_name"
WIDENED = "facts_before"
"""Study user attribute: the spaces before the present one, each with the number of trials at its end."""
OPENINGS, CONFIRMATION, FINAL = "test_openings", "confirmation", "final"
COORDINATOR = "coordinator"
"""System attribute of a trial: the coordinator that started it, see `studies.storage.ownership`."""
_RECORD, _FIXED = "record", "fixed_params"  # system attributes of a trial; the second one is Optuna's
REASON = "reason"
_RETRY_OF = "retry_of"

ONE_FACTOR = "one factor at a time"
"""Fact `experiment` of the one-factor experiments."""
REPORT = "the report's training"
"""Fact `experiment` of the report's own training."""

Protocol = Literal["holdout", "report", "final"]
Fraction = Annotated[float, Meta(ge=0, le=1)]
Amount = Annotated[float, Meta(ge=0, lt=1e300)]
Count = Annotated[int, Meta(ge=0)]
Positive = Annotated[int, Meta(ge=1)]
_T = TypeVar("_T")


class Facts(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the values of a study depend on; kept when it is made, compared at every start.

    Parameters
    ----------
    data, data_name : str
        Fingerprint of the data set; what a person calls it, which is not compared.
    protocol : {"holdout", "report", "final"}
        What is trained on and judged, see `fcnet.Dataset.split`.
    epochs : int
    space : dict of str to str
        Each range in words, see `studies.space.describe`.
    experiment : str, optional
        What the study is, if it is no search.
    confirms, trains : str, optional
        Name of the searched study that this one belongs to.
    format : int
    """

    data: str
    data_name: str
    protocol: Protocol
    epochs: Positive
    space: dict[str, str]
    experiment: str | None = None
    confirms: str | None = None
    trains: str | None = None
    format: int = FORMAT

    def as_kept(self) -> dict[str, Any]:
        """Return them as they are kept."""
        return {**msgspec.to_builtins(self), "format": self.format}


class Source(Struct, frozen=True):
    """Where the data were found, as `fcnet.load` takes it."""

    source: str
    classes: list[str] = []


class Opening(Struct, frozen=True, kw_only=True):
    """An opening of the test set.

    Parameters
    ----------
    time : str
        ISO 8601.
    trial : int
    configuration : str
        See `configuration_hash`.
    images : int
        Number of test images.
    test_accuracies : list of float or None
        None from before the opening until its end.
    models : list of str
        Digests of the networks that were tested.
    """

    configuration: str
    time: str = ""
    trial: int | None = None
    images: Positive | None = None
    test_accuracies: Annotated[list[Fraction], Meta(min_length=1)] | None = None
    models: list[str] = []

    def __post_init__(self) -> None:
        if self.test_accuracies is not None and self.images is None:
            raise ValueError("test accuracies without their number of images")


class Candidate(Struct, frozen=True, kw_only=True):
    """A configuration that `confirm` trained again; accuracies are fractions, None where there are none.

    Parameters
    ----------
    trial : int
    baseline : bool
    params : dict
    search : float or None
        Its score in the search.
    values : list of float
        One per training that did not diverge.
    diverged : int
        Trainings that did.
    mean, low, high, std : float or None
        Their mean with its 95 % interval, and the standard deviation.
    n : int
        Number of `values`.
    seconds : float or None
        Median time of a training.
    """

    trial: Count
    params: dict[str, float]
    values: list[Fraction]
    baseline: bool = False
    search: float | None = None
    diverged: Count = 0
    mean: float | None = None
    low: float | None = None
    high: float | None = None
    n: Count = 0
    std: float | None = None
    seconds: float | None = None


class Confirmation(Struct, frozen=True, kw_only=True):
    """What `confirm` concluded.

    Parameters
    ----------
    study : str
    candidates : list of Candidate
    verdict : {"beats", "tie", "more_seeds", "only_candidate"}
    sentence : str
    p_value : float or None
    seeds : list of int
    winner, cheapest : int
        Numbers of trials.
    more_seeds : int or None
        About how many more would tell.
    noise : float or None
        Standard deviation of a single training.
    validation_images : int
    looks : list of str
        Each verdict that was asked for in this study, in words; each is a chance to be fooled.
    time : str
        ISO 8601.
    """

    study: str
    candidates: list[Candidate]
    verdict: Literal["beats", "tie", "more_seeds", "only_candidate"]
    sentence: str
    seeds: list[int]
    winner: Count
    cheapest: Count
    validation_images: Positive
    looks: list[str | int]
    p_value: float | None = None
    more_seeds: int | None = None
    noise: Amount | None = None
    time: str = ""


class Accuracies(Struct, frozen=True):
    """Accuracies of several networks: mean, standard deviation (None for one), and each."""

    mean: float
    std: float | None
    values: list[Fraction]

    @classmethod
    def of(cls, values: Sequence[float]) -> "Accuracies":
        """Summarise accuracies; n - 1 is in the denominator."""
        std = float(np.std(values, ddof=1)) if len(values) > 1 else None
        return cls(float(np.mean(values)), std, [float(value) for value in values])


class Final(Struct, frozen=True, kw_only=True):
    """What the final training found.

    Parameters
    ----------
    trial : int
        The trial whose parameters were trained.
    params : dict
    seeds : list of int
    test_accuracy : Accuracies
    validation_accuracy : float
        The trial's value in the search.
    model : str
        Path of the first seed's network, whatever the test set says of it.
    models : list of str
    report : str
        Path of the page with the learning curves.
    test_openings : int
        How many times the test set of the study was opened, this time included.
    configurations_tested_before : int
    """

    trial: Count
    params: dict[str, float]
    seeds: list[int]
    test_accuracy: Accuracies
    validation_accuracy: float | None
    model: str
    models: list[str]
    report: str
    test_openings: Count
    configurations_tested_before: Count


class Kept(Struct, frozen=True, kw_only=True):
    """All that a study keeps about itself, see `read`."""

    name: str
    facts: Facts
    data_name: str
    source: Source
    openings: list[Opening]
    confirmation: Confirmation | None
    final: Final | None


class Wish(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a trial shall be besides its hyperparameters; user attributes of the trial.

    Parameters
    ----------
    seed : int, optional
        Of its training; the runner draws one where none is given.
    split_seed : int, default=0
        Of its division into training and validation images.
    origin : int, optional
        The searched trial that it trains again.
    repeat : int, optional
        The trial of the same study that it repeats to measure the noise; it is never pruned.
    """

    seed: Count | None = None
    split_seed: Count = 0
    origin: Count | None = None
    repeat: Count | None = None


class Trained(Struct, frozen=True, kw_only=True):
    """What a training left: all that `reproduce` compares; a system attribute of the trial.

    Parameters
    ----------
    epochs : list of EpochMetrics
    digest : str or None
        SHA-256 of the parameters; None where the training was ended early.
    environment : dict of str to str
        See `studies.execution.environment`.
    """

    epochs: list[EpochMetrics]
    digest: str | None
    environment: dict[str, str]

    @property
    def seconds(self) -> float:
        """Time of all epochs."""
        return sum(epoch.seconds for epoch in self.epochs)


def read(study: Study) -> Kept:
    """Read and check what a study keeps.

    Raises
    ------
    UserError
        If it was made by another program or in another format, or somebody changed it.
    """
    name, attrs = study.study_name, study.user_attrs
    facts = attrs.get(FACTS)
    if not isinstance(facts, dict) or study.directions != [StudyDirection.MAXIMIZE]:
        raise not_ours(name)
    _check_format(name, facts.get("format"))

    def parsed(key: str, kind: type[_T], default: object) -> _T:
        try:
            return msgspec.convert(attrs.get(key, default), kind)
        except msgspec.ValidationError as error:
            raise UserError(
                f"the attribute {key!r} of the study {name!r} is not as this program writes it:"
                " restore a copy of the database or start another study with --study NAME"
            ) from error

    kept = Kept(
        name=name,
        facts=parsed(FACTS, Facts, None),
        data_name=parsed(DATA_NAME, str, facts.get("data_name", "")),
        source=parsed(SOURCE, Source, {"source": "auto"}),
        openings=parsed(OPENINGS, list[Opening], ()),
        confirmation=parsed(CONFIRMATION, Confirmation | None, None),  # type: ignore[arg-type]
        final=parsed(FINAL, Final | None, None),  # type: ignore[arg-type]
    )
    if kept.confirmation is not None and kept.confirmation.winner >= len(study.get_trials(deepcopy=False)):
        parsed(CONFIRMATION, type(None), attrs[CONFIRMATION])
    return kept


def not_ours(name: str) -> UserError:
    """Return the error about a study that something else has made."""
    return UserError(f"the study {name!r} was not made by this program: choose another --study NAME")


def _check_format(name: str, found: object) -> None:
    if found == FORMAT:
        return
    newer = isinstance(found, int) and found > FORMAT
    mend = (
        "run pip install --upgrade fcnet-sweep"
        if newer
        else "go on with the version that made it, or start another study with --study NAME"
    )
    raise UserError(f"the study {name!r} has format {found}, this program writes format {FORMAT}: {mend}")


def write_source(study: Study, source: Source, data_name: str) -> None:
    """Keep where the data are and what they are called, unless that is known."""
    for key, value in ((SOURCE, msgspec.to_builtins(source)), (DATA_NAME, data_name)):
        if study.user_attrs.get(key) != value:
            study.set_user_attr(key, value)


def write(study: Study, key: str, value: Struct | Sequence[Struct]) -> None:
    """Keep a confirmation, a final training or the openings of the test set."""
    study.set_user_attr(key, msgspec.to_builtins(value))


def configuration_hash(params: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a configuration, in hex."""
    return hashlib.sha256(json.dumps(dict(params), sort_keys=True).encode()).hexdigest()


def configuration(trial: FrozenTrial) -> Hyperparameters:
    """Return what a trial trains: its own hyperparameters, or those that it was enqueued with."""
    # A trial that is being started has got some of its parameters only.
    return _of(trial, lambda: Hyperparameters(**{**trial.system_attrs.get(_FIXED, {}), **trial.params}))


def wish(trial: FrozenTrial | Trial) -> Wish:
    """Return what a trial shall be besides its hyperparameters."""
    return _of(trial, lambda: msgspec.convert(trial.user_attrs, Wish))


def write_seed(trial: Trial, wished: Wish) -> None:
    """Keep the seed that was drawn for a training."""
    trial.set_user_attr("seed", wished.seed)


def kept_wish(wished: Wish) -> dict[str, int]:
    """Return a wish as user attributes of a trial."""
    found: dict[str, int] = msgspec.to_builtins(wished)
    return found


def trained(trial: FrozenTrial) -> Trained | None:
    """Return what a trial's training left; None for one that was not trained to an end."""
    if _RECORD not in trial.system_attrs:
        return None
    found = trial.system_attrs[_RECORD]

    def parse() -> Trained:
        epochs = [EpochMetrics(*msgspec.convert(row, _Row)) for row in found["epochs"]]
        rest = msgspec.convert({**found, "epochs": []}, Trained)
        return Trained(epochs=epochs, digest=rest.digest, environment=rest.environment)

    return _of(trial, parse)


_Row = tuple[int, float, float, float, float, float, float]


def write_trained(trial: Trial, left: Trained) -> None:
    """Keep what a training left."""
    value = {**msgspec.to_builtins(left), "epochs": [astuple(epoch) for epoch in left.epochs]}
    trial.storage.set_trial_system_attr(trial._trial_id, _RECORD, value)


def reason(trial: FrozenTrial) -> str:
    """Return why a trial ended early; empty if it did not."""
    return str(trial.user_attrs.get(REASON, ""))


def write_reason(trial: Trial, why: str) -> None:
    """Keep why a trial ends early."""
    trial.set_user_attr(REASON, why)


def retry_of(trial: FrozenTrial) -> int | None:
    """Return the number of the trial that a trial takes up again; None for most."""
    number = trial.user_attrs.get(_RETRY_OF)
    return number if isinstance(number, int) else None


def retry_attrs(trial: FrozenTrial) -> dict[str, Any]:
    """Return the user attributes of the trial that takes a trial up again."""
    kept = {name: trial.user_attrs[name] for name in Wish.__struct_fields__ if name in trial.user_attrs}
    return {_RETRY_OF: trial.number, **kept}


def _of(trial: FrozenTrial | Trial, parse: Callable[[], _T]) -> _T:
    try:
        return parse()
    except (msgspec.ValidationError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(
            f"what the study kept of trial {trial.number} is not as this program writes it:"
            " restore a copy of the database or name another trial"
        ) from error
