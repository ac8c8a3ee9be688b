"""Several coordinators on PostgreSQL, disturbed at random, and what the server witnessed of it.

``python -m benchmarks.stress.history --minutes 60`` starts a server of its own and three coordinators on one
study after the other. Somebody is killed (a coordinator, a worker), stopped for up to a minute, stopped while
it has the right to start trials for longer than the server allows, cut off, or left with a silent link; its
clock is set; the server is stopped without warning and started again. With ``--kind cluster`` the trainings
run on Dask workers, which are killed, added and stopped, too, and their scheduler's link is cut. The server
itself writes down every claim and every end of a trial (`benchmarks.stress.witness`), and
`benchmarks.stress.history_check` says what that proves. It exits with 1 if anything is wrong.
"""

import argparse
import contextlib
import os
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psycopg

from benchmarks.machine import describe
from benchmarks.stress import witness
from benchmarks.stress.chaos import write_images
from benchmarks.stress.crew import Member, any_of, crew
from benchmarks.stress.dask_disturbed import DaskDisturbed
from benchmarks.stress.history_check import Outage, check
from studies.storage.database import connect
from studies.storage.ownership import GRACE_SECONDS
from studies.storage.postgres import IDLE_SECONDS, LOOK_SECONDS

LIMIT = IDLE_SECONDS + LOOK_SECONDS + 10.0  # the printed minute, a look at the lock, a training
DAY = 86_400
LONG = ("stop", "stop who has the right", "cut", "silence")  # one at a time, so that somebody works


class Round:
    """One study, from its start until every coordinator says that it is done."""

    def __init__(
        self,
        study: str,
        total: int,
        server: witness.Server,
        members: list[Member],
        *,
        rng: np.random.Generator,
        dask: Any,
    ) -> None:
        self.study, self.total, self.server = study, total, server
        self.members, self.rng, self.dask = members, rng, dask
        self.done: Counter[str] = Counter()
        self.problems: list[str] = []
        self._later: list[tuple[float, Callable[[], None]]] = []
        self._long_until = 0.0
        self._is_up = True

    def run(self, until: float) -> None:
        """Disturb until all are done; from a moment on let them finish in peace."""
        for member in self.members:
            member.outages.clear()
            member.start(self.study)
        self._next = time.monotonic() + 5.0
        finished: set[int] = set()
        give_up = until + 600
        while len(finished) < len(self.members) and time.monotonic() < give_up:
            self._end_what_is_due()
            for member in self.members:
                if member.number not in finished and not member.lives() and self._reap(member):
                    finished.add(member.number)
            if self._next <= time.monotonic() < until:
                self._disturb()
                self._next = time.monotonic() + self.rng.uniform(1.0, 6.0)
            time.sleep(0.05)
        if time.monotonic() >= give_up:
            said = "; ".join(f"{m.name}: {m.said()[-300:]}" for m in self.members if m.lives())
            self.problems.append(f"the sweep did not end: {said}")
        for _, act in self._later:
            act()

    def outages(self) -> list[Outage]:
        """Return what was done to the coordinators."""
        return [outage for member in self.members for outage in member.outages]

    def _reap(self, member: Member) -> bool:
        """See why one ended, and start it again unless it is done."""
        code, said = member.process.returncode, member.said()
        # Who begins without a server says so; a cluster whose scheduler is gone ends a sweep.
        told = code == 1 and ("cannot use the database" in said or self.dask)
        if not (told or code in (0, -signal.SIGKILL)) or "Traceback" in said or "a fault of the" in said:
            self.problems.append(f"{member.name} ended with {code}: {said[-1500:]}")
        if code == 0:
            return True
        if code != -signal.SIGKILL:
            member.away("ended")
            self.done[f"ended by itself with {code}"] += 1
        member.start(self.study)
        return False

    def _end_what_is_due(self) -> None:
        due = [act for when, act in self._later if when <= time.monotonic()]
        self._later = [(when, act) for when, act in self._later if when > time.monotonic()]
        for act in due:
            act()

    def _disturb(self) -> None:
        """Do one thing to somebody."""
        ways = [
            "kill",
            "kill a worker",
            "stop",
            "stop who has the right",
            "cut",
            "silence",
            "restart the server",
        ]
        ways += ["set the clock", *(self.dask.WAYS if self.dask else ())]
        if time.monotonic() < self._long_until:
            ways = [way for way in ways if way not in LONG]
        way = str(self.rng.choice(ways))
        member = any_of(self.members, self.rng)
        if member is None or self._is_done():
            return
        done = True
        match way:
            case "kill":
                member.kill()
            case "kill a worker":
                done = self._kill_a_worker(member)
            case "stop":
                self._stop(member, self.rng.uniform(1, 60))
            case "stop who has the right":
                done = self._stop_holder(IDLE_SECONDS + 10)
            case "cut":
                member.link.cut()
                self._for(self.rng.uniform(1, 40), "cut off", member.link.mend, member)
            case "silence":
                member.link.silence()
                self._for(self.rng.uniform(1, 60), "no word", member.link.mend, member)
            case "restart the server":
                done = self._restart()
            case "set the clock":
                member.jump(int(self.rng.integers(-DAY, DAY)))
            case _:
                done = self.dask.do(way, self.rng)
        self.done[way] += done

    def _is_done(self) -> bool:
        """Tell whether nothing is left to be disturbed: who is started again shall come to its end."""
        if not self._is_up:
            return False
        with psycopg.connect(self.server.address) as connection:
            return witness.finished(connection, self.study) >= self.total

    def _for(self, seconds: float, why: str, undo: Callable[[], None], member: Member) -> None:
        name = member.name
        member.away(why)

        def end() -> None:
            undo()
            if member.name == name:
                member.back(why)

        self._long_until = time.monotonic() + seconds
        self._later.append((self._long_until, end))

    def _stop(self, member: Member, seconds: float) -> None:
        member.signal(signal.SIGSTOP)
        self._for(seconds, "stopped", lambda: member.signal(signal.SIGCONT), member)

    def _stop_holder(self, seconds: float) -> bool:
        """Stop a coordinator in the moment in which it holds the right, as the server sees it."""
        deadline = time.monotonic() + 5
        with (
            contextlib.suppress(psycopg.OperationalError),
            psycopg.connect(self.server.address) as connection,
        ):
            while time.monotonic() < deadline:
                holder = witness.holder(connection, self.study)
                for member in self.members:
                    if member.name == holder and member.lives():
                        member.signal(signal.SIGSTOP)
                        if witness.holder(connection, self.study) == holder:
                            self._stop(member, seconds)
                            return True
                        member.signal(signal.SIGCONT)
        return False

    def _kill_a_worker(self, member: Member) -> bool:
        workers = member.workers()
        with contextlib.suppress(ProcessLookupError):
            if workers:
                os.kill(workers[self.rng.integers(len(workers))], signal.SIGKILL)
                return True
        return False

    def _restart(self) -> bool:
        if not self._is_up:
            return False
        for member in self.members:
            member.away("no server")
        self.server.stop()
        self._is_up = False

        def start() -> None:
            self.server.start()
            self._is_up = True
            for member in self.members:
                member.back("no server")

        self._later.append((time.monotonic() + self.rng.uniform(0, 8), start))
        return True


