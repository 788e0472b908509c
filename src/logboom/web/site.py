"""State that the handlers of one `http` listener share."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Final, Protocol, TypeVar, cast

from aiohttp import web

from logboom.journal.log import Log
from logboom.model import Report, Source
from logboom.pipeline.inlet import AwaitedInlet
from logboom.pipeline.intake import Intake, Limit
from logboom.pipeline.limiter import FixedWindowLimiter
from logboom.pipeline.tokens import Identity, TokenStore
from logboom.pipeline.turns import Turns
from logboom.pipeline.unread import UNREAD_FREE_BYTES, Unread
from logboom.web.hub import Hub

Result = TypeVar("Result")


class Connection(Protocol):
    """The part of a request's connection that is not aiohttp's."""

    @property
    def has_ended(self) -> bool:
        """True once the client sends no more; most have gone then."""

    async def answers_taken(self) -> None:
        """Wait until the client has taken most of what was answered so far. Raises `ConnectionError`."""


SEARCH_THREADS: Final = 2
TAIL_THREADS: Final = 2
"""Threads that read the journal; tails do not wait for searches. More would only take the interpreter from senders."""

TAILS_MAX: Final = 200
"""Live tails at once; each holds a file and up to half a megabyte."""

HELD_BYTES_MAX: Final = 64 << 20
"""Bytes of long lines and JSON documents that wait for their end, over all requests: 16 documents of the largest size.
Counted by bytes, not by number: who sends the first byte of many takes nothing from others."""

SEARCHES_MAX: Final = 64
"""Searches and pictures that wait or run; each takes two seconds at most, and two are done at once. Those beyond
would wait for more than a minute, which no page and no program does."""

BUSY_RETRY_S: Final = 5
"""Delay after which a refused client may try again, seconds."""

WRONG_TOKENS_TOLD: Final = 10
WRONG_TOKENS_WINDOW_S: Final = 60.0
"""Wrong tokens of one address per window that are worth a log line: fewer are typing errors."""


class Site:
    """One listener's state. Belongs to the event loop.

    Args:
        name: the listener's.
        settings: of the listener's receiver, usually `HttpSettings`; may be replaced while running.
        intake: where batches go.
        log: the journal, to be read.
        turns: see `ListenerContext`.
        report: the operational log.
        unread: the answers that wait for their clients.
        tokens: valid tokens; None: no token is required.
        only_writes: nothing that was sent can be read.
    """

    def __init__(
        self,
        *,
        name: str,
        settings: Any,
        intake: Intake,
        log: Log,
        turns: Turns,
        report: Report,
        unread: Unread[Any],
        tokens: TokenStore | None = None,
        only_writes: bool = False,
    ) -> None:
        self.name = name
        self.settings = settings
        self.intake = intake
        self.log = log
        self.turns = turns
        self.report = report
        self.tokens = tokens
        self.only_writes = only_writes
        self.failures = FixedWindowLimiter(WRONG_TOKENS_TOLD, WRONG_TOKENS_WINDOW_S)
        """Wrong tokens by address."""
        self.loop = asyncio.get_running_loop()
        self.hub = Hub(self.loop.call_later)
        self.unread = unread
        self.searching = ThreadPoolExecutor(SEARCH_THREADS, f"{name}-search")
        self.tailing = ThreadPoolExecutor(TAIL_THREADS, f"{name}-tail")
        self.silent: dict[asyncio.Transport, float] = {}
        """Connections that have not sent a request's head yet, and since when; the listener closes them one day."""
        self._served: dict[asyncio.Transport, Identity] = {}
        self._generation = tokens.generation if tokens is not None else 0
        self.tails = 0
        self.held_bytes = 0
        self.taking_apart = asyncio.Lock()
        """One large document is taken apart at a time: for a moment, it has many times its size."""
        self._searches = 0
        self.closing = False
        """The server is being stopped: long-lived answers end."""
        self._advanced = asyncio.Event()
        self._next_unstored_id = log.end + 1
        self.closers: set[Callable[[], Coroutine[None, None, None]]] = set()
        """Closing handshake of each peer of the WebSocket."""

    def source(self, peer: str | None) -> Source:
        """The source of a new connection or request."""
        return Source(self.name, peer or "unknown")

    @contextmanager
    def serving(self, transport: asyncio.Transport, identity: Identity) -> Iterator[None]:
        """Register a long-lived connection, so that it is closed when its token is revoked."""
        if identity.key:
            self._served[transport] = identity
        try:
            yield
        finally:
            self._served.pop(transport, None)

    def close_revoked(self) -> None:
        """Close long-lived connections whose token was revoked; to be called every second."""
        if self.tokens is None or self.tokens.generation == self._generation:
            return
        self._generation = self.tokens.generation
        for transport, identity in list(self._served.items()):
            if not self.tokens.holds(identity):
                self.report("warning", f"{self.name}: the token {identity.name} was revoked; disconnected")
                transport.abort()

    def inlet(self, source: Source) -> AwaitedInlet:
        """The inlet of a request."""
        return AwaitedInlet(self.intake, self.turns, source)

    def journal_advanced(self) -> None:
        """The journal has committed something: wake who waits."""
        self._advanced.set()
        self._advanced.clear()

    async def wait_for_growth(self, timeout_s: float) -> None:
        """Until the journal commits something, or the time is up, or the server is being stopped."""
        try:
            async with asyncio.timeout(timeout_s):
                if not self.closing:
                    await self._advanced.wait()
        except TimeoutError:
            pass

    async def answers_taken(self, request: web.Request) -> None:
        """Wait for a client that asks for more than it takes. Raises `ConnectionError` when it is gone."""
        await cast("Connection", request.protocol).answers_taken()

    def is_waiting(self, request: web.Request) -> bool:
        """Return whether a request's client still waits for a long work, and the server is not being stopped."""
        transport = request.transport
        return not (
            self.closing
            or transport is None
            or transport.is_closing()
            or cast("Connection", request.protocol).has_ended
        )

    def check_room(self, response: web.StreamResponse) -> None:
        """Refuse a large answer while too much waits for clients. Raises `web.HTTPServiceUnavailable`."""
        body = response.body if isinstance(response, web.Response) else None
        size = len(body) if isinstance(body, bytes) else 0
        if size > UNREAD_FREE_BYTES and not self.unread.has_room(size):
            raise self.busy(Limit.UNREAD, "too many answers wait for clients that do not take them")

    def busy(self, limit: Limit, text: str) -> web.HTTPServiceUnavailable:
        """The answer to who came while too many others were at it; it is counted."""
        self.intake.counters.limit_reached(limit)
        return web.HTTPServiceUnavailable(text=text, headers={"Retry-After": str(BUSY_RETRY_S)})

    async def search(self, request: web.Request, work: Callable[[], Result]) -> Result:
        """Run `work` on a thread, and return its result; not if its client has gone meanwhile.

        Raises:
            web.HTTPServiceUnavailable: too many others wait already.
            ConnectionResetError: the client is gone.
        """
        if self._searches >= SEARCHES_MAX:
            raise self.busy(Limit.SEARCHES, f"{SEARCHES_MAX} searches wait already")

        def work_if_wanted() -> Result:
            transport = request.transport
            if transport is None or transport.is_closing():
                raise ConnectionResetError("the client is gone")
            return work()

        self._searches += 1
        try:
            return await self.loop.run_in_executor(self.searching, work_if_wanted)
        finally:
            self._searches -= 1

    def message_ids(self, first_sequence: int | None, count: int) -> int:
        """The first of `count` message ids: sequences plus one, so they survive a restart; else a counter."""
        if first_sequence is not None:
            return first_sequence + 1
        self._next_unstored_id += count
        return self._next_unstored_id - count

    async def close(self) -> None:
        """Let long-lived answers end, after what is in flight. Idempotent."""
        self.closing = True
        self.journal_advanced()
        await asyncio.gather(*(close() for close in list(self.closers)), return_exceptions=True)
        self.hub.close()
        self.searching.shutdown(wait=False, cancel_futures=True)
        self.tailing.shutdown(wait=False)


SITE: Final = web.AppKey("site", Site)
