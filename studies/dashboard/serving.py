"""Serve pages and optuna-dashboard to the people they are meant for, and to nobody else."""

import contextlib
import errno
import getpass
import ipaddress
import logging
import os
import secrets
import socket
import sys
import threading
import webbrowser
from collections.abc import Callable
from pathlib import Path
from typing import Any
from wsgiref.types import WSGIApplication

import waitress

from fcnet.errors import UsageError, UserError
from studies.dashboard.guard import application, is_unspecified
from studies.execution.signals import as_interrupts
from studies.record import stands_alone
from studies.storage.database import connect
from studies.storage.retrying import RetryingStorage
from studies.storage.study import load_study

__all__ = ["PASSWORD_VARIABLE", "application", "http_server", "serve"]

PASSWORD_VARIABLE = "FCNET_DASHBOARD_PASSWORD"
LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
# The largest body of a request in bytes; of the uploads, optuna-dashboard itself takes no more.
READ_ONLY_BODY = 64 * 1024
UPLOAD_BODY = 128 * 1024 * 1024


def _print(sentence: str) -> None:
    print(sentence, flush=True)  # into a pipe too, before the server runs


def serve(
    url: str,
    *,
    study: str | None = None,
    host: str = "127.0.0.1",
    port: int = 8080,
    allow_edit: bool = False,
    artifact_dir: Path | None = None,
    password: str | None = None,
    open_browser: bool = True,
    typed: Callable[[str], str] = lambda _: "",
    say: Callable[[str], None] = _print,
) -> None:
    """Serve the dashboard of a database until interrupted (Ctrl-C or SIGTERM).

    Parameters
    ----------
    url : str
        Address of the database, which must exist.
    study : str, optional
        Name of the study whose page is announced; without it, that of the first sweep.
    host : str, default="127.0.0.1"
        Address or name to listen on. Any but a loopback address demands a password.
    port : int, default=8080
        Port to listen on; 0 takes a free one.
    allow_edit : bool, default=False
        Whether the dashboard can change and delete what it shows. Where there is no password, only a
        browser that opens the address that is said can: it holds a secret token.
    artifact_dir : Path, optional
        Folder of the artifacts.
    password : str, optional
        Demanded on whatever address, with any user name. Without it, the environment variable
        FCNET_DASHBOARD_PASSWORD, else, where there must be one, a prompt. Never said nor logged.
    open_browser : bool, default=True
        Whether a browser is opened, where there is a terminal and a graphical display; never with a token,
        for all users of a machine can read how its programs were started.
    typed : callable, optional
        Takes a study's name and returns the options that name it in a command to be typed.
    say : callable
        Takes the sentences for the user.

    Raises
    ------
    UsageError
        If the host is no address of this machine, the port is unusable, or a password is missing.
    UserError
        If there is no usable database, no such study, or the port is in use.
    """
    storage = connect(url, create=False)
    page = _study_page(storage, study)
    family, address = _resolve(host, port)
    exposed = not ipaddress.ip_address(address[0]).is_loopback
    password = password or os.environ.get(PASSWORD_VARIABLE) or (_ask_password(host) if exposed else None)
    token = secrets.token_hex(16) if allow_edit and not password else None
    guarded = application(
        storage,
        allow_edit=allow_edit,
        allowed_hosts=_own_names(host, address[0]),
        password=password,
        token=token,
        artifact_dir=artifact_dir,
        study=study,
        typed=typed,
    )
    with _listen(family, address, host) as listener:
        server = http_server(guarded, listener, body_limit=UPLOAD_BODY if allow_edit else READ_ONLY_BODY)
        with as_interrupts(), contextlib.suppress(KeyboardInterrupt):
            place = "127.0.0.1" if is_unspecified(address[0]) else host
            link = f"http://{f'[{place}]' if ':' in place else place}:{listener.getsockname()[1]}{page}"
            link += f"?token={token}" if token else ""
            say(f"The dashboard is at {link} (Ctrl-C ends it).")
            if exposed:
                say("It demands its password, which travels unencrypted: cross a foreign network by ssh -L.")
            if token:
                say("Whoever opens this address can change and delete studies: keep it to yourself.")
            elif open_browser and _has_display():
                # Some browsers hold their caller until they are closed.
                threading.Thread(target=webbrowser.open, args=(link,), daemon=True).start()
            server.run()
        server.close()


