"""HTTP connections of one listener, served by aiohttp; the listener itself accepts them.

aiohttp takes a fifth of a second to import: it is loaded on a thread when the listener starts, while those
that started before are serving already.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final, cast

from logboom.pipeline.intake import Limit
from logboom.pipeline.unread import Unread
from logboom.receivers.base import Transport
from logboom.receivers.http import served_too
from logboom.receivers.http_push import HttpRoute
from logboom.receivers.registry import receiver
from logboom.servers.complaints import Complaints
from logboom.servers.listener import ListenerContext
from logboom.settings import ReceiverSettings

if TYPE_CHECKING:
    from aiohttp import web

    from logboom.servers.http_connection import HttpConnection
    from logboom.web.routes import HttpReceiver
    from logboom.web.site import Site

LINGER_S: Final = 2.0
"""Time for which the rest of a refused body is read and discarded, so that its sender reads the answer, seconds."""

KEEP_ALIVE_S: Final = 75.0
"""Time limit between two requests of a connection; slightly more than that of proxies, seconds."""

FIRST_REQUEST_S_MAX: Final = 20.0
"""A new connection must have sent the head of a request by then: who dribbles it only wants to hold the place."""

BODY_BUFFER_BYTES: Final = 512 << 10
"""Body bytes that aiohttp holds for a handler: enough to judge thousands of lines in one call."""

HALF_BODY_S_MAX: Final = 1.0
"""Time for unfinished bodies when the server stops, seconds: most are complete within a moment.
Of the others, the connection is closed: who gets no answer sends again."""

DETAIL_CHARS_MAX: Final = 200
"""A peer's bytes in one line of the operational log."""


class HttpFront:
    """Server of the HTTP connections of one listener, which accepts them.

    Args:
        context: of the listener.
        settings: settings of the receiver; of a listener of another protocol, those for its HTTP.
        routes: routes of the receiver.
        left: called with the address of a connection that is gone.
        only_writes: serve nothing that reads entries, and no page.
    """

    def __init__(
        self,
        context: ListenerContext[Any],
        settings: Any,
        routes: Sequence[HttpRoute],
        left: Callable[[str], None],
        *,
        only_writes: bool = False,
    ) -> None:
        self._context = context
        self._settings = settings
        self._routes = routes
        self._left = left
        self._only_writes = only_writes
        self._intake = context.intake
        self._complaints = Complaints(context.name, context.report, "connections sent what is not HTTP")
        self._slow = Complaints(context.name, context.report, "connections did not take their answers")
        self._faults = Complaints(context.name, context.report, "requests met a fault")
        self._site: Site | None = None
        self._runner: web.AppRunner | None = None
        self.open_count = 0
        """Number of its connections."""

    async def prepare(self) -> None:
        """Build the site, once; it outlives a restart of the sockets."""
        if self._runner is not None:
            return
        await asyncio.get_running_loop().run_in_executor(None, _load)
        from aiohttp import web  # noqa: PLC0415 - see the module's text

        from logboom.web.routes import make_application  # noqa: PLC0415
        from logboom.web.site import Site  # noqa: PLC0415

        context = self._context
        self._site = Site(
            name=context.name,
            settings=self._settings,
            intake=self._intake,
            log=context.log,
            turns=context.turns,
            report=context.report,
            unread=Unread(self._connections, self._cut_off, asyncio.get_running_loop().time),
            tokens=context.tokens,
            only_writes=self._only_writes,
        )
        self._runner = web.AppRunner(
            make_application(self._site, context.operations, [*self._receivers()]),
            access_log=None,
            shutdown_timeout=0,  # `drain` has waited before
        )
        await self._runner.setup()
        self._options: dict[str, Any] = {
            "access_log": None,
            "auto_decompress": False,  # ours is bounded
            "keepalive_timeout": KEEP_ALIVE_S,
            "lingering_time": LINGER_S,
            "logger": _logger(context.name, self._faults),
            "read_bufsize": BODY_BUFFER_BYTES,
        }

    def _receivers(self) -> "Iterator[HttpReceiver]":
        """Return the listener's own receiver, and those that it serves, too, with their default settings."""
        from logboom.web.routes import HttpReceiver  # noqa: PLC0415 - see the module's text

        yield HttpReceiver(self._routes, lambda: self._settings)
        for settings in served_too(self._settings):
            make = receiver(settings.protocol).transports[Transport.HTTP].make
            yield HttpReceiver(make(settings), partial(_same, settings))

    def adopt(self, transport: asyncio.Transport, data: bytes = b"") -> None:
        """Serve a connection that was let in, beginning with the bytes that were received already."""
        from logboom.servers.http_connection import HttpConnection  # noqa: PLC0415 - see the module's text

        address = address_of(transport)
        server = self._runner.server if self._runner is not None else None
        if server is None or self._site is None:  # it is being stopped
            transport.abort()
            self._left(address)
            return
        self._site.silent[transport] = asyncio.get_running_loop().time()
        self.open_count += 1
        protocol = HttpConnection(
            server, self._complain, self._intake.counters, partial(self._gone, address), **self._options
        )
        if data:
            transport.pause_reading()  # reading is restarted, as aiohttp reads without a buffer of its own
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        if data:
            transport.resume_reading()
            protocol.data_received(data)

    def _gone(self, address: str) -> None:
        self.open_count -= 1
        self._left(address)

    def _connections(self) -> "list[HttpConnection]":
        server = self._runner.server if self._runner is not None else None
        return _connections_of(server) if server is not None else []

    def _cut_off(self, connection: "HttpConnection", why: str) -> None:
        """End a connection that does not take its answers."""
        self._intake.counters.limit_reached(Limit.UNREAD)
        if connection.transport is not None:
            self._slow.tell(f"{address_of(connection.transport)}: {why}; disconnected")
            connection.transport.abort()

    def _complain(self, transport: asyncio.Transport, text: str) -> None:
        """A connection is being closed for what it sent."""
        if self._site is not None:
            self._site.silent.pop(transport, None)
        self._complaints.tell(f"{address_of(transport)}: {text}")

    def look_after(self, now: float, welcomes: Callable[[str], bool]) -> None:
        """End connections that may not be here any more, or do not send their first request.

        Args:
            now: monotonic clock of the event loop, seconds.
            welcomes: returns whether an address may (still) connect.
        """
        if self._site is None:
            return
        self._site.unread.sweep()
        self._site.close_revoked()
        for one in self._connections():
            if one.transport is not None and not welcomes(address_of(one.transport)):
                one.transport.abort()
        for transport, since in list(self._site.silent.items()):
            if transport.is_closing():
                del self._site.silent[transport]
            elif now - since > FIRST_REQUEST_S_MAX:
                self._intake.counters.slow_closed += 1
                transport.abort()
        self._complaints.flush_due(now)
        self._slow.flush_due(now)
        self._faults.flush_due(now)

    async def drain(self, deadline_s: float) -> None:
        """Answer what was received, for `deadline_s` at most, then close everything. Idempotent."""
        site, runner = self._site, self._runner
        self._runner = None
        if site is None or runner is None:
            return
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + deadline_s
        try:
            async with asyncio.timeout_at(ends_at):
                await site.close()
        except TimeoutError:
            pass
        if runner.server is not None:
            await _end_bodies(runner.server, ends_at)
            runner.server.pre_shutdown()
            await runner.server.shutdown(max(0.0, ends_at - loop.time()))
        await runner.cleanup()
        self._complaints.flush()
        self._slow.flush()
        self._faults.flush()
        self._site = None  # only now: bodies that waited for the journal had to hear of its commits

    def configure(self, settings: Any) -> None:
        """Take over limits."""
        self._settings = settings
        if self._site is not None:
            self._site.settings = settings

    def journal_advanced(self) -> None:
        """The journal has committed something."""
        if self._site is not None:
            self._site.journal_advanced()