@contextlib.contextmanager
def disturbed_dask(folder: Path, kind: str) -> Iterator[Any]:
    """Start a cluster where one is asked for."""
    if kind == "postgres":
        yield None
    else:
        with DaskDisturbed(folder) as dask:
            yield dask


def run(args: argparse.Namespace, folder: Path) -> list[str]:
    """Run studies until the time is up, print one line for each, and return what is wrong."""
    rng, problems, done = np.random.default_rng(args.seed), list[str](), Counter[str]()
    write_images(folder / "images.npz")
    server = witness.Server(folder)
    with contextlib.ExitStack() as stack:
        stack.callback(server.close)
        connect(server.address, create=True).close()
        witness.install(server.address)
        dask = stack.enter_context(disturbed_dask(folder, args.kind))
        words = f"--trials {args.trials} --epochs {args.epochs} --workers 1 --data images.npz".split()
        if dask:
            words = [*words[:4], *words[6:], "--cluster", dask.address]
        members = stack.enter_context(crew(args.coordinators, folder, server.socket, words))
        began = time.monotonic()
        until, number, trials, claims = began + 60 * args.minutes, 0, 0, 0
        while time.monotonic() < until and not problems:
            one = Round(f"round-{number}", args.trials, server, members, rng=rng, dask=dask)
            one.run(until)
            changes, kept = witness.read(server.address, one.study)
            found = check(changes, kept, one.outages(), total=args.trials, limit=LIMIT, grace=GRACE_SECONDS)
            problems += [*one.problems, *found.problems]
            done += one.done
            number, trials = number + 1, trials + len(kept)
            claims += sum(change.after == "RUNNING" for change in changes)
            print(
                f"{one.study}: {sum(one.done.values())} disturbances, {len(kept)} trials,"
                f" {len(changes)} changes, {found.taken_over} taken over,"
                f" longest wait {found.longest_wait:.1f} s of {LIMIT:g} s",
                flush=True,
            )
    seconds = time.monotonic() - began
    each = ", ".join(f"{n} x {what}" for what, n in sorted(done.items()))
    print(f"{number} studies of {args.trials} trials in {seconds:.0f} s, seed {args.seed}: {each}")
    print(
        f"{claims} claims of {trials} trials; who is stopped holds the others for {IDLE_SECONDS:g} s at most"
    )
    for key, value in describe(["optuna", "sqlalchemy", "psycopg", "distributed"]).items():
        print(f"{key}: {value}")
    return problems


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--kind", choices=("postgres", "cluster"), default="postgres")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--trials", type=int, default=100, help="of each study (default: %(default)s)")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--coordinators", type=int, default=3)
    args = parser.parse_args()
    # a short path, for a socket's is bounded; the server runs as another user where this runs as root
    with tempfile.TemporaryDirectory(prefix="pg-", dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        problems = run(args, Path(folder))
    for problem in problems:
        print("WRONG:", problem)
    print("every trial once, none lost, the number exact" if not problems else f"{len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
