"""The database and the study in it: addresses, settings, refusals, patience."""

import contextlib
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import optuna
import pytest
from conftest import ROOT, facts

from fcnet.errors import UserError
from studies.record import attributes
from studies.storage.database import connect
from studies.storage.errors import redact
from studies.storage.ownership import coordinate
from studies.storage.sqlite import only_one
from studies.storage.study import load_study, open_study

FACTS = facts(data_name="synthetic", epochs=20, space={"lr": "0.1..1"})


def run_python(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def file_of(url: str) -> Path:
    return Path(url.removeprefix("sqlite:///"))


def test_a_new_database_is_one_file_with_a_write_ahead_log(tmp_path, url):
    connect(url, create=True).close()
    assert [path.name for path in tmp_path.iterdir()] == ["sweep.db"]
    with contextlib.closing(sqlite3.connect(file_of(url))) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_sqlite_settings(storage):
    with storage.engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2  # FULL
        assert connection.exec_driver_sql("PRAGMA busy_timeout").scalar() == 2_000


def test_processes_that_create_one_database_at_once_all_succeed(tmp_path, url):
    code = (
        "import sys; from studies.storage.database import connect;"
        "from studies.storage.study import open_study;"
        "from studies.record import Facts;"
        "facts = Facts(data='a', data_name='a', protocol='holdout', epochs=3, space={});"
        "print('ready', flush=True); input();"
        "open_study(connect(sys.argv[1], create=True), 'a', facts=facts)"
    )
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", code, url],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    for worker in workers:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "ready\n"
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write("go\n")
        worker.stdin.flush()
    for worker in workers:
        _, errors = worker.communicate(timeout=60)
        assert worker.returncode == 0, errors
    assert not list(tmp_path.glob("*.new"))
    with contextlib.closing(connect(url, create=False)) as storage:
        assert attributes(load_study(storage, None)) == {"facts": facts().as_kept()}


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("sweep.db", "write --storage sqlite:///sweep.db"),
        ("sqlite://sweep.db", "write --storage sqlite:///sweep.db"),
        ("sqlite://", "names no file"),
        ("sqlite:///:memory:", "names no file"),
        ("mysql://me:secret@host/db", "'mysql' are not supported"),
        ("nonsense://x", "'nonsense' are not supported"),
        ("postgresql://me:secret@host:port/db", "cannot be read"),
        ("postgresql://me:sec@ret@host/db", "write %40 for @"),
        ("sqlite:///nowhere/sweep.db", "choose a folder that exists"),
    ],
)
def test_an_address_that_cannot_be_used_is_a_sentence(tmp_path, monkeypatch, address, sentence):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"\w") as caught:
        connect(address, create=True)
    assert sentence in str(caught.value)
    assert "sec" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_a_database_that_is_not_there_is_not_made_for_reading(tmp_path, url):
    with pytest.raises(UserError, match=r"no database .*sweep\.db here: make one with python sweep\.py"):
        connect(url, create=False)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("content", [b"", b"hello", b"\x80\x02}q\x00", bytes(range(256)) * 20])
def test_a_file_that_is_no_database_is_left_as_it_is(url, content):
    file_of(url).write_bytes(content)
    with pytest.raises(UserError, match="not a SQLite database"):
        connect(url, create=True)
    assert file_of(url).read_bytes() == content


def test_a_truncated_database_is_told_and_left_as_it_is(url):
    connect(url, create=True).close()
    content = file_of(url).read_bytes()[:5000]
    file_of(url).write_bytes(content)
    with pytest.raises(UserError, match="is damaged"):
        connect(url, create=True)
    assert file_of(url).read_bytes() == content


def test_a_damaged_page_is_told_before_a_sweep_writes(url):
    with contextlib.closing(connect(url, create=True)) as storage:
        open_study(storage, "a", facts=FACTS).add_trial(optuna.trial.create_trial(value=0.5))
    with contextlib.closing(sqlite3.connect(file_of(url))) as connection:
        (page,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'trials'").fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    with file_of(url).open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xff" * size)
    damaged = file_of(url).read_bytes()
    with contextlib.closing(connect(url, create=False)) as storage:
        study = load_study(storage, "a")
        with pytest.raises(UserError, match="is damaged"):
            study.get_trials()
        with pytest.raises(UserError, match=r"is damaged .*left as it is"), coordinate(storage, study):
            pass
    assert file_of(url).read_bytes() == damaged


