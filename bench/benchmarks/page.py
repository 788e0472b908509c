"""The page in a real Chromium on the same machine: when it is painted first, and when its figures stand there."""

import shutil
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Final

from bench.benchmarks.reading import write_journal
from bench.plan import Plan
from bench.subjects.base import HOST, Server, ServerError, Subject
from bench.subjects.listener import LogboomListener
from bench.subjects.logboom import data_directory
from bench.trial import Trial, run_trial, trial_directory

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, BrowserContext

NAME: Final = "page"
FIRST: Final = "overview, nothing in the browser's cache"
AGAIN: Final = "overview, opened again"
SEARCH: Final = "search of all entries, nothing in the browser's cache"

_SHOWN: Final = {
    FIRST: ("", ".figures b"),
    AGAIN: ("", ".figures b"),
    SEARCH: ("#/search?since=all", ".row:not([hidden])"),
}
"""Address of each view, and the selector of its content once it is usable."""

_TIMEOUT_MS: Final = 30_000
_PAINT: Final = 'performance.getEntriesByName("first-contentful-paint")[0]?.startTime'
_WATCH: Final = """
addEventListener("DOMContentLoaded", () => {
  const look = () => {
    if (document.querySelector(SELECTOR)) window.shown_ms = performance.now();
    else requestAnimationFrame(look);
  };
  look();
});
"""


def chromium() -> str | None:
    """Return the path of a Chromium, or None."""
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def run(plan: Plan, subjects: list[Subject]) -> list[Trial]:
    """All pages in each round, of a server just started; half as many entries as a throughput trial has."""
    binary = chromium()
    if binary is None or not any(subject.name == "logboom" for subject in subjects):
        return []
    return [trial for number in range(plan.trials) for trial in _round(plan, binary, number)]


def _round(plan: Plan, binary: str, number: int) -> list[Trial]:
    subject = LogboomListener("http", plan.logboom)
    with trial_directory(plan.directory) as directory:
        write_journal(data_directory(directory) / "journal", plan.lines // 2)
        with Server(subject, directory) as server, open_browser(binary) as browser:
            kept = browser.new_context()
            contexts = {FIRST: kept, AGAIN: kept, SEARCH: browser.new_context()}
            return [
                run_trial(subject, partial(_open, context, server.port, what), what=what, round=number)
                for what, context in contexts.items()
            ]


@contextmanager
def open_browser(binary: str, *arguments: str) -> "Iterator[Browser]":
    """Run a Chromium without a window, with further arguments."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - of the tests; nothing else here needs it

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=binary, args=["--no-sandbox", "--disable-gpu", *arguments]
        )
        yield browser
        browser.close()


def _open(context: "BrowserContext", port: int, what: str) -> Trial:
    """Times count from the beginning of the navigation, as the browser has them."""
    from playwright.sync_api import Error  # noqa: PLC0415 - see `open_browser`

    address, selector = _SHOWN[what]
    page = context.new_page()
    try:
        page.add_init_script(_WATCH.replace("SELECTOR", repr(selector)))
        page.goto(f"http://{HOST}:{port}/{address}")
        page.wait_for_function(f"() => window.shown_ms && {_PAINT}", timeout=_TIMEOUT_MS)
        painted_ms, shown_ms = page.evaluate(f"[{_PAINT}, window.shown_ms]")
    except Error as error:
        raise ServerError(error.message.partition("\n")[0]) from None
    finally:
        page.close()
    return {"first_paint_s": painted_ms / 1000, "shown_s": shown_ms / 1000}
