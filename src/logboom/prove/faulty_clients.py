"""Faulty clients of `logboom prove`, which violate the protocols in parallel to the recording ones.

Their complete lines have a common mark; incomplete lines must never be stored.
"""

import gzip
import random
import socket
import struct
import threading
from collections.abc import Callable, Container
from contextlib import ExitStack, suppress
from typing import Final

from logboom.prove.oracle import FAULTY
from logboom.prove.recording_client import Connect, Traffic
from logboom.prove.traffic import TRAFFIC, client_frame, open_websocket

PAUSE_S: Final = 0.1
"""Pause between two connections of a faulty client: many of them, but with time left for other clients."""

TIMEOUT_S: Final = 1.0
"""Time limit of socket operations."""

DRIBBLERS: Final = 20
"""Concurrent connections of `dribble`."""

SLOW_BYTES: Final = 4 << 20
"""Bytes of requests whose answers are not read: more than the buffers of both sides hold."""

_SILENT: Final = ("gateway", "device", "collector", "capnp", "http", "grpc")
_CUT: Final = ("device", "collector", "gateway", "http")

LINES: Final[dict[str, Traffic]] = {
    traffic.listener: traffic for name, traffic in TRAFFIC.items() if name != "websocket"
}
"""Traffic of the complete lines of faulty clients, by listener."""


def _line(listener: str, chance: random.Random) -> bytes:
    return LINES[listener].make(FAULTY, chance.randrange(1 << 30))


def garbage(connect: Connect, chance: random.Random) -> None:
    """Send garbage of any kind to any listener."""
    kinds = (
        chance.randbytes(5000),
        bytes(70_000),
        b"{" * 70_000,
        b'{"a":"' * 9000,
        b"x\n" * 300,
        b"\x00\x00\x10\x00\x1f\x8b" + chance.randbytes(4096),
        b"\xff\xff\xff\xff" + b"y" * 1000,
        b"\x80\x04\x95" + chance.randbytes(100),
        b"GET " + b"/" * 9000,
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + chance.randbytes(500),
    )
    with connect(chance.choice(_SILENT)) as connection:
        connection.settimeout(TIMEOUT_S)
        connection.sendall(chance.choice(kinds))
        _end(connection, chance)


def half_line(connect: Connect, chance: random.Random) -> None:
    """Send complete lines, then close the connection within one."""
    listener = chance.choice(_CUT[:3])
    line = _line(listener, chance)
    with connect(listener) as connection:
        connection.settimeout(TIMEOUT_S)
        whole = b"".join(_line(listener, chance) + b"\n" for _ in range(chance.randrange(5)))
        connection.sendall(whole + line[: chance.randrange(1, len(line) - 1)])
        _end(connection, chance)


def half_body(connect: Connect, chance: random.Random) -> None:
    """Send a request that ends in the middle of a line, of its gzip data, or of a chunk."""
    line = _line("http", chance)
    body = line + b"\n" + line[: chance.randrange(1, len(line) - 1)]
    kinds = (
        (b"Content-Length: 9999\r\n", body),
        (b"Content-Length: 9999\r\nContent-Encoding: gzip\r\n", gzip.compress(body)[:-12]),
        (b"Transfer-Encoding: chunked\r\n", b"ffff\r\n" + body),
        (b"Transfer-Encoding: chunked\r\n", b"zz\r\n" + body),
        (b"Content-Length: 4\r\nContent-Type: application/json\r\n", b"[[[["),
    )
    headers, sent = chance.choice(kinds)
    with connect("http") as connection:
        connection.settimeout(TIMEOUT_S)
        connection.sendall(b"POST /api/entries HTTP/1.1\r\nHost: 127.0.0.1\r\n" + headers + b"\r\n" + sent)
        _end(connection, chance)


