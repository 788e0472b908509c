"""The live view: what comes, as it comes, over pauses, restarts and floods."""

import threading
from typing import TYPE_CHECKING

import pytest

from logboom.testing.server_kit import ServerProcess
from tests.browser.conftest import Post, visit

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.service

SHOWN = """
[...document.querySelectorAll('.row:not([hidden])')]
  .sort((one, other) => one.dataset.index - other.dataset.index)
  .map((row) => row.querySelector('.message').textContent)
""".strip()

FLOOD_POSTS = 40
FLOOD_ENTRIES = 1000
ROWS_MAX = 120
"""Rows that may exist in a window of 800 pixels."""


def wait_for_messages(page: "Page", *messages: str) -> None:
    page.wait_for_function(
        f"wanted => JSON.stringify({SHOWN}) === JSON.stringify(wanted)", arg=list(messages)
    )


def wait_until_live(page: "Page") -> None:
    page.locator('.stream[data-state="live"]').wait_for()


def test_entries_appear_and_open(page: "Page", site: str, post: Post) -> None:
    post([{"message": "before the page", "source": "early"}])
    visit(page, f"{site}/#/live?source=early")
    wait_for_messages(page, "before the page")
    wait_until_live(page)
    assert page.title() == "Live · Logboom"
    post([{"message": "after it", "source": "early", "level": "error", "bar": 2.5}])
    wait_for_messages(page, "before the page", "after it")
    page.locator(".rows").get_by_role("option").filter(has_text="after it").click()
    panel = page.get_by_role("complementary", name="Entry")
    assert panel.get_by_role("row").filter(has_text="bar").inner_text().split() == ["bar", "2.5"]


def test_filters_stand_in_the_address(page: "Page", site: str, post: Post) -> None:
    visit(page, f"{site}/#/live?source=filtered")
    wait_until_live(page)
    page.get_by_label("Level", exact=True).select_option("WARNING")
    page.wait_for_function("() => location.hash.includes('level=WARNING')")
    wait_until_live(page)
    post({"message": level, "level": level, "source": "filtered"} for level in ("debug", "warning", "error"))
    wait_for_messages(page, "warning", "error")
    page.get_by_label("Query").fill("ERR*")
    wait_for_messages(page, "error")
    page.go_back()
    wait_for_messages(page, "warning", "error")
    page.go_back()
    wait_for_messages(page, "debug", "warning", "error")
    assert page.get_by_label("Level", exact=True).input_value() == ""


def test_a_pause_holds_the_list_and_loses_nothing(page: "Page", site: str, post: Post) -> None:
    visit(page, f"{site}/#/live?source=paused")
    wait_until_live(page)
    post([{"message": "first", "source": "paused"}])
    wait_for_messages(page, "first")
    page.get_by_role("button", name="Pause", exact=True).click()
    post({"message": f"later {number}", "source": "paused"} for number in range(3))
    page.get_by_role("button", name="Resume (3)").wait_for()
    wait_for_messages(page, "first")
    page.get_by_role("button", name="Resume").click()
    wait_for_messages(page, "first", "later 0", "later 1", "later 2")


def test_after_a_crash_of_the_server_nothing_is_missing_and_nothing_twice(
    page: "Page", site: str, server: ServerProcess, post: Post
) -> None:
    visit(page, f"{site}/#/live?source=crash")
    wait_until_live(page)
    post({"message": f"crash {number}", "source": "crash"} for number in range(5))
    wait_for_messages(page, *[f"crash {number}" for number in range(5)])
    server.kill()
    page.get_by_text("reconnecting").wait_for()
    server.start()
    post({"message": f"crash {number}", "source": "crash"} for number in range(5, 10))
    wait_for_messages(page, *[f"crash {number}" for number in range(10)])
    wait_until_live(page)
    post([{"message": "crash 10", "source": "crash"}])
    wait_for_messages(page, *[f"crash {number}" for number in range(11)])


def test_a_flood_leaves_the_page_usable(page: "Page", site: str, post: Post) -> None:
    visit(page, f"{site}/#/live")
    wait_until_live(page)
    page.evaluate(
        "window.painted = 0; (function next() { window.painted += 1; requestAnimationFrame(next); })()"
    )

    def flood() -> None:
        for number in range(FLOOD_POSTS):
            first = number * FLOOD_ENTRIES
            post({"message": f"flood {first + one}", "level": "info"} for one in range(FLOOD_ENTRIES))

    sender = threading.Thread(target=flood)
    sender.start()
    page.locator(".row .message").filter(has_text="flood").first.wait_for()
    before = page.evaluate("window.painted")
    page.get_by_role("button", name="Pause", exact=True).click()
    page.get_by_role("button", name="Resume").click()
    page.wait_for_function("before => window.painted > before + 3", arg=before)
    assert page.locator(".row").count() <= ROWS_MAX
    sender.join()
    last = f"flood {FLOOD_POSTS * FLOOD_ENTRIES - 1}"
    page.wait_for_function(f"last => {SHOWN}.at(-1) === last", arg=last)
    assert page.locator(".row").count() <= ROWS_MAX
    page.get_by_role("listbox").press("ArrowUp")
    page.locator("#entry").get_by_text("Entry", exact=False).first.wait_for()


def test_scrolling_back_stays_there_until_newest_is_wanted(page: "Page", site: str, post: Post) -> None:
    post({"message": f"scroll {number}", "source": "scroll"} for number in range(200))
    visit(page, f"{site}/#/live?source=scroll")
    page.locator(".message").filter(has_text="scroll 199").wait_for()
    wait_until_live(page)
    page.locator(".scroller").evaluate("element => element.scrollTop = 0")
    page.locator(".message").filter(has_text="scroll 0").first.wait_for()
    post([{"message": "scroll 200", "source": "scroll"}])
    page.get_by_role("button", name="Newest").wait_for()
    assert page.locator(".message").filter(has_text="scroll 200").count() == 0
    page.get_by_role("button", name="Newest").click()
    page.locator(".message").filter(has_text="scroll 200").wait_for()