def test_a_database_of_another_program_is_refused(url):
    with contextlib.closing(sqlite3.connect(file_of(url))) as connection:
        connection.execute("CREATE TABLE mine (x)")
    before = file_of(url).read_bytes()
    with pytest.raises(UserError, match="another program"):
        connect(url, create=True)
    assert file_of(url).read_bytes() == before


@pytest.mark.parametrize(
    ("version", "mend"),
    [
        ("v3.0.0.d", "optuna storage upgrade --storage sqlite:///"),
        ("v9.9.9.a", "pip install --upgrade optuna"),
    ],
)
def test_a_database_of_another_optuna_is_told_with_its_mend(url, version, mend):
    connect(url, create=True).close()
    with contextlib.closing(sqlite3.connect(file_of(url))) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", (version,))
    before = file_of(url).read_bytes()
    with pytest.raises(UserError) as caught:
        connect(url, create=True)
    assert mend in str(caught.value)
    assert file_of(url).read_bytes() == before


_AS_NOBODY = """
import os, sys
from fcnet.errors import UserError
from studies.storage.database import connect
from studies.record import Facts
from studies.storage.study import open_study
facts = Facts(data="a", data_name="a", protocol="holdout", epochs=3, space={})
open_study(connect(f"sqlite:///{sys.argv[2]}/other.db", create=True), "a", facts=facts)  # imports all
if os.geteuid() == 0:
    os.seteuid(65534)
os.chdir(sys.argv[1])
try:
    storage = connect("sqlite:///sweep.db", create=True)
    open_study(storage, "b", facts=facts)
except UserError as error:
    print(error)
"""


def test_a_folder_that_cannot_be_written_is_a_sentence(tmp_path):
    folder = Path("/tmp") / f"fcnet-readonly-{os.getpid()}"  # the folders of tmp_path are closed to others
    folder.mkdir(mode=0o555)
    try:
        told = run_python(_AS_NOBODY, str(folder), str(tmp_path))
        assert "cannot make the database sweep.db: Permission denied" in told.stdout, told.stderr
        assert not list(folder.iterdir())
    finally:
        folder.rmdir()


def test_a_read_only_database_is_a_sentence(tmp_path):
    folder = Path("/tmp") / f"fcnet-readonly-{os.getpid()}"
    folder.mkdir()
    folder.chmod(0o777)
    try:
        connect(f"sqlite:///{folder}/sweep.db", create=True).close()
        (folder / "sweep.db").chmod(0o444)
        before = (folder / "sweep.db").read_bytes()
        told = run_python(_AS_NOBODY, str(folder), str(tmp_path))
        assert "cannot be written: allow writing to the file" in told.stdout, told.stderr
        assert (folder / "sweep.db").read_bytes() == before
    finally:
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()


def test_a_full_disk_is_a_sentence_and_the_database_stays_whole(url):
    code = """
import resource, sys
from fcnet.errors import UserError
from studies.storage.database import connect
from studies.record import Facts
from studies.storage.study import open_study
storage = connect(sys.argv[1], create=True)
study = open_study(storage, "a", facts=Facts(data="a", data_name="a", protocol="holdout", epochs=3, space={}))
resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, resource.RLIM_INFINITY))
try:
    for i in range(200):
        study.set_user_attr(f"attr{i}", "x" * 10_000)
except UserError as error:
    print(i, error)
"""
    told = run_python(code, url)
    assert "free" in told.stdout, told.stderr
    written = int(told.stdout.split()[0])
    assert written > 0
    with contextlib.closing(connect(url, create=False)) as storage:
        study = load_study(storage, "a")
        assert len(study.user_attrs) == written
        study.set_user_attr("later", 1)
    with contextlib.closing(sqlite3.connect(file_of(url))) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("sqlite:///sweep.db", "sqlite:///sweep.db"),
        ("postgresql://me:secret@host/db", "postgresql://me:***@host/db"),
        ("postgresql+psycopg://me:secret@host:1/db?password=secret", "postgresql://me:***@host:1/db"),
        ("postgresql://me:sec@ret@host/db", "postgresql://***@host/db"),
        ("postgresql://me:sec/ret@host:x/db?sslpassword=secret", "postgresql://***@host:x/db"),
    ],
)
def test_addresses_are_shown_without_passwords(address, shown):
    assert redact(address) == shown


def test_a_note_of_the_holder_that_was_taken_away_is_no_fault(tmp_path):
    with only_one(tmp_path / "sweep.db"):
        (tmp_path / "sweep.db.owner").unlink()
