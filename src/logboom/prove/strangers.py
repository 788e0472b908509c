"""Clients that do everything wrong, all the time, beside the honest ones of `logboom prove`.

What they send whole, as a client may, carries the stranger's mark; halves of it must never be stored.
"""

import gzip
import random
import socket
import struct
import threading
from collections.abc import Callable, Container
from contextlib import ExitStack, suppress
from typing import Final

from logboom.prove.dialects import DIALECTS, HTTP, client_frame, open_websocket
from logboom.prove.oracle import STRANGER
from logboom.prove.witness import Connect, Dialect, LineDialect

PAUSE_S: Final = 0.1
"""Between two visits of a stranger: enough of them to be a nuisance, few enough to leave time for the others."""

TIMEOUT_S: Final = 1.0
"""A stranger waits no longer: it wants to be a nuisance elsewhere."""

DRIBBLERS: Final = 20
"""Connections at once that one visit keeps open, a byte at a time."""

SLOW_BYTES: Final = 4 << 20
"""What is asked for and not read: more than the buffers of both sides hold."""


LINES: Final[dict[str, Dialect]] = {
    dialect.listener: dialect for name, dialect in DIALECTS.items() if name != "websocket"
}
"""By listener, what a stranger's whole lines look like."""

_OF_LINES: Final = tuple(
    name for name, one in LINES.items() if isinstance(one, LineDialect) and one is not HTTP
)
"""Listeners whose protocol is lines over TCP."""


def _line(listener: str, chance: random.Random) -> bytes:
    return LINES[listener].make(STRANGER, chance.randrange(1 << 30))


def garbage(connect: Connect, chance: random.Random) -> None:
    """Bytes of all kinds, at any listener."""
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
    with connect(chance.choice(tuple(LINES))) as connection:
        connection.settimeout(TIMEOUT_S)
        connection.sendall(chance.choice(kinds))
        _end(connection, chance)


def half_line(connect: Connect, chance: random.Random) -> None:
    """Some whole lines, then the connection is cut within one."""
    listener = chance.choice(_OF_LINES)
    line = _line(listener, chance)
    with connect(listener) as connection:
        connection.settimeout(TIMEOUT_S)
        whole = b"".join(_line(listener, chance) + b"\n" for _ in range(chance.randrange(5)))
        connection.sendall(whole + line[: chance.randrange(1, len(line) - 1)])
        _end(connection, chance)


def half_body(connect: Connect, chance: random.Random) -> None:
    """A request that ends in the middle of a line, of its gzip data, or of a chunk."""
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
    """A WebSocket that is cut within a frame, or sends frames that may not be."""
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
    """Slow-loris: many connections, a byte now and then, none of them ever complete."""
    with ExitStack() as stack:
        connections = [
            stack.enter_context(connect(chance.choice((*_OF_LINES, HTTP.listener)))) for _ in range(DRIBBLERS)
        ]
        for byte in b'{"boot_seq":1,"upt':
            for connection in connections:
                connection.settimeout(TIMEOUT_S)
                with suppress(OSError):  # the server may have had enough of this one
                    connection.send(bytes([byte]))
            threading.Event().wait(PAUSE_S)


def never_reads(connect: Connect, chance: random.Random) -> None:
    """Sends lines and leaves every answer unread, until nothing can be sent any more."""
    listener = chance.choice(("device", "collector"))
    with connect(listener) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(TIMEOUT_S)
        for _ in range(SLOW_BYTES // 50_000):
            connection.sendall(b'{"level":0}\n' * (50_000 // 12))
        _end(connection, chance)


def deaf_reader(connect: Connect, chance: random.Random) -> None:
    """Listens to what others send, and takes none of it."""
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
    """Close politely, or with a reset."""
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


class Strangers:
    """One thread for each kind, visit after visit.

    Args:
        connect: as for witnesses.
        seed: of their choices.
        listeners: where they come to; elsewhere nobody listens.
    """

    def __init__(self, connect: Connect, seed: int, listeners: Container[str]) -> None:
        self.visits = 0
        self.faults: list[str] = []
        """What ended one of them: it should have been an `OSError`."""
        self._open = connect
        self._listeners = listeners
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(kind, seed), daemon=True) for kind in KINDS]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def ask_to_stop(self) -> None:
        """End after the visits that are on; waits for nothing."""
        self._stop.set()

    def stop(self, timeout_s: float) -> None:
        """The same, and wait for it."""
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
                pass  # turned away, cut off, or the server is being started again
            except Exception as error:  # noqa: BLE001 - told at the end
                self.faults.append(f"{kind.__name__}: {type(error).__name__}: {error}")
                return
            self.visits += 1
            self._stop.wait(PAUSE_S)
