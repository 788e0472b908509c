"""Clients' side of the protocols that are lines over TCP."""

import asyncio
import contextlib
import ssl
from collections.abc import Callable, Sequence
from typing import ClassVar, Final

import msgspec

from logboom.clients.dialect import Answers, Reply
from logboom.clients.target import Target
from logboom.clients.tls import explain, open_stream

_READ_BYTES: Final = 64 << 10
REPLY_BYTES_MAX: Final = 16 << 10
"""The longest reply line; the longest known one has 70 bytes. Above it the peer is no log server."""
_SHOWN_BYTES: Final = 80


class _Object(msgspec.Struct, gc=False):
    """Any JSON object; its fields are checked for syntax and skipped."""


_decode_object: Final = msgspec.json.Decoder(_Object).decode


def is_object(line: bytes) -> bool:
    """Whether a line is one JSON object."""
    try:
        _decode_object(line)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


def one_line(json_object: bytes) -> bytes:
    """The object as a wire line; newlines, which in valid JSON only stand between tokens, become blanks."""
    if b"\n" in json_object:
        json_object = json_object.replace(b"\n", b" ")
    return json_object + b"\n"


def as_text(line: bytes) -> str:
    """A plain line's text; bytes that are not UTF-8 are replaced, as JSON has no place for them."""
    return line.decode(errors="replace")


class LineLink:
    """A TCP connection that carries a line a message, both ways.

    Args:
        reader: the connection's receiving half.
        writer: its sending half.
        parse: reads one reply line; None: the line is no reply of this protocol.
    """

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        parse: Callable[[bytes], Reply | None],
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._parse = parse
        self._rest = b""
        writer.transport.set_write_buffer_limits(0)  # so that flush() means: all of it is the system's now

    @property
    def lost(self) -> bool:
        """See `dialect.Link`."""
        return self._reader.at_eof() or self._writer.is_closing()

    def send(self, payloads: Sequence[bytes]) -> None:
        """See `dialect.Link`."""
        self._writer.write(b"".join(payloads))

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
        if not data:
            raise ConnectionResetError("the server closed the connection")
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > REPLY_BYTES_MAX:
            raise ConnectionAbortedError(f"reply of more than {REPLY_BYTES_MAX} bytes")
        return [self._read_reply(line) for line in lines]

    def _read_reply(self, line: bytes) -> Reply:
        reply = self._parse(line)
        if reply is None:
            raise ConnectionAbortedError(f"unexpected reply {line[:_SHOWN_BYTES]!r}")
        return reply

    async def finish(self, linger_s: float) -> None:
        """See `dialect.Link`."""
        if self._writer.is_closing():
            raise ConnectionResetError("the connection is gone")
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
        self._writer.transport.abort()  # close() would wait for a server that has stopped reading
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()


class LineDialect:
    """Base of the dialects that speak lines over TCP; they add `encode` and `parse`."""

    name: ClassVar[str]
    schemes: ClassVar[tuple[str, ...]] = ("tcp", "tcps", "tls")
    port_default: ClassVar[int]
    answers: ClassVar[Answers]
    timeout_s: ClassVar[float]

    @staticmethod
    def parse(line: bytes) -> Reply | None:
        """Read one reply line; None: not a reply of this protocol."""
        raise NotImplementedError

    async def connect(self, target: Target) -> LineLink:
        """See `dialect.Dialect`."""
        reader, writer = await open_stream(target)
        return LineLink(reader, writer, self.parse)
