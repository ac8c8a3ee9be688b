"""What several threads of the coordinator do at the same time."""

import os
import subprocess
import sys
import threading

import pytest

from fcnet.blas import one_blas_thread

# One process that has imported, and not parsed yet, forks many; in each, eight threads parse at once.
FIRST_MEETINGS = """
import os, sys, threading
import msgspec
from fcnet.data.form import Form
from studies.record import Confirmation, Facts, Trained, Wish

sys.setswitchinterval(1e-6)

def meet():
    gate.wait()
    for kind in (Trained, Facts, Wish, Confirmation, Form):
        for broken in ({}, {"epochs": []}, {"type": "table"}):
            try:
                msgspec.convert(broken, kind)
            except msgspec.ValidationError:
                pass

crashed = 0
for _ in range(60):
    if (child := os.fork()) == 0:
        gate = threading.Barrier(8)
        threads = [threading.Thread(target=meet) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        os._exit(0)
    crashed += os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != 0
print(crashed)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="one process forks many")
def test_threads_may_read_what_is_kept_for_the_first_time_at_once() -> None:
    done = subprocess.run([sys.executable, "-c", FIRST_MEETINGS], capture_output=True, text=True, check=True)
    assert done.stdout == "0\n"


def blas_threads() -> int:
    from threadpoolctl import threadpool_info

    return max(pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas")


def test_the_bound_of_one_thread_holds_until_the_last_has_left() -> None:
    before = blas_threads()
    inside, leave = threading.Event(), threading.Event()

    def other() -> None:
        with one_blas_thread():
            inside.set()
            leave.wait(60)

    thread = threading.Thread(target=other)
    with one_blas_thread():
        thread.start()
        assert inside.wait(60)
    assert blas_threads() == 1
    leave.set()
    thread.join()
    assert blas_threads() == before
