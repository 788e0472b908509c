"""What a server's answers mean is the same for all that ask it."""

import asyncio
import io

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from logboom.clients.wire.bearer import TokenRefusedError
from logboom.clients.wire.http_api import HttpApi, NotReadableError
from logboom.clients.wire.target import parse_target
from logboom.clients.wire.websocket_dialect import WebSocketDialect
from logboom.viewer.export_file import export_server
from logboom.viewer.live_reader import LiveReader


async def ask(response: web.Response, how: str) -> None:
    """Ask a server that has this answer to everything."""

    async def answer(_request: web.Request) -> web.Response:
        return response

    application = web.Application()
    application.router.add_get("/{path:.*}", answer)
    async with TestServer(application) as server:
        url = f"http://127.0.0.1:{server.port}"
        if how == "tail":
            async for _ in LiveReader(HttpApi(url), {}, print).recent(1):
                pass
        elif how == "export":
            await export_server(HttpApi(url), "csv", {}, io.BytesIO(), progress=lambda *_: None)
        else:
            target = parse_target(url.replace("http", "ws"), schemes=("ws",))
            await WebSocketDialect().connect(target)


@pytest.mark.parametrize("how", ["tail", "export"])
@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_a_server_in_trouble_may_be_asked_later(how: str, status: int) -> None:
    with pytest.raises(ConnectionError, match=f"^it answers {status}: too much$"):
        asyncio.run(ask(web.json_response({"error": "too much"}, status=status), how))


@pytest.mark.parametrize("how", ["tail", "export"])
@pytest.mark.parametrize("status", [400, 404])
def test_a_server_that_refuses_is_not_asked_again(how: str, status: int) -> None:
    with pytest.raises(NotReadableError, match=f"answers {status}: no such thing$"):
        asyncio.run(ask(web.Response(text="no such thing\n", status=status), how))


@pytest.mark.parametrize("how", ["tail", "export"])
def test_a_token_that_is_asked_for_is_told(how: str) -> None:
    with pytest.raises(NotReadableError, match="asks for a token"):
        asyncio.run(ask(web.Response(status=401), how))


def test_the_page_of_a_proxy_is_not_shown() -> None:
    page = web.Response(text="<html>Bad Gateway</html>", content_type="text/html", status=502)
    with pytest.raises(ConnectionError, match=r"^it answers 502$"):
        asyncio.run(ask(page, "tail"))


def test_the_same_over_a_websocket() -> None:
    with pytest.raises(ConnectionError, match=r"^it answers 503$"):
        asyncio.run(ask(web.Response(status=503), "send"))
    with pytest.raises(TokenRefusedError, match="asks for a token"):
        asyncio.run(ask(web.Response(status=401), "send"))
