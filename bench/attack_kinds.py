"""Attacks over raw sockets. Each says in a few words what the server did; anything unexpected is an `AttackError`."""

import gzip
import http.client
import pickle
import random
import socket
import ssl
import struct
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import grpc  # type: ignore[import-untyped]
from backports import zstd

from bench.subjects.base import HOST
from bench.subjects.everything import GUARDED, SECURED, Everything

Attack = Callable[[Everything, float], str]
"""Function that attacks for a number of seconds, and returns a description of the server's reaction."""

TIMEOUT_S: Final = 30.0
BOMB_BYTES: Final = 1 << 30
DEPTH: Final = 1_000_000
_MIB: Final = 1 << 20
_CROWD: Final = 1000
_NEIGHBOUR: Final = "127.0.0.2"
"""Another address than the attacker's."""
_CALLERS: Final = 48
_CALLS: Final = 128
"""Connections to `grpc`, and calls of each: more than there may be over all addresses."""
_CALL: Final = b"".join(
    bytes([0, len(name)]) + name + bytes([len(value)]) + value
    for name, value in (
        (b":method", b"POST"),
        (b":scheme", b"http"),
        (b":path", b"/logservice.LogService/LogMessage"),
        (b":authority", b"x"),
        (b"te", b"trailers"),
        (b"content-type", b"application/grpc"),
    )
)
"""The headers of one, as HTTP/2 packs them without a table."""


class AttackError(Exception):
    """The attack had an effect that it must not have."""


def _open(subject: Everything, listener: str) -> socket.socket:
    return socket.create_connection((HOST, subject.ports[listener]), timeout=TIMEOUT_S)


def _read_all(connection: socket.socket) -> bytes:
    """Everything until the server closes; a reset counts as closed."""
    found = b""
    try:
        while len(found) < _MIB and (data := connection.recv(65536)):
            found += data
    except ConnectionError:
        pass
    return found


def _status(answer: bytes) -> int:
    words = answer.split(b" ", 2)
    return int(words[1]) if len(words) > 1 and words[0].startswith(b"HTTP/") else 0


def _expect(found: object, *wanted: object) -> None:
    if found not in wanted:
        raise AttackError(f"found {found!r}, expected {' or '.join(map(repr, wanted))}")


def _expect_error(reply: bytes) -> None:
    if b'"error"' not in reply:
        raise AttackError(f"found {reply[:80]!r}, expected an error")


