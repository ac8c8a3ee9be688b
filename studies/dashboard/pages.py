"""The pages of a database's studies as a WSGI application: drawn again when there is news, then kept."""

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
from studies.experiments.trainings import asked_by
from studies.views.page import POLICY, Surroundings, asset, render_comparison, render_study

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


@dataclass(frozen=True)
class _Studies:
    """The studies of a database by their names, all of them with their ids."""

    ids: dict[str, int]
    searches: list[str]
    experiments: list[str]

    @property
    def with_page(self) -> list[str]:
        """Those that have a page of our own, sweeps first."""
        return [*self.searches, *self.experiments]


class Pages:
    """Answers ``/``, ``/compare`` and ``/page/...``.

    Parameters
    ----------
    storage : optuna.storages.BaseStorage
        With Optuna's cache of finished trials.
    study : str, optional
        What is shown where an address names nothing; the first sweep by default, else the first experiment.
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
        studies = self._studies()
        names = self._asked(environ, studies)
        if isinstance(names, str):
            return "303 See Other", [("Location", names)], b""
        try:
            page = self._page(names, studies)
        except UserError as error:
            plain = [("Content-Type", "text/plain; charset=utf-8"), ("Cache-Control", "no-store")]
            return "500 Internal Server Error", plain, f"{error}\n".encode()
        headers = [("ETag", page.tag), ("Cache-Control", "no-cache"), *_encoding(zips=zips)]
        if page.tag in environ.get("HTTP_IF_NONE_MATCH", ""):
            return "304 Not Modified", headers, b""
        kind = ("Content-Type", "text/html; charset=utf-8")
        return "200 OK", [kind, *headers], page.zipped if zips else page.body

    def _asked(self, environ: WSGIEnvironment, studies: _Studies) -> tuple[str, ...] | str:
        """Return the study, or the two sweeps, that an address asks for, or a better address."""
        query = parse_qs(environ.get("QUERY_STRING", ""))
        asked = query.get("study", [""])[0]
        name = asked or (self._study if self._study in studies.ids else next(iter(studies.with_page), None))
        if name is None or name not in studies.with_page:
            return f"/dashboard/studies/{studies.ids[name]}" if name in studies.ids else "/dashboard"
        if environ["PATH_INFO"] == "/":
            return (name,)
        beside = query.get("with", [""])[0]
        both = {name, beside} <= {*studies.searches} and beside != name
        return (name, beside) if both else _place(name)

    def _studies(self) -> _Studies:
        """Return the studies of the database."""
        found = sorted(self._storage.get_all_studies(), key=lambda study: study.study_name)
        searches = [s.study_name for s in found if record.is_search(s.user_attrs, s.system_attrs)]
        alone = [s.study_name for s in found if record.stands_alone(s.user_attrs, s.system_attrs)]
        experiments = [name for name in alone if name not in searches]
        return _Studies({s.study_name: s._study_id for s in found}, searches, experiments)

    def _page(self, names: tuple[str, ...], studies: _Studies) -> _Drawn:
        """Return the page of a study, or that of two sweeps side by side."""
        shown = [optuna.load_study(study_name=name, storage=self._storage) for name in names]
        with self._lock:  # one drawing at a time
            old, now = self._drawn.get(names), time.monotonic()
            if old is not None and now < old.at + max(PAUSE_SECONDS, old.seconds / _SHARE):
                return old
            key = *map(_state, shown), *studies.with_page
            if old is not None and old.key == key:
                old.at = now
                return old
            body = (self._one(shown[0], studies) if len(shown) == 1 else self._both(shown)).encode()
            done = time.monotonic()
            tag = f'"{hashlib.sha256(body).hexdigest()[:20]}"'
            self._drawn[names] = drawn = _Drawn(key, done, done - now, body, gzip.compress(body, 5), tag)
            while len(self._drawn) > _KEPT:
                del self._drawn[min(self._drawn, key=lambda each: self._drawn[each].at)]
            return drawn

    def _one(self, study: Study, studies: _Studies) -> str:
        name, kept = study.study_name, record.read(study)
        searches = studies.searches if kept.facts.is_search else []
        others = [
            (n, _place(n), _place(name, n) if n in searches else "") for n in studies.with_page if n != name
        ]
        place = f"/dashboard/studies/{studies.ids[name]}"
        options = self._typed(asked_by(kept))
        return render_study(study, Surroundings(options=options, live=True, studies=others, dashboard=place))

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
