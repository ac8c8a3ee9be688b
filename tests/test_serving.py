"""Serving the dashboard: addresses, passwords, the browser, the end, and a sentence for every refusal."""

import contextlib
import json
import os
import pty
import re
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from served import PASSWORD, Sweep, ask, basic, make_sweep

from fcnet.errors import UsageError, UserError
from studies.dashboard.serving import PASSWORD_VARIABLE, serve

NOTED = b'{"body": "mine", "version": 2}'
SERVE = "import sys, json; from studies.dashboard.serving import serve; serve(**json.loads(sys.argv[1]))"


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Sweep:
    return make_sweep(tmp_path_factory.mktemp("sweep"))


@contextlib.contextmanager
def serving(
    url: str,
    environ: dict[str, str] | None = None,
    stdin: int = subprocess.DEVNULL,
    stdout: int = subprocess.PIPE,
    **options: object,
) -> Iterator[subprocess.Popen[str]]:
    """Run `serve` in a session of its own, which has no terminal but those that it is given."""
    process = subprocess.Popen(
        [sys.executable, "-c", SERVE, json.dumps({"url": url, "port": 0, **options})],
        cwd=Path(__file__).parents[1],
        env={**{k: v for k, v in os.environ.items() if k != PASSWORD_VARIABLE}, **(environ or {})},
        stdin=stdin,
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def port_of(said: str) -> int:
    match = re.search(r"http://[\w.]+:(\d+)/dashboard/studies/1(?= |\?|\r?\n)", said)
    assert match, said
    return int(match[1])


def read(descriptor: int) -> str:
    ready, _, _ = select.select([descriptor], [], [], 60)
    assert ready, "nothing came within 60 s"
    return os.read(descriptor, 4096).decode()


def test_the_address_said_is_the_real_one_and_ctrl_c_ends_it(sweep: Sweep) -> None:
    with serving(sweep.url) as process:
        port = port_of(process.stdout.readline())
        assert ask(port, "/dashboard/studies/1")[0] == 200
        assert ask(port, "/api/artifacts/1", "POST", b"x" * 100_000)[0] == 413
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=60) == ("", "")
        assert process.returncode == 0


def test_a_password_is_demanded_on_loopback_too_and_never_shown(sweep: Sweep) -> None:
    with serving(sweep.url, {PASSWORD_VARIABLE: PASSWORD}) as process:
        said = process.stdout.readline()
        port = port_of(said)
        assert ask(port, "/dashboard")[0] == 401
        assert ask(port, "/dashboard", Authorization=basic("me", PASSWORD))[0] == 200
        process.send_signal(signal.SIGTERM)
        assert process.communicate(timeout=60) == ("", "")
        assert process.returncode == 0
    assert PASSWORD not in said


def test_changes_demand_the_token_of_the_address_said(sweep: Sweep) -> None:
    tokens = set()
    for _ in range(2):
        with serving(sweep.url, allow_edit=True) as process:
            said = process.stdout.readline()
            assert "change and delete studies" in process.stdout.readline()
            port = port_of(said)
            (path,) = re.findall(r"/dashboard/studies/1\?token=[0-9a-f]{32}(?= \()", said)
            tokens.add(path)
            assert ask(port, "/api/studies/1/note", "PUT", NOTED)[0] == 403
            assert ask(port, "/api/artifacts/1", "POST", b"x" * 100_000)[0] == 403  # not 413
            _, headers, _ = ask(port, path)
            assert headers["Location"] == "/dashboard/studies/1"
            cookie = headers["Set-Cookie"].partition(";")[0]
            assert ask(port, "/api/studies/1/note", "PUT", NOTED, Cookie=cookie)[0] in (204, 409)
            process.send_signal(signal.SIGINT)
            assert process.communicate(timeout=60) == ("", "")
    assert len(tokens) == 2


def test_with_a_password_the_address_holds_no_token(sweep: Sweep) -> None:
    with serving(sweep.url, {PASSWORD_VARIABLE: PASSWORD}, allow_edit=True) as process:
        said = process.stdout.readline()
        assert "token" not in said
        right = basic("me", PASSWORD)
        assert ask(port_of(said), "/api/studies/1/note", "PUT", NOTED, Authorization=right)[0] in (204, 409)


