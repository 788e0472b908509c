"""The live WebSocket on `/`: any peer may send, or only listen. Contract: docs/contracts/websocket.md.

Messages that have been received together become one batch, and their replies one write.
"""

import asyncio
import socket
import time
from functools import partial
from typing import Final, Literal

from aiohttp import WSCloseCode, WSMsgType, web

from logboom.formats.times import iso_from_ns
from logboom.model import Receipt, Verdict
from logboom.pipeline.inlet import AwaitedInlet
from logboom.pipeline.intake import Limit
from logboom.web import messages
from logboom.web.access import IDENTITY
from logboom.web.frames import text_frames
from logboom.web.hub import Reader
from logboom.web.site import SITE, Site

IN_FLIGHT_BYTES_MAX: Final = 1 << 20
"""Bytes of one peer's messages that wait for the journal; beyond, it is not read. One message of the largest
size, or a window of thousands of usual ones."""

UNREAD_REPLIES_BYTES_MAX: Final = 256 << 10
"""A peer that leaves more of its replies unread is not read itself."""

SEND_BUFFER_BYTES: Final = 512 << 10
"""Kernel's send buffer of one peer, bytes; Linux doubles it, and would grow it to megabytes by default."""

PING_INTERVAL_S: Final = 30.0
"""Shorter than the idle time of any usual proxy; a peer that is gone is noticed after one and a half."""

CLOSE_S_MAX: Final = 2.0
"""Time limit for a peer to answer a close, seconds."""

_REPLIES_RETRY_S: Final = 0.02


class Peer:
    """One connected peer.

    Args:
        site: the listener's.
        request: the upgrade.
        stream: prepared; gives text as bytes.
    """

    def __init__(
        self, site: Site, request: web.Request, stream: web.WebSocketResponse[Literal[False]]
    ) -> None:
        transport = request.transport
        if transport is None:
            raise ConnectionResetError("the peer is gone")
        self._site = site
        self._identity = request[IDENTITY]
        self._stream = stream
        source = site.source(request.remote)
        self._inlet = AwaitedInlet(site.intake, site.turns, source, self._flush_if_room, IN_FLIGHT_BYTES_MAX)
        self._reader = Reader(transport)
        self._received: list[bytes] = []
        self._received_bytes = 0

    async def run(self) -> None:
        """Take messages until the peer closes; what has come by then is answered."""
        if self._identity.may("read") and not self._site.only_writes:
            self._site.hub.join(self._reader)
        try:
            async for message in self._stream:
                if message.type is WSMsgType.ERROR:
                    if getattr(message.data, "code", None) == WSCloseCode.MESSAGE_TOO_BIG:
                        self._site.intake.counters.limit_reached(Limit.MESSAGE_BYTES)
                    break
                if not self._identity.may("write"):
                    self._reader.write(messages.refusal("this token may not write", _now()))
                    continue
                self._take(message.data)
                if self._leaves_replies or self._is_full or not self._inlet.has_room:
                    await self._make_room()
            await self._settle()
        finally:
            self._site.hub.leave(self._reader)

    async def close(self) -> None:
        """Answer what has come, then send that the server goes away."""
        self._inlet.leave()
        await self._settle()
        await self._stream.close(code=WSCloseCode.GOING_AWAY)

    def _take(self, data: bytes) -> None:
        """Keep a message until all that were received with it are there, too."""
        if not self._received:
            self._site.loop.call_soon(self._flush_if_room)
        self._received.append(data)
        self._received_bytes += len(data)

    def _flush_if_room(self) -> None:
        """Submit what was received together, now or when there is room for it."""
        if not self._received:
            return
        if self._inlet.has_room:
            self._flush()
        else:
            self._inlet.wait()

    def _flush(self) -> None:
        """Submit what was received as one batch."""
        site, received = self._site, self._received
        self._received, self._received_bytes = [], 0
        wants_levels = site.intake.limits.level_min is not None
        batch = messages.judge(received, site.settings.line_bytes_max, wants_levels=wants_levels)
        site.intake.counters.received(site.loop.time())
        self._inlet.put(batch, partial(self._answer, received))

    def _answer(self, received: list[bytes], receipt: Receipt) -> None:
        """Reply to the peer of a settled batch, then send its messages to the others."""
        site, verdicts = self._site, receipt.verdicts
        taken = verdicts.count(Verdict.ACCEPTED)
        first_id = site.message_ids(receipt.first_sequence, taken)
        self._reader.write(messages.replies(receipt, first_id, _now()))
        if taken and site.hub.is_heard(self._reader):
            site.hub.publish(self._reader, text_frames(_taken(received, verdicts)), taken)

    @property
    def _is_full(self) -> bool:
        return self._received_bytes + self._inlet.bytes_in_flight >= IN_FLIGHT_BYTES_MAX

    @property
    def _leaves_replies(self) -> bool:
        return self._reader.unsent_bytes > UNREAD_REPLIES_BYTES_MAX

    async def _make_room(self) -> None:
        """Until more may be read from the peer. One that never takes its replies is disconnected by the hub."""
        await self._inlet.room()
        if self._received:
            self._flush()
        while self._leaves_replies and not self._reader.transport.is_closing():  # noqa: ASYNC110 - there is no event
            await asyncio.sleep(_REPLIES_RETRY_S)

    async def _settle(self) -> None:
        """Wait until everything that has come is answered."""
        while self._received:
            await self._inlet.room()
            if self._received:
                self._flush()
        await self._inlet.settled()


def _now() -> str:
    return iso_from_ns(time.time_ns())[:26]


def _taken(received: list[bytes], verdicts: bytes) -> list[bytes]:
    """The messages that were accepted."""
    if not any(verdicts):
        return received
    pairs = zip(received, verdicts, strict=True)
    return [message for message, verdict in pairs if verdict == Verdict.ACCEPTED]


async def live(request: web.Request) -> web.WebSocketResponse[Literal[False]]:
    """Serve one peer of the WebSocket on `/`."""
    site = request.app[SITE]
    # One byte more, since aiohttp refuses what reaches its limit; closing with 1009 is what it does then.
    stream: web.WebSocketResponse[Literal[False]] = web.WebSocketResponse(
        autoclose=False,
        decode_text=False,  # bytes go to the journal; and text that is not UTF-8 is answered, not disconnected
        heartbeat=PING_INTERVAL_S,
        max_msg_size=site.settings.line_bytes_max + 1,
        timeout=CLOSE_S_MAX,
    )
    await stream.prepare(request)
    connection = request.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
    peer = Peer(site, request, stream)
    site.closers.add(peer.close)
    try:
        await peer.run()
    finally:
        site.closers.discard(peer.close)
    await stream.close(code=stream.close_code or WSCloseCode.OK)
    return stream
