"""`ws`, the client's side: messages over a WebSocket. Contract: docs/contracts/websocket.md.

A server that is killed between storing and answering has messages that its client must take for lost. Sent
again, they would be there twice. So each message has a timestamp of its own, and before anything is sent
again, the server is asked for what it has: `GET /api/entries`. Servers without that get it twice.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, Final

from logboom.clients.wire import websocket_messages
from logboom.clients.wire.bearer import TokenRefusedError, http_refusal
from logboom.clients.wire.dialect import (
    NO_FIELDS,
    Answers,
    Dialect,
    Outcome,
    Reply,
    as_text,
    json_object,
    now_us,
)
from logboom.clients.wire.http_api import connection_errors, open_session
from logboom.clients.wire.stored_messages import earlier, find_stored, time_of_header
from logboom.clients.wire.target import Target
from logboom.clients.wire.websocket_messages import StampedMessage

if TYPE_CHECKING:
    from aiohttp import ClientSession, ClientWebSocketResponse, TraceConfig, TraceRequestEndParams

HEARTBEAT_S: Final = 30.0
"""Seconds between two heartbeats."""
PING_S: Final = 30.0
"""How often a connection is probed: one whose peer has silently gone is known to be lost within 45 s."""
INCOMING_BYTES_MAX: Final = 4 << 20
"""The largest message of another peer; four times what the contract allows them."""
CLOSE_S_MAX: Final = 1.0
_NO_WRITER: Final = "this token may not write"
"""What the server answers, for ever, to whoever may only read: no fault of the messages, which would be lost."""
ASKS_MAX: Final = 5
"""Tries to ask a busy server. After those, messages are sent again, and may come twice: better than never."""
ANCHOR_MARGIN_S: Final = 60.0
"""Messages are looked for from this long before the server's last sign on: what was sent together with an
answered message can have come that much earlier, and a server's clock may be set back."""


