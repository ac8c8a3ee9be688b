"""A headless browser for tests of pages; tests are skipped where none is installed."""

import contextlib
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from benchmarks import browser


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """Run an installed Chromium or Chrome, or skip the test."""
    try:
        with browser.chromium() as found:
            yield found
    except LookupError as error:
        pytest.skip(str(error))


def console_errors(page: Page) -> list[str]:
    """Return a list that grows by each error of the page: failed scripts, violated policies."""
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    return errors
