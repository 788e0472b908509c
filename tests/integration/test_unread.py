"""Clients that ask and do not take the answer: whatever they ask for, it ends, and others are served."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from logboom.pipeline import unread
from logboom.pipeline.intake import Limit
from tests.integration.test_attacks import get, post, status_of
from tests.kit.app_thread import AppThread

LIMIT_S = 30.0
ENTRIES = b'{"level":"info","message":"%b","temp":1}\n' % (b"m" * 900) * 8000
PAGE = "/api/entries?limit=8000"


@pytest.fixture
def app(tmp_path: Path) -> Iterator[AppThread]:
    with AppThread(tmp_path, ("http", "device")) as one:
        assert status_of(post(one.port("http"), ENTRIES)) == 200
        yield one


def open_one(app: AppThread, held: ExitStack, sent: str) -> socket.socket:
    """A client with hardly any room for answers, which sends and reads nothing."""
    one = held.enter_context(socket.socket())
    one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    one.settimeout(LIMIT_S)
    one.connect(("127.0.0.1", app.port("http")))
    one.sendall(sent.encode())
    return one


def request(path: str, headers: str = "") -> str:
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{headers}\r\n"


def unread_count(app: AppThread) -> int:
    return app.app.monitor.counters("http").limits_reached[Limit.UNREAD]


UPGRADE = (
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)


@pytest.mark.parametrize(
    "sent",
    [
        request(PAGE),
        request(PAGE, "Connection: close\r\n"),
        request(PAGE + "&format=csv"),
        request("/api/export.csv"),
        request("/api/export.jsonl"),
        request("/api/tail?after=-1"),
        request("/api/tail?after=-1", UPGRADE),
        request("/api/openapi.json") * 400,
        request(PAGE) * 5,
    ],
    ids=[
        "page",
        "last page",
        "csv",
        "export",
        "export of lines",
        "tail",
        "tail by WebSocket",
        "many",
        "pages",
    ],
)
def test_an_answer_that_is_not_taken_ends(app: AppThread, monkeypatch: pytest.MonkeyPatch, sent: str) -> None:
    monkeypatch.setattr(unread, "UNREAD_S_MAX", 0.0)
    with ExitStack() as held:
        open_one(app, held, sent)
        app.until(lambda: unread_count(app) > 0)
        app.until(lambda: app.app.monitor.counters("http").connections_open == 0)
    assert status_of(get(app.port("http"), "/livez")) == 200
    app.until(lambda: "took nothing of what waits for it" in app.log.getvalue())
    assert "💥" not in app.log.getvalue()


def test_what_waits_for_some_is_bounded_and_others_are_told(
    app: AppThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unread, "UNREAD_BYTES_MAX", 24 << 20)
    port = app.port("http")
    with ExitStack() as held:
        first = open_one(app, held, request(PAGE))
        assert first.recv(15) == b"HTTP/1.1 200 OK"
        answer = get(port, PAGE)
        assert status_of(answer) == 503
        assert b"Retry-After" in answer
        assert status_of(get(port, "/api/entries?limit=10")) == 200
        monkeypatch.setattr(unread, "GRACE_S", 0.0)
        assert status_of(get(port, PAGE)) == 200  # the first one had its time
        app.until(lambda: unread_count(app) == 2)


def test_who_asks_for_much_and_takes_nothing_gets_one_answer_at_a_time(app: AppThread) -> None:
    with ExitStack() as held:
        one = open_one(app, held, request(PAGE) * 20)
        assert one.recv(15) == b"HTTP/1.1 200 OK"
        assert status_of(get(app.port("http"), PAGE)) == 200  # it came behind all of those

        def waiting() -> int:
            connections = app.app.listeners["http"].service.front._connections()  # type: ignore[attr-defined]
            return sum(each.transport.get_write_buffer_size() for each in connections if each.transport)

        assert app.call(waiting) < 2 * len(ENTRIES)
