"""What the clients of `logboom prove` speak: every protocol, over sockets of their own.

These are senders of its own, as plain as can be: an outside view. Only how a Cap'n Proto message and a gRPC entry
are encoded is taken from `logboom.clients`.
"""

import gzip
import itertools
import json
import queue
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from http.client import HTTPConnection, HTTPException
from typing import TYPE_CHECKING, Any, Final

from logboom.clients.wire.capnp_dialect import CapnpDialect
from logboom.prove.witness import COLLECTOR, DEVICE, Connect, Dialect, LineDialect, Link, text_of

if TYPE_CHECKING:
    from logboom.clients.wire.grpc_dialect import GrpcDialect as Sender

_HOST: Final = "127.0.0.1"

STREAM_S_MAX: Final = 300.0
"""A gRPC stream ends then, whatever happens; longer than a server is away, or a run of one journal takes."""

_MASK: Final = bytes(4)
"""Masking with zeros changes nothing, and is a mask all the same."""


class SilentLink:
    """Sends, and never gets an answer.

    Args:
        connection: is closed with it.
        ends: what stands behind the lines, in turn.
    """

    def __init__(self, connection: socket.socket, ends: Sequence[bytes] = (b"",)) -> None:
        self._connection = connection
        self._ends = ends

    def exchange(self, lines: Sequence[bytes]) -> Iterator[bool]:
        """See `Link`."""
        ends = itertools.cycle(self._ends)
        self._connection.sendall(b"".join(line + next(ends) for line in lines))
        return iter(())

    def close(self) -> None:
        """See `Link`: the server takes all of it, then it closes, too."""
        with suppress(OSError):
            self._connection.shutdown(socket.SHUT_WR)
            while self._connection.recv(4096):
                pass
        self._connection.close()


@dataclass(frozen=True)
class GatewayDialect(LineDialect):
    """Sensor readings; a newline between them is optional."""

    def open(self, connect: Connect) -> Link:
        """See `Dialect`."""
        return SilentLink(connect(self.listener), (b"\n", b"", b"\r\n"))


GATEWAY: Final = GatewayDialect(
    "gateway",
    b'{"id":"e4643048d7292c2e","time":"2025-10-02 17:58:37","temp":%(number)d,"rh":"50.50","lux":546.60,'
    b'"note":"%(text)b"}',
    b"",
    answers=False,
)


def _says(entry: bytes, text: str) -> bool:
    """Whether an entry that was no JSON on the wire is whole, with this message."""
    try:
        found = json.loads(entry)
    except ValueError:
        return False
    return found.get("message") == text and found.get("level") == "INFO" and len(found) == _FIELDS


_FIELDS: Final = 16
"""Fields of a `LoggerMsg`: all of them are in an entry."""

_INFO: Final = 3


@dataclass(frozen=True)
class FrameDialect:
    """Packed Cap'n Proto messages."""

    listener: str = "capnp"
    answers: bool = False

    def make(self, name: str, number: int) -> bytes:
        """See `Dialect`."""
        return CapnpDialect.encode_fields({"level": _INFO, "message": text_of(name, number)})

    def is_entry(self, entry: bytes, name: str, number: int) -> bool:
        """See `Dialect`."""
        return _says(entry, text_of(name, number))

    def open(self, connect: Connect) -> Link:
        """See `Dialect`."""
        return SilentLink(connect(self.listener))


class HttpLink:
    """`POST /api/entries`, in all forms of a body in turn, on one connection."""

    def __init__(self, connection: socket.socket) -> None:
        self._http = HTTPConnection(_HOST)
        self._http.sock = connection
        self._http.auto_open = 0  # a new connection is the witness's business
        self._turn = 0

    def exchange(self, lines: Sequence[bytes]) -> Iterator[bool]:
        """See `Link`."""
        self._turn += 1
        body, headers = _FORMS[self._turn % len(_FORMS)](lines)
        try:
            self._http.request("POST", "/api/entries", body, headers)
            account = json.loads(self._http.getresponse().read())
            refused = {detail["index"] for detail in account["entries"]}
            known = account["stored"] + account["filtered"] + account["refused"]
        except (HTTPException, ValueError, KeyError, TypeError) as error:
            raise ConnectionError(f"no answer that can be used: {error}") from error
        yield from (index not in refused for index in range(known))
        if known < len(lines):
            raise ConnectionError(f"{known} of {len(lines)} entries have an answer")

    def close(self) -> None:
        """See `Link`."""
        self._http.close()


def _as_lines(lines: Sequence[bytes]) -> tuple[bytes, dict[str, str]]:
    return b"\n".join(lines), {"Content-Type": "application/x-ndjson"}


def _as_array(lines: Sequence[bytes]) -> tuple[bytes, dict[str, str]]:
    return b"[" + b",\n ".join(lines) + b"]", {"Content-Type": "application/json"}


def _as_gzip(lines: Sequence[bytes]) -> tuple[bytes, dict[str, str]]:
    body, headers = _as_lines(lines)
    return gzip.compress(body, 1), headers | {"Content-Encoding": "gzip"}


_FORMS: Final[tuple[Callable[[Sequence[bytes]], tuple[bytes, dict[str, str]]], ...]] = (
    _as_lines,
    _as_array,
    _as_gzip,
)


@dataclass(frozen=True)
class HttpDialect(LineDialect):
    """Entries by POST."""

    def open(self, connect: Connect) -> Link:
        """See `Dialect`."""
        return HttpLink(connect(self.listener))


