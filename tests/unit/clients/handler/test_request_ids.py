"""The request id of ASGI and WSGI applications: from the request, in the response, on every record."""

import asyncio
import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from wsgiref.util import setup_testing_defaults

import pytest

import logboom


@pytest.fixture
def ids(tmp_path: Path) -> Iterator["Ids"]:
    handler = logboom.LogboomHandler("http://127.0.0.1:9", spool_dir=tmp_path, flush_timeout_s=0)
    log = logging.Logger("web")  # noqa: LOG001 - of this test alone
    log.addHandler(handler)
    yield Ids(log, tmp_path)
    handler.close()


class Ids:
    """A logger, and the request ids of what it has logged."""

    def __init__(self, log: logging.Logger, folder: Path) -> None:
        self.log, self._folder = log, folder

    def logged(self) -> list[str | None]:
        """In the order of logging, as they lie in the spool."""
        data = b"".join(path.read_bytes() for path in sorted(self._folder.rglob("*.spool")))
        lines = re.findall(rb'\{"timestamp":[^\n]*?"logger_name":"web"[^\n]*?\}', data)
        return [json.loads(line).get("request_id") for line in lines]


def answered(app: Any, headers: list[tuple[bytes, bytes]], kind: str = "http") -> list[dict[str, Any]]:
    """The messages that an ASGI application sends."""
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    asyncio.run(app({"type": kind, "headers": headers}, receive, send))
    return sent


def asgi(log: logging.Logger) -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        log.warning("one")
        await asyncio.gather(asyncio.to_thread(log.warning, "two"))
        await send({"type": "http.response.start", "status": 200, "headers": [(b"X-Request-Id", b"own")]})
        await send({"type": "http.response.body", "body": b"ok"})

    return logboom.RequestIdMiddleware(app)


def test_an_asgi_application_logs_and_returns_the_id_of_the_request(ids: Ids) -> None:
    start, body = answered(asgi(ids.log), [(b"x-request-id", b"r-17")])
    assert (start["headers"], body["body"]) == ([(b"x-request-id", b"r-17")], b"ok")
    ids.log.warning("afterwards")
    assert ids.logged() == ["r-17", "r-17", None]


@pytest.mark.parametrize("unfit", [b"", b"a b", b"x" * 129, b"\xff", b"a\nb"])
def test_an_unfit_id_is_replaced(unfit: bytes, ids: Ids) -> None:
    start, _ = answered(asgi(ids.log), [(b"x-request-id", unfit)])
    ((_, made),) = start["headers"]
    assert re.fullmatch(rb"[0-9a-f]{32}", made)
    assert ids.logged() == [made.decode()] * 2


def test_the_start_of_an_asgi_application_is_no_request(ids: Ids) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        ids.log.warning("begins")

    assert answered(logboom.RequestIdMiddleware(app), [], "lifespan") == []
    assert ids.logged() == [None]


def test_a_wsgi_application_logs_the_id_until_its_body_is_sent(ids: Ids) -> None:
    closed: list[str] = []

    class Body:
        def __iter__(self) -> Iterator[bytes]:
            ids.log.warning("sending")
            yield b"ok"

        def close(self) -> None:
            closed.append(logboom.request_id.get())

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        ids.log.warning("begins", extra={"request_id": "own"})
        start_response("200 OK", [("Content-Type", "text/plain")])
        return Body()

    started: list[Any] = []
    environ: dict[str, Any] = {"HTTP_X_REQUEST_ID": "r-18"}
    setup_testing_defaults(environ)
    body: Any = logboom.RequestIdWsgiMiddleware(app)(environ, lambda *words: started.append(words))
    assert b"".join(body) == b"ok"
    body.close()
    body.close()  # as some servers do
    with pytest.raises(TypeError, match="no len"):
        len(body)
    assert started == [("200 OK", [("Content-Type", "text/plain"), ("X-Request-ID", "r-18")])]
    assert (ids.logged(), closed, logboom.request_id.get()) == (["own", "r-18"], ["r-18", ""], "")


def test_bodies_that_are_closed_in_any_order_leave_no_id() -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Any:
        return [b"ok"]

    def begun(name: str) -> Any:
        return logboom.RequestIdWsgiMiddleware(app)({"HTTP_X_REQUEST_ID": name}, lambda *_: None)

    first, second = begun("one"), begun("two")
    assert len(first) == 1
    first.close()
    second.close()
    assert logboom.request_id.get() == ""


def test_a_websocket_that_is_denied_has_the_id_in_its_answer() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.http.response.start", "status": 403, "headers": None})

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(logboom.RequestIdMiddleware(app)({"type": "websocket"}, None, send))  # type: ignore[arg-type]
    assert [name for name, _ in sent[0]["headers"]] == [b"x-request-id"]


def test_an_error_of_a_wsgi_application_ends_the_id() -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Any:
        raise ValueError(logboom.request_id.get())

    with pytest.raises(ValueError, match="r-19"):
        logboom.RequestIdWsgiMiddleware(app)({"HTTP_X_REQUEST_ID": "r-19"}, None)  # type: ignore[arg-type]
    assert logboom.request_id.get() == ""