def http_server(app: WSGIApplication, listener: socket.socket, *, body_limit: int) -> Any:
    """Make a waitress server, not yet running, for a socket that listens.

    Connections, header and body are bounded; a slow client occupies a connection, never one of the threads.

    Parameters
    ----------
    app : WSGI application
        What answers.
    listener : socket.socket
        A bound socket.
    body_limit : int
        Largest body of a request in bytes; a larger one is answered with status 413.
    """
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)  # a browser's requests wait for each other
    server = waitress.create_server(
        app,
        sockets=[listener],
        threads=4,
        connection_limit=100,
        channel_timeout=60,
        max_request_header_size=32 * 1024,
        max_request_body_size=body_limit,
        ident=None,
        outbuf_high_watermark=sys.maxsize,  # or whoever reads nothing holds a thread: answers wait in files
    )
    server.maintenance = _leaving_the_deaf(server, server.maintenance)
    return server


def _leaving_the_deaf(server: Any, maintain: Callable[[float], None]) -> Callable[[float], None]:
    """Close connections whose client reads nothing, too: waitress waits until they can be written to."""

    def maintenance(now: float) -> None:
        maintain(now)
        for channel in [*server.active_channels.values()]:
            if channel.total_outbufs_len and channel.last_activity < now - server.adj.channel_timeout:
                server.trigger.pull_trigger(channel.handle_close)  # not while it looks who may be read

    return maintenance


def _study_page(storage: RetryingStorage, study: str | None) -> str:
    """Return the path of a study's page: our own, or optuna-dashboard's of a study that has none."""
    found = {each.study_name: each for each in storage.get_all_studies()}
    if study is not None:
        chosen = [found[load_study(storage, study).study_name]]
    else:
        chosen = [each for each in found.values() if stands_alone(each.user_attrs, each.system_attrs)]
        chosen = chosen or [*found.values()]
    if chosen and stands_alone(chosen[0].user_attrs, chosen[0].system_attrs):
        return "/"
    return f"/dashboard/studies/{chosen[0]._study_id}" if len(chosen) == 1 else "/dashboard"


def _resolve(host: str, port: int) -> tuple[socket.AddressFamily, tuple[Any, ...]]:
    if not 0 <= port <= 65535:
        raise UsageError(f"--port {port} is no port: choose one from 1024 to 65535, or 0 for a free one")
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise _no_address(host) from error
    family, _, _, _, address = min(found, key=lambda info: info[0] != socket.AF_INET)
    return family, address


def _listen(family: socket.AddressFamily, address: tuple[Any, ...], host: str) -> socket.socket:
    try:
        return socket.create_server(address, family=family)
    except OSError as error:
        if isinstance(error, PermissionError):
            problem = "is reserved"
        elif error.errno == errno.EADDRINUSE:
            problem = "is already in use"
        else:
            raise _no_address(host) from error
        raise UserError(
            f"port {address[1]} of {host} {problem}: choose another with --port, or a free one with --port 0"
        ) from error


def _no_address(host: str) -> UsageError:
    return UsageError(f"--host {host} is no address of this machine: 127.0.0.1 serves this machine alone")


def _own_names(host: str, address: str) -> frozenset[str]:
    names = LOOPBACK_NAMES | {host, address}
    return names | {socket.gethostname()} if is_unspecified(address) else names


def _ask_password(host: str) -> str:
    if sys.stdin is not None and sys.stdin.isatty():
        with contextlib.suppress(EOFError):
            given = getpass.getpass("Password that the dashboard shall demand: ")
            if given:
                return given
    raise UsageError(
        f"--host {host} lets other machines in, which needs a password: set the environment variable"
        f" {PASSWORD_VARIABLE}, or leave --host out to serve this machine alone"
    )


def _has_display() -> bool:
    """Say whether somebody sits before a screen; elsewhere `webbrowser` would start a text browser."""
    if not sys.stdout.isatty():
        return False
    if sys.platform in ("win32", "darwin"):
        return "SSH_CONNECTION" not in os.environ
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
