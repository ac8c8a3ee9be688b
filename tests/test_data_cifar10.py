"""CIFAR-10: downloaded from a real server on this machine, verified, read within bounds."""

import hashlib
import io
import socket
import tarfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from fcnet.data import cifar10, load
from fcnet.errors import UsageError, UserError

ROWS = 30
FOLDER = "cifar-10-batches-bin"
NAMES = [f"{FOLDER}/data_batch_{i}.bin" for i in range(1, 6)] + [f"{FOLDER}/test_batch.bin"]


def batch(number: int) -> bytes:
    rng = np.random.default_rng(number)
    records = rng.integers(0, 256, size=(ROWS, 3073), dtype=np.uint8)
    records[:, 0] = np.arange(ROWS) % 10
    return records.tobytes()


def tar(members: dict[str, bytes], *, level: int = 1) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz", compresslevel=level) as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return file.getvalue()


def honest() -> dict[str, bytes]:
    text = {f"{FOLDER}/batches.meta.txt": b"airplane\n"}
    return text | {name: batch(number) for number, name in enumerate(NAMES)}


CONTENT = tar(honest())


class Server(ThreadingHTTPServer):
    """Serves one body; `cut` ends the connection after so many bytes, `status` refuses."""

    body: bytes = CONTENT
    cut: int | None = None
    status: int = 200
    silent: bool = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests: list[str] = []
        self.released = threading.Event()

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away is part of the tests."""


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_HEAD(self) -> None:
        if self.server.silent:
            self.server.released.wait(30)
            return
        self.server.requests.append(self.command)
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(self.server.body)))
        self.end_headers()

    def do_GET(self) -> None:
        self.do_HEAD()
        if self.server.status == 200:
            self.wfile.write(self.server.body[: self.server.cut])

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with Server() as running:
        url = f"http://127.0.0.1:{running.server_port}/cifar-10-binary.tar.gz"
        monkeypatch.setattr(
            cifar10, "ARCHIVE", cifar10.Archive(url, hashlib.sha256(CONTENT).hexdigest(), ROWS)
        )
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.released.set()
        running.shutdown()
        thread.join(10)


def test_download_is_verified_kept_and_used_again(server: Server, capfd: pytest.CaptureFixture[str]) -> None:
    data = load("cifar10")
    captured = capfd.readouterr()
    assert "100%" in captured.err  # the progress bar
    assert captured.out == ""
    assert cifar10.ARCHIVE.path.read_bytes() == CONTENT
    assert load("auto").fingerprint == data.fingerprint
    assert server.requests == ["GET"]


def test_classes_are_taken_in_the_given_order(server: Server) -> None:
    data = load("cifar10", classes=("ship", "airplane", "truck"))
    records = np.concatenate([np.frombuffer(batch(i), np.uint8).reshape(ROWS, 3073) for i in range(5)])
    kept = np.isin(records[:, 0], (0, 8, 9))
    np.testing.assert_array_equal(data.images, records[kept, 1:])
    np.testing.assert_array_equal(data.labels, [{8: 0, 0: 1, 9: 2}[label] for label in records[kept, 0]])
    test = np.frombuffer(batch(5), np.uint8).reshape(ROWS, 3073)
    np.testing.assert_array_equal(data.open_test()[0], test[np.isin(test[:, 0], (0, 8, 9)), 1:])
    assert data.name == "CIFAR-10 ship/airplane/truck"
    assert data.class_names == ("ship", "airplane", "truck")
    assert data.image_shape == (3, 32, 32)
    assert (len(data.images), data.test_size) == (45, 9)


def test_the_official_archive_is_the_default() -> None:
    assert cifar10.Archive().url.endswith("/cifar-10-binary.tar.gz")
    assert cifar10.Archive().rows_per_batch * 5 == 50_000


@pytest.mark.parametrize(
    ("classes", "words"),
    [
        (("airplane", "plane"), "'plane' is no CIFAR-10 class; choose from airplane, automobile, bird"),
        (("cat",), "name two or more different ones"),
        (("cat", "cat"), "name two or more different ones"),
    ],
)
@pytest.mark.parametrize("source", ["auto", "cifar10"])
def test_unusable_classes(source: str, classes: tuple[str, ...], words: str, server: Server) -> None:
    with pytest.raises(UsageError, match=words):
        load(source, classes=classes)
    assert server.requests == []


def test_a_connection_that_breaks_leaves_nothing_and_the_next_run_works(server: Server) -> None:
    server.cut = len(CONTENT) // 2
    with pytest.raises(
        UserError, match=r"no connection, or it broke.*put that file at .*cifar-10-binary\.tar\.gz"
    ):
        load("cifar10")
    assert list(cifar10.ARCHIVE.path.parent.iterdir()) == []
    server.cut = None
    assert len(load("cifar10").images) == 30


def test_other_content_is_refused(server: Server) -> None:
    server.body = CONTENT[:-1] + b"x"
    with pytest.raises(UserError, match="what came has another checksum"):
        load("cifar10")
    assert list(cifar10.ARCHIVE.path.parent.iterdir()) == []


def test_a_damaged_cached_archive_is_replaced(server: Server) -> None:
    cifar10.ARCHIVE.path.parent.mkdir(parents=True)
    cifar10.ARCHIVE.path.write_bytes(CONTENT[:1000])
    assert len(load("auto").images) == 30
    assert cifar10.ARCHIVE.path.read_bytes() == CONTENT


def test_a_page_that_is_not_there(server: Server) -> None:
    server.status = 404
    with pytest.raises(UserError, match="the server says 404"):
        load("cifar10")


def _unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setattr(
        cifar10, "ARCHIVE", cifar10.Archive(f"http://127.0.0.1:{port}/a.tar.gz", "0" * 64, ROWS)
    )


def test_no_server(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    _unreachable(monkeypatch)
    with pytest.raises(UserError, match="no connection, or it broke"):
        load("cifar10")


def test_a_cache_that_cannot_be_written(server: Server, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where the cache folder should be")
    with pytest.raises(UserError, match="could not be downloaded"):
        load("cifar10")


def test_auto_falls_back_loudly(
    server: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _unreachable(monkeypatch)
    notices: list[str] = []
    assert load("auto", say=notices.append).name == "synthetic images"
    (notice,) = notices
    assert "training on built-in synthetic images, not on CIFAR-10" in notice
    assert "no answer from the server" in notice
    assert "\n" not in notice
    load("auto")
    captured = capsys.readouterr()
    assert "built-in synthetic images" in captured.err
    assert captured.out == ""


@pytest.mark.parametrize("fault", ["cut", "status", "body"])
def test_auto_falls_back_whatever_breaks(fault: str, server: Server) -> None:
    setattr(server, fault, {"cut": 10, "status": 503, "body": b"<html>Please log in</html>"}[fault])
    notices: list[str] = []
    assert load("auto", say=notices.append).name == "synthetic images"
    assert len(notices) == 1


def test_a_server_that_never_answers_is_given_up(server: Server) -> None:
    server.silent = True
    with pytest.raises(cifar10.Unavailable, match="no answer from the server"):
        cifar10.load(("cat", "dog"), patience=0.1)
