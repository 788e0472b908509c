"""Any JSON in any field, and every number with the digits that were sent."""

import http.client
import json
from typing import TYPE_CHECKING, Any, Final

import pytest

from logboom.testing.server_kit import START_S_MAX, ServerProcess
from tests.browser.conftest import Post, visit

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.service

NUMBERS: Final = (
    "1234567890123456789",
    "-9223372036854775808",
    "123456789012345678901234567890",
    "0.12345678901234567890123",
    "24.10",
    "1E5",
    "1e-9",
    "-0",
    "9007199254740993",
    "7.0",
)
"""Numbers that a double would write otherwise."""

VALUES: Final[tuple[Any, ...]] = (
    {"a": 1},
    [],
    {},
    [1, [2, {"b": None}]],
    None,
    True,
    7,
    "",
    {"toString": 1, "valueOf": 2, "toJSON": 3, "constructor": 4, "__proto__": 5, "hasOwnProperty": 6},
)
"""Values of other types than the fields of entries usually have."""

NAMES: Final = (
    "type",
    "level",
    "msg",
    "message",
    "source",
    "device",
    "id",
    "time",
    "ts",
    "severity",
    "boot_seq",
)


def post_lines(server: ServerProcess, *lines: str) -> None:
    """Store entries as they are written here."""
    connection = http.client.HTTPConnection("127.0.0.1", server.ports["http"], timeout=START_S_MAX)
    try:
        body = "\n".join(lines).encode()
        connection.request("POST", "/api/entries", body, {"Content-Type": "application/x-ndjson"})
        answer = connection.getresponse()
        assert answer.status == 200, answer.read()
    finally:
        connection.close()


def shown_rows(page: "Page") -> list[str]:
    return [row.inner_text() for row in page.locator(".row:not([hidden]) .message").all()]


@pytest.mark.parametrize("view", ["search", "live"])
def test_lists_and_entries_show_the_digits_that_were_sent(
    page: "Page", site: str, server: ServerProcess, view: str
) -> None:
    fields = ",".join(f'"n{place}":{number}' for place, number in enumerate(NUMBERS))
    nested = f'"inner":{{"list":[{",".join(NUMBERS)}]}}'
    post_lines(server, f'{{"host":"digits-{view}",{fields},{nested}}}')
    visit(page, f"{site}/#/{view}?source=digits-{view}")
    row = page.locator(".row:not([hidden])").first
    row.wait_for()
    summary = row.locator(".message").inner_text()
    assert summary.split("  ")[:10] == [f"n{place}={number}" for place, number in enumerate(NUMBERS)]
    assert summary.endswith(f'inner={{"list":[{",".join(NUMBERS)}]}}')
    row.click()
    table = page.locator("#entry .fields tr")
    for place, number in enumerate(NUMBERS):
        assert table.nth(place + 1).inner_text().split() == [f"n{place}", number]
    inner = table.nth(len(NUMBERS) + 3).inner_text().split()
    assert inner == ["0", NUMBERS[0]]
    whole = page.locator("#entry .json").text_content() or ""
    assert [line.strip(" ,") for line in whole.splitlines() if '"n' in line] == [
        f'"n{place}": {number}' for place, number in enumerate(NUMBERS)
    ]


def test_what_is_copied_has_the_digits_that_were_sent(page: "Page", site: str, server: ServerProcess) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    post_lines(server, '{"message":"copied","source":"copy","id":1234567890123456789,"t":24.10}')
    visit(page, f"{site}/#/search?source=copy")
    page.locator(".row:not([hidden])").first.click()
    page.get_by_role("button", name="Copy JSON").click()
    page.get_by_role("button", name="Copied").wait_for()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert '"id": 1234567890123456789,' in copied
    assert '"t": 24.10' in copied


def test_messages_and_sources_have_the_digits_that_were_sent(
    page: "Page", site: str, server: ServerProcess
) -> None:
    post_lines(
        server,
        '{"message":1234567890123456789,"source":"number"}',
        '{"message":{"t":24.10},"source":"object"}',
        '{"device":"whole","trace_id":1234567890123456789,"t":24.10}',
        '{"device":1234567890123,"message":"named by a number"}',
    )
    visit(page, f"{site}/#/search?q=1234567890123456789")
    page.locator(".row .message").get_by_text("1234567890123456789", exact=True).first.wait_for()
    visit(page, site)
    region = page.get_by_role("region", name="Sources")
    for name, message in (
        ("number", "1234567890123456789"),
        ("object", "t=24.10"),
        ("whole", "trace_id=1234567890123456789  t=24.10"),
        ("1234567890123", "named by a number"),
    ):
        row = region.get_by_role("row").filter(has=page.get_by_role("cell", name=name, exact=True))
        row.get_by_role("cell", name=message, exact=True).wait_for()


@pytest.mark.usefixtures("charts_installed")
def test_charts_have_the_digits_that_were_sent(page: "Page", site: str, server: ServerProcess) -> None:
    big, decimal = 1234567890123456789, 1234.5678901
    post_lines(server, f'{{"source":"plotted","message":"x","big":{big},"decimal":{decimal}}}')
    visit(page, f"{site}/#/charts?source=plotted&field=big&field=decimal")
    for name, text in (("big", str(big)), ("decimal", "1,234.5678901")):
        chart = page.get_by_role("figure", name=name)
        chart.locator("b").get_by_text(text, exact=True).wait_for()
        chart.locator(".soft").get_by_text(f"{text} to {text}", exact=True).wait_for()
        box = chart.locator(".u-over").bounding_box()
        assert box is not None
        page.mouse.move(box["x"] + box["width"] - 2, box["y"] + 20)
        chart.locator(".soft").get_by_text(":", exact=False).wait_for()
        assert chart.locator("b").inner_text() == text
        page.mouse.move(0, 0)
    title = page.locator(".chip").filter(has_text="big").get_attribute("title")
    assert title == f"1 value, {big} to {big}"


@pytest.mark.parametrize("view", ["search", "live", "overview", "charts"])
def test_any_json_in_any_field_is_shown(page: "Page", site: str, post: Post, view: str) -> None:
    mark = f"any-{view}"
    entries = [{"host": mark, "mark": mark, name: value} for name in NAMES for value in VALUES]
    entries += [{"mark": mark, key: value} for key in ("toString", "__proto__", "1", "") for value in VALUES]
    post(entries)
    if view in ("overview", "charts"):
        visit(page, f"{site}/#/{view}")
        page.get_by_text(mark).first.wait_for(state="attached")
        return
    visit(page, f"{site}/#/{view}?q={mark}")
    page.locator(".row:not([hidden])").first.wait_for()
    if view == "live":
        page.get_by_role("listbox").press("ArrowUp")
    else:
        page.locator('.row[data-index="0"]').click()
    panel = page.locator("#entry")
    for _ in range(len(entries) if view == "search" else 10):
        panel.locator(".fields tr").filter(has_text=mark).first.wait_for()
        page.keyboard.press("ArrowDown" if view == "search" else "ArrowUp")


def test_an_object_that_names_methods_is_shown_as_it_is(page: "Page", site: str, post: Post) -> None:
    post([{"source": "methods", "payload": VALUES[-1]}])
    visit(page, f"{site}/#/search?source=methods")
    row = page.locator(".row:not([hidden])").first
    assert row.locator(".message").inner_text() == f"payload={json.dumps(VALUES[-1], separators=(',', ':'))}"
    row.click()
    rows = page.locator("#entry .fields tr").all_inner_texts()
    assert [text.split("\t") for text in rows[2:]] == [
        [name, str(value)] for name, value in VALUES[-1].items()
    ]
