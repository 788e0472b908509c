"""Traffic of the clients of `logboom prove`: every protocol, over plain sockets.

These are separate, minimal senders, independent of `logboom.clients`; only the encodings of a Cap'n Proto message
and of a gRPC entry are taken from there.
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
from logboom.prove.recording_client import COLLECTOR, DEVICE, Connect, LineTraffic, Session, Traffic, text_of

if TYPE_CHECKING:
    from logboom.clients.wire.grpc_dialect import GrpcDialect as Sender

_HOST: Final = "127.0.0.1"

STREAM_S_MAX: Final = 300.0
"""Time limit of a gRPC stream; longer than an outage of the server or a chapter."""

_MASK: Final = bytes(4)
"""A valid mask that does not change the data."""


class SilentSession:
    """Connection of a protocol without answers.

    Args:
        connection: connection that is closed with it.
        ends: separators after the lines, used in turn.
    """

    def __init__(self, connection: socket.socket, ends: Sequence[bytes] = (b"",)) -> None:
        self._connection = connection
        self._ends = ends

    def exchange(self, lines: Sequence[bytes]) -> Iterator[bool]:
        """See `Session`."""
        ends = itertools.cycle(self._ends)
        self._connection.sendall(b"".join(line + next(ends) for line in lines))
        return iter(())

    def close(self) -> None:
        """See `Session`: waits until the server has read everything and closes."""
        with suppress(OSError):
            self._connection.shutdown(socket.SHUT_WR)
            while self._connection.recv(4096):
                pass
        self._connection.close()


@dataclass(frozen=True)
class GatewayTraffic(LineTraffic):
    """Sensor readings; a newline between them is optional."""

    def open(self, connect: Connect) -> Session:
        """See `Traffic`."""
        return SilentSession(connect(self.listener), (b"\n", b"", b"\r\n"))


GATEWAY: Final = GatewayTraffic(
    "gateway",
    b'{"id":"e4643048d7292c2e","time":"2025-10-02 17:58:37","temp":%(number)d,"rh":"50.50","lux":546.60,'
    b'"note":"%(text)b"}',
    b"",
    answers=False,
)


def _says(entry: bytes, text: str) -> bool:
    """Return whether an entry of a binary protocol is complete, with this message."""
    try:
        found = json.loads(entry)
    except ValueError:
        return False
    return found.get("message") == text and found.get("level") == "INFO" and len(found) == _FIELDS


_FIELDS: Final = 16
"""Number of fields of a `LoggerMsg`, all of which are in an entry."""

_INFO: Final = 3


@dataclass(frozen=True)
class FrameTraffic:
    """Packed Cap'n Proto messages."""

    listener: str = "capnp"
    answers: bool = False

    def make(self, name: str, number: int) -> bytes:
        """See `Traffic`."""
        return CapnpDialect.encode_fields({"level": _INFO, "message": text_of(name, number)})

    def is_entry(self, entry: bytes, name: str, number: int) -> bool:
        """See `Traffic`."""
        return _says(entry, text_of(name, number))

    def open(self, connect: Connect) -> Session:
        """See `Traffic`."""
        return SilentSession(connect(self.listener))


class HttpSession:
    """`POST /api/entries` on one connection, with all forms of a body in turn."""

    def __init__(self, connection: socket.socket) -> None:
        self._http = HTTPConnection(_HOST)
        self._http.sock = connection
        self._http.auto_open = 0  # the client reconnects itself
        self._turn = 0

    def exchange(self, lines: Sequence[bytes]) -> Iterator[bool]:
        """See `Session`."""
        self._turn += 1
        body, headers = _FORMS[self._turn % len(_FORMS)](lines)
        try:
            self._http.request("POST", "/api/entries", body, headers)
            account = json.loads(self._http.getresponse().read())
            refused = {detail["index"] for detail in account["entries"]}
            known = account["stored"] + account["filtered"] + account["refused"]
        except (HTTPException, ValueError, KeyError, TypeError) as error:
            raise ConnectionError(f"the answer is not valid: {error}") from error
        yield from (index not in refused for index in range(known))
        if known < len(lines):
            raise ConnectionError(f"{known} of {len(lines)} entries have an answer")

    def close(self) -> None:
        """See `Session`."""
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
class HttpTraffic(LineTraffic):
    """Entries sent by POST."""

    def open(self, connect: Connect) -> Session:
        """See `Traffic`."""
        return HttpSession(connect(self.listener))


HTTP: Final = HttpTraffic("http", b'{"level":"info","n":%(number)d,"message":"%(text)b"}', b"")


def open_websocket(connection: socket.socket) -> socket.socket:
    """Open a WebSocket on `/` over a connection. Raises `OSError`."""
    connection.sendall(
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        data = connection.recv(1)  # so that nothing after the head is read
        if not data:
            raise ConnectionError("the server closed the connection")
        head += data
    if b" 101 " not in head:
        raise ConnectionError(f"no WebSocket: {head[:60]!r}")
    return connection


def client_frame(data: bytes, opcode: int = 1) -> bytes:
    """Encode a frame of a client."""
    size = bytes([0x80 | len(data)]) if len(data) < 126 else b"\xfe" + len(data).to_bytes(2, "big")
    return bytes([0x80 | opcode]) + size + _MASK + data


class WebSocketSession:
    """WebSocket with a reply per message, and with messages of other clients in between."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._received = bytearray()

    def exchange(self, lines: Sequence[bytes]) -> Iterator[bool]:
        """See `Session`."""
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
        """See `Session`."""
        self._connection.close()


@dataclass(frozen=True)
class WebSocketTraffic(LineTraffic):
    """Messages over the WebSocket."""

    def open(self, connect: Connect) -> Session:
        """See `Traffic`."""
        return WebSocketSession(open_websocket(connect(self.listener)))


WEBSOCKET: Final = WebSocketTraffic(
    "http", b'{"timestamp":"%(number)d","message":"%(text)b","source":"whaleon-1","type":"log"}', b""
)


class GrpcSession:
    """Stream of batches on a separate channel."""

    def __init__(self, host: str, port: int) -> None:
        import grpc  # type: ignore[import-untyped]  # noqa: PLC0415 - takes a quarter of a second

        from logboom.clients.wire.grpc_dialect import METHOD  # noqa: PLC0415

        self._error = grpc.RpcError
        self._batches: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._channel = grpc.insecure_channel(
            f"{host}:{port}", options=(("grpc.use_local_subchannel_pool", 1), ("grpc.enable_http_proxy", 0))
        )
        self._call = self._channel.stream_stream(METHOD)(iter(self._batches.get, None), timeout=STREAM_S_MAX)

    def exchange(self, lines: Sequence[bytes]) -> Iterator[bool]:
        """See `Session`."""
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
        """See `Session`."""
        self._batches.put(None)
        self._call.cancel()
        self._channel.close()


@cache
def _grpc_sender() -> "Sender":
    from logboom.clients.wire.grpc_dialect import GrpcDialect as Sender  # noqa: PLC0415 - it imports protobuf

    return Sender()


@dataclass(frozen=True)
class GrpcTraffic:
    """`LogBatches`."""

    listener: str = "grpc"
    answers: bool = True

    def make(self, name: str, number: int) -> bytes:
        """See `Traffic`. The result is one entry of a `LogBatch`."""
        return _grpc_sender().encode(b'{"level":"INFO","message":"%b"}' % text_of(name, number).encode())

    def is_entry(self, entry: bytes, name: str, number: int) -> bool:
        """See `Traffic`."""
        return _says(entry, text_of(name, number))

    def open(self, connect: Connect) -> Session:
        """See `Traffic`. Tries a plain connection first, since gRPC waits long before it reconnects."""
        with connect(self.listener) as probe:
            host, port = probe.getpeername()[:2]
        return GrpcSession(host, port)


CAPNP: Final = FrameTraffic()
GRPC: Final = GrpcTraffic()

TRAFFIC: Final[dict[str, Traffic]] = {
    "device": DEVICE,
    "collector": COLLECTOR,
    "gateway": GATEWAY,
    "capnp": CAPNP,
    "http": HTTP,
    "websocket": WEBSOCKET,
    "grpc": GRPC,
}
"""Traffic by the names in the table of `logboom prove`."""
