"""The view *Alerts*: a rule is made from a search, tried, saved, fires, is acknowledged, muted, changed and removed."""

from typing import TYPE_CHECKING, Any

import pytest

from tests.browser.conftest import visit

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.browser.conftest import Post

pytestmark = pytest.mark.service
HOSTILE = "<img src=x onerror=alert(1)>"


def test_a_rule_is_made_from_a_search_and_handled(page: "Page", site: str, post: "Post") -> None:
    post([{"level": "error", "message": f"kiln {number} {HOSTILE}"} for number in range(3)])
    visit(page, f"{site}/#/search?q=kiln&level=ERROR")
    page.get_by_role("link", name="Make an alert").click()
    form = page.get_by_role("form", name="Rule")
    assert form.get_by_label("Query").input_value() == "kiln level:>=error"
    form.get_by_role("button", name="Try over the last").click()
    page.get_by_text("Would have fired once since").wait_for()
    form.get_by_label("Query").fill("kiln (")
    form.get_by_role("button", name="Try over the last").click()
    page.locator(".query-error").get_by_text("kiln (").wait_for()
    form.get_by_label("Query").fill("kiln level:>=error")
    form.get_by_label("Name").fill("kiln_hot")
    form.get_by_role("button", name="Save").click()
    rules = page.get_by_role("region", name="Rules", exact=True)
    rules.get_by_role("link", name="kiln_hot").wait_for()

    post([{"level": "error", "message": f"kiln 9 {HOSTILE}"}])
    firing = page.get_by_role("region", name="Firing")
    firing.get_by_text(HOSTILE).wait_for()
    firing.get_by_role("button", name="Acknowledge").click()
    firing.get_by_text("acknowledged").wait_for()
    firing.get_by_label("Mute kiln_hot").select_option("4")
    page.get_by_role("region", name="Muted").get_by_role("button", name="Unmute").click()
    page.get_by_role("region", name="Muted").wait_for(state="hidden")

    rules.get_by_role("button", name="Edit kiln_hot").click()
    form.get_by_label("Entries").fill("500")
    form.get_by_role("button", name="Save").click()
    rules.get_by_text("at least 500 in 5 min").wait_for()
    page.get_by_role("region", name="History").get_by_text("kiln_hot: ").wait_for()
    rules.get_by_role("button", name="Delete kiln_hot").click()
    rules.get_by_role("button", name="Delete kiln_hot: yes").click()
    rules.get_by_role("link", name="kiln_hot").wait_for(state="hidden")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_never_scrolls_sideways(page: "Page", site: str, scheme: Any) -> None:
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": 390, "height": 740})
    visit(page, f"{site}/#/alerts?q=kiln")
    page.get_by_text("listener_down").wait_for()
    widths = "[document.documentElement.scrollWidth, document.querySelector('main').scrollWidth]"
    assert page.evaluate(widths) == [390, 390]
