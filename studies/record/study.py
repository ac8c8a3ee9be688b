"""What a study keeps about itself: its facts, its data, the test set's ledger, its conclusions."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct
from optuna.study import Study, StudyDirection

from fcnet.data.reading import Reading
from fcnet.errors import UserError
from fcnet.metrics import Metric
from studies.record.confirmation import Confirmation
from studies.record.final import Count, Final, Opening, Positive

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
    metric : {"accuracy", "balanced_accuracy"}
        What a training is judged by.
    loss : str, optional
        What more than two classes are trained with.
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
    metric: Metric = "accuracy"
    loss: str | None = None
    experiment: str | None = None
    confirms: str | None = None
    trains: str | None = None
    format: int = FORMAT

    @property
    def is_search(self) -> bool:
        """Whether it is a search: neither an experiment, nor a part of another study."""
        return self.experiment is None and self.confirms is None and self.trains is None

    def as_kept(self) -> dict[str, Any]:
        """Return them as they are kept."""
        return {**msgspec.to_builtins(self), "format": self.format}


class Source(Struct, frozen=True, omit_defaults=True):
    """Where the data were found, and how they were read, see `fcnet.load` and `fcnet.data.Reading`.

    `images` tells whether rows are images.
    """

    source: str
    classes: list[str] = []
    label: str | None = None
    impute: Literal["median"] | None = None
    image_size: Positive | None = None
    skip_damaged: bool = False
    images: bool = True

    @property
    def noun(self) -> str:
        """What the data are called where they are counted."""
        return "images" if self.images else "rows"

    @property
    def reading(self) -> Reading:
        """How they were read."""
        return Reading(self.label, self.impute, self.image_size, self.skip_damaged)

    def options(self) -> list[str]:
        """Return the words of a command line that name the same data."""
        words = ["--data", self.source]
        if self.source == "cifar10":
            words += ["--classes", ",".join(self.classes)]
        for name in ("label", "impute", "image_size"):
            if (value := getattr(self, name)) is not None:
                words += [f"--{name.replace('_', '-')}", str(value)]
        return [*words, *(["--skip-damaged"] if self.skip_damaged else [])]


class Asked(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the last run of a search was asked to do.

    Parameters
    ----------
    trials : int
        Finished trials in the end.
    sampler, pruner : str
    seed : int
    timeout : float or None
        Seconds.
    until_flat : bool
    points : list of str
        Configurations to be tried first.
    taken_from : str or None
        The study whose trials were taken over; no password is in it.
    """

    trials: Positive
    sampler: str = "tpe"
    pruner: str = "median"
    seed: Count = 0
    timeout: Annotated[float, Meta(ge=0)] | None = None
    until_flat: bool = False
    points: list[str] = []
    taken_from: str | None = None


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


def stands_alone(user_attrs: Mapping[str, Any], system_attrs: Mapping[str, Any]) -> bool:
    """Tell from a study's attributes whether it is a sweep or an experiment of ours, and no part of one."""
    facts = _merged(user_attrs, system_attrs).get(FACTS)
    return isinstance(facts, dict) and not {"confirms", "trains"} & {*facts}


def _merged(user_attrs: Mapping[str, Any], system_attrs: Mapping[str, Any]) -> dict[str, Any]:
    own = {key.removeprefix(_OWN): value for key, value in system_attrs.items() if key.startswith(_OWN)}
    return {**user_attrs, **own}


def key_of(key: str) -> str:
    """Return the name of the system attribute."""
    return _OWN + key


def write_attribute(study: Study, key: str, value: Any) -> None:
    """Keep a value under its key."""
    study._storage.set_study_system_attr(study._study_id, key_of(key), value)


for _kind in (Facts, Source, Opening, Confirmation, Final, Asked):
    msgspec.json.Decoder(_kind)  # learns the kind now: msgspec crashes where two threads do so at once


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

    def changed(key: str) -> UserError:
        return UserError(
            f"the attribute {key!r} of the study {name!r} is not as this program writes it:"
            " restore a copy of the database or start another study with --study NAME"
        )

    def parsed(key: str, kind: type[_T], default: object) -> _T:
        try:
            return msgspec.convert(attrs.get(key, default), kind)
        except msgspec.ValidationError as error:
            raise changed(key) from error

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
    named = () if kept.confirmation is None else (kept.confirmation.winner, kept.confirmation.cheapest)
    if max(named, default=-1) >= len(study.get_trials(deepcopy=False)):
        raise changed(CONFIRMATION)
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
    """Keep a confirmation, a final training, the openings of the test set, or what was asked for.

    Raises
    ------
    msgspec.ValidationError
        If it could not be read again; nothing is written then.
    """
    kept = msgspec.to_builtins(value)
    for each, form in zip(kept, value, strict=True) if isinstance(value, Sequence) else [(kept, value)]:
        msgspec.convert(each, type(form))
    write_attribute(study, key, kept)
