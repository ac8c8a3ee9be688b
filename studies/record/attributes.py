"""Where a study keeps what the program knows of it: system attributes, which no dashboard shows."""

from collections.abc import Mapping
from typing import Any

from optuna.study import Study

FACTS = "facts"
_OWN = "fcnet:"  # begins the keys of ours


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
