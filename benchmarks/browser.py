"""A headless browser for what is measured or drawn in one."""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright
from plotly.graph_objects import Figure

NAMES = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """Run an installed Chromium or Chrome.

    Raises
    ------
    LookupError
        If none is installed.
    """
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        raise LookupError(f"none of {', '.join(NAMES)} is installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()


def picture(figure: Figure, path: Path) -> None:
    """Write a figure as a picture (PNG) as the documents have it, with two pixels for each of its own."""
    figure.update_layout(
        template="plotly_white", font={"size": 14}, margin={"l": 70, "r": 20, "t": 20, "b": 60}
    )
    figure.update_layout(legend={"bgcolor": "rgba(255,255,255,0.8)"})
    with chromium() as browser:
        page = browser.new_page(viewport={"width": 900, "height": 480}, device_scale_factor=2)
        page.set_content(figure.to_html(include_plotlyjs=True), wait_until="networkidle")
        page.screenshot(path=path)
