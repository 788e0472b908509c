"""The view *Devices*: all devices, one device, and refused lines."""

import socket
from typing import TYPE_CHECKING

import pytest

from logboom.testing.server_kit import ServerProcess
from tests.browser.conftest import visit

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.service

LINES = [
    b'{"boot_seq":1,"uptime_ms":%d,"seq":%d,"device":"<b>pump</b>","fw":"1.4","heap_free":%d,"msg":"m"}'
    % (seq * 1000, seq, 9000 - seq)
    for seq in (0, 1, 2, 6)
]
REBOOT = b'{"boot_seq":2,"uptime_ms":1,"seq":0,"device":"<b>pump</b>","reset_reason":"panic"}'
BAD = b'{"boot_seq":1,<i>"uptime_ms":2}'


@pytest.fixture(scope="module")
def sent(server: ServerProcess) -> None:
    with socket.create_connection(("127.0.0.1", server.ports["device"]), 20) as link:
        for line in (*LINES, REBOOT):
            link.sendall(line + b"\n")
            assert link.recv(1024) == b'{"ack":1}\n'
        link.sendall(BAD + b"\n" + LINES[0].replace(b"pump", b"valve") + b"\n")
        assert link.recv(1024) == b'{"ack":1}\n'


@pytest.mark.usefixtures("sent")
@pytest.mark.parametrize("width", [390, 1440])
def test_a_device_its_gaps_and_what_was_refused_are_shown(page: "Page", site: str, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    visit(page, f"{site}/#/devices")
    page.get_by_text("2 devices").wait_for()
    page.get_by_text(BAD.decode()).wait_for()
    assert page.locator("main").evaluate("main => main.scrollWidth") <= width
    page.get_by_text("boot 2 after boot 1, which ran for 6 s, reset: panic").wait_for()
    page.get_by_role("group", name="Devices").get_by_role("link", name="<b>pump</b>").click()
    page.get_by_text("reset: panic").first.wait_for()
    page.get_by_role("link", name="3\u20135").wait_for()
    assert page.locator("table").first.locator("tbody tr").count() == 2
    assert page.locator("main").evaluate("main => main.scrollWidth") <= width
    assert page.title() == "Devices · Logboom"
    page.get_by_role("link", name="3\u20135").click()
    page.get_by_text("missing: lines with seq 3 to 5 of this boot did not come").wait_for()
    page.get_by_label("seq", exact=True).fill("6")
    page.get_by_role("button", name="Explain").click()
    page.get_by_text("sent 1 time").wait_for()
    assert page.locator("main").evaluate("main => main.scrollWidth") <= width
