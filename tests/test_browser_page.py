"""The page in a real browser: it works by mouse and keyboard, wide and narrow, and stays put."""

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import axe_playwright_python
import pytest
from browser import chromium, console_errors
from made import NOW, make_study, more_trials
from playwright.sync_api import Browser, Page, expect
from served import HOSTS, running

from studies.dashboard import pages
from studies.dashboard.serving import application
from studies.experiments.comparison import compare_studies
from studies.experiments.overview import overview
from studies.storage.database import connect
from studies.views.page import Surroundings, render, render_comparison

AXE = Path(axe_playwright_python.__file__).parent / "axe.min.js"
WIDE = {"width": 1500, "height": 900}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> str:
    return written(tmp_path_factory.mktemp("page"), make_study(60, confirmed=True, tested=True))


def written(folder: Path, study) -> str:  # type: ignore[no-untyped-def]
    path = folder / "page.html"
    path.write_text(render(overview(study, now=NOW)))
    return path.as_uri()


def opened(browser: Browser, address: str, **options: object) -> tuple[Page, list[str]]:
    page = browser.new_page(**{"viewport": WIDE, **options})  # type: ignore[arg-type]
    page.set_default_timeout(60_000)
    expect.set_options(timeout=60_000)
    errors = console_errors(page)
    page.goto(address)
    page.wait_for_selector("html[data-ready]")
    return page, errors


def until(page: Page, condition: str) -> None:
    """Wait for a condition; Playwright's own waiting would be code that the policy of a page forbids."""
    page.evaluate(f"(async () => {{ while (!({condition})) await new Promise(requestAnimationFrame); }})()")


def serious(page: Page) -> list[str]:
    """Return what axe-core calls serious or critical."""
    page.evaluate(AXE.read_text())
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{each['id']}: {each['nodes'][0]['html']}"
        for each in found["violations"]
        if each["impact"] in ("serious", "critical")
    ]


def traces(page: Page, figure: str) -> dict[str, list]:  # type: ignore[type-arg]
    return page.evaluate(
        """name => Object.fromEntries(document.querySelector(`[data-figure="${name}"]`).data
            .filter(t => t.name).map(t => [t.name, [...t.x]]))""",
        figure,
    )


