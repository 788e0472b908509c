"""Clients' side of the protocols that are lines over TCP."""

import asyncio
import contextlib
import ssl
from collections.abc import Sequence
from typing import ClassVar, Final

import msgspec

from logboom.clients.wire.bearer import ASKED, DOUBTED, opening_line
from logboom.clients.wire.dialect import Answers, Dialect, Reply, as_text, json_object
from logboom.clients.wire.target import Target
from logboom.clients.wire.tls_stream import explain, open_stream

_READ_BYTES: Final = 64 << 10
REPLY_BYTES_MAX: Final = 16 << 10
"""The longest reply line; the longest known one has 70 bytes. Above it the peer is no log server."""
REPLIES_BYTES_MAX: Final = 128 << 10
"""Reply lines that are remembered with what they mean: few differ, and a server may send anything."""
_SHOWN_BYTES: Final = 80
_CLOSED: Final = "the server closed the connection"
TOKEN_DOUBT_S: Final = 0.25
"""Time for a server to close a connection with a wrong token, or none, seconds: it sends no answer.
Nearly all servers are nearer than this, and a client waits once per connection."""


def one_line(json_object: bytes) -> bytes:
    """The object as a wire line; newlines, which in valid JSON only stand between tokens, become blanks."""
    if b"\n" in json_object:
        json_object = json_object.replace(b"\n", b" ")
    return json_object + b"\n"


def entry_line(line: bytes) -> bytes:
    """A JSON object as a wire line; any other line as the message of an INFO entry."""
    found = json_object(line)
    if found is not None:
        return one_line(found)
    return msgspec.json.encode({"level": "INFO", "message": as_text(line)}) + b"\n"


