"""Request ids for ASGI and WSGI applications: what is logged during one request has the same field `request_id`."""

import os
import re
from collections.abc import Awaitable, Callable, Iterable, Iterator, MutableMapping
from contextvars import ContextVar
from typing import Any, Final

HEADER: Final = "X-Request-ID"
"""Read from requests, where proxies such as nginx, HAProxy and Envoy set it, and added to responses."""

request_id: Final[ContextVar[str]] = ContextVar("logboom_request_id", default="")
"""Id of the request that is being answered; empty outside of requests. `LogboomHandler` adds it to each record."""

_ACCEPTABLE: Final = re.compile(r"[!-~]{1,128}")
"""An id that a client or proxy may choose: visible ASCII characters."""

_HEADS: Final = ("http.response.start", "websocket.accept", "websocket.http.response.start")
"""Messages of ASGI with the headers of a response."""

_Message = MutableMapping[str, Any]
_Send = Callable[[_Message], Awaitable[None]]
_Asgi = Callable[[_Message, Callable[[], Awaitable[_Message]], _Send], Awaitable[None]]
_Wsgi = Callable[..., Iterable[bytes]]


def _chosen(proposed: str) -> str:
    """Return the id that came with the request, or a new one where it is missing or unfit."""
    return proposed if _ACCEPTABLE.fullmatch(proposed) else os.urandom(16).hex()


class RequestIdMiddleware:
    """ASGI middleware, for FastAPI, Starlette, Django, Litestar and others.

    Args:
        app: application that it wraps.
    """

    def __init__(self, app: _Asgi) -> None:
        self._app = app

    async def __call__(
        self, scope: _Message, receive: Callable[[], Awaitable[_Message]], send: _Send
    ) -> None:
        """Answer one request or WebSocket; other scopes, such as `lifespan`, pass unchanged."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        name = HEADER.lower().encode()
        chosen = _chosen(dict(scope.get("headers") or ()).get(name, b"").decode("latin-1"))

        async def send_with_id(message: _Message) -> None:
            if message["type"] in _HEADS:
                headers = [pair for pair in message.get("headers") or () if pair[0].lower() != name]
                message = {**message, "headers": [*headers, (name, chosen.encode())]}
            await send(message)

        token = request_id.set(chosen)
        try:
            await self._app(scope, receive, send_with_id)
        finally:
            request_id.reset(token)


class RequestIdWsgiMiddleware:
    """WSGI middleware, for Flask, Django, Pyramid, Bottle and others.

    Args:
        app: application that it wraps.
    """

    def __init__(self, app: _Wsgi) -> None:
        self._app = app

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer one request. The id is in force until the server has closed the response's body."""
        chosen = _chosen(environ.get("HTTP_X_REQUEST_ID", ""))

        def start_with_id(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            others = [pair for pair in headers if pair[0].lower() != HEADER.lower()]
            return start_response(status, [*others, (HEADER, chosen)], *rest)

        request_id.set(chosen)
        try:
            return _Body(self._app(environ, start_with_id), chosen)
        except BaseException:
            request_id.set("")
            raise


class _Body:
    """Body of a WSGI response, which an application may make piece by piece while it is sent."""

    def __init__(self, body: Iterable[bytes], chosen: str) -> None:
        self._body, self._chosen = body, chosen

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._body)

    def __len__(self) -> int:
        """Return the number of parts, from which servers derive Content-Length. Raises `TypeError` as the body does."""
        return len(self._body)  # type: ignore[arg-type]

    def close(self) -> None:
        try:
            if close := getattr(self._body, "close", None):
                close()
        finally:
            if request_id.get() == self._chosen:  # servers may close twice, or elsewhere
                request_id.set("")