def test_the_password_is_asked_for_at_a_terminal(sweep: Sweep) -> None:
    keyboard, terminal = pty.openpty()
    try:
        with serving(sweep.url, stdin=terminal, host="0.0.0.0") as process:
            prompt = read(process.stderr.fileno())
            assert prompt.startswith("Password")
            os.write(keyboard, f"{PASSWORD}\n".encode())
            said = process.stdout.readline()
            port = port_of(said)
            said += process.stdout.readline()
            assert ask(port, "/dashboard")[0] == 401
            assert ask(port, "/dashboard", Authorization=basic("me", PASSWORD))[0] == 200
            process.terminate()
            said += prompt + "".join(process.communicate(timeout=60))
            assert not select.select([keyboard], [], [], 0)[0]  # nothing was echoed
    finally:
        os.close(keyboard)
        os.close(terminal)
    assert "unencrypted" in said
    assert PASSWORD not in said


def test_the_browser_is_opened_at_a_terminal_with_a_display_and_holds_nothing_up(
    sweep: Sweep, tmp_path: Path
) -> None:
    """The stand-in for a browser writes down the address and stays open, as some browsers do."""
    os.mkfifo(tmp_path / "seen")
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {tmp_path / "seen"}\nexec sleep 60\n')
    browser.chmod(0o755)
    seen = os.open(tmp_path / "seen", os.O_RDONLY | os.O_NONBLOCK)
    screen, terminal = pty.openpty()
    try:
        environ = {"DISPLAY": ":99", "BROWSER": f"{browser} %s"}
        with serving(sweep.url, environ, stdout=terminal) as process:
            assert ask(port_of(read(seen)), "/dashboard")[0] == 200
            process.terminate()
            assert process.wait(60) == 0
    finally:
        for descriptor in (seen, screen, terminal):
            os.close(descriptor)


@pytest.mark.parametrize("allow_edit", [False, True])
def test_a_token_is_never_given_to_a_browsers_command_line(
    sweep: Sweep, monkeypatch: pytest.MonkeyPatch, allow_edit: bool
) -> None:
    """All users can read it. The server ends at once here, after what it has started."""
    opened: list[str] = []
    before = set(threading.enumerate())

    def end() -> None:
        for thread in set(threading.enumerate()) - before:
            thread.join(30)
        raise KeyboardInterrupt

    monkeypatch.delenv(PASSWORD_VARIABLE, raising=False)
    monkeypatch.setattr("webbrowser.open", opened.append)
    monkeypatch.setattr("studies.dashboard.serving._has_display", lambda: True)
    ending = SimpleNamespace(run=end, close=lambda: None)
    monkeypatch.setattr("studies.dashboard.serving.http_server", lambda *_, **__: ending)
    serve(sweep.url, port=0, allow_edit=allow_edit, say=lambda _: None)
    assert len(opened) == (not allow_edit)


def refusal(url: str, **options: object) -> str:
    with pytest.raises(UserError) as caught:
        serve(url, open_browser=False, **{"port": 0, **options})
    return str(caught.value)


def test_a_port_in_use_is_a_sentence(sweep: Sweep) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        said = refusal(sweep.url, port=port)
    assert said.startswith(f"port {port} of 127.0.0.1 is already in use")
    assert "--port" in said


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_other_machines_are_not_let_in_without_a_password(
    sweep: Sweep, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for empty in (None, ""):
        if empty is None:
            monkeypatch.delenv(PASSWORD_VARIABLE, raising=False)
        else:
            monkeypatch.setenv(PASSWORD_VARIABLE, empty)
        with pytest.raises(UsageError, match=PASSWORD_VARIABLE):
            serve(sweep.url, host=host, port=0, open_browser=False, password=empty)


def test_unusable_addresses_are_sentences(sweep: Sweep) -> None:
    assert "--port 70000 is no port" in refusal(sweep.url, port=70000)
    assert "--host no.such.host.invalid is no address" in refusal(sweep.url, host="no.such.host.invalid")
    assert "--host 192.0.2.1 is no address" in refusal(sweep.url, host="192.0.2.1", password="x")


def test_an_unknown_study_or_database_is_a_sentence(sweep: Sweep, tmp_path: Path) -> None:
    assert "small" in refusal(sweep.url, study="large")
    missing = tmp_path / "missing.db"
    assert str(missing) in refusal(f"sqlite:///{missing}")
    assert not missing.exists()