@pytest.mark.parametrize(("scheme", "width"), [("light", 1500), ("light", 800), ("dark", 390)])
def test_the_file_shows_everything_offline_at_any_width(browser, file, scheme, width):
    size = {"width": width, "height": 900}
    page, errors = opened(browser, file, viewport=size, color_scheme=scheme, offline=True)
    expect(page.get_by_role("heading", level=1)).to_contain_text("of the untouched test images")
    effects = ("effect-batch_size", "effect-learning_rate", "effect-hidden_units")
    for name in (*effects, "progress-time", "curve-loss"):
        expect(page.locator(f'[data-figure="{name}"] .main-svg').first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    sizes = page.evaluate(
        "[...document.querySelectorAll('.figure text')].map(t => parseFloat(getComputedStyle(t).fontSize))"
    )
    assert min(size for size in sizes if size) >= 12
    assert serious(page) == []
    assert errors == []
    page.close()


def test_a_click_in_a_figure_or_a_key_in_the_table_shows_a_trials_curves(browser, file):
    page, errors = opened(browser, file)
    data = json.loads(page.locator("#data").text_content())
    assert data["winner"] != data["best"]
    assert len(traces(page, "effect-batch_size")["best"]) == 1
    legend = page.locator("#curves-of")
    expect(legend).to_contain_text(f"winner, trial {data['winner']} (")
    expect(legend).not_to_contain_text("best")
    expect(page.locator("#table tr.of-winner th")).to_have_text(str(data["winner"]))
    expect(legend).not_to_contain_text("chosen")
    box = page.locator('[data-figure="progress-trial"] .scatterlayer .trace .points path.point').nth(3)
    page.mouse.move(*centre(box))
    page.mouse.click(*centre(box))
    expect(legend).to_contain_text("chosen trial")
    assert len(traces(page, "effect-batch_size")["chosen"]) == 1
    button = page.get_by_role("button", name="Trial 3", exact=True)
    button.focus()
    page.keyboard.press("Enter")
    expect(legend).to_contain_text("chosen trial 3 ")
    expect(button).to_be_focused()
    expect(button).to_have_attribute("aria-pressed", "true")
    assert page.url.endswith("#trial=3")
    assert page.locator('[data-figure="curve-loss"] .scatterlayer .trace').count() == 6
    page.reload()
    expect(legend).to_contain_text("chosen trial 3 ")  # an address that can be sent to somebody
    assert errors == []
    page.close()


@pytest.mark.parametrize("width", [1500, 390])
def test_a_command_wraps_between_its_words_and_is_copied_as_it_is_typed(browser, tmp_path, width):
    path = tmp_path / "page.html"
    options = f" --storage sqlite:///{'long/' * 30}sweep.db --study 'two  words'"
    path.write_text(render(overview(make_study(30, asked=90), now=NOW), Surroundings(options=options)))
    page, errors = opened(browser, path.as_uri(), viewport={"width": width, "height": 900})
    lines = page.evaluate(
        """[...document.querySelectorAll('code')].filter(code => code.querySelector('.word')).map(code => {
            getSelection().selectAllChildren(code);
            return [code.parentNode.querySelector('.copy').dataset.copy, String(getSelection())]})"""
    )
    assert len(lines) >= 4
    assert all(copied == selected for copied, selected in lines)
    broken = """[...document.querySelectorAll('code .word')].filter(word => word.textContent.length < 25)
        .filter(word => { const range = new Range(); range.selectNodeContents(word);
            return new Set([...range.getClientRects()].map(one => one.top)).size > 1; })
        .map(word => word.textContent)"""
    assert page.evaluate(broken) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert errors == []
    page.close()


def test_no_title_of_an_axis_is_cut_off(browser, tmp_path):
    page, errors = opened(browser, written(tmp_path, make_study(30, metric="balanced_accuracy")))
    page.get_by_text("The other hyperparameters").click()
    until(page, "[...document.querySelectorAll('.figure')].every(box => box.querySelector('.main-svg'))")
    beyond = """[...document.querySelectorAll('.ytitle, .xtitle')].map(title => {
        const [a, b] = [title, title.closest('.figure')].map(one => one.getBoundingClientRect());
        return Math.max(b.left - a.left, a.right - b.right, b.top - a.top, a.bottom - b.bottom)})"""
    assert max(page.evaluate(beyond)) <= 0
    begin_printing(page)
    assert max(page.evaluate(beyond)) <= 0
    expect(page.locator("#curves-section .caption")).to_contain_text(
        "plain accuracy, the score is the balanced accuracy"
    )
    assert errors == []
    page.close()


def zoom(page: Page, figure: str) -> None:
    """Drag over the middle of a figure."""
    locator = page.locator(f'[data-figure="{figure}"] .draglayer .nsewdrag')
    x, y = centre(locator)
    page.mouse.move(x - 100, y - 50)
    page.mouse.down()
    page.mouse.move(x, y + 50, steps=3)
    page.mouse.move(x + 50, y + 50, steps=3)
    page.mouse.up()


def centre(locator) -> tuple[float, float]:  # type: ignore[no-untyped-def]
    locator.scroll_into_view_if_needed()
    box = locator.bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def test_the_table_sorts_and_filters(browser, tmp_path):
    page, errors = opened(browser, written(tmp_path, make_study(120)))
    rows = page.locator("#table tbody tr")
    expect(rows).to_have_count(50)
    heads = page.locator("#table thead th").all_inner_texts()
    assert [heads[0].split()[0], *heads[-4:]] == ["Trial", "Epochs", "Seconds", "Reason", "Seed"]
    mirror = [head.replace("\n", "") for head in heads].index("mirror")
    assert rows.first.locator("th, td").nth(mirror).inner_text() in ("True", "False")  # as in the card
    page.get_by_role("button", name="Show all 120").click()
    expect(rows).to_have_count(120)
    page.get_by_role("button", name="Accuracy (%)").click()
    expect(page.locator("th[aria-sort=descending]")).to_contain_text("Accuracy")
    best = json.loads(page.locator("#data").text_content())["best"]
    expect(rows.first).to_contain_text(str(best))
    page.get_by_label("Filter").fill("complete accuracy>84 batch_size<=64")
    expect(page.locator("#filtered")).to_contain_text("of 120")
    for text in rows.all_text_contents():
        assert "complete" in text
    page.get_by_label("Filter").fill("diverged")
    assert {"diverged" in text for text in rows.all_text_contents()} == {True}
    page.get_by_label("Filter").fill("nothing<1 such[as(this")
    expect(rows).to_have_count(0)
    assert errors == []
    page.close()


def test_the_other_hyperparameters_are_drawn_on_demand(browser, file):
    page, errors = opened(browser, file)
    assert page.locator('[data-figure="effect-momentum"] .main-svg').count() == 0
    page.get_by_text("The other hyperparameters").click()
    expect(page.locator('[data-figure="effect-momentum"] .main-svg').first).to_be_visible()
    assert errors == []
    page.close()


def test_a_page_before_the_first_trial_and_one_of_nothing_but_divergence_work(browser, tmp_path):
    for n, options in ((0, {"running": 2}), (12, {"diverged": 1.0, "first": None})):
        page, errors = opened(browser, written(tmp_path, make_study(n, **options)))
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        assert serious(page) == []
        assert errors == []
        page.close()


def test_names_with_scripts_do_nothing(browser, tmp_path):
    evil = "</script><script>window.attacked=1</script><img src=x onerror=window.attacked=2>"
    study = make_study(12, name=evil, data=evil)
    page, errors = opened(browser, written(tmp_path, study))
    expect(page.locator(".study strong")).to_have_text(evil)
    assert page.evaluate("window.attacked") is None
    assert errors == []
    page.close()


@pytest.mark.parametrize(("scheme", "width"), [("light", 1500), ("dark", 390)])
def test_two_studies_stand_side_by_side_in_one_file(browser, tmp_path, scheme, width):
    evil = "</script><script>window.attacked=1</script><img src=x onerror=window.attacked=2>"
    studies = make_study(30, name=evil, confirmed=True, tested=True), make_study(12, name="b", seed=1)
    path = tmp_path / "compare.html"
    path.write_text(render_comparison(compare_studies(studies)))
    page, errors = opened(
        browser,
        path.as_uri(),
        viewport={"width": width, "height": 900},
        color_scheme=scheme,
        offline=True,
    )
    expect(page.get_by_role("heading", level=1)).to_have_text(f"No verdict: {evil} is confirmed, b is not.")
    expect(page.locator(".study")).to_have_text(f"{evil} and b side by side")
    assert page.evaluate("window.attacked") is None
    for name in ("progress-trial", "progress-time"):
        expect(page.locator(f'[data-figure="{name}"] .scatterlayer .trace')).to_have_count(2)
    expect(page.get_by_role("row", name="≠ differs: learning_rate")).to_have_count(1)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert serious(page) == []
    assert errors == []
    page.close()


def test_the_served_page_leads_to_its_comparison_with_another_sweep(browser, tmp_path):
    storage = connect(f"sqlite:///{tmp_path / 'sweep.db'}", create=True)
    make_study(12, storage=storage)
    make_study(8, name="other", storage=storage, seed=1)
    app = application(storage, allowed_hosts=HOSTS, study="sweep", typed=lambda name: f" --study {name}")
    with running(app) as port:
        page, errors = opened(browser, f"http://127.0.0.1:{port}/")
        page.get_by_role("link", name="Compare with other").click()
        expect(page.locator(".study")).to_have_text("sweep and other side by side")
        expect(page.locator('[data-figure="progress-time"] .scatterlayer .trace')).to_have_count(2)
        expect(page.get_by_text("python sweep.py confirm --study other")).to_have_count(1)
        page.get_by_role("link", name="other").click()
        expect(page.locator(".study")).to_contain_text("other CIFAR-10")
        assert errors == []
        page.close()


def test_the_comparison_follows_the_sweep_that_runs(browser, tmp_path, monkeypatch):
    monkeypatch.setattr(pages, "PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(pages, "_SHARE", 1e9)
    storage = connect(f"sqlite:///{tmp_path / 'sweep.db'}", create=True)
    make_study(30, storage=storage)
    other = make_study(20, name="other", storage=storage, seed=1, asked=60, running=1, now=datetime.now())
    with running(application(storage, allowed_hosts=HOSTS)) as port:
        page, errors = opened(browser, f"http://127.0.0.1:{port}/compare?study=sweep&with=other")
        zoom(page, "progress-trial")
        shown = page.evaluate("document.querySelector('[data-figure=progress-trial]').layout.xaxis.range")
        counts = page.locator('[data-part="trials"]')
        before = counts.inner_text()
        more_trials(other, 4, now=datetime.now())
        expect(counts).not_to_have_text(before, use_inner_text=True)
        expect(page.get_by_role("row", name="complete").get_by_role("cell").nth(1)).to_have_text(
            str(sum(t.state.name == "COMPLETE" for t in other.trials))
        )
        figure = "document.querySelector('[data-figure=progress-trial]')"
        assert page.evaluate(f"{figure}.layout.xaxis.range") == shown
        assert page.evaluate(f"Math.max(...{figure}.data[1].x)") == 24
        page.locator('[data-figure="progress-trial"] .draglayer .nsewdrag').dblclick()
        assert page.evaluate(f"{figure}.layout.xaxis.range[1]") > 24
        assert errors == []
        page.close()


def test_it_prints_in_order_with_all_trials(browser, tmp_path):
    page, errors = opened(browser, written(tmp_path, make_study(80)), color_scheme="dark")
    page.pdf(path=tmp_path / "page.pdf", format="A4")
    assert (tmp_path / "page.pdf").stat().st_size > 50_000
    begin_printing(page)
    assert page.locator("#table tbody tr").count() == 80
    expect(page.locator('[data-figure="effect-momentum"] .main-svg').first).to_be_visible()
    assert page.evaluate("getComputedStyle(document.documentElement).backgroundColor") == "rgb(255, 255, 255)"
    assert errors == []
    page.close()


PAPER = 182 / 25.4 * 96  # pixels between the margins of A4


def begin_printing(page: Page) -> None:
    """Do what a browser does: it says so while the window has its width, then lays the paper out."""
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 688, "height": 970})