def half_message(connect: Connect, chance: random.Random) -> None:
    """Open a WebSocket, and close it within a frame, or send invalid frames."""
    line = _line("http", chance)
    frame = client_frame(line)
    kinds = (
        frame[: chance.randrange(2, len(frame) - 1)],
        client_frame(b"not json") + client_frame(chance.randbytes(50)),
        b"\x81" + line[:50],  # not masked
        b"\xc1\xff" + b"\x7f" * 8 + bytes(4),  # a reserved bit, and a size of eight exbibytes
    )
    with connect("http") as connection:
        connection.settimeout(TIMEOUT_S)
        open_websocket(connection).sendall(chance.choice(kinds))
        _end(connection, chance)


def dribble(connect: Connect, chance: random.Random) -> None:
    """Slow loris: open many connections, and send single bytes without ever completing a line."""
    with ExitStack() as stack:
        connections = [stack.enter_context(connect(chance.choice(_CUT))) for _ in range(DRIBBLERS)]
        for byte in b'{"boot_seq":1,"upt':
            for connection in connections:
                connection.settimeout(TIMEOUT_S)
                with suppress(OSError):  # the server may have closed this one
                    connection.send(bytes([byte]))
            threading.Event().wait(PAUSE_S)


def never_reads(connect: Connect, chance: random.Random) -> None:
    """Send lines without reading the answers, until nothing can be sent any more."""
    listener = chance.choice(("device", "collector"))
    with connect(listener) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(TIMEOUT_S)
        for _ in range(SLOW_BYTES // 50_000):
            connection.sendall(b'{"level":0}\n' * (50_000 // 12))
        _end(connection, chance)


def deaf_reader(connect: Connect, chance: random.Random) -> None:
    """Subscribe to live entries without reading them."""
    with connect("http") as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(TIMEOUT_S)
        if chance.random() < 0.5:
            open_websocket(connection)
        else:
            connection.sendall(b"GET /api/tail HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        threading.Event().wait(chance.uniform(0.0, 3.0))
        _end(connection, chance)


def _end(connection: socket.socket, chance: random.Random) -> None:
    """Prepare an orderly close, or one with a reset."""
    if chance.random() < 0.5:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


KINDS: Final[tuple[Callable[[Connect, random.Random], None], ...]] = (
    garbage,
    half_line,
    half_body,
    half_message,
    dribble,
    never_reads,
    deaf_reader,
)


class FaultyClients:
    """Threads of faulty clients, one per kind.

    Args:
        connect: opens a connection to a listener.
        seed: seed of their choices.
        listeners: running listeners.
    """

    def __init__(self, connect: Connect, seed: int, listeners: Container[str]) -> None:
        self.visits = 0
        self.faults: list[str] = []
        """Unexpected errors of the threads, other than `OSError`."""
        self._open = connect
        self._listeners = listeners
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(kind, seed), daemon=True) for kind in KINDS]

    def start(self) -> None:
        """Start the threads."""
        for thread in self._threads:
            thread.start()

    def ask_to_stop(self) -> None:
        """Request the end after the current connections, without waiting."""
        self._stop.set()

    def stop(self, timeout_s: float) -> None:
        """Request the end, and wait for it."""
        self.ask_to_stop()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(timeout_s)

    def _connect(self, listener: str) -> socket.socket:
        if listener not in self._listeners:
            raise ConnectionRefusedError(f"{listener} is not part of this run")
        return self._open(listener)

    def _run(self, kind: Callable[[Connect, random.Random], None], seed: int) -> None:
        chance = random.Random(f"{seed} {kind.__name__}")  # noqa: S311 - not for secrets
        while not self._stop.is_set():
            try:
                kind(self._connect, chance)
            except OSError:
                pass  # refused, closed, or the server is being restarted
            except Exception as error:  # noqa: BLE001 - reported at the end
                self.faults.append(f"{kind.__name__}: {type(error).__name__}: {error}")
                return
            self.visits += 1
            self._stop.wait(PAUSE_S)