class WebSocketDialect(Dialect):
    """Speaks as the original sender does. Its messages are sent as they are; other lines become messages.

    Args:
        source: the name in messages that are made here.
        announces: also send a status on connect, and heartbeats.
    """

    name: ClassVar[str] = "ws"
    schemes: ClassVar[tuple[str, ...]] = ("ws", "wss")
    port_default: ClassVar[int] = 8080
    answers: ClassVar[Answers] = Answers.EACH
    timeout_s: ClassVar[float] = 10.0
    asks: ClassVar[bool] = True

    def __init__(self, source: str = "logboom", *, announces: bool = False) -> None:
        self.source = source
        self.announces = announces
        self.heartbeat_s = HEARTBEAT_S
        self._last_us = 0
        self._doubtful: dict[bytes, None] = {}
        self._stored: set[bytes] = set()
        self._unanswered_asks = 0

    def stamp_us(self, moment_us: int | None = None) -> int:
        """A time for one message: the given one or now, but never one that was given out already."""
        self._last_us = max(self._last_us + 1, now_us() if moment_us is None else moment_us)
        return self._last_us

    def encode(self, line: bytes) -> bytes:
        """See `dialect.Dialect`."""
        found = json_object(line)
        if found is not None and websocket_messages.is_message(found):
            return websocket_messages.checked(found.strip())
        return self.encode_text(line)

    def encode_text(
        self, text: bytes, moment_us: int | None = None, fields: Mapping[str, str] = NO_FIELDS
    ) -> StampedMessage:
        """See `dialect.Dialect`. Whatever the lines hold, they are text."""
        return self.make(websocket_messages.text_of(text), websocket_messages.LOG, moment_us, fields)

    def encode_list(
        self, text: bytes, moment_us: int | None = None, fields: Mapping[str, str] = NO_FIELDS
    ) -> StampedMessage:
        """See `dialect.Dialect`."""
        return self.make(as_text(text).split("\n"), websocket_messages.LOG, moment_us, fields)

    def make(
        self,
        lines: str | list[str],
        kind: str,
        moment_us: int | None = None,
        fields: Mapping[str, str] = NO_FIELDS,
    ) -> StampedMessage:
        """A message of any kind, from this source.

        Args:
            lines: see `messages.make_message`.
            kind: see there.
            moment_us: its time, from `stamp_us`; None: now.
            fields: see there.
        """
        moment_us = self.stamp_us() if moment_us is None else moment_us
        return websocket_messages.make_message(lines, moment_us, self.source, kind, fields)

    def encode_object(self, line: bytes) -> bytes:
        """See `dialect.Dialect`. A message differs from all others by what it holds."""
        message = super().encode_object(line)
        return message if isinstance(message, StampedMessage) else StampedMessage(message)

    def doubt(self, payloads: Iterable[bytes]) -> None:
        """See `dialect.Dialect`."""
        self._doubtful |= {payload: None for payload in payloads if isinstance(payload, StampedMessage)}

    def settle(self, payload: bytes) -> None:
        """Forget a message: its answer has come."""
        self._doubtful.pop(payload, None)
        self._stored.discard(payload)

    def is_stored(self, payload: bytes) -> bool:
        """Whether a message, sent before, is known to be stored."""
        return payload in self._stored

    async def connect(self, target: Target) -> "WebSocketLink":
        """See `dialect.Dialect`."""
        session = open_session(target.trust, secure=target.secure, trace_configs=[self._watch_clock()])
        try:
            with connection_errors(str(target)):
                socket = await _upgrade(session, target)
                if self._doubtful and self.anchor:
                    await self._ask(session, target)
        except BaseException:
            await session.close()
            raise
        return WebSocketLink(self, session, socket)

    async def _ask(self, session: "ClientSession", target: Target) -> None:
        """Ask for messages that may be stored. Raises OSError when the server is too busy."""
        since = earlier(self.anchor, ANCHOR_MARGIN_S)
        try:
            self._stored |= await find_stored(session, target, since, list(self._doubtful))
        except TimeoutError:
            self._unanswered_asks += 1
            if self._unanswered_asks < ASKS_MAX:
                raise
        self._unanswered_asks = 0

    def _watch_clock(self) -> "TraceConfig":
        """Learn the server's time from its first answer."""
        import aiohttp  # noqa: PLC0415 - see `_upgrade`

        async def look(_session: object, _context: object, end: "TraceRequestEndParams") -> None:
            self.anchor = self.anchor or time_of_header(end.response.headers.get("Date"))

        config = aiohttp.TraceConfig()
        config.on_request_end.append(look)
        return config


async def _upgrade(session: "ClientSession", target: Target) -> "ClientWebSocketResponse":
    """Open the WebSocket."""
    import aiohttp  # noqa: PLC0415 - costs a command that needs no server 0.2 s

    try:
        return await session.ws_connect(
            str(target),
            max_msg_size=INCOMING_BYTES_MAX,
            heartbeat=PING_S,
            timeout=aiohttp.ClientWSTimeout(ws_close=CLOSE_S_MAX),
        )
    except aiohttp.WSServerHandshakeError as error:
        if error.status in {401, 403}:
            reason = http_refusal(error.status, target.trust)
            raise TokenRefusedError(f"{target}: {reason}") from None
        raise


class _Sent:
    """A message on its way; `reply` is set when its answer is there, or was known before."""

    __slots__ = ("own", "payload", "reply")

    def __init__(self, payload: bytes, reply: Reply | None = None, *, own: bool = False) -> None:
        self.payload = payload
        self.reply = reply
        self.own = own


