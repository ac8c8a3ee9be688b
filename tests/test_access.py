"""Who may see and change the dashboard: password, token, cookie and waits against real requests."""

import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from wsgiref.util import setup_testing_defaults

import optuna
import pytest
from served import HOSTS, PASSWORD, TOKEN, Sweep, admitted, ask, basic, make_sweep, running

from studies.dashboard.guard import application
from studies.dashboard.serving import UPLOAD_BODY

RIGHT = basic("anybody", PASSWORD)


class Clock:
    """Seconds, put forward by the test."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Sweep:
    return make_sweep(tmp_path_factory.mktemp("sweep"))


@pytest.fixture(scope="module")
def editable(sweep: Sweep) -> Iterator[int]:
    app = application(sweep.storage(), allow_edit=True, allowed_hosts=HOSTS, token=TOKEN)
    with running(app, body_limit=UPLOAD_BODY) as port:
        yield port


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def guarded(sweep: Sweep, clock: Clock) -> Iterator[int]:
    app = application(
        sweep.storage(), allow_edit=True, allowed_hosts=HOSTS, password=PASSWORD, token=TOKEN, clock=clock
    )
    with running(app) as port:
        yield port


def wrong(port: int, number: int) -> tuple[int, str | None]:
    """Give a password that is wrong, another one for each number; return status and Retry-After."""
    status, headers, _ = ask(port, "/api/studies", Authorization=basic("me", f"guess {number}"))
    return status, headers["Retry-After"]


def reason(body: bytes) -> str:
    return str(json.loads(body)["reason"])


def test_the_token_opens_the_address_without_it_and_leaves_a_cookie(editable: int) -> None:
    status, headers, body = ask(editable, f"/dashboard/studies/1?a=b%26c&token={TOKEN}")
    assert status == 303
    assert headers["Location"] == "/dashboard/studies/1?a=b%26c"
    assert headers["Cache-Control"] == "no-store"
    name, value, rest = re.fullmatch(r"(.+?)=([\w-]{43}); (.+)", headers["Set-Cookie"]).groups()
    assert name == f"fcnet-dashboard-{editable}"  # browsers send cookies to every port of a host
    assert rest == "HttpOnly; SameSite=Strict; Path=/"
    assert TOKEN not in value + body.decode()
    assert ask(editable, f"//far.example/a?token={TOKEN}")[1]["Location"] == "/far.example/a"
    assert ask(editable, f"/a%0d%0aX:%20b?token={TOKEN}")[1]["Location"] == "/a%0D%0AX%3A%20b"


@pytest.mark.parametrize("token", ["", "wrong", TOKEN[:-1], f"{TOKEN}x", "%ff", f"&token={TOKEN}"])
def test_a_wrong_token_is_told_and_gives_no_cookie(editable: int, token: str) -> None:
    status, headers, body = ask(editable, f"/dashboard?token={token}")
    assert (status, headers["Set-Cookie"]) == (403, None)
    assert "not this dashboard's: open the address that it printed" in reason(body)


def test_nothing_is_changed_without_the_cookie(editable: int, sweep: Sweep) -> None:
    name, _, value = admitted(editable).partition("=")
    for cookie in (
        "",
        name,
        f"{name}=",
        f"{name}={TOKEN}",
        f"{name}={value[:-1]}",
        f"{name}={value}x",
        f"other={value}",
        f"{name}=\xff",
    ):
        status, _, body = ask(editable, "/api/studies/1", "DELETE", Cookie=cookie)
        assert status == 403, cookie
        assert "open the one that this dashboard printed at its start" in reason(body)
    for method, path in {"POST": "/api/studies", "PUT": "/api/studies/1/note"}.items():
        assert ask(editable, path, method, b"{}")[0] == 403
        assert ask(editable, f"{path}?token={TOKEN}", method, b"{}")[0] == 403
    assert optuna.get_all_study_names(sweep.url) == ["small"]
    assert ask(editable, "/api/studies")[0] == 200  # looking is free
    noted = b'{"body": "mine", "version": 2}'
    odd = f'[x]="; {name}={value}; a'  # other programs on this host have cookies too
    assert ask(editable, "/api/studies/1/note", "PUT", noted, Cookie=odd)[0] == 204


def test_without_token_and_password_nobody_can_change_anything(sweep: Sweep) -> None:
    with running(application(sweep.storage(), allow_edit=True, allowed_hosts=HOSTS)) as port:
        assert ask(port, "/api/studies/1", "DELETE")[0] == 403
    assert optuna.get_all_study_names(sweep.url) == ["small"]


def test_a_dashboard_that_only_shows_takes_no_token(sweep: Sweep) -> None:
    with running(application(sweep.storage(), allowed_hosts=HOSTS, token=TOKEN)) as port:
        status, headers, _ = ask(port, f"/dashboard?token={TOKEN}")
        assert (status, headers["Set-Cookie"]) == (200, None)


def test_the_password_is_demanded(
    guarded: int, sweep: Sweep, clock: Clock, capfd: pytest.CaptureFixture[str]
) -> None:
    mistakes = [
        basic("anybody", PASSWORD[:-1]),
        basic("anybody", PASSWORD + "x"),
        basic("anybody", ""),
        basic(PASSWORD, PASSWORD.partition(":")[2]),
        RIGHT.replace("Basic", "Bearer"),
        "Basic",
        "Basic ???",
        "Basic \xff",
    ]
    capfd.readouterr()
    assert ask(guarded, "/dashboard", Authorization=RIGHT)[0] == 200
    assert ask(guarded, "/api/studies", Authorization=RIGHT.replace("Basic", "basic"))[0] == 200
    for path in ("/", "/dashboard", "/api/studies", "/static/bundle.js", sweep.artifact_path):
        for given in (path, f"{path}?token={TOKEN}"):  # the token is no way round
            status, headers, body = ask(guarded, given)
            assert status == 401
            assert headers["WWW-Authenticate"].startswith("Basic realm=")
            assert headers["Set-Cookie"] is None
            assert b"small" not in body
    for header in mistakes:
        assert ask(guarded, "/api/studies", Authorization=header)[0] == 401, header
        clock.now += 10_000
    assert ask(guarded, "/api/studies/1", "DELETE")[0] == 401
    assert ask(guarded, "/api/studies", hosts=("attacker.example",), Authorization=RIGHT)[0] == 403
    assert capfd.readouterr() == ("", "")


def test_the_password_alone_allows_changes(guarded: int, sweep: Sweep) -> None:
    body = b'{"study_name": "new", "directions": ["maximize"]}'
    assert ask(guarded, "/api/studies", "POST", body, Authorization=RIGHT)[0] == 201
    new = next(study for study in sweep.storage().get_all_studies() if study.study_name == "new")
    assert ask(guarded, f"/api/studies/{new._study_id}", "DELETE", Authorization=RIGHT)[0] == 204


def test_a_password_that_is_no_text_is_taken_too(sweep: Sweep) -> None:
    app = application(sweep.storage(), allowed_hosts=HOSTS, password=b"\xff".decode(errors="surrogateescape"))
    with running(app) as port:
        assert ask(port, "/api/studies", Authorization="Basic Ov8=")[0] == 200  # ":\xff"
        assert ask(port, "/api/studies", Authorization=RIGHT)[0] == 401


def test_who_guesses_waits_longer_and_longer(guarded: int, clock: Clock) -> None:
    assert [wrong(guarded, number) for number in range(6)] == [(401, None)] * 6
    number = 6
    for seconds in (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600):
        assert wrong(guarded, number) == (429, str(seconds))
        clock.now += seconds - 0.5
        status, headers, body = ask(guarded, "/api/studies", Authorization=RIGHT)  # or guessing would go on
        assert (status, headers["Retry-After"], headers["Set-Cookie"]) == (429, "1", None)
        assert "try again in 1 s" in reason(body)
        clock.now += 0.5
        assert wrong(guarded, number) == (401, None)
        number += 1
    clock.now += 600
    assert ask(guarded, "/api/studies", Authorization=RIGHT)[0] == 200
    assert [wrong(guarded, number) for number in range(6)] == [(401, None)] * 6  # begins anew


def test_a_page_left_open_with_an_old_password_is_no_guess(guarded: int) -> None:
    assert {wrong(guarded, 0)[0] for _ in range(20)} == {401}
    assert ask(guarded, "/api/studies", Authorization=RIGHT)[0] == 200


def test_who_came_in_is_not_shut_out_by_another_who_guesses(guarded: int) -> None:
    cookie = ask(guarded, "/dashboard", Authorization=RIGHT)[1]["Set-Cookie"].partition(";")[0]
    for number in range(7):
        wrong(guarded, number)
    assert ask(guarded, "/api/studies", Authorization=RIGHT)[0] == 429
    assert ask(guarded, "/api/studies", Cookie=cookie)[0] == 200
    assert ask(guarded, "/api/studies")[0] == 401  # no guess, so the browser asks


def test_guesses_at_once_are_refused_at_once_and_hold_nobody_up(guarded: int) -> None:
    cookie = ask(guarded, "/dashboard", Authorization=RIGHT)[1]["Set-Cookie"].partition(";")[0]
    with ThreadPoolExecutor(16) as threads:
        answers = list(threads.map(lambda number: wrong(guarded, number), range(64)))
        assert ask(guarded, "/api/studies", Cookie=cookie)[0] == 200
    assert sorted(answers, key=str) == [(401, None)] * 6 + [(429, "1")] * 58


def test_mistakes_are_counted_for_each_address_and_only_a_bounded_number_is_kept(
    sweep: Sweep, clock: Clock
) -> None:
    """Other addresses than 127.0.0.1 need a server that can be told them."""
    app = application(sweep.storage(), allowed_hosts=HOSTS, password=PASSWORD, clock=clock)

    def status(address: str, password: str) -> str:
        environ = {"REMOTE_ADDR": address, "HTTP_HOST": "localhost", "PATH_INFO": "/api/studies"}
        environ["HTTP_AUTHORIZATION"] = basic("me", password)
        setup_testing_defaults(environ)
        answers: list[str] = []
        list(app(environ, lambda status, *_: answers.append(status)))
        return answers[0][:3]

    assert status("192.0.2.9", "first") == "401"
    for number in range(6):
        assert status("192.0.2.1", f"{number}") == "401"
        assert status(f"2001:db8::{number}", f"{number}") == "401"
    assert status("192.0.2.1", PASSWORD) == "429"
    assert status("192.0.2.2", PASSWORD) == "200"
    assert status("2001:db8::ffff", PASSWORD) == "429"  # one client of IPv6 has 2**64 addresses
    assert status("2001:db8:0:1::", PASSWORD) == "200"
    for number in range(5):
        assert status("192.0.2.9", f"{number}") == "401"
    for number in range(997):
        assert status(f"198.51.{number // 256}.{number % 256}", "x") == "401"
    assert status("192.0.2.1", PASSWORD) == "429"
    assert status("203.0.113.1", "x") == "401"
    assert status("192.0.2.1", PASSWORD) == "200"  # forgotten, for the others' mistakes are younger
    assert status("192.0.2.9", PASSWORD) == "429"
