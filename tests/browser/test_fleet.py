"""The view *Devices* with a fleet: pages and filters, names that people give, and a device's own charts."""

import json
import time
import urllib.request
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import pytest

from logboom.testing.server_kit import ServerProcess
from tests.browser.conftest import WAIT_MS, visit

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.service

FLEET: Final = 1000
LINES: Final = 3
ROWS_MAX: Final = 100


def _line(number: int, seq: int) -> bytes:
    skipped = 5 if number % 100 == 7 and seq else 0  # lines are missing on ten of them
    entry = {
        "device": f"node-{number}",
        "boot_seq": 1,
        "seq": seq + skipped,
        "uptime_ms": 60_000 * (seq + 1),
        "heap_free": 180_000 - 100 * number - seq,
        "rssi": -40 - number % 50,
        "fw": f"2.{number % 3}",
        "msg": "x",
    }
    return json.dumps(entry).encode() + b"\n"


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The page of a server that knows a thousand devices."""
    data_dir = tmp_path_factory.mktemp("fleet") / "data"
    environment = {"LOGBOOM_ALERTS__RULES__DISK__ENABLED": "false"}
    with ServerProcess(data_dir, ("device", "http"), environment=environment) as server:
        with server.connect("device") as link, link.makefile("rb") as answers:
            for seq in range(LINES):
                link.sendall(b"".join(_line(number, seq) for number in range(FLEET)))
                for _ in range(FLEET):
                    assert answers.readline() == b'{"ack":1}\n'
        site = f"http://127.0.0.1:{server.ports['http']}"
        until = time.monotonic() + WAIT_MS / 1000
        while _known(site) < FLEET:
            assert time.monotonic() < until
            time.sleep(0.05)
        yield site


def _known(site: str) -> int:
    with urllib.request.urlopen(f"{site}/api/devices?limit=1", timeout=WAIT_MS) as answer:
        return int(json.loads(answer.read())["total"])


def rows(page: "Page") -> list[str]:
    return page.locator("table").first.locator("tbody th, tbody td:first-child").all_inner_texts()


def test_a_thousand_devices_are_shown_in_pages_that_stay_small(page: "Page", fleet: str) -> None:
    visit(page, f"{fleet}/#/devices")
    page.get_by_text("1 to 100 of 1,000").wait_for()
    assert rows(page) == [f"node-{number}" for number in range(ROWS_MAX)]
    elements = page.evaluate("document.querySelectorAll('*').length")
    page.get_by_role("link", name="Next", exact=True).click()
    page.get_by_text("101 to 200 of 1,000").wait_for()
    assert rows(page) == [f"node-{number}" for number in range(ROWS_MAX, 2 * ROWS_MAX)]
    assert page.evaluate("document.querySelectorAll('*').length") <= elements + 10
    page.goto(f"{fleet}/#/devices?page=99")
    page.get_by_text("901 to 1,000 of 1,000").wait_for()
    assert page.get_by_role("link", name="Next", exact=True).count() == 0
    page.get_by_role("link", name="Previous", exact=True).click()
    page.get_by_text("801 to 900 of 1,000").wait_for()


def test_devices_are_found_by_what_is_known_of_them(page: "Page", fleet: str) -> None:
    visit(page, f"{fleet}/#/devices?page=3")
    page.get_by_text("201 to 300 of 1,000").wait_for()
    page.get_by_label("Find").fill("NODE-77")
    page.get_by_text("11 devices", exact=False).wait_for()
    assert rows(page) == ["node-77", *(f"node-{number}" for number in range(770, 780))]
    assert "find=NODE-77" in page.url
    assert "page=" not in page.url
    page.get_by_label("Find").fill("no such device")
    page.get_by_text("0 devices", exact=False).wait_for()
    assert page.get_by_label("Find").is_visible()
    page.get_by_label("Find").fill("2.2")
    page.get_by_text("333 devices", exact=False).wait_for()
    page.get_by_label("Order").select_option("seen")
    page.wait_for_url("**order=seen**")


@pytest.mark.usefixtures("charts_installed")
def test_a_device_has_a_name_for_people_and_its_own_charts(page: "Page", fleet: str) -> None:
    visit(page, f"{fleet}/#/devices?find=node-123")
    page.get_by_role("link", name="node-123", exact=True).click()
    page.get_by_label("Name for people").fill("  Pumpe <i>im</i> Keller ")
    page.get_by_role("button", name="Save").click()
    page.get_by_role("heading", name="Pumpe <i>im</i> Keller (node-123)").wait_for()
    for field in ("heap_free", "rssi", "uptime_ms"):
        figure = page.get_by_role("figure", name=field, exact=True)
        figure.locator("canvas").wait_for()
    page.get_by_text("-63").first.wait_for()
    assert page.get_by_role("figure").count() == 3
    page.get_by_label("seq", exact=True).check()
    page.get_by_role("figure", name="seq", exact=True).locator("canvas").wait_for()
    page.get_by_label("Range").select_option("1h")
    page.wait_for_url("**since=1h**")
    page.get_by_role("heading", name="Pumpe <i>im</i> Keller (node-123)").wait_for()
    page.get_by_role("link", name="All devices").click()
    page.get_by_label("Find").fill("im</i> keller")
    page.get_by_text("1 device,").wait_for()
    assert rows(page) == ["Pumpe <i>im</i> Keller"]
    page.get_by_role("link", name="Pumpe <i>im</i> Keller").click()
    page.get_by_label("Name for people").fill("")
    page.get_by_role("button", name="Save").click()
    page.get_by_role("heading", name="node-123", exact=True).wait_for()


@pytest.mark.parametrize("width", [390, 1440])
def test_a_fleet_fits_the_screen(page: "Page", fleet: str, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    for view in ("devices", "devices?name=node-5&listener=device"):
        visit(page, f"{fleet}/#/{view}")
        page.get_by_text("lines missing").first.wait_for()
        assert page.locator("main").evaluate("main => main.scrollWidth") <= width
