"""The page: overview, search and charts, in a real browser, with a real server."""

import csv
import gzip
import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from logboom.testing.server_kit import ServerProcess
from tests.browser.conftest import Post, send, visit

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.service

VIEWS = ("overview", "live", "search", "charts", "devices", "storage")
HOSTILE = '<img src=x onerror="alert(1)"><script>alert(2)</script>'


def reading(number: int) -> dict[str, Any]:
    return {
        "id": "glass-house-1",
        "time": f"{datetime.now(UTC) - timedelta(seconds=60 - number):%Y-%m-%d %H:%M:%S}",
        "temp": 20 + number / 10,
        "rh": 50,
        "lux": 1270,
    }


def device_entry(boot_seq: int, number: int) -> dict[str, Any]:
    return {
        "boot_seq": boot_seq,
        "uptime_ms": number * 100,
        "seq": number,
        "ts": None,
        "level": "info",
        "msg": f"pump cycle {number}",
        "system": {"heap_free": 200_000 + number},
    }


@pytest.fixture(scope="module", autouse=True)
def _data(server: ServerProcess, post: Post) -> None:
    """One sender of each kind, and 250 entries to page through."""
    send(server, "device", *[device_entry(1 + number // 3, number) for number in range(6)])
    send(server, "gateway", *[reading(number) for number in range(20)], answers=False)
    send(
        server,
        "collector",
        {"level": "WARNING", "message": "slow query", "service": "shop", "timestamp": "2026-01-01 10:00:00"},
    )
    post({"level": "info", "message": f"page entry {number}", "source": "pager"} for number in range(250))
    post(
        [
            {"level": "error", "message": "pump stopped", "source": "pump-7", "detail": {"bar": 3.5}},
            {"level": "info", "message": "pump started", "source": "pump-7", "detail": {"bar": 4.5}},
        ]
    )


def figure(page: "Page", name: str) -> int:
    text = page.locator(f'.figures [data-key="{name}"] b').inner_text()
    return int(text.replace(",", ""))


def test_overview_tells_state_figures_sources_and_listeners(page: "Page", site: str) -> None:
    visit(page, site)
    assert page.title() == "Overview · Logboom"
    page.get_by_text("All is well").wait_for()
    page.locator('.figures [data-key="Stored"]').wait_for()
    assert figure(page, "Stored") >= 250
    sources = page.get_by_role("region", name="Sources")
    row = sources.get_by_role("row").filter(has_text="pump-7")
    row.wait_for()
    assert "pump started" in row.inner_text()
    sources.get_by_role("row").filter(has_text="glass-house-1").filter(has_text="rh=50  lux=1270").wait_for()
    listeners = page.get_by_role("region", name="Listeners")
    for name in ("device", "gateway", "collector", "http"):
        assert "up" in listeners.get_by_role("row").filter(has_text=name).first.inner_text()
    assert page.get_by_role("region", name="Alerts").get_by_role("listitem").count() >= 1
    assert page.locator('nav a[aria-current="page"]').inner_text() == "Overview"


def test_overview_keeps_itself_up_to_date(page: "Page", site: str, post: Post) -> None:
    visit(page, site)
    page.locator('.figures [data-key="Stored"]').wait_for()
    before = figure(page, "Stored")
    post([{"message": "one more"}])
    page.wait_for_function(
        "before => Number(document.querySelector('.figures [data-key=Stored] b')"
        ".textContent.replaceAll(',', '')) > before",
        arg=before,
    )


def test_search_finds_pages_and_opens(page: "Page", site: str) -> None:
    visit(page, f"{site}/#/search")
    page.get_by_label("Query").fill("page entry")
    page.get_by_text("250 entries, the newest 200 shown").wait_for()
    assert "q=page+entry" in page.url
    first = page.locator(".rows").get_by_role("option").first
    assert "page entry 249" in first.inner_text()
    page.get_by_role("button", name="Older").click()
    page.get_by_text("250 entries", exact=True).wait_for()
    assert page.locator(".row").count() < 100, "only visible rows exist"
    page.locator("main").evaluate("main => main.scrollTop = 0")
    page.locator(".rows").get_by_role("option").filter(has_text="page entry 249").click()
    panel = page.get_by_role("complementary", name="Entry")
    assert "page entry 249" in panel.inner_text()
    page.keyboard.press("ArrowDown")
    panel.get_by_text("page entry 248").first.wait_for()
    page.keyboard.press("Escape")
    panel.wait_for(state="hidden")


def test_an_entry_shows_its_fields_and_what_was_around_it(page: "Page", site: str) -> None:
    visit(page, f"{site}/#/search?source=pump-7&level=ERROR")
    page.get_by_text("1 entry", exact=True).wait_for()
    page.locator(".rows").get_by_role("option").first.click()
    fields = page.locator("#entry .fields")
    assert fields.get_by_role("row").filter(has_text="bar").inner_text().split() == ["bar", "3.5"]
    page.get_by_role("link", name="Show around this time").click()
    page.locator(".rows").get_by_role("option").filter(has_text="pump started").wait_for()
    page.go_back()
    page.get_by_text("1 entry", exact=True).wait_for()
    assert page.get_by_label("Level", exact=True).input_value() == "ERROR"
    assert page.get_by_label("Source", exact=True).input_value() == "pump-7"


@pytest.mark.usefixtures("charts_installed")
def test_dragging_over_the_histogram_narrows_the_time(page: "Page", site: str) -> None:
    visit(page, f"{site}/#/search?since=15m&source=pump-7")
    page.get_by_text("2 entries", exact=True).wait_for()
    box = page.locator(".volume .u-over").bounding_box()
    assert box is not None
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + 40, middle)
    page.mouse.down()
    page.mouse.move(box["x"] + 160, middle, steps=4)
    page.mouse.up()
    page.wait_for_function("() => location.hash.includes('until=')")
    page.get_by_text("Nothing was found").wait_for()
    assert "source=pump-7" in page.url
    assert page.get_by_label("Range").input_value() == "own"
    assert page.get_by_label("From").input_value()


def test_downloads_hold_what_is_shown(page: "Page", site: str, tmp_path: Path) -> None:
    visit(page, f"{site}/#/search?source=pump-7")
    page.get_by_text("2 entries", exact=True).wait_for()
    shown = [row.locator(".message").inner_text() for row in page.locator(".row:not([hidden])").all()]
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV").click()
    download.value.save_as(tmp_path / "found.csv")
    with (tmp_path / "found.csv").open(newline="") as file:
        assert [row["message"] for row in csv.DictReader(file)] == shown[::-1]
    with page.expect_download() as download:
        page.get_by_role("link", name="JSONL").click()
    download.value.save_as(tmp_path / "found.jsonl")
    lines = (tmp_path / "found.jsonl").read_text().splitlines()
    assert [json.loads(line)["entry"]["message"] for line in lines] == shown[::-1]
    page.get_by_text("Options").click()
    page.get_by_label("Fields of the download").fill("message, source")
    page.get_by_label("Compression of the download").select_option("gzip")
    with page.expect_download() as download:
        page.get_by_role("link", name="JSONL").click()
    download.value.save_as(tmp_path / "found.gz")
    rows = [json.loads(line) for line in gzip.decompress((tmp_path / "found.gz").read_bytes()).splitlines()]
    assert [list(row) for row in rows] == [["message", "source"]] * 2
    assert [row["message"] for row in rows] == shown[::-1]


@pytest.mark.parametrize("view", ["live", "search"])
def test_a_query_that_can_not_be_read_is_shown_with_its_place(page: "Page", site: str, view: str) -> None:
    visit(page, f"{site}/#/{view}?q=pump%20temp%3A%3Ex")
    shown = page.get_by_role("alert").filter(has_text="^")
    shown.wait_for()
    assert shown.inner_text() == "pump temp:>x\n           ^"
    field = page.locator("form.filters input[name=q]")
    assert field.get_attribute("aria-invalid") == "true"
    field.fill("pump")
    shown.wait_for(state="hidden")
    assert field.get_attribute("aria-invalid") is None


@pytest.mark.usefixtures("charts_installed")
def test_a_sensor_has_its_charts(page: "Page", site: str) -> None:
    visit(page, f"{site}/#/charts?source=glass-house-1")
    for name, last in (("temp", "21.9 °C"), ("rh", "50 %"), ("lux", "1,270 lx"), ("irradiance", "10 W/m²")):
        chart = page.get_by_role("figure", name=name)
        chart.get_by_text(last, exact=True).wait_for()
        assert chart.locator("canvas").count() == 1
        assert page.get_by_role("checkbox", name=name).is_checked()
    page.get_by_role("checkbox", name="rh").uncheck()
    page.get_by_role("figure", name="rh").wait_for(state="detached")
    assert re.findall(r"field=(\w+)", page.url) == ["temp", "lux", "irradiance"]


@pytest.mark.usefixtures("charts_installed")
def test_a_device_shows_its_memory(page: "Page", site: str) -> None:
    visit(page, f"{site}/#/charts?source=127.0.0.1&listener=device")
    page.get_by_role("figure", name="heap_free").get_by_text("195 KiB", exact=True).wait_for()


def test_without_uplot_only_charts_are_missing(page: "Page", site: str) -> None:
    page.route("**/static/vendor/**", lambda route: route.abort())
    visit(page, f"{site}/#/charts")
    page.get_by_text("Charts need uPlot").wait_for()
    page.get_by_role("link", name="Overview").click()
    page.get_by_text("Charts need uPlot").wait_for()
    page.locator('.figures [data-key="Stored"]').wait_for()
    visit(page, f"{site}/#/search?source=pump-7")
    page.get_by_text("2 entries", exact=True).wait_for()
    page.get_by_text("Charts need uPlot").wait_for()


def test_what_logs_say_is_text(page: "Page", site: str, post: Post) -> None:
    post([{"message": HOSTILE, "source": HOSTILE, HOSTILE: 7, "level": HOSTILE}])
    visit(page, site)
    page.get_by_role("region", name="Sources").get_by_text(HOSTILE).first.wait_for()
    for view in ("live", "search"):
        visit(page, f"{site}/#/{view}?q=onerror")
        row = page.locator(".rows").get_by_role("option").filter(has_text=HOSTILE).first
        assert row.locator(".message").inner_text() == HOSTILE
        row.click()
        page.locator("#entry .fields th").filter(has_text=HOSTILE).wait_for()
        page.keyboard.press("Escape")
    visit(page, f"{site}/#/charts")
    page.get_by_label("Source").select_option(f"http {HOSTILE}")
    page.get_by_text(HOSTILE).first.wait_for(state="attached")
    assert page.locator("main img, #entry img, main script").count() == 0


@pytest.mark.parametrize("view", VIEWS)
def test_a_phone_never_scrolls_sideways(page: "Page", site: str, view: str) -> None:
    page.set_viewport_size({"width": 360, "height": 740})
    visit(page, f"{site}/#/{view}")
    shown = {
        "overview": ".table-box tbody tr",
        "charts": ".chip",
        "devices": "h2",
        "storage": ".table-box tbody tr",
    }
    page.locator(shown.get(view, ".row")).first.wait_for()
    widths = "[document.documentElement.scrollWidth, document.querySelector('main').scrollWidth]"
    assert page.evaluate(widths) == [360, 360]
    if view in ("live", "search"):
        page.locator(".row:not([hidden])").first.click()
        page.get_by_role("button", name="Close the entry").click()


def test_the_theme_is_chosen_and_stays(page: "Page", site: str) -> None:
    ground = "getComputedStyle(document.body).backgroundColor"
    page.emulate_media(color_scheme="dark")
    visit(page, site)
    dark = page.evaluate(ground)
    page.get_by_role("button", name="Theme: auto").click()
    page.get_by_role("button", name="Theme: light").wait_for()
    assert page.evaluate(ground) != dark
    page.reload()
    page.get_by_role("button", name="Theme: light").click()
    page.get_by_role("button", name="Theme: dark").wait_for()
    assert page.evaluate(ground) == dark


def test_an_unknown_address_leads_to_the_overview(page: "Page", site: str) -> None:
    page.goto(f"{site}/#/no-such-view")
    page.locator('.figures [data-key="Stored"]').wait_for()
    page.get_by_role("link", name="Search").click()
    page.get_by_role("button", name="Search").wait_for()
    assert page.title() == "Search · Logboom"


def test_a_wrong_clock_is_marked_and_time_can_be_that_of_arrival(page: "Page", site: str, post: Post) -> None:
    post([{"message": "clock never set", "ts": "1970-01-01T00:00:09Z", "source": "clocks"}])
    post([{"message": "kept offline", "ts": "2025-03-01T10:00:00Z", "source": "clocks"}])
    visit(page, f"{site}/#/search?source=clocks")
    row = page.locator(".row", has_text="clock never set")
    row.locator(".time", has_text="⚠").wait_for()
    assert page.get_by_text("kept offline").is_hidden()
    page.get_by_label("Time of").select_option("its arrival")
    page.get_by_text("kept offline").wait_for()
    assert "by=received" in page.url
