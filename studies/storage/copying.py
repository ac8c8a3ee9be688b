"""Copy a study with everything on it into another database, and check the copy."""

import contextlib
import json
import re
import shlex
from collections.abc import Callable, Mapping
from typing import Any

from optuna.exceptions import DuplicatedStudyError
from optuna.storages import BaseStorage

from fcnet.errors import UserError
from studies.record import FACTS, key_of
from studies.storage.database import connect
from studies.storage.errors import redact
from studies.storage.retrying import RetryingStorage
from studies.storage.study import load_study


def copy_study(source_url: str, target_url: str, name: str, *, say: Callable[[str], None]) -> int:
    """Copy a study, as it stands at one moment, and return its number of trials.

    Unlike `optuna.copy_study`, it gives each trial its own note, checks the copy, and leaves nothing of one
    that failed.

    Raises
    ------
    UserError
        If there is no such study, the target has one of that name, the copy differs from the original, or
        either database fails.
    """
    with contextlib.closing(connect(source_url, create=False, say=say)) as source:
        load_study(source, name)  # or say which studies there are
        directions, trials, system_attrs, user_attrs = original = _read(source, name)
    with contextlib.closing(connect(target_url, create=True, say=say)) as target:
        where = redact(target_url)
        study_id = _begun(target, where, name, directions)
        try:
            ids = {trial.number: target.create_new_trial(study_id, trial) for trial in trials}
            for key, value in user_attrs.items():
                target.set_study_user_attr(study_id, key, value)
            facts = key_of(FACTS)  # the last: without them, no half a study is swept
            for key, value in sorted(
                _renumbered(system_attrs, ids).items(), key=lambda item: item[0] == facts
            ):
                target.set_study_system_attr(study_id, key, value)
            if _plain(*_read(target, name)) != _plain(*original):
                raise UserError(f"the copy of {name!r} in {where} differs from the original: it was not kept")
        except BaseException as error:
            try:
                target.delete_study(study_id)
            except UserError:
                raise UserError(
                    f"{str(error) or 'interrupted'}; a part of the copy stayed: {_take_away(name, where)}"
                ) from error
            raise
    return len(trials)


def _begun(target: RetryingStorage, where: str, name: str, directions: Any) -> int:
    """Make the study to copy into; a part of one, whose copying was killed, is told."""
    try:
        return target.create_new_study(directions, name)
    except DuplicatedStudyError as error:
        there = target.get_study_id_from_name(name)
        kept, shown = target.get_study_system_attrs(there), target.get_study_user_attrs(there)
        if key_of(FACTS) in kept or FACTS in shown:  # version 0.1.0 kept them among the user's
            raise UserError(f"there is a study {name!r} in {where} already: nothing was copied") from error
        raise UserError(
            f"there is a part of a study {name!r} in {where}, as a copy leaves that was killed or still runs:"
            f" {_take_away(name, where)}, then give the same command again"
        ) from error


def _take_away(name: str, where: str) -> str:
    options = f"--study-name {shlex.quote(name)} --storage {shlex.quote(where)}"
    return f"take it away with optuna delete-study {options}"


def _read(storage: BaseStorage, name: str) -> tuple[Any, ...]:
    """Return a study's directions, trials and attributes, with the notes of trials under their numbers."""
    study_id = storage.get_study_id_from_name(name)
    system_attrs = storage.get_study_system_attrs(study_id)  # first: the trials of all notes are read then
    trials = storage.get_all_trials(study_id, deepcopy=False)
    system_attrs = _renumbered(system_attrs, {trial._trial_id: trial.number for trial in trials})
    return (
        storage.get_study_directions(study_id),
        trials,
        system_attrs,
        storage.get_study_user_attrs(study_id),
    )


def _renumbered(attrs: Mapping[str, Any], numbers: Mapping[int, int]) -> dict[str, Any]:
    """Put other numbers of trials into the dashboard's keys of notes; notes of no trial are left out."""
    renumbered = {}
    for key, value in attrs.items():
        note = re.fullmatch(r"dashboard:(\d+):(note_.+)", key)
        if note is None:
            renumbered[key] = value
        elif int(note[1]) in numbers:
            renumbered[f"dashboard:{numbers[int(note[1])]}:{note[2]}"] = value
    return renumbered


def _plain(directions: Any, trials: Any, *attrs: Any) -> list[str]:
    """Return what must be the same in a copy as text, in which not-a-number equals itself."""
    bare = [repr({**vars(trial), "_trial_id": None}) for trial in trials]
    return [repr(directions), *bare, *(json.dumps(each, sort_keys=True) for each in attrs)]