class LineLink:
    """A TCP connection that carries a line a message, both ways.

    Args:
        dialect: reads the replies.
        target: the server.
        reader: the connection's receiving half.
        writer: its sending half.
    """

    def __init__(
        self,
        dialect: "LineDialect",
        target: Target,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self._dialect = dialect
        self._target = target
        self._reader = reader
        self._writer = writer
        self._rest = b""
        self._answered = False
        self._ended = False
        self._doubt: asyncio.TimerHandle | None = (
            None  # from the first line until the server has had time to close
        )
        # So that flush() means: all of it is the system's now. TLS transports pause from the limit on, not above it:
        # with a limit of 0 they pause when they are empty, and nothing wakes who waits.
        writer.transport.set_write_buffer_limits(high=int(target.secure), low=0)

    @property
    def lost(self) -> bool:
        """See `dialect.Link`."""
        return self._reader.at_eof() or self._writer.is_closing()

    async def open(self) -> None:
        """Begin the connection, as the protocol asks for. Raises OSError."""
        await self.show_token()

    async def show_token(self) -> None:
        """Send the line that opens the connection, if there is a token. Raises OSError when the server closes then."""
        line = opening_line(self._target.trust)
        if line:
            self._writer.write(line)
            if await self._closes_within(TOKEN_DOUBT_S):
                raise ConnectionAbortedError(f"{_CLOSED}: {DOUBTED}")

    async def _closes_within(self, seconds: float) -> bool:
        """Return whether the server closes the connection at once."""
        try:
            async with asyncio.timeout(seconds):
                data = await self._reader.read(_READ_BYTES)
        except TimeoutError:
            return self._reader.at_eof()
        except ssl.SSLError as error:
            raise ConnectionAbortedError(explain(error)) from error
        except ConnectionError:
            return True
        self._rest += data
        return not data

    def send(self, payloads: Sequence[bytes], key: str = "") -> None:
        """See `dialect.Link`."""
        self._write(payloads, key)
        if self._doubt is None and self._dialect.answers is Answers.NONE:
            self._doubt = asyncio.get_running_loop().call_later(TOKEN_DOUBT_S, self._look)

    def _write(self, payloads: Sequence[bytes], key: str) -> None:  # noqa: ARG002 - lines have no keys
        """Write payloads; protocols with frames have their own way."""
        self._writer.write(b"".join(payloads))

    def _look(self) -> None:
        """Check, for a protocol without answers, that the server has not closed the connection at the first lines."""
        if self._reader.at_eof() and not self._ended:
            self._turned_away()

    def _doubtful_s(self) -> float:
        """Time in which the server may still close for lack of a token, seconds."""
        if self._doubt is None or self._doubt.cancelled():
            return 0.0
        return max(0.0, self._doubt.when() - asyncio.get_running_loop().time())

    async def flush(self) -> None:
        """See `dialect.Link`."""
        try:
            await self._writer.drain()
        except ssl.SSLError as error:
            raise ConnectionAbortedError(explain(error)) from error

    async def receive(self) -> list[Reply]:
        """See `dialect.Link`."""
        try:
            data = await self._reader.read(_READ_BYTES)
        except ssl.SSLError as error:
            raise ConnectionAbortedError(explain(error)) from error
        except ConnectionError as error:
            raise (error if self._answered else self._turned_away()) from None
        if not data:
            raise ConnectionResetError(_CLOSED) if self._answered else self._turned_away()
        self._answered = self._dialect.answered = True
        return self._read(data)

    def _read(self, data: bytes) -> list[Reply]:
        """Return the replies that are complete with these bytes; protocols with frames have their own way."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        self._check_rest()
        return [self._read_reply(line) for line in lines]

    def _check_rest(self) -> None:
        if len(self._rest) > REPLY_BYTES_MAX:
            raise ConnectionAbortedError(f"reply of more than {REPLY_BYTES_MAX} bytes")

    def _turned_away(self) -> OSError:
        """The server has closed before it has answered anything. TCP can't say why."""
        reason = f"{_CLOSED}: {DOUBTED if self._target.trust.token else ASKED}"
        self._dialect.tell_once(f"⚠️ {self._target}: {reason}")
        return ConnectionAbortedError(reason)

    def _read_reply(self, line: bytes) -> Reply:
        reply = self._dialect.parse(line)
        if reply is None:
            raise ConnectionAbortedError(f"unexpected reply {line[:_SHOWN_BYTES]!r}")
        return reply

    async def finish(self, linger_s: float) -> None:
        """See `dialect.Link`."""
        if self._writer.is_closing():
            raise ConnectionResetError("the connection is gone")
        left_s = self._doubtful_s()
        if left_s and await self._closes_within(left_s):
            raise self._turned_away()
        self._ended = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(linger_s):
                if not self._writer.can_write_eof():  # TLS: the server's farewell comes when it has read all
                    self._writer.close()
                    await self._writer.wait_closed()
                    return
                self._writer.write_eof()
                while await self._reader.read(_READ_BYTES):
                    pass

    async def close(self) -> None:
        """See `dialect.Link`."""
        if self._doubtful_s():
            self._look()
        if self._doubt is not None:
            self._doubt.cancel()
        self._writer.transport.abort()  # close() would wait for a server that has stopped reading
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()


class LineDialect(Dialect):
    """Base of the dialects that speak lines over TCP; they add `encode` and `parse`."""

    schemes: ClassVar[tuple[str, ...]] = ("tcp", "tcps", "tls")
    link: ClassVar[type[LineLink]] = LineLink
    """Its connections."""
    answered: bool = False
    """True: a server has answered before, so it asks for no token."""

    def tell_once(self, text: str) -> None:
        """Let the user know, unless there was an answer before. These protocols have no words for a missing token."""
        if self.say is not None and not self.answered:
            self.say(text)
        self.say = None

    @staticmethod
    def parse(line: bytes) -> Reply | None:
        """Read one reply line; None: not a reply of this protocol."""
        raise NotImplementedError

    async def connect(self, target: Target) -> LineLink:
        """See `dialect.Dialect`."""
        link = self.link(self, target, *await open_stream(target))
        try:
            await link.open()
        except BaseException:
            await link.close()
            raise
        return link
