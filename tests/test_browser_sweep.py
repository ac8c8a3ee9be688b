"""A real browser opens the dashboard of a real sweep: figure, star and best trial are on the study page."""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from browser import chromium, console_errors
from conftest import ROOT, write_images

FAST = ("--epochs", "2", "--workers", "2")


@contextlib.contextmanager
def serving(folder, command, pattern):
    """Run a server until the block ends; yields the address that it prints."""
    process = subprocess.Popen(
        command,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    try:
        for line in process.stdout:
            if found := re.search(pattern, line):
                yield found.group(0)
                return
        raise AssertionError("the server said no address")
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Make one real sweep for all tests here."""
    folder = tmp_path_factory.mktemp("swept")
    images = write_images(folder / "images.npz")
    command = [sys.executable, str(ROOT / "sweep.py"), "--trials", "14", "--data", str(images)]
    done = subprocess.run(
        [*command, "--pruner", "none", "--format", "json", *FAST],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    (folder / "best.json").write_text(done.stdout)
    return folder


@pytest.fixture
def best(folder):
    return json.loads((folder / "best.json").read_text())


def free_port():
    """Return a port that nobody uses; the stock command does not tell which one it took."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def check_study_page(page, best, screenshot):
    """Assert what the study page must show, and keep a picture of it."""
    figure = page.locator(".js-plotly-plot", has_text="Hidden units")
    figure.wait_for(timeout=30_000)
    for title in ("Batch size", "Learning rate", "Hidden units", "Validation accuracy (%)"):
        assert figure.get_by_text(title, exact=True).count() == 1, title
    drawn = page.evaluate(
        """() => {
            const plot = [...document.querySelectorAll('.js-plotly-plot')].find(p => p.layout.xaxis3);
            return plot.data.filter(t => t.marker && t.marker.symbol === 'star')
                            .map(t => [t.xaxis || 'x', t.x[0], t.y[0]]);
        }"""
    )
    above, smallest = figure.evaluate(
        """plot => [
            plot.querySelector('.gtitle').getBoundingClientRect().top
                - plot.querySelector('.modebar').getBoundingClientRect().bottom,
            Math.min(...[...plot.querySelectorAll('.main-svg text')]
                .map(t => parseFloat(getComputedStyle(t).fontSize)).filter(size => size)),
        ]"""
    )
    assert above >= 0  # the title is clear of the toolbar
    assert smallest >= 12
    names = ("batch_size", "learning_rate", "hidden_units")
    assert [star[0] for star in drawn] == ["x", "x2", "x3"]
    for (_, x, y), name in zip(drawn, names, strict=True):
        assert x == pytest.approx(best["params"][name], rel=1e-3)
        assert y == pytest.approx(100 * best["value"], abs=0.01)
    assert page.get_by_text(re.compile(rf"Best Trial \(number={best['trial']}\)")).count() == 1
    page.screenshot(path=screenshot, full_page=True)
    assert Path(screenshot).stat().st_size > 20_000


def test_the_dashboard_shows_the_three_panels_with_the_best_trial(best, folder, tmp_path):
    with (
        chromium() as browser,
        serving(
            folder,
            [sys.executable, str(ROOT / "sweep.py"), "dashboard", "--port", "0", "--no-browser"],
            r"http://\S+",
        ) as address,
    ):
        page = browser.new_page(viewport={"width": 1400, "height": 1200})
        errors = console_errors(page)
        page.goto(address)
        page.wait_for_selector("html[data-ready]")
        assert f"Trial {best['trial']} reaches {100 * best['value']:.2f}" in page.locator("h1").inner_text()
        page.locator('[data-figure="effect-hidden_units"] .main-svg').first.wait_for()
        page.get_by_role("link", name="optuna-dashboard").click()
        check_study_page(page, best, tmp_path / "dashboard.png")
        page.goto(f"{page.url}/note")
        page.get_by_text(f"Best trial: {best['trial']}").wait_for(timeout=30_000)
        assert not errors


def test_the_stock_command_shows_the_same(best, folder, tmp_path):
    port = str(free_port())
    stock = shutil.which("optuna-dashboard", path=str(Path(sys.executable).parent))
    with (
        chromium() as browser,
        serving(folder, [stock, "sqlite:///sweep.db", "--port", port], rf"http://\S+:{port}/") as address,
    ):
        page = browser.new_page(viewport={"width": 1400, "height": 1200})
        page.goto(f"{address}dashboard/studies/1")
        check_study_page(page, best, tmp_path / "stock.png")
