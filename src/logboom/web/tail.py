"""`/api/tail`: the journal from a place on, live, as server-sent events or over a WebSocket.

Each reader reads the journal itself, at its own pace, so nothing waits for it and nothing is kept for it; and
it can go on where it was, since the id of an event is its sequence.
"""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import aclosing
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Generic, NamedTuple, TypeVar

from aiohttp import WSCloseCode, WSMsgType, web

from logboom.model import IMPORTED
from logboom.pipeline.intake import Limit
from logboom.query.matching import Filter, Found, Matcher
from logboom.query.search import Search
from logboom.web.query import tail_query
from logboom.web.rendering import json_of
from logboom.web.site import SITE, TAILS_MAX, Site

if TYPE_CHECKING:
    from concurrent.futures import Future

BLOCK_BYTES: Final = 64 << 10
"""Journal bytes read at once: decoding them holds the interpreter for about a millisecond."""

KEEP_ALIVE_S: Final = 15.0
"""Shorter than the idle time of any usual proxy; a reader that is gone is noticed by it, too."""

PACE_S: Final = 0.03
"""Time between two reads: entries in between are sent together, without a visible delay."""

REST_FACTOR: Final = 2
"""A reader that catches up rests this many times longer than its reads take: senders come first."""

MESSAGE_BYTES_MAX: Final = 4096
"""A reader has nothing to say; what it says all the same is bounded."""

CLOSE_S_MAX: Final = 2.0
"""Time limit for a reader to answer a close, seconds."""

RECONNECT_MS: Final = 1000
"""Delay after which an EventSource tries again, milliseconds."""


Event = TypeVar("Event")


class Portion(NamedTuple, Generic[Event]):
    """Result of one read."""

    events: list[tuple[int, Event]]
    """Sequence of each match, and what it was rendered to."""
    missing: tuple[int, int] | None
    """The first and the last sequence of a gap: entries that were deleted before they could be read."""
    position: int
    """The next sequence to be read."""


class Follower(Generic[Event]):
    """Reads the journal for one reader, on the site's threads.

    Args:
        site: the listener's.
        wanted: what the reader wants.
        position: the first sequence.
        render: makes an event of an entry, on a thread.
    """

    def __init__(self, site: Site, wanted: Filter, position: int, render: Callable[[Found], Event]) -> None:
        self.position = position
        self._site = site
        self._render = render
        self._matcher = Matcher(wanted)
        self._shows_imported = wanted.listener == IMPORTED
        self._reader = site.log.cursor(position)
        self._job: Future[Portion[Event] | None] | None = None

    async def portions(self) -> AsyncGenerator[Portion[Event] | None]:
        """Yield new entries until the server stops; None after `KEEP_ALIVE_S` without any."""
        site = self._site
        quiet_since = time.monotonic()
        while not site.closing:
            if site.log.end <= self.position:
                await site.wait_for_growth(KEEP_ALIVE_S)
            started = time.monotonic()
            portion = await self._next()
            took_s = time.monotonic() - started
            if portion is not None and (portion.events or portion.missing):
                quiet_since = started
                yield portion
            elif started - quiet_since >= KEEP_ALIVE_S:
                quiet_since = started
                yield None
            await asyncio.sleep(max(PACE_S, took_s * REST_FACTOR))

    async def _next(self) -> Portion[Event] | None:
        """One block, read on a thread; None when there is none."""
        if self._site.log.end <= self.position:
            return None
        self._job = self._site.tailing.submit(self._read)
        portion = await asyncio.wrap_future(self._job)
        if portion is not None:
            self.position = portion.position
        return portion

    def close(self) -> None:
        """Close the file, once no thread reads it."""
        if self._job is None:
            self._reader.close()
        else:
            self._job.add_done_callback(lambda _: self._reader.close())

    def _read(self) -> Portion[Event] | None:
        """Read and render one block; on a thread."""
        expected = self._reader.position
        try:
            block = self._reader.read(BLOCK_BYTES)
        except FileNotFoundError:  # deleted between two looks: the next read finds what is left
            return None
        if block is None:
            return None
        missing = (expected, block.first_sequence - 1) if block.first_sequence > expected else None
        found = self._matcher.first(block, block.count)
        events = [
            (one.record.sequence, self._render(one))
            for one in found
            if self._shows_imported or one.record.listener != IMPORTED
        ]
        return Portion(events, missing, block.next_sequence)