HTTP: Final = HttpDialect("http", b'{"level":"info","n":%(number)d,"message":"%(text)b"}', b"")


def open_websocket(connection: socket.socket) -> socket.socket:
    """Make a WebSocket on `/` of a connection. Raises `OSError`."""
    connection.sendall(
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        data = connection.recv(1)  # not a byte of what follows
        if not data:
            raise ConnectionError("the server closed the connection")
        head += data
    if b" 101 " not in head:
        raise ConnectionError(f"no WebSocket: {head[:60]!r}")
    return connection


def client_frame(data: bytes, opcode: int = 1) -> bytes:
    """A frame as a client sends it."""
    size = bytes([0x80 | len(data)]) if len(data) < 126 else b"\xfe" + len(data).to_bytes(2, "big")
    return bytes([0x80 | opcode]) + size + _MASK + data


class WebSocketLink:
    """Messages, and a reply to each; those of others come in between."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._received = bytearray()

    def exchange(self, lines: Sequence[bytes]) -> Iterator[bool]:
        """See `Link`."""
        self._connection.sendall(b"".join(map(client_frame, lines)))
        open_ = len(lines)
        while open_:
            opcode, data = self._frame()
            if opcode == 9:
                self._connection.sendall(client_frame(data, 10))
            elif opcode == 8:
                raise ConnectionError("the server closed the WebSocket")
            elif b'"status":"received","message_id":' in data:
                open_ -= 1
                yield True
            elif b'"status": "error"' in data:
                open_ -= 1
                yield False

    def _frame(self) -> tuple[int, bytes]:
        self._need(2)
        size, start = self._received[1], 2
        if size >= 126:
            start = 4 if size == 126 else 10
            self._need(start)
            size = int.from_bytes(self._received[2:start], "big")
        self._need(start + size)
        opcode, data = self._received[0] & 15, bytes(self._received[start : start + size])
        del self._received[: start + size]
        return opcode, data

    def _need(self, size: int) -> None:
        while len(self._received) < size:
            data = self._connection.recv(65536)
            if not data:
                raise ConnectionError("the server closed the connection")
            self._received += data

    def close(self) -> None:
        """See `Link`."""
        self._connection.close()


@dataclass(frozen=True)
class WebSocketDialect(LineDialect):
    """Messages of the WebSocket."""

    def open(self, connect: Connect) -> Link:
        """See `Dialect`."""
        return WebSocketLink(open_websocket(connect(self.listener)))


WEBSOCKET: Final = WebSocketDialect(
    "http", b'{"timestamp":"%(number)d","message":"%(text)b","source":"whaleon-1","type":"log"}', b""
)


class GrpcLink:
    """A stream of batches on a channel of its own."""

    def __init__(self, host: str, port: int) -> None:
        import grpc  # type: ignore[import-untyped]  # noqa: PLC0415 - it takes a quarter of a second

        from logboom.clients.wire.grpc_dialect import METHOD  # noqa: PLC0415

        self._error = grpc.RpcError
        self._batches: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._channel = grpc.insecure_channel(
            f"{host}:{port}", options=(("grpc.use_local_subchannel_pool", 1), ("grpc.enable_http_proxy", 0))
        )
        self._call = self._channel.stream_stream(METHOD)(iter(self._batches.get, None), timeout=STREAM_S_MAX)

    def exchange(self, lines: Sequence[bytes]) -> Iterator[bool]:
        """See `Link`."""
        self._batches.put(b"".join(lines))
        open_ = len(lines)
        while open_:
            stored = self._next()
            open_ -= stored
            yield from (True,) * stored

    def _next(self) -> int:
        from logboom.formats.proto_schema import load_schema  # noqa: PLC0415 - it imports protobuf

        response: Any = load_schema("logservice.proto").messages["LogBatchResponse"]
        try:
            return int(response.FromString(next(self._call)).stored)
        except (self._error, StopIteration) as error:
            raise ConnectionError(f"the stream ended: {type(error).__name__}") from error

    def close(self) -> None:
        """See `Link`."""
        self._batches.put(None)
        self._call.cancel()
        self._channel.close()


@cache
def _grpc_sender() -> "Sender":
    from logboom.clients.wire.grpc_dialect import GrpcDialect as Sender  # noqa: PLC0415 - it imports protobuf

    return Sender()


@dataclass(frozen=True)
class GrpcDialect:
    """`LogBatches`."""

    listener: str = "grpc"
    answers: bool = True

    def make(self, name: str, number: int) -> bytes:
        """See `Dialect`. The outcome is one entry of a `LogBatch`."""
        return _grpc_sender().encode(b'{"level":"INFO","message":"%b"}' % text_of(name, number).encode())

    def is_entry(self, entry: bytes, name: str, number: int) -> bool:
        """See `Dialect`."""
        return _says(entry, text_of(name, number))

    def open(self, connect: Connect) -> Link:
        """See `Dialect`. A plain connection first: gRPC itself would wait for long before it tries again."""
        with connect(self.listener) as probe:
            host, port = probe.getpeername()[:2]
        return GrpcLink(host, port)


CAPNP: Final = FrameDialect()
GRPC: Final = GrpcDialect()

DIALECTS: Final[dict[str, Dialect]] = {
    "device": DEVICE,
    "collector": COLLECTOR,
    "gateway": GATEWAY,
    "capnp": CAPNP,
    "http": HTTP,
    "websocket": WEBSOCKET,
    "grpc": GRPC,
}
"""By the names that the table of `logboom prove` shows."""