class WebSocketLink:
    """One WebSocket. It is read all the time, since other peers' messages come over it, too.

    Args:
        dialect: whose messages it carries.
        session: is closed with the link.
        socket: open.
    """

    def __init__(
        self, dialect: WebSocketDialect, session: "ClientSession", socket: "ClientWebSocketResponse"
    ) -> None:
        self._dialect = dialect
        self._session = session
        self._socket = socket
        self._unanswered: deque[_Sent] = deque()
        self._waiting: deque[_Sent] = deque()  # those, and before them in order what is answered already
        self._replies: list[Reply] = []
        self._news = asyncio.Event()
        self._outgoing: deque[bytes] = deque()
        self._queued = asyncio.Event()
        self._flushed = asyncio.Event()
        self._flushed.set()
        self._lost = ""
        self._refused = False
        self._tasks = [asyncio.create_task(self._read()), asyncio.create_task(self._write())]
        if dialect.announces:
            name = dialect.source.partition("-")[0]
            self._announce(
                websocket_messages.STATUS, f"🚀 {name[:1].upper()}{name[1:]} log sender connected and ready"
            )
            self._tasks.append(asyncio.create_task(self._beat(name)))

    @property
    def lost(self) -> bool:
        """See `dialect.Link`."""
        return bool(self._lost)

    def send(self, payloads: Sequence[bytes], key: str = "") -> None:  # noqa: ARG002 - it is not keyed
        """See `dialect.Link`. Messages that are known to be stored are answered here."""
        for payload in payloads:
            if self._dialect.is_stored(payload):
                self._waiting.append(_Sent(payload, Reply(Outcome.ACKNOWLEDGED)))
            else:
                self._queue(_Sent(payload))
        self._hand_out()

    def _queue(self, sent: _Sent) -> None:
        self._waiting.append(sent)
        self._unanswered.append(sent)
        self._outgoing.append(sent.payload)
        self._flushed.clear()
        self._queued.set()

    async def flush(self) -> None:
        """See `dialect.Link`."""
        await self._flushed.wait()

    async def receive(self) -> list[Reply]:
        """See `dialect.Link`."""
        while not self._replies:
            if self._refused:
                raise TokenRefusedError(_NO_WRITER)
            if self._lost:
                raise ConnectionResetError(self._lost)
            self._news.clear()
            await self._news.wait()
        replies, self._replies = self._replies, []
        return replies

    async def finish(self, linger_s: float) -> None:
        """See `dialect.Link`."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(linger_s):
                await self._socket.close()

    async def close(self) -> None:
        """See `dialect.Link`."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._dialect.doubt(sent.payload for sent in self._unanswered if not sent.own)
        self._unanswered.clear()
        await self._socket.close()
        await self._session.close()

    async def _write(self) -> None:
        """Send what is queued, in order."""
        try:
            while True:
                await self._queued.wait()
                while self._outgoing:
                    await self._socket.send_str(self._outgoing.popleft().decode().strip())
                self._queued.clear()
                self._flushed.set()
        except OSError as error:
            self._lose(str(error))

    async def _read(self) -> None:
        """Take answers until the connection ends; what other peers say is dropped."""
        try:
            async for message in self._socket:
                if not isinstance(message.data, (str, bytes)):
                    break
                answer = websocket_messages.read_answer(message.data)
                if answer is not None:
                    self._take(answer)
        finally:
            self._lose("the server closed the connection")

    def _take(self, answer: websocket_messages.MessageAnswer) -> None:
        self._dialect.anchor = answer.timestamp or self._dialect.anchor
        if answer.reply.reason == _NO_WRITER:
            self._refused = True
            self._lose(_NO_WRITER)
        elif self._unanswered:
            self._unanswered.popleft().reply = answer.reply
            self._hand_out()

    def _hand_out(self) -> None:
        """Give out the replies whose turn it is."""
        while self._waiting and (reply := self._waiting[0].reply) is not None:
            sent = self._waiting.popleft()
            self._dialect.settle(sent.payload)
            if not sent.own:
                self._replies.append(reply)
        self._news.set()

    def _lose(self, reason: str) -> None:
        self._lost = self._lost or reason or "connection lost"
        self._news.set()
        self._flushed.set()

    def _announce(self, kind: str, text: str) -> None:
        """Send a message of our own."""
        self._queue(_Sent(self._dialect.make(text, kind), own=True))

    async def _beat(self, name: str) -> None:
        while True:
            await asyncio.sleep(self._dialect.heartbeat_s)
            self._announce(websocket_messages.HEARTBEAT, f"💓 Heartbeat from {name} client")
