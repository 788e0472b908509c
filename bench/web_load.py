"""WebSocket and HTTP load over raw sockets, so that the client takes little of the machine."""

import socket
import time
from typing import Final

from bench.line import payload

HOST: Final = "127.0.0.1"
WINDOW: Final = 100
STEP: Final = 50
_MESSAGE: Final = (
    b'{"timestamp":"2024-01-01T12:00:00","message":"StateChange [2024-01-01 12:00:00] Task completed",'
    b'"source":"whaleon-36381824","type":"log","line_count":1}'
)
_MASK: Final = b"\x00\x00\x00\x00"  # masking with zeros changes nothing, and is a mask all the same

POST_LINES: Final = 2000


def open_websocket(port: int) -> socket.socket:
    """A WebSocket on `/`."""
    connection = socket.create_connection((HOST, port), timeout=60)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.sendall(
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n" % port
    )
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += connection.recv(1)
    if b" 101 " not in head:
        raise OSError(f"no WebSocket: {head[:80]!r}")
    return connection


def websocket(port: int, seconds: float, marker: bytes) -> tuple[int, float]:
    """Messages answered and seconds; `WINDOW` on the way. `marker` stands once in every answer."""
    frame = b"\x81" + bytes([0x80 | 126]) + len(_MESSAGE).to_bytes(2, "big") + _MASK + _MESSAGE
    block = frame * STEP
    with open_websocket(port) as connection:
        connection.sendall(block)
        sent, answered, rest = STEP, 0, b""
        started = time.monotonic()
        while time.monotonic() - started < seconds or answered < sent:
            while sent - answered <= WINDOW - STEP and time.monotonic() - started < seconds:
                connection.sendall(block)
                sent += STEP
            data = rest + connection.recv(1 << 18)
            answered += data.count(marker)
            rest = data[-len(marker) + 1 :]
        return answered, time.monotonic() - started


def ndjson(port: int, seconds: float) -> tuple[int, float]:
    """Entries stored by `POST /api/entries` and seconds; one request after the other on one connection."""
    body = payload(0, POST_LINES)
    head = (
        b"POST /api/entries HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Type: application/x-ndjson\r\n" % port
    )
    request = head + b"Content-Length: %d\r\n\r\n" % len(body) + bytes(body)
    with socket.create_connection((HOST, port), timeout=60) as connection:
        stored, started = 0, time.monotonic()
        while time.monotonic() - started < seconds:
            connection.sendall(request)
            answer = b""
            while b'"entries_omitted"' not in answer:
                answer += connection.recv(65536)
            if b'"stored": %d,' % POST_LINES not in answer:
                raise OSError(f"not all stored: {answer[-200:]!r}")
            stored += POST_LINES
        return stored, time.monotonic() - started
