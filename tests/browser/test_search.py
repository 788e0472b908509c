"""Search over more than one answer of the server reaches: each ends early here, after a step of a few kilobytes."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from logboom.journal import index as index_module
from logboom.journal import segments as segments_module
from logboom.testing.output_kit import write_journal
from logboom.web import entries as entries_module
from logboom.web import series as series_module
from logboom.web import volume as volume_module
from tests.browser.conftest import visit
from tests.kit.app_thread import AppThread

if TYPE_CHECKING:
    from playwright.sync_api import Page, Route

pytestmark = pytest.mark.service

COUNT = 2000
NEEDLE = 3
"""Sequence of the only entry that has a rare text, far back in time."""


def entry(number: int) -> bytes:
    if number == NEEDLE:
        return b'{"message":"the needle","source":"haystack","depth":7.5}'
    return json.dumps({"level": "info", "message": f"straw {number}", "source": "farm"}).encode()


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("deep")
    write_journal(folder, map(entry, range(COUNT)), segment_lines=10 * COUNT)
    return folder


@pytest.fixture(scope="module")
def deep(journal: Path) -> Iterator[str]:
    """The address of a server whose answers reach one step of the index far."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (segments_module, index_module):
            patch.setattr(module, "INDEX_STEP_BYTES", 20_000)
        patch.setattr(entries_module, "SEARCH_S_MAX", -1.0)
        patch.setattr(volume_module, "COUNT_S_MAX", -1.0)
        patch.setattr(series_module, "READ_S_MAX", -1.0)
        patch.setattr(series_module, "FIELDS_S_MAX", -1.0)
        with AppThread(journal, ("http",), settings={"alerts": {"enabled": False}}) as app:
            yield f"http://127.0.0.1:{app.port('http')}"


def status(page: "Page", text: str) -> None:
    """Wait until the summary has exactly this text."""
    page.locator(".summary").get_by_text(text, exact=True).wait_for()


def test_a_hit_deep_in_time_is_found(page: "Page", deep: str) -> None:
    shown: list[str] = []
    page.expose_function("seen", lambda text: shown.append(text))  # noqa: PLW0108 - it must take an attribute
    page.add_init_script(
        """addEventListener("DOMContentLoaded", () => new MutationObserver(() => {
             seen(document.querySelector(".summary")?.textContent ?? "");
             seen(document.querySelector(".empty:not([hidden])")?.textContent ?? "");
           }).observe(document.body, {subtree: true, childList: true, characterData: true, attributes: true}));"""
    )
    visit(page, f"{deep}/#/search?since=all&q=needle")
    status(page, "1 entry")
    assert page.locator(".row .message").inner_text() == "the needle"
    assert not any("Nothing was found" in text or "newest 0" in text for text in shown)
    assert any(text.startswith("Searching, back to ") and "so far" in text for text in shown)
    page.locator(".legend").filter(has_not_text="not all counted").filter(has_text="no level 1").wait_for()
    assert page.locator(".progress").is_hidden()
    assert page.get_by_role("button", name="Older").is_hidden()


def test_nothing_is_said_to_be_there_only_at_the_end(page: "Page", deep: str) -> None:
    visit(page, f"{deep}/#/search?since=all&q=there+is+no+such+text")
    page.get_by_text("Nothing was found").wait_for()
    status(page, "0 entries")


def test_a_search_shows_its_progress_and_can_be_stopped_and_continued(page: "Page", deep: str) -> None:
    going = threading.Semaphore(4)
    held: list[Route] = []

    def answer(route: "Route") -> None:
        if going.acquire(blocking=False):
            route.continue_()
        else:
            held.append(route)

    page.route("**/api/entries?*needle*", answer)
    visit(page, f"{deep}/#/search?since=all&q=needle")
    summary = page.locator(".summary")
    summary.filter(has_text="%): 0 ").wait_for()
    share = float(page.get_by_role("progressbar", name="Progress of the search").get_attribute("value") or 0)
    assert 0 < share < 1
    page.get_by_role("button", name="Stop").click()
    summary.filter(has_text="Stopped at Nov 12, ").wait_for()
    assert page.get_by_text("Nothing was found").is_hidden()
    assert page.get_by_role("progressbar").is_hidden()
    going.release(10**6)
    page.get_by_role("button", name="Search further back").click()
    status(page, "1 entry")
    assert page.locator(".row .message").inner_text() == "the needle"


def test_a_search_that_breaks_off_keeps_what_it_found_and_can_be_continued(page: "Page", deep: str) -> None:
    answers = iter([True, True])
    page.route(
        "**/api/entries?*straw*",
        lambda route: route.continue_() if next(answers, False) else route.abort(),
    )
    visit(page, f"{deep}/#/search?since=all&q=straw")
    page.locator(".summary").filter(
        has_text="Interrupted (the server can't be reached) at Nov 12, "
    ).wait_for()
    found = page.locator(".row:not([hidden])").count()
    assert found > 0
    page.unroute("**/api/entries?*straw*")
    page.get_by_role("button", name="Search further back").click()
    page.locator(".summary").get_by_text("the newest ", exact=False).or_(
        page.locator(".summary").get_by_text("The newest ", exact=False)
    ).wait_for()


def test_the_histogram_of_everything_becomes_complete(page: "Page", deep: str) -> None:
    visit(page, f"{deep}/#/search?since=all")
    page.locator(".legend").filter(has_not_text="not all counted").filter(has_text="info 1,999").wait_for()
    status(page, "2,000 entries, the newest 200 shown")


def test_live_does_not_take_a_short_look_for_nothing(page: "Page", deep: str) -> None:
    visit(page, f"{deep}/#/live?q=needle")
    note = page.locator(".row .message")
    note.get_by_text("were not looked at. Search looks further back.", exact=False).wait_for()
    assert page.get_by_text("Nothing matches these filters").is_hidden()


@pytest.mark.usefixtures("charts_installed")
def test_charts_find_numbers_that_lie_deep(page: "Page", deep: str) -> None:
    visit(page, f"{deep}/#/charts?source=haystack&since=2025-11-12")
    page.get_by_role("figure", name="depth").get_by_text("7.5", exact=True).first.wait_for()
    assert page.get_by_text("No numbers have come").is_hidden()


def test_the_api_says_that_there_may_be_more(page: "Page", deep: str) -> None:
    answer: dict[str, Any] = page.request.get(f"{deep}/api/entries?q=needle").json()
    assert (answer["entries"], answer["more"], answer["first"]) == ([], True, 0)
    assert 0 < answer["before"] < COUNT
    assert answer["reached_at"].startswith("2025-11-12T")
