"""One connection of the `http` listener: aiohttp's, which keeps what it can't read for too long.

aiohttp answers each piece of nonsense with a 400 of its own, and libuv hands over up to 32 pieces before the first
answer is written: 8 MiB per connection. Each piece, and aiohttp's text that quotes it, hangs on to an exception whose
traceback leads back to it; such a circle waits for the garbage collector, which counts objects, not bytes.
So here, nothing more is read after the first mistake, and the circle is cut.

This module imports aiohttp, which takes its time: see `logboom.servers.http`.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError, LineTooLong
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import StreamReader
from aiohttp.web_protocol import RequestHandler

from logboom.pipeline.intake import Counters, Limit
from logboom.servers.tls_peer import begins_tls

Complain = Callable[[asyncio.Transport, str], None]
"""Callback for a connection that is being closed, with the reason."""

QUOTED_CHARS_MAX: Final = 200
"""Length to which aiohttp's text about invalid bytes, which quotes them, is cut: enough to recognise the mistake."""

HALF_CLOSE_S_MAX: Final = 0.2
"""A client that ends its side directly after a request still reads (`nc -N`); one that does so later has gone away,
and its request is dropped: browsers close so when a search is given up, and our page waits longer than that
before it asks for another one."""

_TAIL: Final = "/api/tail"
_ENDLESS_UPGRADES: Final = frozenset({"/", _TAIL})
"""Path of the WebSocket. Its answers never end, nor does a tail."""

_BEGINNINGS: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ\r\n")
"""A request begins with its method; empty lines before it do no harm (RFC 9112, section 2.2)."""

_TOO_MANY_HEADERS: Final = "Too many headers"
"""aiohttp has no exception of its own for that."""

_NOT_HTTP: Final = (
    b"HTTP/1.0 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n"  # by hand: no request
    b"this port speaks HTTP\n"
)


