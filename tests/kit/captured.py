"""HTTP requests of real clients, as they were captured, and their replay against a server."""

import re
import socket
from collections.abc import Iterator
from pathlib import Path

CAPTURES = Path(__file__).parents[1] / "captures"
LIMIT_S = 30.0

_LENGTH = re.compile(rb"content-length:\s*(\d+)", re.IGNORECASE)
_CHUNKED = re.compile(rb"transfer-encoding:\s*chunked", re.IGNORECASE)


def requests_of(name: str) -> Iterator[bytes]:
    """Each request of a capture, whole."""
    data = (CAPTURES / name).read_bytes()
    while data:
        end = data.index(b"\r\n\r\n") + 4
        head = data[:end]
        if _CHUNKED.search(head):
            end = data.index(b"\r\n0\r\n\r\n", end - 4) + 7
        elif found := _LENGTH.search(head):
            end += int(found[1])
        yield data[:end]
        data = data[end:]


def replay(port: int, name: str) -> list[tuple[int, bytes]]:
    """Send each request of a capture on a connection of its own; returns status and body of the answers."""
    return [answer_to(port, request) for request in requests_of(name)]


def answer_to(port: int, request: bytes) -> tuple[int, bytes]:
    """Send a request, and read the answer to the end of the connection; returns its status and its body."""
    status, _, rest = raw_answer(port, request).partition(b"\r\n\r\n")
    return int(status.split(b" ")[1]), rest


def raw_answer(port: int, request: bytes) -> bytes:
    """Send a request, and read the answer to the end of the connection."""
    head, _, body = request.partition(b"\r\n\r\n")
    lines = [
        line for line in head.split(b"\r\n") if not line.lower().startswith((b"connection:", b"expect:"))
    ]
    with socket.create_connection(("127.0.0.1", port), timeout=LIMIT_S) as connection:
        connection.sendall(b"\r\n".join([*lines, b"Connection: close", b"", body]))
        received = b""
        while data := connection.recv(1 << 16):
            received += data
    return received