def _post(subject: Everything, body: bytes, **headers: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(HOST, subject.ports["http"], timeout=TIMEOUT_S)
    try:
        connection.request("POST", "/api/entries", body, {k.replace("_", "-"): v for k, v in headers.items()})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def garbage_flood(listener: str, subject: Everything, seconds: float) -> str:
    """Bytes that mean nothing, as fast as they are taken: one connection after the other, each kind in turn."""
    chance, ends_at, sent, visits = random.Random(1), time.monotonic() + seconds, 0, 0
    kinds = (chance.randbytes(_MIB), bytes(_MIB), b"{" * _MIB, b"x\n" * (_MIB // 2), b'{"a":"' * (_MIB // 6))
    while time.monotonic() < ends_at:
        kind = kinds[visits % len(kinds)]
        visits += 1
        with _open(subject, listener) as connection:
            connection.settimeout(0.5)
            visit_ends_at = time.monotonic() + seconds / len(kinds)
            try:
                while time.monotonic() < min(ends_at, visit_ends_at):
                    connection.sendall(kind)
                    sent += len(kind)
            except OSError:  # cut off, or not read any more: that is the server's right
                continue
    return f"{sent / _MIB / seconds:,.0f} MiB/s over {visits:,} connections, thrown away"


def gzip_bomb(subject: Everything, _seconds: float) -> str:
    """1 GiB in 1 MiB: as a body, in zstd as well, and half of it as a frame of the collector."""
    packed = gzip.compress(bytes(BOMB_BYTES), 9)
    _expect(_post(subject, packed, Content_Encoding="gzip", Content_Type="application/x-ndjson")[0], 400, 413)
    smaller = zstd.compress(bytes(BOMB_BYTES))
    _expect(
        _post(subject, smaller, Content_Encoding="zstd", Content_Type="application/x-ndjson")[0], 400, 413
    )
    with _open(subject, "collector") as connection:
        frame = gzip.compress(bytes(BOMB_BYTES // 2), 9)
        connection.sendall(len(frame).to_bytes(4, "big") + frame)
        _expect_error(connection.recv(1024))
    return f"{len(packed) >> 10} KiB of gzip and {len(smaller) >> 10} KiB of zstd refused; the frame: line too long"


def deep_json(subject: Everything, _seconds: float) -> str:
    """A million brackets as a document, and as many as fit into a line."""
    for opening, closing in ((b"[", b"]"), (b'{"a":', b"1}")):
        body = b"[" + opening * DEPTH + closing[-1:] * DEPTH + b"]"
        _expect(_post(subject, body[: 3 * _MIB], Content_Type="application/json")[0], 400, 413)
    with _open(subject, "collector") as connection:
        connection.sendall(b'{"level":"ERROR","message":"m","a":' + b"[" * 30_000 + b"]" * 30_000 + b"}\n")
        _expect_error(connection.recv(1024))
    return "refused with 400, and `invalid JSON`"


def header_flood(subject: Everything, _seconds: float) -> str:
    """A request whose headers never end; and one header of 64 MiB."""
    answers = []
    for piece in (b"X-Flood: 1\r\n" * 5000, b"X-Flood: " + b"a" * 60_000):
        with _open(subject, "http") as connection:
            try:
                connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n")
                for _ in range(1000):
                    connection.sendall(piece)
            except OSError:
                pass
            answers.append(_status(_read_all(connection)))
    for answer in answers:
        _expect(answer, 0, 400, 431)
    return f"closed, with status {' and '.join(str(answer or 'none') for answer in answers)}"


class _Bomb:
    """A pickle that makes a file when it is read."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return Path.touch, (self._path,)


def pickle_on_capnp(subject: Everything, _seconds: float) -> str:
    """Pickles as Python's SocketHandler sends them, with code inside."""
    with tempfile.TemporaryDirectory() as folder:
        mark = Path(folder, "executed")
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
            data = pickle.dumps(_Bomb(mark), protocol)
            with _open(subject, "capnp") as connection:
                connection.sendall(len(data).to_bytes(4, "big") + data)
                _expect(_read_all(connection), b"")
        if mark.exists():
            raise AttackError("the pickle was executed")
    return "never read: closed, nothing was executed"


def oversize_frames(subject: Everything, _seconds: float) -> str:
    """Lengths up to 4 GiB: Cap'n Proto, the collector's frames, WebSocket, gRPC."""
    for size in ((1 << 32) - 1, 1 << 31, (1 << 20) + 1):
        with _open(subject, "capnp") as connection:
            connection.sendall(size.to_bytes(4, "big") + b"y" * 100)
            _expect(_read_all(connection), b"")
    with _open(subject, "http") as connection:
        _upgrade(connection, b"")
        connection.sendall(b"\x81\xff" + struct.pack(">Q", 1 << 40) + bytes(4) + b"z" * 1000)
        _expect(_read_all(connection)[2:4], b"\x03\xf1")  # close code 1009: too big
    with _open(subject, "grpc") as connection:
        connection.sendall(
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff\xff\xff\x00\x00\x00\x00\x00\x01" + b"y" * 100
        )
        _read_all(connection)  # ends: the server closes it
    return "closed at the length, before any of it is kept"


def _upgrade(connection: socket.socket, headers: bytes) -> int:
    connection.sendall(
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        + headers
        + b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    head = b""
    while b"\r\n\r\n" not in head and (data := connection.recv(1)):
        head += data
    return _status(head)


def cross_origin(subject: Everything, _seconds: float) -> str:
    """Requests that a page of another site can cause in a browser."""
    origin = "https://evil.example"
    form = {"Origin": origin, "Content-Type": "text/plain", "Sec-Fetch-Site": "cross-site"}
    _expect(_post(subject, b'{"a":1}', **form)[0], 403)
    _expect(_post(subject, b'{"a":1}', Origin="null")[0], 403)
    with _open(subject, "http") as connection:
        _expect(_upgrade(connection, b"Origin: " + origin.encode() + b"\r\n"), 403)
    return "POST and WebSocket refused with 403, nothing stored"


def path_traversal(subject: Everything, _seconds: float) -> str:
    """Ways out of /static/."""
    tails: tuple[str, ...] = (
        "../../../../etc/passwd",
        "%2e%2e/%2e%2e/%2e%2e/etc/passwd",
        "..%2f..%2f..%2fetc%2fpasswd",
        "//etc/passwd",
    )
    tails += (
        "....//....//etc/passwd",
        "..%5c..%5cetc%5cpasswd",
        "%00",
        "app.js%00.css",
        "..",
        "../page.py",
        "%c0%ae%c0%ae/x",
    )
    found = set()
    for tail in tails:
        with _open(subject, "http") as connection:
            connection.sendall(
                f"GET /static/{tail} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()
            )
            answer = _read_all(connection)
        if b"root:" in answer or b"import " in answer:
            raise AttackError(f"/static/{tail} gave a file that is not the page's")
        found.add(_status(answer))
    for status in found:
        _expect(status, 400, 403, 404)
    return f"{len(tails)} ways tried: {' or '.join(map(str, sorted(found)))}"


def wrong_tokens(subject: Everything, seconds: float) -> str:
    """Guessing, as fast as answers come, on the listener that asks for a token."""
    ends_at, tries = time.monotonic() + seconds, 0
    connection = http.client.HTTPConnection(HOST, subject.ports[GUARDED], timeout=TIMEOUT_S)
    try:
        while time.monotonic() < ends_at:
            connection.request("GET", "/api/entries", headers={"Authorization": f"Bearer lb_{tries:040}"})
            response = connection.getresponse()
            response.read()
            _expect(response.status, 401)
            tries += 1
        connection.request("GET", "/api/status", headers={"Authorization": f"Bearer {subject.token}"})
        _expect(connection.getresponse().status, 403)  # the good token may write, not read: it was recognised
    finally:
        connection.close()
    return f"{tries / seconds:,.0f} guesses a second, each 401; the good token still works"


def foreign_page(subject: Everything, _seconds: float) -> str:
    """Request of `fetch` with `no-cors` to any port: an HTTP head, and a body that would be a valid entry."""
    body = b'{"boot_seq":1,"uptime_ms":2,"level":"ERROR","message":"forged","time":"t","temp":1,"rh":2,"lux":3}\n'
    head = b"POST / HTTP/1.1\r\nHost: x\r\nOrigin: http://evil.example\r\nContent-Length: %d\r\n\r\n" % len(
        body
    )
    for listener in ("device", "gateway", "collector", "capnp"):
        with _open(subject, listener) as connection:
            connection.sendall(head + body)
            _expect(_read_all(connection), b"")
    return "closed in the head, nothing stored"


def silent_logins(subject: Everything, _seconds: float) -> str:
    """Logins without a body, as many as one address is allowed, and a request of another address."""
    head = b"POST /api/login HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n"
    with ExitStack() as held:
        crowd = [held.enter_context(_open(subject, "http")) for _ in range(_CROWD)]
        for one in crowd:
            try:
                one.sendall(head)
            except ConnectionError:
                continue
        _expect(_ask_as_neighbour(subject), 200)
        answers = [_status(_read_all(one)) for one in crowd]
    for answer in set(answers):
        _expect(answer, 0, 408)
    return (
        f"{answers.count(0):,} of {_CROWD:,} turned away, the others closed with 408; the neighbour is served"
    )


def _ask_as_neighbour(subject: Everything) -> int:
    address = (HOST, subject.ports["http"])
    with socket.create_connection(address, TIMEOUT_S, (_NEIGHBOUR, 0)) as neighbour:
        neighbour.sendall(b"GET /livez HTTP/1.0\r\n\r\n")
        return _status(_read_all(neighbour))


def half_handshakes(subject: Everything, _seconds: float) -> str:
    """TLS connections that stop after their first bytes, and a complete one."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with ExitStack() as held:
        crowd = [held.enter_context(_open(subject, SECURED)) for _ in range(_CROWD)]
        for one in crowd:
            one.sendall(b"\x16\x03\x01\x02\x00\x01\x00")
        with context.wrap_socket(_open(subject, SECURED)) as whole:
            whole.sendall(b"[]\n")  # means nothing: what is stored is the honest client's
        began = time.monotonic()
        for one in crowd:
            _expect(_read_all(one), b"")
    return f"all {_CROWD:,} closed within {time.monotonic() - began:.0f} s; a whole one beside them is served"


def silent_calls(subject: Everything, _seconds: float) -> str:
    """Calls over gRPC without a message from one address, and a call of another address."""
    address = (HOST, subject.ports["grpc"])
    calls = b"".join(_http2_frame(1, 4, number, _CALL) for number in range(1, 2 * _CALLS, 2))
    with ExitStack() as held:
        for _ in range(_CALLERS):
            caller = held.enter_context(socket.create_connection(address, TIMEOUT_S, (_NEIGHBOUR, 0)))
            caller.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + _http2_frame(4, 0, 0, b"") + calls)
        channel = held.enter_context(grpc.insecure_channel(f"{HOST}:{subject.ports['grpc']}"))
        health = channel.unary_unary("/grpc.health.v1.Health/Check")
        _expect(health(b"", timeout=TIMEOUT_S), b"\x08\x01")
    return f"{_CALLERS * _CALLS:,} calls; the neighbour is answered"


def _http2_frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload
