"""The images of the docs, taken from the page as it is: `make images` keeps them, every other run only takes them."""

import math
import os
import socket
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from logboom.testing.server_kit import ServerProcess
from tests.browser.conftest import Post, visit

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.service

SIZE = {"width": 1200, "height": 760}
MINUTES = 60
ORDERS = (
    ("INFO", "order {n} paid", "shop"),
    ("INFO", "GET /cart 200 in {n} ms", "gateway"),
    ("DEBUG", "cache miss for key basket:{n}", "shop"),
    ("WARNING", "payment provider answered after {n} ms", "payments"),
    ("INFO", "mail to customer {n} queued", "mailer"),
)
FAILURE = {"level": "ERROR", "message": "charge declined: card expired", "service": "payments"}

VIEWS = {
    "overview": ("", "Sources"),
    "live": ("live", "order 4911 paid"),
    "search": ("search?q=level%3A%3E%3Dwarning", "charge declined"),
    "charts": ("charts?source=greenhouse-3&listener=http&field=temp&field=rh", "canvas"),
    "devices": ("devices", "pump-7"),
    "storage": ("storage", "Growth per day"),
}
"""Of each image: what stands behind `#/`, and a text or element that shows that the view is complete."""


def moment(minutes_ago: float) -> str:
    return datetime.fromtimestamp(time.time() - 60 * minutes_ago, UTC).isoformat()


@pytest.fixture(scope="module")
def plant(server: ServerProcess, post: Post) -> None:
    """An hour of a shop, a greenhouse and a pump."""
    with socket.create_connection(("127.0.0.1", server.ports["device"]), 20) as link:
        for boot, count in ((3, 9), (4, 20)):
            for seq in range(count):
                if (boot, seq) != (4, 6):
                    heap = 180_000 - 900 * seq
                    link.sendall(
                        b'{"boot_seq":%d,"uptime_ms":%d,"seq":%d,"device":"pump-7","fw":"1.4.2","rssi":-61,'
                        b'"heap_free":%d,"level":"info","msg":"pump at %d rpm"}\n'
                        % (boot, 1000 * seq, seq, heap, 1400 + seq)
                    )
                    assert link.recv(1024) == b'{"ack":1}\n'
    entries: list[dict[str, Any]] = []
    for step in range(MINUTES * 4):
        ago = MINUTES - step / 4
        for number, (level, message, service) in enumerate(ORDERS):
            if (step * 7 + number * 3) % 5:
                text = message.format(n=4711 + step - number)
                entries.append({"time": moment(ago), "level": level, "message": text, "service": service})
        if step % 37 == 5:
            entries.append({"time": moment(ago), **FAILURE, "request_id": f"r-{step}"})
        temperature = round(21 + 4 * math.sin(step / 30), 2)
        reading = {"temp": temperature, "rh": round(60 - temperature, 1), "device": "greenhouse-3"}
        entries.append({"time": moment(ago), **reading})
    entries.append({"level": "INFO", "message": "order 4911 paid", "service": "shop"})
    post(entries)


@pytest.mark.usefixtures("plant", "charts_installed")
def test_the_docs_show_the_page_as_it_is(page: "Page", site: str, tmp_path: Path) -> None:
    folder = Path(os.environ.get("DOCS_IMAGES") or tmp_path)
    page.set_viewport_size(SIZE)  # type: ignore[arg-type]
    for name, (address, shown) in VIEWS.items():
        visit(page, f"{site}/#/{address}")
        main = page.locator("main")
        (main.locator(shown) if shown == "canvas" else main.get_by_text(shown)).filter(
            visible=True
        ).first.wait_for()
        image = page.screenshot(path=folder / f"{name}.png", animations="disabled")
        assert image.startswith(b"\x89PNG")
