"""Open the database and the study in it: addresses, settings, and what a study was started with."""

import contextlib
import json
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import optuna
import sqlalchemy
from optuna.exceptions import DuplicatedStudyError, ExperimentalWarning
from optuna.study import Study, StudyDirection
from sqlalchemy.engine import URL, make_url

from fcnet.errors import UserError
from studies.storage.errors import redact
from studies.storage.retrying import PatientStorage, ignore
from studies.storage.sqlite import connect_sqlite

METRIC_NAME = "validation_accuracy"
FACTS = "facts"

# The option that mends a difference, by the fact's name; any other fact is mended by another study name.
_OPTIONS = {"data": "--data", "epochs": "--epochs", "protocol": "--protocol", "space": "--range"}


def connect(url: str, *, create: bool, say: Callable[[str], None] = ignore) -> PatientStorage:
    """Open the database of an address.

    Parameters
    ----------
    url : str
        ``sqlite:///FILE`` or ``postgresql://[USER[:PASSWORD]@]HOST[:PORT]/DATABASE``. A password may
        also come from the variable PGPASSWORD or the file ``~/.pgpass``.
    create : bool
        Whether a database that is not there yet is made. A SQLite file appears complete or not at all.
    say : callable, optional
        Takes a sentence for the user when a database is away and waited for.

    Returns
    -------
    PatientStorage
        An Optuna storage that waits for a database that is busy or away.

    Raises
    ------
    UserError
        If the address is malformed, or there is no usable database behind it. Nothing is written then.
    """
    parsed = parse(url)
    if parsed.drivername.startswith("postgresql"):
        from studies.storage.postgres import connect_postgres

        return connect_postgres(parsed, create=create, say=say)
    return connect_sqlite(parsed, create=create, say=say)


def open_study(storage: PatientStorage, name: str, *, facts: Mapping[str, object]) -> Study:
    """Open a study to run trainings in it, or make it.

    Parameters
    ----------
    storage : PatientStorage
        What `connect` returned.
    name : str
        Name of the study.
    facts : mapping of str to JSON values
        What the study's values depend on (data fingerprint, space, epochs, protocol, format). Kept in the
        study when it is made, compared when it is opened.

    Returns
    -------
    Study
        A study that maximises the validation accuracy.

    Raises
    ------
    UserError
        If the study was started with other facts, or was not made by this program.
    """
    asked: dict[str, Any] = json.loads(json.dumps(dict(facts)))
    with contextlib.suppress(DuplicatedStudyError):
        storage.create_new_study([StudyDirection.MAXIMIZE], name)
    study = optuna.load_study(study_name=name, storage=storage)
    if study.directions != [StudyDirection.MAXIMIZE]:
        raise _not_ours(name, storage)
    if FACTS not in study.user_attrs:
        # An empty study is one whose maker died between its two steps: it is finished here.
        if study.user_attrs or study.get_trials(deepcopy=False):
            raise _not_ours(name, storage)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            study.set_metric_names([METRIC_NAME])
        storage.add_study_user_attr(study._study_id, FACTS, asked)
    kept = study.user_attrs[FACTS]
    if not isinstance(kept, dict):
        raise _not_ours(name, storage)
    _compare(name, kept, asked)
    return study


def load_study(storage: PatientStorage, name: str | None) -> Study:
    """Open a study to read it.

    Parameters
    ----------
    storage : PatientStorage
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
            raise UserError(f"there is no study in {where} yet: start one with python sweep.py")
        wanted = f"there is no study {name!r} in {where}" if name else f"{where} holds several studies"
        raise UserError(f"{wanted}: choose one with --study: {', '.join(names)}")
    return optuna.load_study(study_name=name, storage=storage)


def parse(url: str) -> URL:
    """Read the address of a database, see `connect`; nothing is opened."""
    if "://" not in url:
        raise UserError(f"{url} is not a database address: write --storage sqlite:///{url}")
    try:
        parsed = make_url(url)
    except (sqlalchemy.exc.ArgumentError, ValueError) as error:
        raise UserError(
            f"the database address {redact(url)} cannot be read:"
            " write sqlite:///FILE or postgresql://USER@HOST/DATABASE"
        ) from error
    backend = parsed.get_backend_name()
    if backend == "sqlite":
        if parsed.host:
            raise UserError(f"{redact(url)} has a slash too few: write --storage sqlite:///{url[9:]}")
        if not parsed.database or parsed.database.startswith((":memory:", "file:")):
            raise UserError(f"{url} names no file to keep trials in: write --storage sqlite:///FILE")
    elif backend in ("postgresql", "postgres"):
        if "@" in (parsed.host or ""):
            raise UserError(
                "the password in the database address has a character that must be written as a code:"
                " write %40 for @, or keep the password in PGPASSWORD"
            )
        parsed = parsed.set(drivername="postgresql+psycopg")
    else:
        raise UserError(
            f"databases of the kind {parsed.drivername!r} are not supported:"
            " write sqlite:///FILE or postgresql://USER@HOST/DATABASE"
        )
    return parsed


def _not_ours(name: str, storage: PatientStorage) -> UserError:
    return UserError(
        f"the study {name!r} in {redact(storage.url)} was not made by this program:"
        " choose another --study NAME"
    )


def _compare(name: str, kept: Mapping[str, Any], asked: Mapping[str, Any]) -> None:
    """Refuse facts that differ from the study's own, in one sentence that names each of them."""
    ours, theirs = kept.get("format"), asked.get("format")
    if ours != theirs:
        mend = (
            "run pip install --upgrade fcnet-sweep"
            if isinstance(ours, int) and isinstance(theirs, int) and ours > theirs
            else "go on with the version that made it, or start another study with --study NAME"
        )
        raise UserError(f"the study {name!r} has format {ours}, this program writes format {theirs}: {mend}")
    before, now = _flatten(kept), _flatten(asked)
    # The name of the data is for people: the same images in a renamed file are the same data.
    compared = sorted((before.keys() | now.keys()) - {"data_name"})
    different = [key for key in compared if before.get(key) != now.get(key)]
    if not different:
        return
    differences = "; ".join(f"{key} {_show(before, key)}, not {_show(now, key)}" for key in different)
    options = sorted({_OPTIONS[fact] for key in different if (fact := key.split(".")[0]) in _OPTIONS})
    same = f"give the same {' and '.join(options)} as before, or " if options else ""
    raise UserError(
        f"the study {name!r} was started with {differences}: {same}start another study with --study NAME"
    )


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
