"""Accessibility of each view, as far as axe-core can check it: light and dark, on a phone and on a wide screen."""

from importlib import resources
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.browser.conftest import Post, visit
from tests.kit.services import give_up

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.service

VIEWS: Final = {
    "overview": ".table-box tbody tr",
    "live": ".row:not([hidden])",
    "search": ".row:not([hidden])",
    "charts": ".chip",
    "devices": "h2",
    "why": "form",
    "entry?sequence=2": ".row.marked",
    "alerts": ".alerts-page",
    "storage": "h2",
    "sql?query=select+level,+count(*)+as+n+from+logs+group+by+1": ".bar-row",
}
"""Selector of what each view has when it is complete."""

SIZES: Final = ((390, 844), (1440, 900))


@pytest.fixture(scope="module")
def axe() -> str:
    """The source of axe-core."""
    try:
        return resources.files("axe_playwright_python").joinpath("axe.min.js").read_text()
    except ModuleNotFoundError:
        give_up("there is no axe-playwright-python, which has axe-core")


@pytest.fixture(scope="module", autouse=True)
def _data(post: Post) -> None:
    levels = ("debug", "info", "warning", "error", "critical")
    post(
        {"level": level, "message": f"{level} pump {n}\nsecond line", "source": "plant", "bar": n}
        for n, level in enumerate(levels)
    )


def findings(page: "Page", axe: str) -> list[dict[str, Any]]:
    """Violations on the page, with the elements."""
    rules = "axe.run(document, {resultTypes: ['violations']})"
    found = page.evaluate(f"{axe}; {rules}.then((all) => all.violations)")
    return [{"rule": one["id"], "at": [node["target"] for node in one["nodes"]]} for one in found]


@pytest.mark.parametrize("view", VIEWS)
def test_a_view_has_no_finding(page: "Page", site: str, axe: str, view: str) -> None:
    page.emulate_media(reduced_motion="reduce")
    for width, height in SIZES:
        page.set_viewport_size({"width": width, "height": height})
        visit(page, f"{site}/#/{view}")
        if view.startswith("sql"):  # a link fills the query in, and does not run it
            page.get_by_role("button", name="Run", exact=True).click()
        page.locator(VIEWS[view]).first.wait_for()
        if view in ("live", "search"):
            page.locator(".row:not([hidden]) .fold").last.click()
            page.locator(".row:not([hidden]) .time").first.click()
            page.locator("#entry .fields").wait_for()
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            assert findings(page, axe) == []
        if view in ("live", "search"):
            page.get_by_role("button", name="Close the entry").click()
