"""A guard in front of the pages and of optuna-dashboard, which by itself lets in whoever reaches its port."""

import contextlib
import ipaddress
import json
import os
import re
import time
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import optuna_dashboard
from optuna.artifacts import FileSystemArtifactStore
from optuna.storages import BaseStorage, get_storage

from studies.dashboard.access import Access, Answer
from studies.dashboard.pages import Pages

# The page is one bundled script. It needs eval for WebGL (parallel coordinates) and inline styles for its
# components; inline scripts, frames, plug-ins and other origins it does not need.
_PAGE_POLICY = (
    "default-src 'none'; script-src 'self' 'unsafe-eval'; style-src 'self' 'unsafe-inline';"
    " img-src 'self' data: blob:; media-src 'self'; connect-src 'self';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_DATA_POLICY = "default-src 'none'; sandbox; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
_HEADERS = (
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
)
_REPLACED = {name.lower() for name, _ in _HEADERS} | {
    "content-security-policy",
    "access-control-allow-origin",
}
_HOST_HEADER = re.compile(
    r"(?:\[(?P<v6>[0-9a-f:.]+)\]|(?P<name>[a-z0-9._-]+))(?::[0-9]{1,5})?", re.IGNORECASE
)
_OF_STUDY = re.compile(r"/(?:api/studies|api/artifacts|artifacts|csv)/(-?\d+)")


def application(
    storage: BaseStorage,
    *,
    allow_edit: bool = False,
    allowed_hosts: Collection[str],
    password: str | None = None,
    token: str | None = None,
    clock: Callable[[], float] = time.monotonic,
    artifact_dir: Path | None = None,
    study: str | None = None,
    typed: Callable[[str], str] = lambda _: "",
) -> WSGIApplication:
    """Put a guard in front of the sweeps' pages and of optuna-dashboard.

    Parameters
    ----------
    storage : optuna.storages.BaseStorage
        What is shown.
    allow_edit : bool, default=False
        Whether notes, artifacts and studies can be changed, from the dashboard's own pages only. Otherwise
        every method but GET and HEAD is refused; the dashboard needs no other to display. Without a
        password, only who has the token can change things; without either, nobody.
    allowed_hosts : collection of str
        Names and addresses, without port, that the Host header may hold. Any other is refused: a page
        elsewhere can let its own name point to this machine, and would otherwise read along (DNS rebinding).
        An unspecified address (``0.0.0.0``, ``::``) admits every numeric one, as numbers cannot be rebound.
        The port is not looked at, so that a tunnel may end at another one.
    password : str, optional
        Demanded by HTTP Basic authentication, with whatever user name. Who guesses it has to wait.
    token : str, optional
        Where there is no password: an address with ``?token=`` and it gives its opener the cookie that
        changes demand.
    clock : callable
        Seconds since whenever, for those waits.
    artifact_dir : Path, optional
        Folder of the artifacts; they are sent as downloads.
    study, typed
        See `studies.dashboard.pages.Pages`, which answers ``/``.

    Returns
    -------
    WSGI application
    """
    store = None if artifact_dir is None else FileSystemArtifactStore(artifact_dir.absolute())
    # get_storage adds Optuna's cache of finished trials: without it each request reads all of them again.
    cached = get_storage(storage)
    dashboard: WSGIApplication = optuna_dashboard.wsgi(cached, artifact_store=store)
    pages = Pages(cached, study=study, typed=typed)
    hosts = frozenset(host.lower() for host in allowed_hosts)
    access = Access(password=password, token=token if allow_edit else None, clock=clock)

    def guarded(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        # The dashboard ignores further leading slashes: both must speak of the same path.
        path = environ["PATH_INFO"] = "/" + environ.get("PATH_INFO", "").lstrip("/")
        environ.setdefault("HTTP_ACCEPT_ENCODING", "")  # the dashboard fails on requests without it
        added = [*_HEADERS, ("Content-Security-Policy", _policy(path))]
        if path.startswith("/artifacts/"):
            added.append(("Content-Disposition", "attachment"))

        def start(status: str, headers: list[tuple[str, str]], *exc_info: Any) -> Callable[[bytes], object]:
            kept = [(name, value) for name, value in headers if name.lower() not in _REPLACED]
            return start_response(status, kept + added, *exc_info)

        try:
            _check_host(environ, hosts)
            added += access.check(environ)
            if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
                _check_change(environ, allow_edit=allow_edit)
                access.check_change(environ)
            _check_artifact(path, artifact_dir)
            _check_study(environ, cached)
        except Answer as answer:
            body = json.dumps({"reason": answer.reason}).encode()
            length = ("Content-Length", str(len(body)))
            start(answer.status, [("Content-Type", "application/json"), length, *answer.headers])
            return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]
        return (pages if pages.answers(path) else dashboard)(environ, start)

    return guarded


def _policy(path: str) -> str:
    if Pages.answers(path):
        return Pages.policy
    is_page = path == "/dashboard" or path.startswith("/dashboard/")
    return _PAGE_POLICY if is_page else _DATA_POLICY


def _check_host(environ: WSGIEnvironment, allowed: frozenset[str]) -> None:
    match = _HOST_HEADER.fullmatch(environ.get("HTTP_HOST", ""))
    host = (match["v6"] or match["name"]).lower() if match else ""
    if host not in allowed and not (host and _is_address(host) and any(map(is_unspecified, allowed))):
        raise Answer(
            "403 Forbidden",
            "This dashboard does not know itself by that name: open the address that it printed at its start,"
            " or start it with --host and the name.",
        )


def _check_change(environ: WSGIEnvironment, *, allow_edit: bool) -> None:
    method = environ["REQUEST_METHOD"]
    editing = ("POST", "PUT", "DELETE") if allow_edit else ()
    if method not in editing:
        reason = (
            f"The method {method} is not supported."
            if allow_edit
            else "This dashboard is read-only: start it with --allow-edit to change things."
        )
        raise Answer("405 Method Not Allowed", reason, ("Allow", ", ".join(("GET", "HEAD", *editing))))
    # Browsers say where a changing request comes from; programs that say nothing are no browsers.
    site = environ.get("HTTP_SEC_FETCH_SITE", "same-origin")
    origin = environ.get("HTTP_ORIGIN")
    own = environ["HTTP_HOST"].lower()
    if site != "same-origin" or origin not in (None, f"http://{own}", f"https://{own}"):
        raise Answer("403 Forbidden", "Changes are accepted from the dashboard's own pages only.")


def _check_artifact(path: str, artifact_dir: Path | None) -> None:
    # The dashboard answers with a traceback in its log where the database knows a file that is gone.
    if artifact_dir is None or not path.startswith("/artifacts/"):
        return
    name = path.rstrip("/").rpartition("/")[2]
    if not re.fullmatch(r"[0-9a-fA-F-]+", name) or not os.access(artifact_dir / name, os.R_OK):
        raise Answer("404 Not Found", "There is no such artifact, or its file is gone.")


def _check_study(environ: WSGIEnvironment, storage: BaseStorage) -> None:
    # The dashboard fails, with lines of its program in the log, on numbers that it does not know.
    found = _OF_STUDY.match(environ["PATH_INFO"])
    try:
        if found:
            storage.get_study_name_from_id(int(found[1]))
    except (KeyError, ValueError, OverflowError) as error:
        raise Answer("404 Not Found", "There is no such study.") from error
    after = parse_qs(environ.get("QUERY_STRING", "")).get("after", ["0"])[-1]
    if not re.fullmatch("[0-9]{1,9}", after):
        raise Answer("400 Bad Request", "A number is expected in after=.")


def _is_address(host: str) -> bool:
    with contextlib.suppress(ValueError):
        return bool(ipaddress.ip_address(host))
    return False


def is_unspecified(host: str) -> bool:
    """Say whether a host is the address that stands for all of this machine's (``0.0.0.0``, ``::``)."""
    return _is_address(host) and ipaddress.ip_address(host).is_unspecified
