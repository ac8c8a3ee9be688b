"""PostgreSQL: what is said about an address, and passwords that stay secret."""

import logging
import os
import sys
import threading
from typing import Any
from urllib.parse import quote

import pytest
from conftest import PASSWORD
from coordinators import opened

from fcnet.errors import UserError
from studies.storage.database import connect
from studies.storage.ownership import coordinate
from studies.storage.study import load_study

pytest.importorskip("psycopg", reason="needs the extra postgres")


@pytest.fixture
def empty(server: Any) -> str:
    """Return the address of a database without tables."""
    server.psql("DROP DATABASE IF EXISTS empty;")
    server.psql("CREATE DATABASE empty;")
    return str(server.get_uri(database="empty"))


def test_an_empty_database_is_not_filled_for_reading(server, empty):
    with pytest.raises(UserError, match=r"no study in postgresql://.* yet: start one with python sweep\.py"):
        connect(empty, create=False)
    tables = server.psql("\\connect empty\nSELECT count(*) FROM pg_tables WHERE schemaname = 'public';")
    assert " 0\n" in tables


def test_coordinators_that_fill_an_empty_database_at_once_all_succeed(empty):
    ended: list[str] = []
    start = threading.Barrier(3)

    def fill_it() -> None:
        start.wait(30)
        with opened(empty) as (_, study):
            ended.append(study.study_name)

    threads = [threading.Thread(target=fill_it) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert ended == ["a"] * 3


def test_a_schema_of_another_optuna_is_told(server, empty):
    connect(empty, create=True).close()
    server.psql("\\connect empty\nUPDATE alembic_version SET version_num = 'v3.0.0.d';")
    with pytest.raises(UserError, match=r"made by an older Optuna: .*storage upgrade --storage postgres"):
        connect(empty, create=True)


def test_no_server_is_a_sentence():
    with pytest.raises(UserError, match=r"cannot use the database postgresql://me@127.0.0.1:9/x \(.*\):"):
        connect("postgresql://me:secret@127.0.0.1:9/x", create=True)


def test_a_missing_driver_is_told_with_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(UserError, match=r'run pip install "fcnet-sweep\[postgres\]"'):
        connect("postgresql://me@host/db", create=True)


@pytest.mark.parametrize("way", ["address", "query", "variable", "file"])
def test_a_password_works_in_every_way_and_is_shown_in_none(tmp_path, login, monkeypatch, caplog, way):
    if way == "address":
        login = login.replace("sweeper@", f"sweeper:{quote(PASSWORD, safe='')}@")
    elif way == "query":
        login += f"&password={quote(PASSWORD, safe='')}"
    elif way == "variable":
        monkeypatch.setenv("PGPASSWORD", PASSWORD)
    else:
        passwords = tmp_path / ".pgpass"
        passwords.write_text("*:*:*:sweeper:" + PASSWORD.replace(":", "\\:"), encoding="utf-8")
        passwords.chmod(0o600)
        monkeypatch.setenv("PGPASSFILE", os.fspath(passwords))
    caplog.set_level(logging.DEBUG)
    with opened(login) as (storage, study), coordinate(storage, study) as coordinator:
        trial = coordinator.ask(lambda _: True)
        study.tell(trial, 1.0)
        shown = [storage.url, repr(storage.engine.url), caplog.text, str(study.user_attrs), str(study.trials)]
        with pytest.raises(UserError) as caught:
            load_study(storage, "none")
        assert not any("sesame" in text for text in [*shown, str(caught.value)])


def test_a_wrong_password_is_a_sentence_that_does_not_show_it(login):
    with pytest.raises(UserError, match="password authentication failed") as caught:
        connect(login.replace("sweeper@", "sweeper:sesame@"), create=True)
    assert "sesame" not in str(caught.value)
