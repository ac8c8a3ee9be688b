"""Requests of any kind for `benchmarks.stress.attack`, the same ones from the same seed."""

import random
from dataclasses import dataclass
from urllib.parse import quote

MARK = b"m4rk"
"""Stands in the name of the study, which nobody may see who was not let in."""
NAME = f"={MARK.decode()}\x1b[31m</script><script>alert(1)</script>\"'&\x07{{{{7*7}}}}"


@dataclass(frozen=True)
class Batch:
    """Requests down one connection.

    Parameters
    ----------
    requests : list of bytes
        Or all of them as one.
    number : int
        How many there are.
    entitled : bool
        Whether their sender may look.
    framed : bool
        Whether they are well-formed, so that each is answered and the connection ends after the last one.
    reads : bool
        Whether their sender waits for what comes.
    """

    requests: list[bytes]
    number: int
    entitled: bool
    framed: bool
    reads: bool


_METHODS = [
    *["GET"] * 12,
    *["HEAD"] * 3,
    "POST",
    "PUT",
    "DELETE",
    "PATCH",
    "OPTIONS",
    "TRACE",
    "CONNECT",
    "X-Y",
]
_NUMBERS = ["1", "2", "0", "-1", "3", "01", "1.0", "1e3", "9" * 18, "9" * 20, "9" * 400, "%31", "١", "x", ""]
_PLACES = """
/ /?study={name} /?study=x&study={name} /?{junk} /page/{junk} /page/../{junk} /page/ /favicon.ico
/dashboard /dashboard/ /dashboard/studies/{n} /dashboard{junk} /api/meta /api/studies /api/studies/{n}
/api/studies/{n}?after={n} /api/studies/{n}/param_importances
/api/studies/{n}/param_importances?evaluator={junk}
/api/studies/{n}/rename /api/studies/{n}/note /api/studies/{n}/preference /api/studies/{n}/preference/{junk}
/api/studies/{n}/preference_feedback_component /api/studies/{n}/{n}/skip /api/studies/{n}/{n}/note
/api/trials/{n}/tell /api/trials/{n}/user-attrs /api/artifacts/{n} /api/artifacts/{n}/{n}
/api/artifacts/{n}/abc /api/artifacts/{n}/{n}/abc /api/llm/trial_filter_query /artifacts/{n}/abc-def
/artifacts/{n}/{n}/abc /artifacts/{n}/..%2f..%2fsweep.db /csv/{n} /static/{junk} /static/../../sweep.db
/static/%2e%2e/%2e%2e/sweep.db /static/..%5csweep.db /incompatible-rdb-schema /sql-profiler /../sweep.db
/%2e%2e/sweep.db //api/studies ///api//studies /./api/studies /api/studies/ /API/STUDIES /api/studies%00
http://far.example/api/studies http://127.0.0.1/api/studies/1 //far.example/ * api/studies /{junk}
/{junk}/{junk} /%ff%fe{junk} /{junk}?{junk}#{junk} /api/studies;{junk} /{long}
""".split()  # noqa: SIM905
_DEAR = ["/api/studies/1/plot/{plot}", "/static/bundle.js", "/csv/1", "/"]
_PLOTS = ["contour", "slice", "edf", "rank", "timeline", "{junk}"]
_WRONG_HOSTS = [
    *["far.example", "127.0.0.1.far.example", "localhost.", "127.0.0.1@far.example", "", "[::1", "0x7f.1"],
    *["127.0.0.1, far.example", "127.0.0.1:8080:80", "2130706433", "127.1", "\xff", "localhost\t.x"],
]
_HEADERS = """
Accept: */*
Accept-Encoding: gzip
Accept-Encoding: {junk}
Accept-Language: {long}
Cookie: {junk}
Cookie: a=b; ; =;{junk}
Content-Type: application/json
Content-Type: multipart/form-data; boundary={junk}
Forwarded: host=localhost
If-Modified-Since: {junk}
If-None-Match: *
If-None-Match: {junk}
Origin: http://far.example
Origin: null
Range: bytes=0-0
Range: {junk}
Referer: {junk}
Sec-Fetch-Site: cross-site
Upgrade: h2c
User-Agent: <b>=1+1</b>
X-Forwarded-For: ::1
X-Forwarded-Host: localhost
X-Http-Method-Override: DELETE
X_Under: {junk}
""".strip().splitlines()
_PASSES = ["Basic {junk}", "Basic Og==", "Bearer {junk}", "basic", "Basic"]
_BREAKING = [
    *["Content-Length: -1", "Content-Length: 1e3", "Content-Length: 99999999999999999999"],
    *["Content-Length: 5, 5", "Content-Length: {n}", "Expect: 100-continue\r\nContent-Length: 9"],
    *["Transfer-Encoding: chunked", "Transfer-Encoding: gzip, chunked", "Transfer-Encoding: \x0bchunked"],
    *["Transfer-Encoding: chunked\r\nContent-Length: 3", "X: {huge}", " folded: x", "no colon", ": empty"],
    *["User-Agent: \x1b[31m\x9b0m", "A\x00B: c", "X: a\rb", "X: a\nHost: far.example", "Host : x"],
]
_BODIES = [
    *[b"", b"{}", b'{"study_name": "new", "directions": ["maximize"]}', b'{"body": "x", "version": 9}'],
    *[b"[" * 2000, b'{"state": "COMPLETE", "values": [1e999]}', b"\xff\xfe", b"null", b'{"a":' * 500],
]


