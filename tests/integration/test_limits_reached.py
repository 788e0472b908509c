"""Each limit that has no metric of its own: a client reaches it, and `logboom_limits_reached_total` counts it.

Those of gRPC alone are attacked in `test_grpc.py`.
"""

import socket
import zlib
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from logboom.pipeline import unread
from logboom.pipeline.intake import Limit
from logboom.pipeline.tokens import add_token
from logboom.servers import connection as connection_module
from logboom.servers import tcp as tcp_module
from logboom.web import bodies, export, json_body, push, site, tail
from tests.kit.app_thread import AppThread

LIMIT_S = 30.0
LINE = b'{"boot_seq":3,"uptime_ms":1}\n'
POST = b"POST /api/entries HTTP/1.1\r\nHost: x\r\n"
PIECE = b"x" * 50_000


class Attack(NamedTuple):
    """A way to reach a limit."""

    listener: str
    act: Callable[[AppThread, ExitStack], None]
    """Returns once the limit was reached, or soon will be."""
    lowered: tuple[tuple[Any, str, Any], ...] = ()
    """Bounds of the code that are made small: module, name, value."""
    settings: dict[str, Any] | None = None


def open_socket(app: AppThread, held: ExitStack, listener: str = "http") -> socket.socket:
    return held.enter_context(socket.create_connection(("127.0.0.1", app.port(listener)), timeout=LIMIT_S))


def ask(app: AppThread, held: ExitStack, *pieces: bytes) -> int:
    """The status of the answer to a request that is written by hand."""
    one = open_socket(app, held)
    for piece in pieces:
        one.sendall(piece)
    head = b""
    while b"\r\n" not in head and (data := one.recv(4096)):
        head += data
    return int(head.split(b" ", 2)[1])


def post(body: bytes, headers: bytes = b"") -> bytes:
    return b"%bContent-Length: %d\r\n%b\r\n%b" % (POST, len(body), headers, body)


def wait_for_end(one: socket.socket) -> None:
    try:
        while one.recv(1 << 16):
            pass
    except ConnectionError:
        pass


def send_too_many_lines(app: AppThread, held: ExitStack) -> None:
    assert ask(app, held, post(b'{"a":1}\n{"a":2}\n{"a":3}')) == 429


def send_no_proxy_header(app: AppThread, held: ExitStack) -> None:
    one = open_socket(app, held, "device")
    one.sendall(b'{"boot_seq":1,"uptime_ms":1}\n')
    wait_for_end(one)


def stay_silent(app: AppThread, held: ExitStack) -> None:
    wait_for_end(open_socket(app, held, "gateway"))


def leave_replies_unread(app: AppThread, held: ExitStack) -> None:
    one = open_socket(app, held, "collector")
    one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    try:
        while True:
            one.sendall(b"nonsense\n" * 10_000)
    except ConnectionError:
        pass


def show_no_token(app: AppThread, held: ExitStack) -> None:
    wait_for_end(open_socket(app, held, "device"))


def hold_frames(app: AppThread, held: ExitStack) -> None:
    one = open_socket(app, held, "capnp")
    one.sendall((1 << 20).to_bytes(4, "big") + PIECE * 2)
    wait_for_end(one)


def send_a_long_head(app: AppThread, held: ExitStack) -> None:
    assert ask(app, held, b"GET /livez HTTP/1.1\r\nHost: x\r\nX-Long: ", PIECE, b"\r\n\r\n") == 400
    assert ask(app, held, b"GET /livez HTTP/1.1\r\nHost: x\r\n", b"X: y\r\n" * 500, b"\r\n") == 400
    assert app.app.monitor.counters("http").limits_reached[Limit.HEAD_BYTES] == 2


def send_no_body(app: AppThread, held: ExitStack) -> None:
    assert ask(app, held, POST, b"Content-Length: 10\r\n\r\n{") == 408
    assert ask(app, held, b"POST /api/login HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{") == 408
    counters = app.app.monitor.counters("http")
    assert counters.limits_reached[Limit.BODY_TIME] == 2
    assert counters.slow_closed == 1


def send_a_large_document(app: AppThread, held: ExitStack) -> None:
    assert ask(app, held, post(b'[{"a":"' + PIECE + b'"}]')) == 413


