"""The pages of a database's sweeps as a WSGI application: drawn again when there is news, kept in between."""

import gzip
import hashlib
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from urllib.parse import parse_qs, urlencode
from wsgiref.types import StartResponse, WSGIEnvironment

import optuna
from optuna.storages import BaseStorage
from optuna.study import Study
from optuna.trial import TrialState

from fcnet.errors import UserError
from studies import record
from studies.experiments.comparison import compare_studies
from studies.experiments.overview import overview
from studies.views.page import POLICY, Surroundings, asset, render, render_comparison

PAUSE_SECONDS = 2.0
"""Between two drawings of a page, however often it is asked for."""
_KEPT = 16  # pages that were drawn, those asked for last
_SHARE = 0.1  # of the time may go into drawing, on a machine that is there for training

Header = tuple[str, str]


@dataclass
class _Drawn:
    """A page as it was drawn last."""

    key: object
    at: float
    seconds: float
    body: bytes
    zipped: bytes
    tag: str


class Pages:
    """Answers ``/``, ``/compare`` and ``/page/...``.

    Parameters
    ----------
    storage : optuna.storages.BaseStorage
        With Optuna's cache of finished trials.
    study : str, optional
        The sweep that is shown where an address names none; the first one by default.
    typed : callable, optional
        Takes a study's name and returns the options that name it in a command to be typed.
    """

    policy = POLICY

    def __init__(
        self, storage: BaseStorage, *, study: str | None = None, typed: Callable[[str], str] = lambda _: ""
    ) -> None:
        self._storage, self._study, self._typed = storage, study, typed
        self._drawn: dict[tuple[str, ...], _Drawn] = {}
        self._lock = threading.Lock()

    @staticmethod
    def answers(path: str) -> bool:
        """Tell whether a path is one of the pages'."""
        return path in ("/", "/compare") or path.startswith("/page/")

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request that the guard has let in."""
        status, headers, body = self._answer(environ)
        start_response(status, [*headers, ("Content-Length", str(len(body)))])
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]

    def _answer(self, environ: WSGIEnvironment) -> tuple[str, list[Header], bytes]:
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            return "405 Method Not Allowed", [("Allow", "GET, HEAD")], b""
        path = environ["PATH_INFO"]
        zips = "gzip" in environ.get("HTTP_ACCEPT_ENCODING", "")
        if path.startswith("/page/"):
            return _file(path.removeprefix("/page/"), zips=zips)
        searches, others = self._studies()
        names = self._asked(environ, searches, others)
        if isinstance(names, str):
            return "303 See Other", [("Location", names)], b""
        try:
            page = self._page(names, searches)
        except UserError as error:
            plain = [("Content-Type", "text/plain; charset=utf-8"), ("Cache-Control", "no-store")]
            return "500 Internal Server Error", plain, f"{error}\n".encode()
        headers = [("ETag", page.tag), ("Cache-Control", "no-cache"), *_encoding(zips=zips)]
        if page.tag in environ.get("HTTP_IF_NONE_MATCH", ""):
            return "304 Not Modified", headers, b""
        kind = ("Content-Type", "text/html; charset=utf-8")
        return "200 OK", [kind, *headers], page.zipped if zips else page.body

    def _asked(
        self, environ: WSGIEnvironment, searches: dict[str, int], others: dict[str, int]
    ) -> tuple[str, ...] | str:
        """Return the sweep, or the two, that an address asks for, or a better address."""
        query = parse_qs(environ.get("QUERY_STRING", ""))
        asked = query.get("study", [""])[0]
        name = asked or (self._study if self._study in {**searches, **others} else next(iter(searches), None))
        if name is None or name not in searches:
            return f"/dashboard/studies/{others[name]}" if name in others else "/dashboard"
        if environ["PATH_INFO"] == "/":
            return (name,)
        beside = query.get("with", [""])[0]
        return (name, beside) if beside in searches and beside != name else _place(name)

    def _studies(self) -> tuple[dict[str, int], dict[str, int]]:
        """Return the sweeps of the database by name, and all that is something else, with their ids."""
        searches: dict[str, int] = {}
        others: dict[str, int] = {}
        for study in sorted(self._storage.get_all_studies(), key=lambda study: study.study_name):
            kind = searches if record.is_search(study.user_attrs, study.system_attrs) else others
            kind[study.study_name] = study._study_id
        return searches, others

    def _page(self, names: tuple[str, ...], searches: dict[str, int]) -> _Drawn:
        """Return the page of a sweep, or that of two side by side."""
        studies = [optuna.load_study(study_name=name, storage=self._storage) for name in names]
        with self._lock:  # one drawing at a time
            old, now = self._drawn.get(names), time.monotonic()
            if old is not None and now < old.at + max(PAUSE_SECONDS, old.seconds / _SHARE):
                return old
            key = *map(_state, studies), *searches
            if old is not None and old.key == key:
                old.at = now
                return old
            body = (self._one(studies[0], searches) if len(studies) == 1 else self._both(studies)).encode()
            done = time.monotonic()
            tag = f'"{hashlib.sha256(body).hexdigest()[:20]}"'
            self._drawn[names] = drawn = _Drawn(key, done, done - now, body, gzip.compress(body, 5), tag)
            while len(self._drawn) > _KEPT:
                del self._drawn[min(self._drawn, key=lambda each: self._drawn[each].at)]
            return drawn

    def _one(self, study: Study, searches: dict[str, int]) -> str:
        name = study.study_name
        others = [(n, _place(n), _place(name, n)) for n in searches if n != name]
        place = f"/dashboard/studies/{searches[name]}"
        around = Surroundings(options=self._typed(name), live=True, studies=others, dashboard=place)
        return render(overview(study), around)

    def _both(self, studies: Sequence[Study]) -> str:
        names = [study.study_name for study in studies]
        around = Surroundings(live=True, studies=[(name, _place(name), "") for name in names])
        return render_comparison(
            compare_studies(studies), around, options=[self._typed(name) for name in names]
        )


def _place(name: str, other: str | None = None) -> str:
    """Return the address of a sweep's page, or that of its comparison with another one."""
    if other is None:
        return "/?" + urlencode({"study": name})
    return "/compare?" + urlencode({"study": name, "with": other})


def _file(served: str, *, zips: bool) -> tuple[str, list[Header], bytes]:
    found = _asset(served)
    if found is None:
        return "404 Not Found", [("Content-Type", "text/plain")], b"There is no such file.\n"
    kind, plain, zipped = found
    kept = ("Cache-Control", "private, max-age=31536000, immutable")
    return "200 OK", [("Content-Type", kind), kept, *_encoding(zips=zips)], zipped if zips else plain


def _encoding(*, zips: bool) -> list[Header]:
    return [("Vary", "Accept-Encoding"), *([("Content-Encoding", "gzip")] if zips else [])]


@cache
def _asset(served: str) -> tuple[str, bytes, bytes] | None:
    found = asset(served)
    return None if found is None else (*found, gzip.compress(found[1], 6))


def _state(study: Study) -> object:
    """Return what a page is drawn from, as far as it can change, in short."""
    trials = study.get_trials(deepcopy=False)
    running = [t for t in trials if t.state == TrialState.RUNNING]
    return (
        [t.state for t in trials],
        [len(t.intermediate_values) for t in running],
        round(time.time() / 60) if running else 0,  # for how long there was no sign
        repr(sorted(record.attributes(study).items())),
    )