class HttpConnection(RequestHandler):
    """aiohttp's connection, which looks at its first byte and ends with its first mistake.

    Args:
        server: aiohttp's, which hands out the requests.
        complain: see there.
        counters: of the listener.
        left: called when the connection is gone.
        options: aiohttp's.
    """

    __slots__ = (
        "_broken",
        "_complain",
        "_counters",
        "_ended",
        "_endless",
        "_fresh",
        "_last_body",
        "_last_data",
        "_left",
    )

    def __init__(
        self,
        server: web.Server,
        complain: Complain,
        counters: Counters,
        left: Callable[[], None],
        **options: Any,
    ) -> None:
        super().__init__(server, loop=asyncio.get_running_loop(), **options)
        self._left = left
        self._complain = complain
        self._counters = counters
        self._ended = False  # the client sends no more
        self._last_body: StreamReader | None = None  # of the last request whose head has come
        self._endless = False  # the answer to that request
        self._last_data = 0.0
        self._fresh = True
        self._broken = False  # nothing that it sends means anything any more

    @property
    def has_ended(self) -> bool:
        """True once the client sends no more; most have gone then."""
        return self._ended

    def connection_lost(self, exc: BaseException | None) -> None:
        """It is gone."""
        super().connection_lost(exc)
        self._left()

    def data_received(self, data: bytes) -> None:
        """Bytes have come."""
        self._last_data = self._loop.time()
        if self._fresh and data:
            self._fresh = False
            if data[0] not in _BEGINNINGS:
                self._turn_away(data)
                return
        if self._broken:
            self._stop_reading()  # aiohttp goes on reading whenever its queue gets shorter
            return
        super().data_received(data)
        if self._messages:
            head = self._note_last()
            error = getattr(head, "exc", None)  # a request has none
            if isinstance(error, HttpProcessingError):
                self._break_off(error)

    def eof_received(self) -> bool:  # type: ignore[override] # aiohttp's closes at once, without an answer
        """The client sends no more. What it has asked for is answered, also when a body has not come to its end.

        Unless the answer is being written already, or never ends: the client may be gone.
        """
        request = self._current_request
        asks = bool(self._messages) or self._waiter is None
        is_whole = self._last_body is not None and self._last_body.is_eof()
        is_answered = request is not None and request.writer.output_size > 0
        is_late = self._loop.time() - self._last_data > HALF_CLOSE_S_MAX
        if asks and not is_whole and self._last_body is not None and not is_answered:
            _give_up(self._last_body)  # its entries so far may be stored: the sender gets to know which
        elif not (asks and is_whole) or self._endless or is_answered or is_late:
            return False
        self._ended = True
        self._close_when_answered()
        return True

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """See `RequestHandler`: the answer is there, and is sent now.

        What stands behind an upgrade that was declined becomes a request meanwhile.
        """
        finished = await super().finish_response(request, resp, start_time)
        if self._messages:
            self._note_last()
        self._close_when_answered()
        return finished

    def _note_last(self) -> Any:
        """Remember the last request whose head has come, also one behind a declined upgrade; returns the head."""
        head, self._last_body = self._messages[-1]
        self._endless = _is_endless(head)
        return head

    def _close_when_answered(self) -> None:
        if self._upgraded:
            return  # it is not decided yet, and what stands behind it is not read
        if self._ended and not (self._messages and _has_end(*self._messages[-1])):
            self.close()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """The answer to a request that could not be read, or could not be answered.

        The text about the former quotes it: it goes to the peer, not into the log, for there may stand the token of
        a client behind a broken proxy.
        """
        if not isinstance(exc, HttpProcessingError):
            return super().handle_error(request, status, exc, message)
        if isinstance(exc, LineTooLong) or exc.message.startswith(_TOO_MANY_HEADERS):
            self._counters.limit_reached(Limit.HEAD_BYTES)
        exc.__traceback__ = None  # what comes behind a declined upgrade is not seen by `data_received`
        if self.transport is not None:
            self._complain(self.transport, f"sends what is not HTTP: {type(exc).__name__}; closed")
        response = web.Response(status=status, text=(message or "")[:QUOTED_CHARS_MAX])
        response.force_close()
        return response

    async def answers_taken(self) -> None:
        """See `web.site.Connection`: a client that sends requests and reads no answer gets no further ones made."""
        await self._drain_helper()

    def body_end(self) -> asyncio.Future[None] | None:
        """Done at the end of the body that is being received; None: there is none.

        It stays pending when the connection is lost before.
        """
        if self._current_request is None:
            return None
        ended: asyncio.Future[None] = self._loop.create_future()
        self._current_request.content.on_eof(partial(_set_done, ended))
        return None if ended.done() else ended

    def cut_half_body(self) -> None:
        """Close the connection when its request is not complete: unanswered, its sender will send it again."""
        if self.body_end() is None or self.transport is None:
            return
        self.transport.abort()
        if self._task_handler is not None:
            self._task_handler.cancel()  # it may also wait for its turn

    def _turn_away(self, data: bytes) -> None:
        """The very first byte is wrong: aiohttp need not see it."""
        transport = self.transport
        if transport is None:
            return
        self._broken = True
        if begins_tls(memoryview(data)):
            self._complain(transport, "speaks TLS, and this port is plain text; closed")
            transport.abort()
            return
        self._complain(transport, "sends what is not HTTP; closed")
        transport.write(_NOT_HTTP)
        self.force_close()

    def _break_off(self, error: HttpProcessingError) -> None:
        """Stop after a mistake. What was complete before is answered, then the mistake, and that is all."""
        self._broken = True
        self._stop_reading()
        error.__traceback__ = None  # it leads to a frame that holds the error, and the bytes
        error.args = ()
        error.message = error.message[:QUOTED_CHARS_MAX]
        mistake, no_payload = self._messages.pop()
        shortened: Any = type(mistake)
        self._messages.append((shortened(status=400, exc=error, message=error.message), no_payload))
        if self._current_request is not None:
            _give_up(self._current_request.content)
        for _, payload in self._messages:
            _give_up(payload)

    def _stop_reading(self) -> None:
        if self.transport is not None and not self.transport.is_closing():
            self.transport.pause_reading()


def _has_end(head: Any, body: StreamReader) -> bool:
    return body.is_eof() and not _is_endless(head)


def _is_endless(head: Any) -> bool:
    if not isinstance(head, RawRequestMessage):
        return False
    return head.url.path == _TAIL or (head.upgrade and head.url.path in _ENDLESS_UPGRADES)


def _set_done(ended: asyncio.Future[None]) -> None:
    if not ended.done():
        ended.set_result(None)


def _give_up(payload: StreamReader) -> None:
    """The rest of a body does not come, since it can't be read: aiohttp would leave its handler waiting."""
    complete: list[bool] = []
    payload.on_eof(lambda: complete.append(True))
    if not complete:
        payload.set_exception(web.RequestPayloadError("a part of the body can't be read"))
