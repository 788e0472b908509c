"""A server that is gone, or hangs: what the page still shows is marked as old, on every view."""

import re
from typing import TYPE_CHECKING

import pytest

from logboom.testing.server_kit import ServerProcess
from tests.browser.conftest import Post, visit

if TYPE_CHECKING:
    from playwright.sync_api import Page, Route

pytestmark = pytest.mark.service

VIEWS = ("overview", "live", "search", "charts", "devices", "storage")
STALE = re.compile(
    r"^No answer from the server since \d\d:\d\d:\d\d\. What is shown may have changed since then\.$"
)


def states(page: "Page") -> set[str]:
    """The texts of all states in the overview's tables."""
    return set(page.locator(".table-box .state").all_inner_texts())


def test_a_server_that_is_gone_leaves_nothing_that_looks_fresh(
    page: "Page", site: str, server: ServerProcess, post: Post
) -> None:
    post([{"message": "last words", "source": "pump"}])
    visit(page, site)
    page.get_by_role("region", name="Sources").get_by_text("live", exact=True).first.wait_for()
    page.locator(".figures").get_by_text("writable", exact=True).wait_for()
    bar = page.get_by_role("alert")
    assert bar.is_hidden()
    server.kill()
    bar.get_by_text(STALE).wait_for()
    page.get_by_role("region", name="Status").get_by_text(re.compile(r"^No answer since \d")).wait_for()
    page.locator(".figures").get_by_text("was writable", exact=True).wait_for()
    assert states(page) == {"was up", "was live"}
    assert page.locator(".table-box .state:not([data-state=unknown])").count() == 0
    assert page.get_by_text(" ago").count() == 0
    assert page.locator("#health").get_attribute("data-state") == "unknown"
    since = bar.inner_text()
    for view in ("live", "search", "charts", "overview"):
        page.evaluate("view => location.hash = `#/${view}`", view)
        page.locator("#stale").get_by_text(since, exact=True).wait_for()
    server.start()
    bar.wait_for(state="hidden")
    page.get_by_role("region", name="Listeners").get_by_text("up", exact=True).first.wait_for()
    page.locator(".figures").get_by_text("writable", exact=True).wait_for()
    assert page.locator(".stale").count() == 0


@pytest.mark.parametrize("view", VIEWS)
def test_a_server_that_hangs_is_noticed_on_each_view(page: "Page", site: str, view: str) -> None:
    page.clock.install()
    visit(page, f"{site}/#/{view}")
    page.locator("#health-text").filter(has_not_text="connecting").wait_for()
    held: list[Route] = []
    page.route("**/api/status", lambda route: held.append(route))  # noqa: PLW0108 - it must take an attribute
    with page.expect_request("**/api/status"):
        page.clock.fast_forward(6000)
    page.clock.fast_forward(9000)
    page.get_by_role("alert").get_by_text(STALE).wait_for()
    page.locator(f"main.{view}.faded").wait_for()
    page.locator("#health").get_by_text("not reachable").wait_for()


def test_a_proxy_before_a_server_that_is_gone_makes_it_stale_too(page: "Page", site: str) -> None:
    visit(page, site)
    page.locator(".figures").get_by_text("writable", exact=True).wait_for()
    page.route("**/api/**", lambda route: route.fulfill(status=502, body="<html>Bad Gateway</html>"))
    page.get_by_role("alert").get_by_text(STALE).wait_for()
    page.locator(".figures").get_by_text("was writable", exact=True).wait_for()