def sizes_of_figures(page: Page) -> list[list[float]]:
    """Return width and height of each figure's box, and of what is drawn in it."""
    return page.evaluate(
        """[...document.querySelectorAll('.figure')].map(box => {
            const [a, b] = [box, box.querySelector('.main-svg')].map(one => one.getBoundingClientRect());
            return [a.width, a.height, b.width, b.height].map(Math.round)})"""
    )


@pytest.mark.parametrize("width", [1500, 800])
def test_on_paper_every_figure_fills_its_box_and_nothing_is_cut_off(browser, tmp_path, width):
    alone = written(tmp_path, make_study(30, confirmed=True, metric="balanced_accuracy"))
    both = tmp_path / "compare.html"
    both.write_text(render_comparison(compare_studies([make_study(30, name=name) for name in "ab"])))
    for address, n in ((alone, 12), (both.as_uri(), 2)):
        page, errors = opened(browser, address, viewport={"width": width, "height": 900})
        until(page, "document.querySelectorAll('.pair .main-svg').length > 2")
        zoom(page, "progress-trial")
        zoomed = "document.querySelector('[data-figure=progress-trial]').layout.xaxis.range"
        shown = page.evaluate(zoomed)
        begin_printing(page)
        sizes = sizes_of_figures(page)
        assert len(sizes) == n
        assert [size[2:] for size in sizes] == [size[:2] for size in sizes]
        rows = page.evaluate(
            """[...document.querySelectorAll('.panels, .pair')].map(row => new Set(
                [...row.querySelectorAll('.figure')].map(box => box.getBoundingClientRect().x)).size)"""
        )
        assert rows == ([3, 3, 2, 2] if n == 12 else [2])  # figures stand side by side
        rights = page.evaluate(
            """[...document.querySelectorAll('table, .figure, p, dd')]
                .map(one => one.getBoundingClientRect().right)"""
        )
        assert max(rights) <= PAPER + 1
        assert page.evaluate("getComputedStyle(document.querySelector('.key')).printColorAdjust") == "exact"
        page.emulate_media(media="screen")
        page.evaluate("dispatchEvent(new Event('afterprint'))")
        for size in (width, 1100):  # figures follow their boxes as before
            page.set_viewport_size({"width": size, "height": 900})
            until(
                page,
                """[...document.querySelectorAll('.figure')].every(box =>
                    Math.abs(box.clientWidth - box.querySelector('.main-svg').clientWidth) <= 1)""",
            )
        assert page.evaluate(zoomed) == shown
        assert errors == []
        page.close()


