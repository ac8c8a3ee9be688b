"""The guard in front of the dashboard: every protection against real requests."""

import contextlib
import json
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from wsgiref.util import setup_testing_defaults

import optuna
import pytest
from served import HOSTS, TOKEN, Sweep, add_trial, admitted, ask, make_sweep, running

from studies.dashboard.guard import application
from studies.dashboard.serving import UPLOAD_BODY


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Sweep:
    return make_sweep(tmp_path_factory.mktemp("sweep"))


@pytest.fixture(scope="module")
def port(sweep: Sweep) -> Iterator[int]:
    app = application(sweep.storage(), allowed_hosts=HOSTS, artifact_dir=sweep.artifact_dir)
    with running(app) as port:
        yield port


@pytest.fixture(scope="module")
def editable(sweep: Sweep) -> Iterator[int]:
    app = application(sweep.storage(), allow_edit=True, allowed_hosts=HOSTS, token=TOKEN)
    with running(app, body_limit=UPLOAD_BODY) as port:
        yield port


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "LOCALHOST:{port}", "[::1]:{port}", "127.0.0.1:9"]
)
def test_own_names_are_answered(port: int, host: str) -> None:
    status, _, body = ask(port, "/api/studies", hosts=(host.format(port=port),))
    assert status == 200
    assert json.loads(body)["study_summaries"][0]["study_name"] == "small"


@pytest.mark.parametrize(
    "hosts",
    [
        (),
        ("",),
        ("attacker.example:{port}",),
        ("localhost.attacker.example",),
        ("127.0.0.1.attacker.example",),
        ("192.168.1.7:{port}",),
        ("127.0.0.1@attacker.example",),
        ("127.0.0.1:{port}", "attacker.example"),
    ],
)
@pytest.mark.parametrize("path", ["/", "/dashboard", "/api/studies", "/static/bundle.js"])
def test_other_names_are_refused(port: int, hosts: tuple[str, ...], path: str) -> None:
    status, _, body = ask(port, path, hosts=tuple(host.format(port=port) for host in hosts))
    # waitress itself refuses a second Host header
    assert status == 403 or (len(hosts) == 2 and status == 400)
    assert b"small" not in body


def test_every_address_is_a_name_of_the_unspecified_one(sweep: Sweep) -> None:
    app = application(sweep.storage(), allowed_hosts={"0.0.0.0", "box"})
    with running(app) as port:
        for host, expected in {
            "192.168.1.7": 200,
            "[fe80::1]:80": 200,
            "box": 200,
            "far.example": 403,
        }.items():
            assert ask(port, "/api/studies", hosts=(host,))[0] == expected, host


@pytest.mark.parametrize("method", ["DELETE", "POST", "PUT", "PATCH", "OPTIONS", "TRACE", "PROPFIND"])
@pytest.mark.parametrize("path", ["/api/studies/1", "/api/studies", "/incompatible-rdb-schema"])
def test_read_only_refuses_every_changing_method(port: int, sweep: Sweep, method: str, path: str) -> None:
    status, headers, body = ask(port, path, method, b'{"study_name": "new", "directions": ["maximize"]}')
    assert status == 405
    assert headers["Allow"] == "GET, HEAD"
    assert headers["Content-Type"] == "application/json"
    assert "--allow-edit" in json.loads(body)["reason"]
    assert optuna.get_all_study_names(sweep.url) == ["small"]


def test_an_allowed_edit_is_made(editable: int, sweep: Sweep) -> None:
    created = b'{"study_name": "new", "directions": ["maximize"]}'
    cookie = admitted(editable)
    own = {"Origin": f"http://127.0.0.1:{editable}", "Sec_Fetch_Site": "same-origin", "Cookie": cookie}
    assert ask(editable, "/api/studies", "POST", created, **own)[0] == 201
    # from a program, which says no origin
    assert ask(editable, "/api/studies/2", "DELETE", Cookie=cookie)[0] == 204
    assert optuna.get_all_study_names(sweep.url) == ["small"]


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://attacker.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
        {"Sec_Fetch_Site": "none"},
    ],
)
def test_edits_from_other_sites_are_refused(editable: int, sweep: Sweep, headers: dict[str, str]) -> None:
    cookie = admitted(editable)
    status, _, body = ask(editable, "/api/studies/1", "DELETE", Cookie=cookie, **headers)
    assert (status, json.loads(body)["reason"]) == (
        403,
        "Changes are accepted from the dashboard's own pages only.",
    )
    assert ask(editable, "/api/studies/1", "OPTIONS", Cookie=cookie, **headers)[0] == 405
    assert optuna.get_all_study_names(sweep.url) == ["small"]


def test_uploads_are_bounded(port: int) -> None:
    assert ask(port, "/api/artifacts/1", "POST", b"x" * 100_000)[0] == 413


def test_artifacts_are_downloads(port: int, sweep: Sweep) -> None:
    for path in (sweep.artifact_path, f"/{sweep.artifact_path}", f"{sweep.artifact_path}/"):
        status, headers, body = ask(port, path)
        assert (status, body) == (200, b"<script>window.attacked = 4</script>")
        assert headers["Content-Disposition"] == "attachment"
        assert "sandbox" in headers["Content-Security-Policy"]
        assert headers["Access-Control-Allow-Origin"] is None