async def tail(request: web.Request) -> web.StreamResponse:
    """Serve one reader, until it or the server goes."""
    site = request.app[SITE]
    wanted, after = tail_query(request.query, request.headers.get("Last-Event-ID"))
    if site.tails >= TAILS_MAX:
        raise site.busy(Limit.TAILS, "too many tails")
    site.tails += 1
    try:
        return await _follow(request, Follower(site, wanted, await _start(request, wanted, after), json_of))
    finally:
        site.tails -= 1


async def _follow(request: web.Request, follower: Follower[bytes]) -> web.StreamResponse:
    try:
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await _over_websocket(request, follower)
        return await _as_events(request, follower)
    finally:
        follower.close()


async def _start(request: web.Request, wanted: Filter, after: int | None) -> int:
    """The first sequence to be read."""
    site = request.app[SITE]
    if after is None:
        return site.log.end
    if not wanted.since:
        return max(0, after + 1)
    search = Search(site.log)
    return await site.search(request, partial(search.place, wanted, max(0, after + 1)))


async def _as_events(request: web.Request, follower: Follower[bytes]) -> web.StreamResponse:
    """Server-sent events. An event without data only gives the browser its position."""
    headers = {"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    response = web.StreamResponse(headers=headers)
    response.force_close()
    await response.prepare(request)
    try:
        await response.write(b"retry: %d\n%b" % (RECONNECT_MS, _place(follower.position)))
        async with aclosing(follower.portions()) as portions:
            async for portion in portions:
                await response.write(_place(follower.position) if portion is None else _events(portion))
        await response.write_eof()
    except ConnectionError:
        _abort(request)
    return response


def _abort(request: web.Request) -> None:
    """Cut off a reader that is gone."""
    if request.transport is not None:
        request.transport.abort()


def _place(position: int) -> bytes:
    return b": keep-alive\nid: %d\n\n" % (position - 1)


def _events(portion: Portion[bytes]) -> bytes:
    events = [b"id: %d\ndata: %b\n\n" % event for event in portion.events]
    if portion.missing:
        events.insert(0, b"event: gap\ndata: %b\n\n" % _gap(portion.missing))
    return b"".join(events)


def _gap(missing: tuple[int, int]) -> bytes:
    return json.dumps({"gap": {"first": missing[0], "last": missing[1]}}).encode()


async def _over_websocket(request: web.Request, follower: Follower[bytes]) -> web.WebSocketResponse:
    """One text frame an entry."""
    return await serve_stream(request, follower, _send_portion)


Send = Callable[[web.WebSocketResponse, Portion[Event]], Coroutine[Any, Any, None]]


async def serve_stream(
    request: web.Request, follower: Follower[Event], send: Send[Event], *, has_more: bool = False
) -> web.WebSocketResponse:
    """Send what comes over a WebSocket, until the reader or the server goes. What the reader sends is ignored.

    Args:
        request: the upgrade.
        follower: reads what comes.
        send: sends one portion.
        has_more: there is something to be sent at once: `send` is called with an empty portion first.
    """
    stream = web.WebSocketResponse(
        heartbeat=KEEP_ALIVE_S, max_msg_size=MESSAGE_BYTES_MAX, timeout=CLOSE_S_MAX
    )
    await stream.prepare(request)
    if has_more:
        await send(stream, Portion([], None, follower.position))
    sending = asyncio.create_task(_send(request, stream, follower, send))
    try:
        async for _ in stream:
            pass
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
    return stream


async def _send(
    request: web.Request, stream: web.WebSocketResponse, follower: Follower[Event], send: Send[Event]
) -> None:
    """Send what comes; ends the stream when the server stops."""
    try:
        async with aclosing(follower.portions()) as portions:
            async for portion in portions:
                if portion is not None:
                    await send(stream, portion)
        await stream.close(code=WSCloseCode.GOING_AWAY)
    except ConnectionError:
        _abort(request)


async def _send_portion(stream: web.WebSocketResponse, portion: Portion[bytes]) -> None:
    if portion.missing:
        await stream.send_frame(_gap(portion.missing), WSMsgType.TEXT)
    for _, event in portion.events:
        await stream.send_frame(event, WSMsgType.TEXT)
