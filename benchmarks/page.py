"""How soon the page of a long study can be used in a real browser, and how large it is as a file.

``python -m benchmarks.page --trials 1000`` makes up a study, writes its page, and opens it five times in a
new browser window without a network: until all is drawn and answers, and from a click on a trial until its
curves are there. Needs an installed Chromium or Chrome.
"""

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from playwright.sync_api import Browser

from benchmarks.browser import chromium
from benchmarks.machine import describe
from benchmarks.stress.load import fill
from studies.experiments.overview import overview
from studies.storage.database import connect
from studies.storage.study import load_study
from studies.views.page import render

READY = """new MutationObserver((_, parsing) => {
  if (!document.documentElement) return;
  parsing.disconnect();
  new MutationObserver(() => { window.readyAt ??= performance.now(); })
    .observe(document.documentElement, {attributeFilter: ["data-ready"]});
}).observe(document, {childList: true});"""


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=1_000)
    parser.add_argument("--epochs", type=int, default=20)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="page-") as folder, chromium() as browser:
        url = f"sqlite:///{folder}/sweep.db"
        fill(url, args.trials, args.epochs, rng=np.random.default_rng(0))
        began = time.perf_counter()
        storage = connect(url, create=False)
        text = render(overview(load_study(storage, "sweep")))
        storage.close()
        page = Path(folder, "page.html")
        page.write_text(text, encoding="utf-8")
        print(
            f"{args.trials} trials of {args.epochs} epochs: {page.stat().st_size / 2**20:.1f} MiB,", end=" "
        )
        print(f"written in {time.perf_counter() - began:.1f} s")
        seconds = [used(browser, page.as_uri()) for _ in range(5)]
        for what, values in zip(
            ("drawn and answers", "a click shows a trial"), zip(*seconds, strict=True), strict=True
        ):
            print(f"{what}: {statistics.median(values):.2f} s ({min(values):.2f} to {max(values):.2f})")
        print(f"Chromium {browser.version};", *describe(["plotly"]).values())
    return 0


def used(browser: Browser, address: str) -> tuple[float, float]:
    """Return the seconds until a page is ready, and from a click on a trial until it is shown."""
    page = browser.new_page(viewport={"width": 1500, "height": 900})
    page.add_init_script(READY)
    page.goto(address)
    page.wait_for_selector("html[data-ready]")
    ready = page.evaluate("readyAt") / 1000
    clicked = page.evaluate(
        """() => new Promise(done => {
          const start = performance.now();
          document.querySelector("tbody button[aria-pressed]").click();
          requestAnimationFrame(() => setTimeout(() => done(performance.now() - start)));
        })"""
    )
    page.close()
    return ready, clicked / 1000


if __name__ == "__main__":
    sys.exit(main())
