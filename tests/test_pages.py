"""The served pages: real requests for the page of a sweep, its files, and what is none of it."""

import gzip
from collections.abc import Iterator
from pathlib import Path

import pytest
from made import make_study
from scripted import ScriptedEpochs
from served import HOSTS, ask, basic, make_sweep, running

from studies.api import effects, report
from studies.dashboard import pages, serving
from studies.dashboard.serving import application
from studies.record import FACTS, attributes, write_attribute
from studies.storage.database import connect
from studies.views.page import POLICY


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    url = f"sqlite:///{tmp_path_factory.mktemp('pages') / 'sweep.db'}"
    storage = connect(url, create=True)
    study = make_study(12, storage=storage)
    make_study(5, storage=storage, name="a second one")
    part = make_study(5, storage=storage, name="sweep-confirm")
    write_attribute(part, FACTS, {**attributes(study)[FACTS], "confirms": "sweep"})
    storage.close()
    return url


@pytest.fixture
def url_of_experiments(images: Path, tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path / 'experiments.db'}"
    effects(url, n_seeds=2, data=str(images), epochs=3, backend=ScriptedEpochs())
    report(url, data=str(images), epochs=3, backend=ScriptedEpochs())
    return url


@pytest.fixture(scope="module")
def port(url: str) -> Iterator[int]:
    app = application(
        connect(url, create=False), allowed_hosts=HOSTS, study="sweep", typed=lambda s: f" --study '{s}'"
    )
    with running(app) as port:
        yield port


def test_the_page_of_the_named_sweep_is_answered_at_the_root(port: int) -> None:
    status, headers, body = ask(port, "/")
    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert headers["Content-Security-Policy"] == POLICY
    assert "unsafe" not in POLICY
    assert b"<strong>sweep</strong>" in body
    assert b'href="/dashboard/studies/1"' in body
    assert b'href="/?study=a+second+one"' in body
    assert b"sweep-confirm" not in body
    status, _, other = ask(port, "/?study=a+second+one")
    assert status == 200
    assert b"<strong>a second one</strong>" in other
    assert b"python sweep.py confirm --study &#39;a second one&#39;" in other


def test_the_same_page_is_not_sent_again(port: int) -> None:
    tag = ask(port, "/")[1]["ETag"]
    status, headers, body = ask(port, "/", If_None_Match=tag)
    assert (status, body, headers["ETag"]) == (304, b"", tag)
    assert ask(port, "/", If_None_Match='"other"')[0] == 200


def test_pages_and_files_are_sent_compressed_to_who_takes_that(port: int) -> None:
    plain = ask(port, "/")[2]
    _, headers, zipped = ask(port, "/", Accept_Encoding="gzip")
    assert headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(zipped) == plain
    assert ask(port, "/", "HEAD")[2] == b""


def test_the_files_of_the_page_are_there_to_be_kept(port: int) -> None:
    import re

    body = ask(port, "/")[2].decode()
    files = re.findall(r'(?:src|href)="(/page/[^"]+)"', body)
    assert len(files) == 6
    for file in files:
        status, headers, content = ask(port, file)
        assert status == 200
        assert "immutable" in headers["Cache-Control"]
        assert headers["Content-Type"].startswith("text/css" if file.endswith(".css") else "text/javascript")
        assert len(content) > 1000
    for missing in ("/page/", "/page/page.js", "/page/../guard.py", "/page/%2e%2e/page.js"):
        assert ask(port, missing)[0] == 404


@pytest.mark.parametrize(
    ("query", "place"), [("?study=sweep-confirm", "/dashboard/studies/3"), ("?study=nobody", "/dashboard")]
)
def test_what_is_no_sweep_is_left_to_optuna_dashboard(port: int, query: str, place: str) -> None:
    status, headers, _ = ask(port, "/" + query)
    assert (status, headers["Location"]) == (303, place)


