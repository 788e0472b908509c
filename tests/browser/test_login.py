"""A server that asks for tokens: the page asks once, and goes on where it was."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from logboom.pipeline.tokens import add_token
from logboom.testing.server_kit import ServerProcess

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.service


@pytest.fixture
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """The address and a token of a server whose page asks for one."""
    data_dir = tmp_path_factory.mktemp("guarded") / "data"
    token = add_token(data_dir / "tokens.json", "reader", ("read",))
    environment = {"LOGBOOM_LISTENERS__HTTP__AUTH": "token"}
    with ServerProcess(data_dir, ("http",), environment=environment) as process:
        yield f"http://127.0.0.1:{process.ports['http']}", token


def test_the_page_asks_for_the_token_and_goes_on(page: "Page", guarded: tuple[str, str]) -> None:
    site, token = guarded
    page.goto(f"{site}/#/search?q=nothing")
    dialog = page.get_by_role("dialog", name="Log in")
    dialog.get_by_label("Token").fill("wrong")
    dialog.get_by_role("button", name="Log in").click()
    dialog.get_by_text("This token is not known here.").wait_for()
    dialog.get_by_label("Token").fill(token)
    dialog.get_by_role("button", name="Log in").click()
    page.get_by_text("Nothing was found").wait_for()
    assert page.url.endswith("#/search?q=nothing")
    page.get_by_role("button", name="Log out").click()
    dialog.wait_for()