def test_a_running_sweeps_page_follows_it_without_losing_the_view(browser, tmp_path, monkeypatch):
    monkeypatch.setattr(pages, "PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(pages, "_SHARE", 1e9)
    storage = connect(f"sqlite:///{tmp_path / 'sweep.db'}", create=True)
    study = make_study(30, storage=storage, asked=60, running=1, now=datetime.now())
    with running(application(storage, allowed_hosts=HOSTS)) as port:
        page, errors = opened(browser, f"http://127.0.0.1:{port}/")
        expect(page.locator(".standing")).to_contain_text("running, 30 of 60, about")
        page.get_by_label("Filter").fill("complete")
        page.get_by_role("button", name="Trial 3", exact=True).click()
        page.get_by_text("The other hyperparameters").click()
        figure = "document.querySelector('[data-figure=progress-trial]')"
        zoom(page, "progress-trial")
        shown = page.evaluate(f"{figure}.layout.xaxis.range")
        assert shown[1] < 25
        page.evaluate("window.same = document.querySelector('[data-figure=effect-batch_size]')")
        page.evaluate("scrollTo(0, 700)")
        more_trials(study, 4, now=datetime.now())
        expect(page.locator(".standing")).to_contain_text("running, 34 of 60, about")
        assert len(json.loads(page.locator("#data").text_content())["rows"]) == 31  # of the page as it came
        expect(page.get_by_role("button", name="Trial 34", exact=True)).to_have_count(1)
        assert page.evaluate("scrollY") == 700
        assert page.get_by_label("Filter").input_value() == "complete"
        expect(page.locator("#curves-of")).to_contain_text("chosen trial 3 ")
        assert page.locator("details[open]").count() == 1
        assert page.evaluate(f"{figure}.layout.xaxis.range") == shown
        assert page.evaluate("window.same === document.querySelector('[data-figure=effect-batch_size]')")
        assert errors == []
        page.close()
