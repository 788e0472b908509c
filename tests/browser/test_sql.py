"""The view *SQL*: a query, its answer, a refusal, and the answer as a file."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from logboom.query.sql.sql_engine import why_not
from tests.browser.conftest import Post, visit

if TYPE_CHECKING:
    from playwright.sync_api import Page

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
    page.get_by_text("Columns").click()
    query.fill("")
    page.get_by_role("button", name="heat", exact=True).click()
    assert query.input_value() == "heat"
    query.fill("copy logs to 'x'")
    page.get_by_role("button", name="Run").click()
    page.get_by_text("only SELECT is allowed, found COPY").wait_for()