def test_an_artifact_under_further_slashes_is_a_download_on_any_server(sweep: Sweep) -> None:
    """Waitress joins leading slashes; the guard does not rely on that."""
    app = application(sweep.storage(), allowed_hosts=HOSTS, artifact_dir=sweep.artifact_dir)
    environ: dict[str, object] = {"PATH_INFO": f"//{sweep.artifact_path}", "HTTP_HOST": "localhost"}
    setup_testing_defaults(environ)
    answers: list[tuple[str, dict[str, str]]] = []
    with contextlib.closing(
        app(environ, lambda status, headers, *_: answers.append((status, dict(headers))))
    ):
        pass
    assert answers[0][0] == "200 OK"
    assert answers[0][1]["Content-Disposition"] == "attachment"


def test_an_artifact_whose_file_is_gone_is_not_found(
    sweep: Sweep, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    app = application(sweep.storage(), allowed_hosts=HOSTS, artifact_dir=tmp_path / "gone")
    with running(app) as port:
        capfd.readouterr()
        status, _, body = ask(port, sweep.artifact_path)
    assert status == 404
    assert "gone" in json.loads(body)["reason"]
    assert capfd.readouterr().err == ""


def test_a_file_that_is_no_artifact_is_not_found(port: int, sweep: Sweep) -> None:
    (sweep.artifact_dir / "notes.txt").write_text("mine")
    for name in ("notes.txt", "..", ".", ""):
        status, _, body = ask(port, f"/artifacts/1/{name}")
        assert status == 404
        assert "There is no such artifact" in json.loads(body)["reason"]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/api/studies/1?after=2", 200),
        ("/api/studies/1?after=x", 400),
        ("/api/studies/99/plot/slice", 404),
        (f"/api/studies/{'9' * 5000}", 404),
        (f"/csv/{'9' * 20}", 404),
    ],
)
def test_a_number_of_no_study_is_told_and_not_logged(
    port: int, path: str, expected: int, capfd: pytest.CaptureFixture[str]
) -> None:
    capfd.readouterr()
    assert ask(port, path)[0] == expected
    assert capfd.readouterr().err == ""


def test_a_refused_question_for_the_head_alone_has_no_body(port: int) -> None:
    """A body would be taken for the answer to the next question of the same connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as raw:
        raw.sendall(b"HEAD /dashboard HTTP/1.0\r\nHost: attacker.example\r\n\r\n")
        answer = b"".join(iter(lambda: raw.recv(4096), b""))
    assert answer.startswith(b"HTTP/1.0 403 ")
    assert answer.endswith(b"\r\n\r\n")


@pytest.mark.parametrize(
    "path", ["/", "/dashboard/studies/1", "/api/studies/1", "/static/bundle.js", "/nothing"]
)
def test_every_answer_carries_the_protecting_headers(port: int, path: str) -> None:
    for status, headers, _ in (
        ask(port, path),
        ask(port, path, "POST"),
        ask(port, path, hosts=("attacker.example",)),
    ):
        assert status < 500
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
        (policy,) = headers.get_all("Content-Security-Policy")
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert headers["Server"] is None


def test_no_script_but_the_bundle_may_run(port: int) -> None:
    policy = ask(port, "/dashboard/studies/1")[1]["Content-Security-Policy"]
    directives = dict(directive.strip().split(" ", 1) for directive in policy.split(";"))
    assert directives["script-src"] == "'self' 'unsafe-eval'"
    assert directives["connect-src"] == "'self'"
    assert {"frame-src", "object-src", "worker-src"}.isdisjoint(directives)  # so default-src 'none' holds


def test_slow_clients_hold_nobody_up(port: int) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(12):
            slow = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=30))
            slow.sendall(b"GET /api/studies HTTP/1.1\r\nHost: 127.0.0.1\r\n")
        assert ask(port, "/api/studies")[0] == 200


def eventually(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 60
    while not (met := condition()) and time.monotonic() < deadline:
        time.sleep(0.1)
    return met


def test_a_growing_study_is_followed(tmp_path: Path) -> None:
    sweep = make_sweep(tmp_path)
    with running(application(sweep.storage(), allowed_hosts=HOSTS)) as port:
        before = json.loads(ask(port, "/api/studies/1")[2])
        assert len(before["trials"]) == 6
        study = optuna.load_study(study_name="small", storage=sweep.url)  # another connection
        waiting = study.ask()
        add_trial(study, 0.01, 0.95)

        def states() -> list[str]:
            return [trial["state"] for trial in json.loads(ask(port, "/api/studies/1")[2])["trials"]]

        # The dashboard reads the trials again after two seconds.
        assert eventually(lambda: states()[6:] == ["Running", "Complete"])
        study.tell(waiting, 0.99)
        assert eventually(lambda: states()[6:] == ["Complete", "Complete"])
        after = json.loads(ask(port, "/api/studies/1")[2])
    assert after["trials"][6]["values"] == [0.99]
    assert after["best_trials"][0]["number"] == 6
    (learning_rate,) = (p for p in after["union_search_space"] if p["name"] == "learning_rate")
    assert learning_rate["distribution"]["high"] == 0.02  # the range has grown too
