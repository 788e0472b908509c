"""A page of another site in a browser that reaches the server: nothing that it sends becomes an entry."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from logboom.testing.server_kit import ServerProcess

pytestmark = pytest.mark.service

LISTENERS = ("device", "gateway", "collector", "http")
FORGE = """async ports => {
  const entry = {boot_seq: 1, uptime_ms: 2, level: "error", message: "forged", time: "t", temp: 1, rh: 2, lux: 3};
  const body = JSON.stringify(entry) + "\\n";
  const outcomes = [];
  for (const port of ports) {
    try {
      await fetch(`http://127.0.0.1:${port}/api/entries`, {method: "POST", mode: "no-cors", body});
      outcomes.push("answered");
    } catch { outcomes.push("cut off"); }
  }
  return outcomes;
}"""


class _Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture
def foreign_page() -> Iterator[str]:
    """The address of a page of another origin."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://localhost:{server.server_port}/"
        server.shutdown()


def test_a_foreign_page_writes_nothing(
    browser: "Browser", server: "ServerProcess", foreign_page: str
) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.goto(foreign_page)
    outcomes = page.evaluate(FORGE, [server.ports[name] for name in LISTENERS])
    context.close()
    assert outcomes == ["cut off"] * len(LISTENERS)
    with server.connect("http") as connection:
        connection.sendall(b"GET /api/entries?q=forged HTTP/1.0\r\n\r\n")
        answer = b""
        while data := connection.recv(1 << 16):
            answer += data
    assert b" 200 " in answer
    assert b"forged" not in answer
