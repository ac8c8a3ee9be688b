"""A sample of ``python -m benchmarks.stress.attack``: nonsense, and clients that hang on."""

import contextlib
import socket
from pathlib import Path

import pytest
from conftest import until
from served import HOSTS, PASSWORD, TOKEN, ask, basic, running, running_server

from benchmarks.stress.attack import Server, attack, content, prepare
from studies.dashboard.guard import application
from studies.storage.database import connect
from studies.views.page.assets import asset_names

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("attack")
    prepare(folder)
    return folder


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")  # bottle's, of a Range that is none
@pytest.mark.parametrize("options", [{}, {"password": PASSWORD}, {"allow_edit": True, "token": TOKEN}])
def test_no_request_gets_what_it_may_not_or_an_error(
    folder: Path, options: dict[str, str], capfd: pytest.CaptureFixture[str]
) -> None:
    before = content(folder)
    with (
        contextlib.closing(connect(f"sqlite:///{folder / 'sweep.db'}", create=False)) as storage,
        running(application(storage, allowed_hosts=HOSTS, **options)) as port,
    ):
        server = Server(port, "")
        if "password" in options:
            headers = ask(port, "/", Authorization=basic("me", PASSWORD))[1]
            server.cookie = str(headers["Set-Cookie"]).partition(";")[0]
        attack(server, 300, "test", lanes=2, slow=6)
    assert server.problems == []
    assert {200, 403, 405} <= {*server.answers}
    assert server.served > 2
    assert content(folder) == before
    assert "Traceback" not in capfd.readouterr().err


def test_who_never_reads_holds_nobody_up_and_is_left_in_the_end(folder: Path) -> None:
    with (
        contextlib.closing(connect(f"sqlite:///{folder / 'sweep.db'}", create=False)) as storage,
        running_server(application(storage, allowed_hosts=HOSTS)) as (server, port),
        contextlib.ExitStack() as stack,
    ):
        large = f"GET /page/{asset_names()['plotly.js']} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
        for _ in range(6):  # more than there are threads
            deaf = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=30))
            deaf.sendall(large * 8)
        for _ in range(20):  # each lets every deaf one go on by an answer
            assert ask(port, "/api/studies")[0] == 200
        server.adj.channel_timeout = server.adj.cleanup_interval = server.next_channel_cleanup = 0
        until(lambda: not server.active_channels)
