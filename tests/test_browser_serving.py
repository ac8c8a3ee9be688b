"""The guarded dashboard in a real browser: it still works, and what is stored in a study cannot act in it."""

from collections.abc import Iterator
from pathlib import Path

import optuna
import optuna_dashboard
import pytest
from browser import chromium, console_errors
from playwright.sync_api import Browser, Page, expect
from served import TOKEN, Sweep, make_sweep, running

from studies.dashboard.serving import UPLOAD_BODY, application

TALL = {"width": 1400, "height": 2600}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    page = browser.new_page(viewport=TALL)
    page.set_default_timeout(60_000)
    yield page
    page.close()


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Sweep:
    return make_sweep(tmp_path_factory.mktemp("sweep"))


@pytest.fixture(scope="module")
def study(sweep: Sweep) -> Iterator[str]:
    """Address of the study's page."""
    app = application(sweep.storage(), allowed_hosts={"127.0.0.1"}, artifact_dir=sweep.artifact_dir)
    with running(app) as port:
        yield f"http://127.0.0.1:{port}/dashboard/studies/1"


def test_the_study_page_shows_its_charts_without_a_complaint(page: Page, study: str, tmp_path: Path) -> None:
    errors = console_errors(page)
    page.goto(study)
    # history, importance, timeline, the stored figure, learning curves
    expect(page.locator(".js-plotly-plot .main-svg .xaxislayer-above .xtick").first).to_be_visible()
    expect(page.locator(".js-plotly-plot")).to_have_count(5)
    expect(page.locator(".js-plotly-plot", has_text="Effect of the batch size")).to_be_visible()
    expect(page.get_by_text("Best Trial (number=5)")).to_be_visible()
    expect(page.get_by_text("model.html").first).to_be_visible()
    page.screenshot(path=tmp_path / "study.png")
    assert errors == []


@pytest.mark.parametrize(
    ("route", "shown"),
    [
        ("analytics", ".js-plotly-plot .contourlayer path"),
        ("trials", "text=Trial 5"),
        ("smartSelection", ".parcoords .y-axis"),
    ],
)
def test_the_other_pages_work_too(page: Page, study: str, route: str, shown: str) -> None:
    errors = console_errors(page)
    page.goto(f"{study}/{route}")
    expect(page.locator(shown).first).to_be_visible(timeout=60_000)
    expect(page.get_by_text("WebGL is not supported")).to_have_count(0)
    assert errors == []


def test_nothing_in_a_note_is_executed_or_fetched_from_elsewhere(page: Page, study: str) -> None:
    requested: list[str] = []
    page.on("requestfinished", lambda request: requested.append(request.url))
    page.goto(f"{study}/note")
    expect(page.get_by_role("heading", name="Best trial so far")).to_be_visible()
    expect(page.get_by_text("<script>window.attacked = 1</script>")).to_be_visible()  # as text
    page.get_by_role("link", name="a link").click()
    assert page.evaluate("window.attacked") is None
    assert all(url.startswith(("http://127.0.0.1:", "data:", "blob:")) for url in requested)


def test_an_html_artifact_is_downloaded_not_shown(page: Page, study: str, sweep: Sweep) -> None:
    page.goto(study)
    with page.expect_download() as download:
        page.evaluate("path => { window.location = path }", sweep.artifact_path)
    assert download.value.path().read_text() == "<script>window.attacked = 4</script>"
    assert page.url == study
    assert page.evaluate("window.attacked") is None


def edit_note(page: Page) -> None:
    page.locator("button:has([data-testid=EditIcon]), button:has([data-testid=CreateIcon])").first.click()
    page.locator("textarea").first.fill("changed by hand")
    page.get_by_role("button", name="Save").click()


def test_a_refused_change_is_explained_on_the_page(page: Page, study: str) -> None:
    page.goto(f"{study}/note")
    edit_note(page)
    expect(page.get_by_text("This dashboard is read-only")).to_be_visible()


def test_a_note_is_edited_by_who_opened_the_address_with_the_token(page: Page, tmp_path: Path) -> None:
    sweep = make_sweep(tmp_path)
    app = application(sweep.storage(), allow_edit=True, allowed_hosts={"127.0.0.1"}, token=TOKEN)

    def note() -> str:
        return optuna_dashboard.get_note(optuna.load_study(study_name="small", storage=sweep.url))

    with running(app, body_limit=UPLOAD_BODY) as port:
        address = f"http://127.0.0.1:{port}/dashboard/studies/1/note"
        page.goto(address)
        edit_note(page)
        expect(page.get_by_text("Only a browser that has opened the address with the token")).to_be_visible()
        assert "changed by hand" not in note()
        page.goto(f"{address}?token={TOKEN}")
        assert page.url == address
        assert page.evaluate("document.cookie") == ""
        with page.expect_response(lambda response: response.request.method == "PUT") as saved:
            edit_note(page)
        assert (saved.value.status, note()) == (204, "changed by hand")


def test_another_site_can_neither_frame_nor_read_nor_change(page: Page, sweep: Sweep) -> None:
    """`localhost` and `127.0.0.1` are two sites to the browser, and both lead to the dashboard."""
    app = application(
        sweep.storage(),
        allow_edit=True,
        allowed_hosts={"127.0.0.1"},
        token=TOKEN,
        artifact_dir=sweep.artifact_dir,
    )

    def stranger(environ, start_response):  # type: ignore[no-untyped-def]
        start_response("200 OK", [("Content-Type", "text/html")])
        return [b"<title>elsewhere</title>"]

    attack = """async ([address, artifact]) => {
        const outcome = async promise => promise.then(() => "done", () => "refused");
        return [
            await outcome(fetch(address + "/api/studies")),
            await outcome(fetch(address + artifact)),
            await outcome(fetch(address + "/api/studies/1", {method: "DELETE"})),
        ];
    }"""
    with running(app) as port, running(stranger) as other:
        address = f"http://127.0.0.1:{port}"
        page.goto(f"{address}/dashboard?token={TOKEN}")  # who is attacked may change things
        page.goto(f"http://localhost:{other}/")
        assert page.title() == "elsewhere"
        assert page.evaluate(attack, [address, sweep.artifact_path]) == ["refused"] * 3
        errors = console_errors(page)
        page.evaluate(
            """address => new Promise(loaded => {
                const frame = document.createElement("iframe");
                frame.onload = loaded;
                frame.src = address + "/dashboard";
                document.body.append(frame);
            })""",
            address,
        )
        assert page.frames[1].locator("#dashboard").count() == 0
        assert any("frame" in error.lower() for error in errors)
    assert [found.study_name for found in sweep.storage().get_all_studies()] == ["small"]
