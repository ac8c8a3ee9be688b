"""Signals that ask the program to stop: Ctrl-C, a polite kill, a terminal that is closed."""

import contextlib
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType

Handler = Callable[[int, FrameType | None], object] | int | None
STOPPING = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


class Interrupted(Exception):
    """The user asked the program to stop; the study is clean."""


@contextlib.contextmanager
def noted(then: Callable[[], None]) -> Iterator[threading.Event]:
    """Set an event on the first signal and call `then`; a second one ends the process in the usual way.

    `then` runs in the middle of whatever the main thread does: it may take no locks. A signal that the
    process was started to ignore (``nohup``) stays ignored.
    """
    event = threading.Event()
    before = _handled()

    def stop(number: int, _: object) -> None:
        event.set()
        then()
        for each, handler in before.items():
            signal.signal(each, handler)

    for number in before:
        signal.signal(number, stop)
    try:
        yield event
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def as_interrupts() -> Iterator[None]:
    """Let every signal raise KeyboardInterrupt, as Ctrl-C does."""
    before = _handled()
    for number in before:
        signal.signal(number, signal.default_int_handler)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def kept_from_children() -> Iterator[None]:
    """Keep the signals from processes that are started within, for their whole life.

    A signal to the whole process group then reaches the coordinator alone, which decides what it means.
    """
    if sys.platform == "win32":  # knows no masks
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _handled() -> dict[signal.Signals, Handler]:
    """Return the signals that may be handled here, with what handles them now."""
    if threading.current_thread() is not threading.main_thread():
        return {}
    handlers = {number: signal.getsignal(number) for number in STOPPING}
    return {number: handler for number, handler in handlers.items() if handler is not signal.SIG_IGN}
