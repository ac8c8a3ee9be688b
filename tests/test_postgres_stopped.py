"""PostgreSQL: a coordinator that is stopped while it holds the exclusive right loses it, and learns that."""

import signal
import threading
from typing import Any

import pytest
from coordinators import child, go, line, opened, states
from sqlalchemy.exc import DBAPIError

from fcnet.errors import UserError
from studies.storage import postgres, retrying
from studies.storage.errors import passes
from studies.storage.ownership import coordinate

pytest.importorskip("psycopg", reason="needs the extra postgres")

# Counts the trials and waits with the exclusive right, which is taken away after a while of silence.
CHILD = """
import sys
from studies.storage import postgres
from studies.storage.ownership import coordinate
from studies.storage.database import connect
from studies.record import Facts
from studies.storage.study import open_study
postgres.IDLE_SECONDS = float(sys.argv[2])
storage = connect(sys.argv[1], create=True)
study = open_study(storage, "a", facts=Facts(data="a", data_name="a", protocol="holdout", epochs=3, space={}))
counts = []

def may_start(trials):
    counts.append(len(trials))
    if len(counts) == 1:
        print("counted", flush=True)
        sys.stdin.readline()
    return len(trials) < int(sys.argv[3])

with coordinate(storage, study) as coordinator:
    coordinator.ask(may_start)
print(counts, flush=True)
"""


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "LOOK_SECONDS", 0.05)


@pytest.mark.parametrize("total", [1, 2])
def test_a_stopped_coordinator_loses_the_right_and_counts_again(database, total):
    said: list[str] = []
    with (
        opened(database, say=said.append) as (storage, study),
        coordinate(storage, study) as coordinator,
        child(CHILD, database, 1.0, total) as stopped,
    ):
        assert line(stopped) == "counted"
        stopped.send_signal(signal.SIGSTOP)
        assert coordinator.ask(lambda trials: len(trials) < total) is not None
        assert states(study) == ["RUNNING"]
        go(stopped)
        stopped.send_signal(signal.SIGCONT)
        assert line(stopped) == "[0, 1]"
        assert stopped.wait(60) == 0
        assert states(study) == ["RUNNING"] * total
    assert len(said) == 2
    assert said[0].startswith(f"process {stopped.pid} on ")
    assert said[0].endswith(
        "holds the right to start trials of the study 'a' and does not go on:"
        " waiting until the server takes it away after 60 s"
    )
    assert said[1] == "the study 'a' goes on"


def test_a_right_that_is_lost_after_the_last_look_at_it_starts_no_waiting_trial(database, monkeypatch):
    monkeypatch.setattr(retrying, "PAUSE_SECONDS", 0.05)
    guard, counts = postgres.PostgresPeers.guard, list[int]()
    with (
        opened(database) as (storage, study),
        opened(database) as (other_storage, other_study),
        coordinate(storage, study) as coordinator,
        coordinate(other_storage, other_study) as other,
    ):
        study.enqueue_trial({"x": 0.5})
        storage.engine.dispose()  # what made the tables may idle for as long as usual
        monkeypatch.setattr(postgres, "IDLE_SECONDS", 1.0)

        def look(self: postgres.PostgresPeers) -> None:
            guard(self)
            if len(counts) == 1:  # silent, until somebody else has got the right
                with other.exclusive():
                    pass

        def may_start(trials: Any) -> bool:
            counts.append(len(trials))
            return True

        monkeypatch.setattr(postgres.PostgresPeers, "guard", look)
        assert coordinator.ask(may_start) is not None
        assert counts == [1, 1]
        assert states(study) == ["RUNNING"]


def test_nobody_who_goes_on_loses_the_right_to_one_who_waits(database, monkeypatch):
    said: list[str] = []
    looked_often = threading.Event()
    refuse_to_wait, looks = postgres.RetryingStorage.refuse_to_wait, []

    def look(self: Any) -> None:
        looks.append(1)
        if len(looks) == 5:
            looked_often.set()
        refuse_to_wait(self)

    monkeypatch.setattr(postgres.RetryingStorage, "refuse_to_wait", look)
    with (
        opened(database) as (storage, study),
        opened(database, say=said.append) as (other_storage, other_study),
        coordinate(storage, study) as coordinator,
        coordinate(other_storage, other_study) as other,
    ):
        counts: list[int] = []

        def may_start(trials: Any) -> bool:
            counts.append(len(trials))
            thread.start()
            assert looked_often.wait(30)
            return True

        thread = threading.Thread(target=other.ask, args=(lambda trials: len(trials) < 2,))
        assert coordinator.ask(may_start) is not None
        thread.join(30)
        assert counts == [0]
        assert states(study) == ["RUNNING", "RUNNING"]
    assert len(said) == 2  # however often it looked


def test_a_program_that_is_asked_to_stop_does_not_wait_for_the_right(database):
    with (
        opened(database) as (storage, study),
        opened(database) as (other_storage, other_study),
        coordinate(storage, study) as coordinator,
        coordinate(other_storage, other_study) as other,
        coordinator.exclusive(),
    ):
        other.give_up()
        with pytest.raises(UserError, match="did not answer: nothing is lost"):
            other.ask(lambda _: True)
        assert states(study) == []


def test_a_coordinator_between_two_trials_has_no_transaction_that_could_end(server, database):
    with opened(database) as (storage, study), coordinate(storage, study) as coordinator:
        coordinator.ask(lambda _: True)
        query = (
            "SELECT count(*) FROM pg_stat_activity WHERE datname = 'sweep' AND state LIKE 'idle in trans%';"
        )
        assert " 0\n" in server.psql(query)


def test_a_program_that_stops_within_a_transaction_gives_back_its_rows(database, monkeypatch):
    with opened(database) as (_, study), opened(database) as (stopped, _):
        stopped.engine.dispose()  # the connections made so far may idle for as long as usual
        monkeypatch.setattr(postgres, "IDLE_SECONDS", 1.0)
        connection = stopped.engine.connect()
        connection.exec_driver_sql("SELECT * FROM studies FOR UPDATE")
        study.ask()  # locks the study's row
        with pytest.raises(DBAPIError) as caught:
            connection.exec_driver_sql("SELECT 1")
        connection.invalidate()
        assert passes(caught.value)  # the storage of the stopped program tries again
        assert states(study) == ["RUNNING"]
