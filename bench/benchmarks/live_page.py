"""Live on the page under load, in a real Chromium: its longest stall, and its memory over time."""

import http.client
import json
import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Final

from bench.benchmarks.page import chromium, open_browser
from bench.plan import Plan
from bench.subjects.base import HOST, Server, ServerError, Subject
from bench.subjects.listener import LogboomListener
from bench.trial import Trial, run_trial, trial_directory

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

NAME: Final = "live_page"
RATES: Final = (2_000, 10_000)
"""Lines per second that are sent."""

_TURN_S: Final = 0.05
_WARM_UP_S: Final = 8.0
"""Time until the page's list of 50,000 entries is full at the higher rate, and its memory no longer grows."""
_TIMEOUT_MS: Final = 30_000
_MEMORY: Final = "gc(); performance.memory.usedJSHeapSize"
_WATCH: Final = """
window.tasks_ms = [];
new PerformanceObserver((list) => tasks_ms.push(...list.getEntries().map((task) => task.duration)))
  .observe({type: "longtask"});
window.frames = 0;
(function next() { window.frames += 1; requestAnimationFrame(next); })();
"""


def run(plan: Plan, subjects: list[Subject]) -> list[Trial]:
    """Each rate once per round, of a server just started."""
    binary = chromium()
    if binary is None or not any(subject.name == "logboom" for subject in subjects):
        return []
    return [_trial(plan, binary, rate, number) for number in range(plan.trials) for rate in RATES]


def _trial(plan: Plan, binary: str, rate: int, number: int) -> Trial:
    subject = LogboomListener("http", plan.logboom)
    arguments = ("--enable-precise-memory-info", "--js-flags=--expose-gc")
    with (
        trial_directory(plan.directory) as directory,
        Server(subject, directory) as server,
        open_browser(binary, *arguments) as browser,
    ):
        watch = partial(_watch, browser, server.port, rate, plan.live_s)
        return run_trial(subject, watch, what=f"{rate} lines/s", round=number)


def _watch(browser: "Browser", port: int, rate: int, seconds: float) -> Trial:
    """Send for a while, and measure in the page what its user notices."""
    from playwright.sync_api import Error  # noqa: PLC0415 - of the tests; nothing else here needs it

    stop = threading.Event()
    sender = threading.Thread(target=_send, args=(port, rate, stop), daemon=True)
    page = browser.new_page()
    try:
        page.goto(f"http://{HOST}:{port}/#/live")
        page.locator('.stream[data-state="live"]').wait_for(timeout=_TIMEOUT_MS)
        sender.start()
        page.wait_for_timeout(_WARM_UP_S * 1000)
        return _measure(page, seconds)
    except Error as error:
        raise ServerError(error.message.partition("\n")[0]) from None
    finally:
        stop.set()
        if sender.is_alive():
            sender.join()
        page.close()


def _measure(page: "Page", seconds: float) -> Trial:
    before = page.evaluate(_MEMORY)
    page.evaluate(_WATCH)  # after the collection of garbage, which is no stall of the page's own
    page.wait_for_timeout(seconds * 1000)
    tasks_ms, frames = page.evaluate("[tasks_ms, frames]")
    after = page.evaluate(_MEMORY)
    skipped = page.locator(".loss").inner_text()
    return {
        "stall_ms": max(tasks_ms, default=0.0),
        "long_tasks": len(tasks_ms),
        "frames_per_s": frames / seconds,
        "heap_mib": before / 2**20,
        "heap_after_mib": after / 2**20,
        "seconds": seconds,
        "skipped": skipped,
    }


def _send(port: int, rate: int, stop: threading.Event) -> None:
    """Post `rate` entries per second in equal portions, until `stop` is set."""
    connection = http.client.HTTPConnection(HOST, port)
    count = round(rate * _TURN_S)
    sent, began = 0, time.monotonic()
    while not stop.is_set():
        lines = [
            json.dumps({"level": "info", "service": "shop", "message": f"order {sent + one} paid"})
            for one in range(count)
        ]
        connection.request("POST", "/api/entries", "\n".join(lines), {"Content-Type": "application/x-ndjson"})
        connection.getresponse().read()
        sent += count
        stop.wait(max(0.0, began + sent / rate - time.monotonic()))
    connection.close()