def send_a_bomb(app: AppThread, held: ExitStack) -> None:
    packed = zlib.compress(b" " * 4_000_000, wbits=31)
    assert ask(app, held, post(packed, b"Content-Encoding: gzip\r\n")) == 413


def send_bad_entries(app: AppThread, held: ExitStack) -> None:
    packed = zlib.compress(b'{"good":1}\n' + b"0\n" * 1_000_000, wbits=31)
    assert ask(app, held, post(packed, b"Content-Encoding: gzip\r\n")) == 400


def search(app: AppThread, held: ExitStack) -> None:
    assert ask(app, held, b"GET /api/entries HTTP/1.1\r\nHost: x\r\n\r\n") == 503


def tail_it(app: AppThread, held: ExitStack) -> None:
    assert ask(app, held, b"GET /api/tail HTTP/1.1\r\nHost: x\r\n\r\n") == 503


def export_it(app: AppThread, held: ExitStack) -> None:
    assert ask(app, held, b"GET /api/export.csv HTTP/1.1\r\nHost: x\r\n\r\n") == 503


def send_a_large_message(app: AppThread, held: ExitStack) -> None:
    peer = held.enter_context(connect(f"ws://127.0.0.1:{app.port('http')}/"))
    peer.send("x" * 2000)
    with pytest.raises(ConnectionClosed, match="1009") as caught:
        peer.recv(timeout=LIMIT_S)
    assert caught.value.rcvd is not None
    assert caught.value.rcvd.code == 1009


ATTACKS = {
    Limit.RATE: Attack(
        "http",
        send_too_many_lines,
        settings={"rate_limit_enabled": True, "rate_limit_requests_max": 2},
    ),
    Limit.IDLE: Attack("gateway", stay_silent, settings={"idle_close_s": 0.01}),
    Limit.UNREAD: Attack(
        "collector",
        leave_replies_unread,
        ((unread, "UNREAD_S_MAX", 0.0),),
        {"rate_limit_enabled": False},
    ),
    Limit.PROXY_HEADER: Attack("device", send_no_proxy_header, settings={"proxy_from": ["127.0.0.0/8"]}),
    Limit.FIRST_LINE: Attack(
        "device", show_no_token, ((connection_module, "TOKEN_LINE_S_MAX", 0.0),), {"auth": "token"}
    ),
    Limit.HELD_BYTES: Attack("capnp", hold_frames, ((tcp_module, "HELD_BYTES_MAX", 1000),)),
    Limit.HEAD_BYTES: Attack("http", send_a_long_head),
    Limit.BODY_TIME: Attack(
        "http", send_no_body, ((push, "BODY_IDLE_S_MAX", 0.01), (json_body, "BODY_S_MAX", 0.01))
    ),
    Limit.BODY_BYTES: Attack("http", send_a_large_document, ((bodies, "DOCUMENT_BYTES_MAX", 1000),)),
    Limit.UNPACKED_RATIO: Attack(
        "http", send_a_bomb, ((bodies, "RATIO_MAX", 10), (bodies, "RATIO_FREE_BYTES", 1))
    ),
    Limit.BAD_ENTRIES: Attack("http", send_bad_entries, ((bodies, "INVALID_MAX", 10),)),
    Limit.SEARCHES: Attack("http", search, ((site, "SEARCHES_MAX", 0),)),
    Limit.TAILS: Attack("http", tail_it, ((tail, "TAILS_MAX", 0),)),
    Limit.EXPORTS: Attack("http", export_it, ((export, "EXPORTS_MAX", 0),)),
    Limit.MESSAGE_BYTES: Attack("http", send_a_large_message, settings={"line_bytes_max": 1000}),
}


@pytest.mark.parametrize("limit", [limit for limit in Limit if not limit.name.startswith("GRPC_")])
def test_whoever_comes_up_against_a_limit_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: Limit
) -> None:
    attack = ATTACKS[limit]
    for module, name, value in attack.lowered:
        monkeypatch.setattr(module, name, value)
    add_token(tmp_path / "tokens.json", "one", ("write",))
    settings = {"listeners": {attack.listener: attack.settings or {}}}
    with AppThread(tmp_path, (attack.listener,), settings=settings) as app, ExitStack() as held:
        attack.act(app, held)
    counters = app.app.monitor.counters(attack.listener)  # now that all is settled
    assert {one for one, count in counters.limits_reached.items() if count} == {limit}
