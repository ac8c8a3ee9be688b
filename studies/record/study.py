"""What a study keeps about itself: its facts, its data, the test set's ledger, its conclusions."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct
from optuna.study import Study, StudyDirection

from fcnet.errors import UserError
from studies.record.final import Count, Final, Fraction, Opening, Positive, Value

FORMAT = 1
"""Of all that is kept; a study of another one is told so and left as it is."""

FACTS, SOURCE, DATA_NAME = "facts", "data_source", "data_name"
WIDENED = "facts_before"
"""The spaces before the present one, each with the number of trials at its end."""
OPENINGS, CONFIRMATION, FINAL = "test_openings", "confirmation", "final"
ASKED = "asked"
_OWN = "fcnet:"
"""Begins the keys of system attributes, which optuna-dashboard does not show."""

ONE_FACTOR = "one factor at a time"
"""Fact `experiment` of the one-factor experiments."""
REPORT = "the report's training"
"""Fact `experiment` of the report's own training."""

Protocol = Literal["holdout", "report", "final"]
Amount = Annotated[float, Meta(ge=0, lt=1e300)]
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
        Each range in words, see `studies.ranges.describe`.
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


class Asked(Struct, frozen=True, kw_only=True):
    """What the last sweep of a study was asked for.

    Parameters
    ----------
    trials : int
        Finished trials in the end.
    sampler, pruner : str
    seed : int
    """

    trials: Positive
    sampler: str = "tpe"
    pruner: str = "median"
    seed: Count = 0


class Candidate(Struct, frozen=True, kw_only=True):
    """A configuration that `confirm` trained again; accuracies are fractions, None where there are none.

    Parameters
    ----------
    trial, baseline, params : int, bool, dict
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
    params: dict[str, Value]
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
    time : str, in ISO 8601
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


class Kept(Struct, frozen=True, kw_only=True):
    """All that a study keeps about itself, see `read`."""

    name: str
    facts: Facts
    data_name: str
    source: Source
    openings: list[Opening]
    confirmation: Confirmation | None
    final: Final | None
    asked: Asked | None = None


def attributes(study: Study) -> dict[str, Any]:
    """Return all that is kept, by its key: system attributes, or user attributes as version 0.1.0 kept it."""
    return _merged(study.user_attrs, study._storage.get_study_system_attrs(study._study_id))


def is_search(user_attrs: Mapping[str, Any], system_attrs: Mapping[str, Any]) -> bool:
    """Tell from a study's attributes whether it is a sweep of ours, and no part of one."""
    facts = _merged(user_attrs, system_attrs).get(FACTS)
    return isinstance(facts, dict) and not {"experiment", "confirms", "trains"} & {*facts}


def _merged(user_attrs: Mapping[str, Any], system_attrs: Mapping[str, Any]) -> dict[str, Any]:
    own = {key.removeprefix(_OWN): value for key, value in system_attrs.items() if key.startswith(_OWN)}
    return {**user_attrs, **own}


def key_of(key: str) -> str:
    """Return the name of the system attribute."""
    return _OWN + key


def write_attribute(study: Study, key: str, value: Any) -> None:
    """Keep a value under its key."""
    study._storage.set_study_system_attr(study._study_id, key_of(key), value)


def read(study: Study) -> Kept:
    """Read and check what a study keeps.

    Raises
    ------
    UserError
        If it was made by another program or in another format, or somebody changed it.
    """
    name, attrs = study.study_name, attributes(study)
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
        asked=parsed(ASKED, Asked | None, None),  # type: ignore[arg-type]
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
        if attributes(study).get(key) != value:
            write_attribute(study, key, value)


def write(study: Study, key: str, value: Struct | Sequence[Struct]) -> None:
    """Keep a confirmation, a final training, the openings of the test set, or what was asked for."""
    write_attribute(study, key, msgspec.to_builtins(value))
