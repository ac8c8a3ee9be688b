"""Several coordinators of one study, each behind a link of its own, and what can be done to them."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.stress.chaos import ROOT, workers_of
from benchmarks.stress.history_check import Outage
from benchmarks.stress.link import Link


class Member:
    """A coordinator that is started again as often as it is killed, under a new name each time.

    Parameters
    ----------
    number : int
    folder : Path
        For its messages and its clock.
    link : Link
        Between it and the server.
    words : sequence of str
        Its command, without the storage.
    shim : Path or None
        The library by which its clock can jump (``clock.c``).
    """

    def __init__(
        self, number: int, folder: Path, link: Link, words: Sequence[str], shim: Path | None
    ) -> None:
        self.number, self.link = number, link
        self.name, self.outages = "", list[Outage]()
        self._folder, self._words, self._times = folder, words, 0
        self._clock = folder / f"clock-{number}"
        self._environment = os.environ | {
            "OPENBLAS_NUM_THREADS": "1",
            "XDG_CACHE_HOME": str(folder / "cache"),
        }
        self.jump(0)
        if shim is not None:
            self._environment |= {"LD_PRELOAD": str(shim), "CLOCK_FILE": str(self._clock)}

    def start(self, study: str) -> None:
        """Start it, for a study."""
        self._times += 1
        self.name = f"c{self.number}.{self._times}"
        address = f"postgresql://postgres@127.0.0.1:{self.link.port}/sweep?application_name={self.name}"
        words = [*self._words, "--seed", str(self.number), "--storage", address, "--study", study]
        with self._log().open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, str(ROOT / "sweep.py"), *words],
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment,
                start_new_session=True,
            )

    def _log(self) -> Path:
        return self._folder / f"{self.name}.log"

    def said(self) -> str:
        """Return what it said since it was started last."""
        return self._log().read_text(errors="replace")

    def lives(self) -> bool:
        """Tell whether it runs."""
        return self.process.poll() is None

    def away(self, why: str) -> None:
        """Take note that it cannot work from now on."""
        self.outages.append(Outage(self.name, why, time.time()))

    def back(self, why: str) -> None:
        """Take note that this no longer keeps it from its work."""
        self.outages = [
            replace(o, ended=min(o.ended, time.time())) if (o.who, o.why) == (self.name, why) else o
            for o in self.outages
        ]

    def signal(self, number: int) -> None:
        """Send a signal to it and its workers."""
        if self.lives():
            os.killpg(self.process.pid, number)

    def kill(self) -> None:
        """Kill it; its workers end by themselves."""
        self.away("killed")
        self.process.kill()

    def workers(self) -> list[int]:
        """Return its worker processes."""
        return workers_of(self.process.pid)

    def jump(self, seconds: int) -> None:
        """Set its clock to be ahead by so many seconds, or behind."""
        with self._clock.open("r+b" if self._clock.exists() else "wb") as file:
            file.write(seconds.to_bytes(8, "little", signed=True))


@contextmanager
def crew(n: int, folder: Path, socket: str, words: Sequence[str]) -> Iterator[list[Member]]:
    """Prepare some coordinators, none of them started, and kill in the end what runs."""
    with ExitStack() as stack:
        shim = _shim(folder)
        links = [stack.enter_context(Link.to_socket(socket)) for _ in range(n)]
        members = [Member(number, folder, link, words, shim) for number, link in enumerate(links)]
        try:
            yield members
        finally:
            for member in members:
                if hasattr(member, "process"):
                    member.signal(signal.SIGKILL)
                    member.process.wait(60)


def _shim(folder: Path) -> Path | None:
    library, source = folder / "clock.so", Path(__file__).with_name("clock.c")
    try:
        subprocess.run(
            ["cc", "-O2", "-shared", "-fPIC", "-o", str(library), str(source), "-ldl"], check=True, timeout=60
        )
    except (OSError, subprocess.CalledProcessError):
        print("no C compiler (cc): clocks do not jump in this run")
        return None
    return library


def any_of(members: Sequence[Member], rng: np.random.Generator) -> Member | None:
    """Return one of those that run, at random."""
    living = [member for member in members if member.lives()]
    return living[rng.integers(len(living))] if living else None
