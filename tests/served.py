"""A small study, and a dashboard of it on a free port of 127.0.0.1, for tests of the served dashboard."""

import base64
import contextlib
import http.client
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from wsgiref.types import WSGIApplication

import optuna
import plotly.graph_objects as go
from optuna.artifacts import FileSystemArtifactStore, upload_artifact
from optuna_dashboard import save_note, save_plotly_graph_object

from studies.dashboard.serving import READ_ONLY_BODY, http_server

HOSTS = {"127.0.0.1", "localhost", "::1"}
PASSWORD = "Käse:brot"
TOKEN = "a-token"
NOTE = """# Best trial so far

**0.8** <script>window.attacked = 1</script> <img src="x" onerror="window.attacked = 2"> <b>raw</b>

[a link](javascript:window.attacked=3) ![far](http://far.example/pixel.png)
"""


@dataclass(frozen=True)
class Sweep:
    """A study on disk, the folder of its artifacts, and the path of its one artifact."""

    url: str
    artifact_dir: Path
    artifact_path: str

    def storage(self) -> optuna.storages.RDBStorage:
        return optuna.storages.RDBStorage(self.url)


def add_trial(study: optuna.Study, learning_rate: float, value: float) -> None:
    trial = study.ask()
    trial.suggest_int("batch_size", 16, 256, log=True)
    trial.suggest_float("learning_rate", learning_rate, learning_rate * 2, log=True)
    trial.suggest_int("hidden_units", 32, 512, log=True)
    for epoch in range(3):
        trial.report(value - 0.1 / (epoch + 1), epoch)
    study.tell(trial, value)


def make_sweep(folder: Path) -> Sweep:
    url = f"sqlite:///{folder / 'sweep.db'}"
    sampler = optuna.samplers.RandomSampler(seed=0)
    study = optuna.create_study(storage=url, study_name="small", direction="maximize", sampler=sampler)
    for number in range(6):
        add_trial(study, 0.001, 0.7 + 0.02 * number)
    save_note(study, NOTE)
    panel = go.Figure(go.Scatter(x=[16, 64, 256], y=[0.7, 0.8, 0.75], mode="markers"))
    panel.update_layout(template="none", title="Effect of the batch size")
    save_plotly_graph_object(study, panel, graph_object_id="effects")
    artifacts = folder / "artifacts"
    artifacts.mkdir()
    file = folder / "model.html"
    file.write_text("<script>window.attacked = 4</script>")
    store = FileSystemArtifactStore(artifacts)
    artifact = upload_artifact(
        artifact_store=store, file_path=str(file), study_or_trial=study, mimetype="text/html"
    )
    study_id = study._study_id
    return Sweep(url, artifacts, f"/artifacts/{study_id}/{artifact}")


@contextlib.contextmanager
def running(app: WSGIApplication, *, body_limit: int = READ_ONLY_BODY) -> Iterator[int]:
    """Serve an application on a free port of 127.0.0.1 and yield the port."""
    with running_server(app, body_limit=body_limit) as (_, port):
        yield port


@contextlib.contextmanager
def running_server(app: WSGIApplication, *, body_limit: int = READ_ONLY_BODY) -> Iterator[tuple[Any, int]]:
    """Serve an application and yield the server and its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = http_server(app, listener, body_limit=body_limit)
        thread = threading.Thread(target=server.run)
        thread.start()
        try:
            yield server, listener.getsockname()[1]
        finally:
            # The loop ends when nothing is left to listen to; its own thread must close what it waits for. It
            # may do so before the trigger is pulled, when an answer that ends wakes it.
            with contextlib.suppress(OSError):
                server.trigger.pull_trigger(lambda: server.asyncore.close_all(server._map, ignore_all=True))
            thread.join(30)
            server.task_dispatcher.shutdown()
    assert not thread.is_alive()


def ask(
    port: int,
    path: str,
    method: str = "GET",
    body: bytes | None = None,
    hosts: tuple[str, ...] | None = None,
    **headers: str,
) -> tuple[int, http.client.HTTPMessage, bytes]:
    """Send one request; `hosts` are its Host headers, none if empty."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    with contextlib.closing(connection):
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        for host in (f"127.0.0.1:{port}",) if hosts is None else hosts:
            connection.putheader("Host", host)
        for name, value in headers.items():
            connection.putheader(name.replace("_", "-"), value)
        if body is not None:
            connection.putheader("Content-Type", "application/json")
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        response = connection.getresponse()
        return response.status, response.headers, response.read()


def admitted(port: int) -> str:
    """Open the address with the token, and return the cookie that it gives."""
    status, headers, _ = ask(port, f"/dashboard?token={TOKEN}")
    assert status == 303
    return str(headers["Set-Cookie"]).partition(";")[0]


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
