"""Search as an explorer: facets and patterns next to the entries."""

from typing import TYPE_CHECKING

import pytest

from tests.browser.conftest import Post, visit

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.service


@pytest.fixture(scope="module", autouse=True)
def _data(post: Post) -> None:
    trace = 'Traceback (most recent call last):\n  File "cart.py", line 4, in total\nKeyError: 5'
    post(
        {"level": "info", "message": f"user {n} logged in", "source": "web", "region": "eu west", "took": n}
        for n in range(30)
    )
    post(
        [
            {"level": "error", "message": f"cart {n} failed", "exc_info": trace, "region": "us"}
            for n in range(3)
        ]
    )


def test_a_facet_narrows_and_excludes(page: "Page", site: str) -> None:
    visit(page, f"{site}/#/search?q=user+or+cart")
    page.get_by_text("33 entries", exact=True).wait_for()
    page.get_by_role("button", name="Only region eu west").click()
    page.get_by_text("30 entries", exact=True).wait_for()
    assert page.get_by_label("Text").input_value() == '(user or cart) region:="eu west"'
    page.get_by_role("button", name="Exclude region eu west").click()
    page.get_by_text("3 entries", exact=True).wait_for()
    assert page.get_by_label("Text").input_value() == '(user or cart) -region:="eu west"'
    page.go_back()
    page.get_by_text("30 entries", exact=True).wait_for()


def test_numbers_have_their_range(page: "Page", site: str) -> None:
    visit(page, f"{site}/#/search?q=user")
    facet = page.locator(".facet").filter(has_text="took")
    facet.wait_for()
    assert facet.locator("dl").text_content() == "min0p5014p9929max29"


def test_patterns_lead_to_their_entries(page: "Page", site: str) -> None:
    visit(page, f"{site}/#/search?q=user+or+cart")
    page.get_by_role("button", name="Patterns").click()
    page.get_by_text("33 entries, 2 message patterns, 1 exception").wait_for()
    assert page.locator(".listed").is_hidden()
    assert page.get_by_role("region", name="Exceptions").get_by_role("link").inner_text() == "KeyError: <*>"
    page.get_by_role("link", name="user <*> logged in").click()
    page.get_by_text("30 entries", exact=True).wait_for()
    assert page.locator(".row").first.is_visible()


def test_on_a_phone_the_fields_are_in_a_drawer(page: "Page", site: str) -> None:
    page.set_viewport_size({"width": 390, "height": 800})
    visit(page, f"{site}/#/search?q=user")
    page.get_by_text("30 entries", exact=True).wait_for()
    value = page.get_by_role("button", name="Only level INFO")
    assert value.is_hidden()
    page.get_by_text("Fields", exact=True).click()
    value.click()
    page.wait_for_function("() => location.hash.includes('level%3AINFO')")
    assert page.evaluate("document.documentElement.scrollWidth") == 390


def test_a_value_in_an_entry_narrows(page: "Page", site: str) -> None:
    visit(page, f"{site}/#/search?q=user")
    page.get_by_text("30 entries", exact=True).wait_for()
    page.locator(".row").first.click()
    page.get_by_role("link", name="Only took 29").click()
    page.get_by_text("1 entry", exact=True).wait_for()
    assert page.get_by_label("Text").input_value() == "user took:=29"


def test_keys_select_entries_and_go_to_the_query(page: "Page", site: str) -> None:
    visit(page, f"{site}/#/search?q=user")
    page.get_by_text("30 entries", exact=True).wait_for()
    page.locator(".rows").focus()
    for key, text in (("j", "user 29"), ("j", "user 28"), ("k", "user 29")):
        page.keyboard.press(key)
        page.locator("#entry .entry-message").get_by_text(text).wait_for()
    page.keyboard.press("/")
    assert page.get_by_label("Text").evaluate("input => input === document.activeElement")
    assert page.get_by_label("Text").input_value() == "user"