def _same(settings: ReceiverSettings) -> ReceiverSettings:
    return settings


async def _end_bodies(server: "web.Server", ends_at: float) -> None:
    """Wait for bodies that are on their way, and close the connections of those that do not arrive.

    aiohttp takes no more bytes once it shuts down, and would wait for the rest until the deadline.
    """
    left_s = ends_at - asyncio.get_running_loop().time()
    ends = [end for one in _connections_of(server) if (end := one.body_end()) is not None]
    if ends and left_s > 0:
        await asyncio.wait(ends, timeout=min(HALF_BODY_S_MAX, left_s / 2))
    for one in _connections_of(server):
        one.cut_half_body()


def _connections_of(server: "web.Server") -> "list[HttpConnection]":
    return cast("list[HttpConnection]", server.connections)  # `HttpFront` makes no others


class _ToReport(logging.Handler):
    """Handler that brings aiohttp's messages into the operational log: one line each, and a bounded number.

    A body that does not come whole is its peer's matter: it is not logged.
    """

    def __init__(self, name: str, faults: Complaints) -> None:
        super().__init__(logging.WARNING)
        self._name = name
        self._faults = faults

    def emit(self, record: logging.LogRecord) -> None:
        """See `logging.Handler`."""
        from aiohttp.web import RequestPayloadError  # noqa: PLC0415 - see the module's text

        error = record.exc_info[1] if record.exc_info else None
        if not isinstance(error, RequestPayloadError):
            detail = _detail_of(error) if error else ""
            self._faults.tell(f"{self._name}: {record.getMessage()}{detail}", named=False)


def _detail_of(error: BaseException) -> str:
    """Describe an error; for an unreadable request, only its kind.

    aiohttp's text quotes it, and may contain a token that a broken proxy sent.
    """
    from aiohttp.http_exceptions import HttpProcessingError  # noqa: PLC0415 - see the module's text

    if isinstance(error, HttpProcessingError):
        return f": {type(error).__name__}"
    return f": {type(error).__name__}: {' '.join(str(error).split())[:DETAIL_CHARS_MAX]}"


def address_of(transport: asyncio.BaseTransport) -> str:
    """Return the address of the other end."""
    address = transport.get_extra_info("peername")
    return address[0] if address else "unknown"


def _logger(name: str, faults: Complaints) -> logging.Logger:
    logger = logging.Logger(f"logboom.{name}")  # noqa: LOG001 - of no tree: it has no other handlers
    logger.addHandler(_ToReport(name, faults))
    return logger


def _load() -> None:
    """Import what is slow to import."""
    import logboom.servers.http_connection  # noqa: PLC0415
    import logboom.web.routes  # noqa: F401, PLC0415