def batch(rng: random.Random, host: str, cookie: str, *, most: int) -> Batch:
    """Return the next requests.

    Parameters
    ----------
    rng : random.Random
    host : str
        What the server is called.
    cookie : str
        That lets in, if one is needed.
    most : int
        Number of requests, at most.
    """
    entitled = rng.random() < 0.6
    # Whoever is not: wrong in the name, or without the cookie where one is needed.
    wrong_host = not entitled and (not cookie or rng.random() < 0.5)
    named = (lambda: rng.choice(_WRONG_HOSTS)) if wrong_host else (lambda: host)
    brings = cookie if cookie and (entitled or wrong_host) else ""
    framed = rng.random() < 0.85
    number = min(most, rng.choice([1, 2, 5, 20, 100]) if framed else 1)
    requests = [
        _request(rng, named(), brings, framed=framed, last=i == number - 1, locked=bool(cookie))
        for i in range(number)
    ]
    if rng.random() < 0.5:
        requests = [b"".join(requests)]  # all at once
    if not framed and rng.random() < 0.4:
        requests = [each[: rng.randrange(1, len(each) + 1)] for each in requests]
    return Batch(requests, number, entitled, framed, reads=framed or rng.random() < 0.5)


def _request(rng: random.Random, host: str, cookie: str, *, framed: bool, last: bool, locked: bool) -> bytes:
    path = _fill(rng, rng.choice(_DEAR if rng.random() < 0.002 else _PLACES))
    lines = [f"Host: {host}"] if host or rng.random() < 0.5 else []
    lines += [f"Cookie: {cookie}"] if cookie else []
    lines += [_fill(rng, rng.choice(_HEADERS)) for _ in range(rng.choice([0, 0, 1, 2, 5]))]
    if not locked or rng.random() < 0.02:
        lines.append(f"Authorization: {_fill(rng, rng.choice(_PASSES))}")
    if cookie:  # one header of cookies, as browsers send it
        lines = [line for line in lines if not line.startswith("Cookie:") or line.endswith(cookie)]
    method, body, version = rng.choice(_METHODS), b"", "1.1"
    if rng.random() < 0.2:
        body = rng.choice(_BODIES)
        lines.append(f"Content-Length: {len(body)}")
    if framed:
        lines += ["Connection: close"] if last else []
    else:
        method = rng.choice([method, "", "get", "G\x00T", "GET GET", "\x16\x03\x01", "GET" * 500])
        version = rng.choice(["1.1", "1.0", "2.0", "0.9", "9", "1.1 x"])
        lines.insert(rng.randrange(len(lines) + 1), _fill(rng, rng.choice(_BREAKING)))
    head = f"{method} {path} HTTP/{version}\r\n" + "".join(f"{line}\r\n" for line in lines)
    return head.encode("latin-1", "replace") + b"\r\n" + body


def _fill(rng: random.Random, text: str) -> str:
    while "{" in text:
        for name, drawn in (
            ("{plot}", lambda: rng.choice(_PLOTS)),
            ("{n}", lambda: quote(rng.choice(_NUMBERS), safe="%")),
            ("{name}", lambda: quote(NAME)),
            ("{junk}", lambda: quote(rng.randbytes(rng.choice([1, 4, 12])), safe=rng.choice(["", "<>\"'"]))),
            ("{long}", lambda: "a" * rng.choice([300, 3000, 20_000])),
            ("{huge}", lambda: "a" * 40_000),
        ):
            text = text.replace(name, drawn()) if name in text else text
    return text