def test_experiments_have_a_page_behind_the_same_guard(url_of_experiments: str) -> None:
    storage = connect(url_of_experiments, create=False)
    app = application(
        storage, allowed_hosts=HOSTS, study="sweep-effects", typed=lambda s: f" --study {s}", password="p"
    )
    allowed = {"Authorization": basic("me", "p")}
    with running(app) as port:
        assert ask(port, "/")[0] == 401
        assert ask(port, "/", hosts=("far.example",), **allowed)[0] == 403
        status, headers, body = ask(port, "/", **allowed)
        assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
        assert headers["Content-Security-Policy"] == POLICY
        assert b"<strong>sweep-effects</strong>" in body
        assert b"python sweep.py effects --seeds 5 --data" in body
        # The sweep beside which it stands, as the command takes it.
        assert b'--study sweep" aria-label="Copy' in body
        assert b'href="/?study=sweep-report"' in body
        assert b'href="/dashboard/studies/1"' in body
        assert b"/compare" not in body
        assert ask(port, "/", If_None_Match=headers["ETag"], **allowed)[0] == 304
        report = ask(port, "/?study=sweep-report", **allowed)[2]
        assert b"<strong>sweep-report</strong>" in report
        assert b"80.00\xc2\xa0% test accuracy in the best epoch" in report
        status, headers, _ = ask(port, "/compare?study=sweep-effects&with=sweep-report", **allowed)
        assert (status, headers["Location"]) == (303, "/?study=sweep-effects")


def test_a_sweeps_page_leads_to_experiments_but_compares_with_none(url_of_experiments: str) -> None:
    storage = connect(url_of_experiments, create=False)
    assert {serving._study_page(storage, name) for name in (None, "sweep-effects", "sweep-report")} == {"/"}
    with running(application(storage, allowed_hosts=HOSTS)) as port:
        assert b"<strong>sweep-effects</strong>" in ask(port, "/")[2]  # there is no sweep
        make_study(5, storage=storage)
        body = ask(port, "/")[2]
        assert b"<strong>sweep</strong>" in body
        assert b'href="/?study=sweep-effects"' in body
        assert b"/compare" not in body
        status, headers, _ = ask(port, "/compare?study=sweep&with=sweep-effects")
        assert (status, headers["Location"]) == (303, "/?study=sweep")


def test_two_sweeps_are_compared_under_the_same_policy(port: int) -> None:
    place = "/compare?study=sweep&with=a+second+one"
    assert f'href="{place.replace("&", "&amp;")}"' in ask(port, "/")[2].decode()
    status, headers, body = ask(port, place)
    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert headers["Content-Security-Policy"] == POLICY
    assert b"<strong>sweep</strong> and <strong>a second one</strong> side by side" in body
    assert b"python sweep.py confirm --study &#39;a second one&#39;" in body
    assert ask(port, place, If_None_Match=headers["ETag"])[0] == 304
    for other in ("", "&with=nobody", "&with=sweep", "&with=sweep-confirm"):
        status, headers, _ = ask(port, "/compare?study=sweep" + other)
        assert (status, headers["Location"]) == (303, "/?study=sweep")


def test_a_database_without_a_sweep_of_ours_shows_optuna_dashboard(tmp_path) -> None:  # type: ignore[no-untyped-def]
    app = application(make_sweep(tmp_path).storage(), allowed_hosts=HOSTS)
    with running(app) as port:
        status, headers, _ = ask(port, "/")
        assert (status, headers["Location"]) == (303, "/dashboard")
        assert ask(port, "/dashboard")[0] == 200


def test_nothing_is_changed_through_the_page(url: str) -> None:
    app = application(connect(url, create=False), allow_edit=True, allowed_hosts=HOSTS, password="p")
    with running(app) as port:
        assert ask(port, "/")[0] == 401
        for method in ("POST", "PUT", "DELETE"):
            status, headers, _ = ask(port, "/", method, b"{}", Authorization=basic("me", "p"))
            assert (status, headers["Allow"]) == (405, "GET, HEAD")


def test_a_study_that_somebody_damaged_is_told_in_a_sentence(tmp_path) -> None:  # type: ignore[no-untyped-def]
    storage = connect(f"sqlite:///{tmp_path / 'sweep.db'}", create=True)
    write_attribute(make_study(5, storage=storage), "confirmation", "trial 3")
    with running(application(storage, allowed_hosts=HOSTS)) as port:
        status, _, body = ask(port, "/")
        assert status == 500
        assert b"restore a copy of the database" in body


def test_pages_that_were_drawn_do_not_pile_up(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "_KEPT", 1)
    storage = connect(url, create=False)
    served = pages.Pages(storage, study="sweep")
    for query, name in (("", "sweep"), ("study=a+second+one", "a second one"), ("", "sweep")):
        environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/", "QUERY_STRING": query}
        assert f"<strong>{name}</strong>".encode() in served._answer(environ)[2]
        assert len(served._drawn) == 1
    storage.close()
