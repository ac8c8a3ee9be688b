"""Who may see and change the dashboard: its password, the token of its address, and the cookie for either."""

import base64
import contextlib
import hashlib
import hmac
import ipaddress
import math
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import parse_qsl, quote, urlencode
from wsgiref.types import WSGIEnvironment

FREE_MISTAKES = 5
"""Wrong passwords of one client before it has to wait: 1 s after the next one, twice as long after each."""
LONGEST_WAIT = 600.0
REMEMBERED_CLIENTS = 1000

Header = tuple[str, str]


class Answer(Exception):
    """A request that is answered before the dashboard sees it: status line, reason, further headers."""

    def __init__(self, status: str, reason: str, *headers: Header) -> None:
        super().__init__(reason)
        self.status, self.reason, self.headers = status, reason, list(headers)


class Access:
    """Recognises those who may come in, and those who may change things.

    Parameters
    ----------
    password : str, optional
        Demanded of everybody, by HTTP Basic authentication with whatever user name.
    token : str, optional
        What an address carries as ``?token=`` whose opener may change things.
    clock : callable
        Seconds since whenever, for the waits after wrong passwords.
    """

    def __init__(
        self, *, password: str | None, token: str | None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._password = None if password is None else _digest(password)
        self._token = None if token is None else _digest(token)
        # Of its own, so that a cookie, which the browser sends to every port of the host, tells no password.
        self._session = secrets.token_urlsafe(32)
        self._mistakes = _Mistakes(clock)

    def check(self, environ: WSGIEnvironment) -> list[Header]:
        """Let a request in, and return the headers that its answer needs.

        Raises
        ------
        Answer
            If it brings no right password where there is one, or a token.
        """
        if self._password is not None:
            return [] if self._is_known(environ) else self._check_password(environ, self._password)
        if self._token is not None:
            self._check_token(environ, self._token)
        return []

    def check_change(self, environ: WSGIEnvironment) -> None:
        """Raise an Answer unless a request that `check` has let in may change things."""
        if self._password is None and not self._is_known(environ):
            raise Answer(
                "403 Forbidden",
                "Only a browser that has opened the address with the token can change things: open the one"
                " that this dashboard printed at its start.",
            )

    def _check_password(self, environ: WSGIEnvironment, expected: bytes) -> list[Header]:
        scheme, _, encoded = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
        if encoded:
            given = b""
            if scheme.lower() == "basic":
                with contextlib.suppress(ValueError):
                    given = base64.b64decode(encoded.strip(), validate=True).partition(b":")[2]
            digest = hashlib.sha256(given).digest()
            wait = self._mistakes.judge(_client(environ), digest, right=hmac.compare_digest(digest, expected))
            if wait is None:
                return [self._cookie(environ)]
            if wait > 0:
                raise Answer(
                    "429 Too Many Requests",
                    f"Too many wrong passwords came from your address: try again in {math.ceil(wait)} s.",
                    ("Retry-After", str(math.ceil(wait))),
                )
        raise Answer(
            "401 Unauthorized",
            "This dashboard demands its password; any user name will do.",
            ("WWW-Authenticate", 'Basic realm="fcnet dashboard", charset="UTF-8"'),
        )

    def _check_token(self, environ: WSGIEnvironment, expected: bytes) -> None:
        query = parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True)
        given = [value for name, value in query if name == "token"]
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD") or not given:
            return
        if not hmac.compare_digest(_digest(given[0]), expected):
            raise Answer(
                "403 Forbidden",
                "The token in this address is not this dashboard's: open the address that it printed at its"
                " start, or leave the token out to look only.",
            )
        rest = urlencode([pair for pair in query if pair[0] != "token"])
        place = quote(environ["PATH_INFO"].encode("latin-1")) + (f"?{rest}" if rest else "")
        raise Answer(
            "303 See Other",
            "The dashboard is there.",
            ("Location", place),
            ("Cache-Control", "no-store"),
            self._cookie(environ),
        )

    def _is_known(self, environ: WSGIEnvironment) -> bool:
        """Tell whether a request brings the cookie."""
        # By hand: `http.cookies` gives up at the first odd cookie, and those of other ports come along.
        pairs = (pair.strip().partition("=") for pair in environ.get("HTTP_COOKIE", "").split(";"))
        given = {name: value for name, _, value in pairs}.get(_cookie_name(environ), "")
        return hmac.compare_digest(_digest(given), _digest(self._session))

    def _cookie(self, environ: WSGIEnvironment) -> Header:
        value = f"{_cookie_name(environ)}={self._session}; HttpOnly; SameSite=Strict; Path=/"
        return "Set-Cookie", value


@dataclass
class _Record:
    """The wrong passwords of a client: how many, the last one's digest, the end of the wait."""

    n: int = 0
    last: bytes = b""
    until: float = -math.inf


class _Mistakes:
    """Slows down who guesses passwords, without ever waiting itself; the oldest clients are forgotten."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._records: OrderedDict[str, _Record] = OrderedDict()
        self._lock = threading.Lock()

    def judge(self, client: str, digest: bytes, *, right: bool) -> float | None:
        """Return None if a password may pass, else the seconds until another one is looked at; 0: at once.

        While a client waits, the right password is refused like any other, or it could be guessed on.
        """
        with self._lock:
            record = self._records.get(client, _Record())
            now = self._clock()
            # A page left open repeats the password of an earlier dashboard: that is no new guess.
            if digest == record.last:
                return 0.0
            if now < record.until:
                return record.until - now
            if right:
                self._records.pop(client, None)
                return None
            record.n, record.last = record.n + 1, digest
            if record.n > FREE_MISTAKES:
                doublings = min(record.n - FREE_MISTAKES - 1, 30)
                record.until = now + min(2.0**doublings, LONGEST_WAIT)
            self._records[client] = record
            self._records.move_to_end(client)
            if len(self._records) > REMEMBERED_CLIENTS:
                self._records.popitem(last=False)
            return 0.0


def _client(environ: WSGIEnvironment) -> str:
    """Return whom mistakes are counted for: an address, or the network of one in IPv6, which has many."""
    address = str(environ.get("REMOTE_ADDR", ""))
    with contextlib.suppress(ValueError):
        if (found := ipaddress.ip_address(address)).version == 6:
            return str(ipaddress.ip_network((int(found) >> 64 << 64, 64)))
    return address


def _cookie_name(environ: WSGIEnvironment) -> str:
    # Browsers keep one jar for all ports of a host: several dashboards must not overwrite each other's.
    return f"fcnet-dashboard-{environ['SERVER_PORT']}"


def _digest(secret: str) -> bytes:
    """Return what is compared instead of a secret: of one length, so that the time tells nothing."""
    return hashlib.sha256(secret.encode(errors="surrogateescape")).digest()
