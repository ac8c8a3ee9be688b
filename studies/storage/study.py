"""Open a study in a database: made with what its values depend on, compared with that ever after."""

import contextlib
import json
import shlex
import warnings
from collections.abc import Mapping
from typing import Any

import msgspec
import optuna
from optuna.exceptions import DuplicatedStudyError, ExperimentalWarning
from optuna.study import Study, StudyDirection

from fcnet.errors import UserError
from studies.program import command
from studies.ranges import contains
from studies.record import (
    FACTS,
    WIDENED,
    Facts,
    attributes,
    is_search,
    key_of,
    not_ours,
    read,
    write_attribute,
)
from studies.storage.errors import redact
from studies.storage.retrying import RetryingStorage

# The option that mends a difference, by the fact's name; any other fact is mended by another study name.
_OPTIONS = {
    "data": "--data",
    "epochs": "--epochs",
    "protocol": "--protocol",
    "space": "--range",
    "metric": "--metric",
}


def open_study(storage: RetryingStorage, name: str, *, facts: Facts) -> Study:
    """Open a study to run trainings in it, or make it.

    Parameters
    ----------
    storage : RetryingStorage
        What `connect` returned.
    name : str
        Name of the study.
    facts : Facts
        What the study's values depend on. Kept in the study when it is made, compared when it is opened; a
        space that contains the study's own may go on, see `widen`.

    Returns
    -------
    Study
        A study that maximises an accuracy: of the validation images or, where there are none, of training.

    Raises
    ------
    UserError
        If the study was started with other facts, or was not made by this program.
    """
    with contextlib.suppress(DuplicatedStudyError):
        storage.create_new_study([StudyDirection.MAXIMIZE], name)
    study = optuna.load_study(study_name=name, storage=storage)
    if FACTS not in attributes(study) and study.directions == [StudyDirection.MAXIMIZE]:
        # An empty study is one whose maker died between its two steps: it is finished here.
        trials = study.get_trials(deepcopy=False)
        attrs = attributes(study)  # after the trials: a maker that is at work makes none before its facts
        if FACTS not in attrs and (attrs or trials):
            raise not_ours(name)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            judged = "train_accuracy" if facts.protocol == "final" else f"validation_{facts.metric}"
            study.set_metric_names([judged])
        storage.add_study_system_attr(study._study_id, key_of(FACTS), facts.as_kept())
    check_facts(study, facts)
    return study


def widen(study: Study, facts: Facts) -> None:
    """Keep a space that is wider than before, and what it was; call it with the right to run trainings."""
    before = read(study).facts
    if before.space != facts.space:
        n_trials = len(study.get_trials(deepcopy=False))
        widened = [*attributes(study).get(WIDENED, []), {"trials": n_trials, **before.space}]
        write_attribute(study, WIDENED, widened)
        write_attribute(study, FACTS, msgspec.structs.replace(before, space=facts.space).as_kept())


def load_study(storage: RetryingStorage, name: str | None) -> Study:
    """Open a study to read it.

    Parameters
    ----------
    storage : RetryingStorage
        What `connect` returned.
    name : str or None
        Name of the study; None takes the only one there is.

    Raises
    ------
    UserError
        If there is no such study; the message lists those that are there.
    """
    names = sorted(study.study_name for study in storage.get_all_studies())
    if name is None and len(names) == 1:
        name = names[0]
    if name is None or name not in names:
        where = redact(storage.url)
        if not names:
            raise UserError(f"there is no study in {where} yet: start one with {command()}")
        wanted = f"there is no study {name!r} in {where}" if name else f"{where} holds several studies"
        searches = [
            each.study_name
            for each in storage.get_all_studies()
            if is_search(each.user_attrs, each.system_attrs)
        ]
        raise UserError(f"{wanted}: choose one with --study: {', '.join(sorted(searches) or names)}")
    return optuna.load_study(study_name=name, storage=storage)


def check_facts(study: Study, facts: Facts) -> None:
    """Refuse facts that differ from those of a study, as `open_study` does."""
    _compare(study.study_name, read(study).facts, facts)


def _compare(name: str, kept: Facts, asked: Facts) -> None:
    """Refuse facts that differ from the study's own, in one sentence that names each of them."""
    if contains(asked.space, kept.space):
        asked = msgspec.structs.replace(asked, space=kept.space)
    before, now = (_flatten({**facts.as_kept(), "metric": facts.metric}) for facts in (kept, asked))
    # The name of the data is for people: the same images in a renamed file are the same data.
    compared = sorted((before.keys() | now.keys()) - {"data_name"})
    different = [key for key in compared if before.get(key) != now.get(key)]
    if not different:
        return
    differences = "; ".join(f"{key} {_show(before, key)}, not {_show(now, key)}" for key in different)
    # What the study knows nothing of, no option makes as it was.
    options = sorted(
        {_OPTIONS[fact] for key in different if key in before and (fact := key.split(".")[0]) in _OPTIONS}
    )
    mend = "start another study with --study NAME"
    if any(key.startswith("space.") and key not in before for key in different):
        mend += f"; --from {shlex.quote(name)} counts its trials there, where they fit"
    elif options:
        mend = f"give the same {' and '.join(options)} as before, or {mend}"
    raise UserError(f"the study {name!r} was started with {differences}: {mend}")


def _flatten(facts: Mapping[str, Any], prefix: str = "") -> dict[str, object]:
    flat: dict[str, object] = {}
    for key, value in facts.items():
        if isinstance(value, dict):
            flat.update(_flatten(value, f"{prefix}{key}."))
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def _show(flat: Mapping[str, object], key: str) -> str:
    if key not in flat:
        return "(none)"
    value = flat[key]
    if key == "data" and "data_name" in flat:
        return f"{flat['data_name']} (fingerprint {str(value)[:12]})"
    return value if isinstance(value, str) else json.dumps(value)
