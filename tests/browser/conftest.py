"""A browser, a server with data, and a page that complains about everything a user must never meet."""

import http.client
import json
import shutil
from collections.abc import Callable, Iterable, Iterator
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from logboom.testing.server_kit import START_S_MAX, ServerProcess
from tests.kit.services import give_up

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Dialog, Page

WAIT_MS: Final = 20_000
"""Time limit for content of the page; long, for a busy machine. The wait ends when the content appears."""

Post = Callable[[Iterable[dict[str, Any]]], None]

_ARGUMENTS: Final = ("--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage")
_TELL_VIOLATIONS: Final = """
window.addEventListener("securitypolicyviolation", (event) =>
  console.error(`violation: ${event.violatedDirective} ${event.blockedURI}`));
"""


@pytest.fixture(scope="module")
def browser() -> "Iterator[Browser]":
    """Chromium. Of each module its own: Playwright's loop runs in this thread, where other tests have theirs."""
    binary = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if binary is None:
        give_up("there is no chromium; Debian has it in the package chromium")
    try:
        from playwright.sync_api import sync_playwright  # noqa: PLC0415 - it may be missing
    except ModuleNotFoundError:
        give_up("there is no playwright for Python")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=binary, args=list(_ARGUMENTS))
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server with the listeners that have senders here; how full the machine's disk is does not matter to it."""
    data_dir = tmp_path_factory.mktemp("browser") / "data"
    listeners, environment = (
        ("device", "gateway", "collector", "http"),
        {"LOGBOOM_ALERTS__RULES__DISK__ENABLED": "false"},
    )
    with ServerProcess(data_dir, listeners, environment=environment) as process:
        yield process


@pytest.fixture(scope="module")
def site(server: ServerProcess) -> str:
    """The page's address."""
    return f"http://127.0.0.1:{server.ports['http']}"


@pytest.fixture
def page(browser: "Browser") -> "Iterator[Page]":
    """A page. Scripts that fail, dialogs and what the content policy refuses fail the test."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    context.set_default_timeout(WAIT_MS)
    context.add_init_script(_TELL_VIOLATIONS)
    page = context.new_page()
    trouble: list[str] = []

    def close_dialog(dialog: "Dialog") -> None:
        trouble.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    page.on("pageerror", lambda error: trouble.append(f"error: {error}"))
    page.on("dialog", close_dialog)
    page.on("console", lambda message: trouble.append(message.text) if _is_trouble(message.text) else None)
    yield page
    context.close()
    assert trouble == []


def visit(page: "Page", address: str) -> None:
    """Go to a view and wait until it is the one shown.

    A change of what stands behind `#` loads no document: the view before stays until the next one's module is there.
    """
    page.goto(address)
    view = address.partition("#/")[2].partition("?")[0] or "overview"
    page.locator(f"main.{view}").wait_for()


def _is_trouble(text: str) -> bool:
    return "violation" in text or "Content Security Policy" in text


@pytest.fixture(scope="module")
def post(server: ServerProcess) -> Post:
    """Stores entries over HTTP; returns when they are durable."""

    def store(entries: Iterable[dict[str, Any]]) -> None:
        body = b"\n".join(json.dumps(entry).encode() for entry in entries)
        connection = http.client.HTTPConnection("127.0.0.1", server.ports["http"], timeout=START_S_MAX)
        try:
            connection.request("POST", "/api/entries", body, {"Content-Type": "application/x-ndjson"})
            answer = connection.getresponse()
            assert answer.status == 200, answer.read()
            answer.read()
        finally:
            connection.close()

    return store


def send(server: ServerProcess, listener: str, *lines: dict[str, Any], answers: bool = True) -> None:
    """Send lines over TCP as a device does: one at a time, each answered."""
    with server.connect(listener) as connection:
        for line in lines:
            connection.sendall(json.dumps(line).encode() + b"\n")
            if answers:
                assert connection.recv(4096)


@pytest.fixture(scope="session")
def charts_installed() -> None:
    """Needs uPlot, which `make test` fetches where Node.js is."""
    static = resources.files("logboom.web").joinpath("static")
    if not Path(str(static), "vendor", "uPlot.esm.js").exists():
        give_up("there is no uPlot; `make run` fetches it where npm is installed")
