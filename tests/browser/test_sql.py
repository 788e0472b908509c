"""The view *SQL*: a query, its answer, a refusal, the answer as a file, links, and queries that are left."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from logboom.query.sql.sql_engine import why_not
from tests.browser.conftest import Post, visit
from tests.kit.cluster_kit import wait_until

if TYPE_CHECKING:
    from playwright.sync_api import Page

SLOW = "select count(*) from range(1000000000) a, range(1000000) b"

pytestmark = [pytest.mark.service, pytest.mark.skipif(bool(why_not()), reason=why_not())]


@pytest.mark.parametrize("width", [390, 1440])
def test_a_query_is_answered_with_a_table_and_bars(page: "Page", site: str, post: Post, width: int) -> None:
    post(
        {"level": level, "message": "<b>m</b>", "heat": n}
        for n, level in enumerate(("info", "error", "info"))
    )
    page.set_viewport_size({"width": width, "height": 900})
    visit(page, f"{site}/#/sql")
    query = page.get_by_label("One SELECT over logs")
    query.fill(
        "select message, count(*) as n from logs where heat is not null group by 1 union all select 'x', 1"
    )
    query.press("Control+Enter")
    page.get_by_text("2 rows in").wait_for()
    assert page.locator("tbody td").first.inner_text() == "<b>m</b>"
    assert page.locator(".bar-row").count() == 2
    assert page.locator("main").evaluate("main => main.scrollWidth") <= width
    with page.expect_download() as started:
        page.get_by_role("button", name="CSV").click()
    assert Path(started.value.path()).read_text().startswith("message,n")
    page.get_by_text("The file has all rows.").wait_for()
    page.get_by_text("Columns").click()
    query.fill("")
    page.get_by_role("button", name="heat", exact=True).click()
    assert query.input_value() == "heat"
    query.fill("copy logs to 'x'")
    page.get_by_role("button", name="Run").click()
    page.get_by_text("only SELECT is allowed, found COPY").wait_for()


def test_words_are_completed_while_typing(page: "Page", site: str, post: Post) -> None:
    post([{"message": "m", "pump pressure": 3, "rpm": 1}])
    visit(page, f"{site}/#/sql")
    query = page.get_by_label("One SELECT over logs")
    options = page.locator(".completion li")
    query.fill("")
    query.press_sequentially("select pres")
    options.filter(has_text="pump pressure").wait_for()
    query.press("ArrowDown")
    query.press("Enter")
    assert query.input_value() == 'select "pump pressure"'
    query.press_sequentially(" fro")
    options.filter(has_text="from").click()
    assert query.input_value() == 'select "pump pressure" from'
    query.press_sequentially(" logs where rpm = 'lev")
    query.press_sequentially("' or lev")
    options.filter(has_text="level").wait_for()
    query.press("Escape")
    assert options.count() == 0
    assert query.input_value().endswith("or lev")


def test_a_link_fills_in_a_query_and_a_file_that_is_cut_has_a_note(page: "Page", site: str) -> None:
    asked: list[str] = []
    page.on(
        "request", lambda request: asked.append(request.url) if request.url.endswith("/api/sql") else None
    )
    visit(page, f"{site}/#/sql?query=select+*+from+range(100001)")
    page.get_by_text("Ctrl+Enter runs the query.").wait_for()
    assert page.get_by_label("One SELECT over logs").input_value() == "select * from range(100001)"
    assert asked == []
    page.get_by_role("button", name="Run").click()
    page.get_by_text("1,000 rows, the first of more in").wait_for()
    with page.expect_download() as started:
        page.get_by_role("button", name="CSV").click()
    assert len(Path(started.value.path()).read_text().splitlines()) == 100_001
    page.get_by_text("The file has the first 100,000 rows; there are more.").wait_for()
    assert len(asked) == 2


def test_one_query_at_a_time_which_ends_when_it_is_left(page: "Page", site: str) -> None:
    asked: list[str] = []
    page.on(
        "request", lambda request: asked.append(request.url) if request.url.endswith("/api/sql") else None
    )
    visit(page, f"{site}/#/sql")
    query = page.get_by_label("One SELECT over logs")
    query.fill(SLOW)
    with page.expect_request("**/api/sql"):
        query.press("Control+Enter")
    query.press("Control+Enter")
    with page.expect_event("requestfailed") as failed:
        page.go_back()  # to the view without the query
    assert failed.value.url.endswith("/api/sql")
    page.get_by_text("Ctrl+Enter runs the query.").wait_for()
    free = {"query": "select 1"}  # until the first query has ended, others are refused
    wait_until(lambda: page.request.post(f"{site}/api/sql", data=free).ok, "the first query ends")
    query.fill(SLOW)
    with page.expect_request("**/api/sql"):
        page.get_by_role("button", name="Run").click()
    with page.expect_event("requestfailed"):
        page.get_by_role("link", name="Overview").click()
    assert len(asked) == 2
