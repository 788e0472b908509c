"""Clients of HTTP that say that they send no more, and wait for their answers: `nc -N` does."""

import json
import socket
import threading
from pathlib import Path

import pytest

from logboom.journal.disk import Disk
from logboom.servers import http_connection
from tests.kit.app_kit import journal_lines
from tests.kit.app_thread import AppThread

LIVEZ = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"


def post(body: bytes) -> bytes:
    return b"POST /api/entries HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


class SlowDisk(Disk):
    """A disk that syncs nothing before it is released."""

    def __init__(self) -> None:
        self.released = threading.Event()

    def sync(self, descriptor: int) -> None:
        """See `Disk`."""
        self.released.wait(60)
        super().sync(descriptor)


def say_all(app: AppThread, sent: bytes) -> bytes:
    """Send, say that this was all, and read to the end."""
    with socket.create_connection(("127.0.0.1", app.port("http")), timeout=30) as one:
        one.sendall(sent)
        one.shutdown(socket.SHUT_WR)
        received = b""
        try:
            while data := one.recv(1 << 16):
                received += data
        except ConnectionError:
            pass
        return received


def test_who_sends_no_more_gets_the_answers(tmp_path: Path) -> None:
    with AppThread(tmp_path, ("http",)) as app:
        assert say_all(app, b"GET /api/health HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.0 200")
        answer = say_all(app, post(b'{"message":"stored"}'))
        assert json.loads(answer.partition(b"\r\n\r\n")[2])["stored"] == 1
        found = say_all(app, b"GET /api/entries HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b'"stored"' in found
        exported = say_all(app, b"GET /api/export.jsonl HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b'"stored"' in exported
        assert say_all(app, LIVEZ + b"GET /half").count(b"HTTP/1.1 200") == 1
        assert say_all(app, LIVEZ * 3).count(b"HTTP/1.1 200") == 3
        assert say_all(app, LIVEZ + post(b'{"message":"also"}')).count(b"HTTP/1.1 200") == 2
        assert "💥" not in app.log.getvalue()
    assert len(journal_lines(tmp_path)) == 2


@pytest.mark.parametrize("half", [b"", b"GE", LIVEZ[:-2], post(b'{"a":1}').partition(b"\r\n\r\n")[0]])
def test_half_a_request_is_no_request(tmp_path: Path, half: bytes) -> None:
    with AppThread(tmp_path, ("http",)) as app:
        assert say_all(app, half) == b""
        assert "💥" not in app.log.getvalue()
        assert "exception" not in app.log.getvalue().lower()


def test_who_says_so_later_has_gone_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_connection, "HALF_CLOSE_S_MAX", -1.0)
    disk = SlowDisk()  # the answer is not ready when the end comes, on any interpreter
    with AppThread(tmp_path, ("http",), disk) as app:
        try:
            assert say_all(app, post(b'{"message":"x"}')) == b""
        finally:
            disk.released.set()


def test_what_stands_behind_a_declined_upgrade_is_answered(tmp_path: Path) -> None:
    upgrade = b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    with AppThread(tmp_path, ("http",)) as app:
        assert say_all(app, upgrade).count(b"HTTP/1.1 200") == 1
        assert say_all(app, upgrade + LIVEZ).count(b"HTTP/1.1 200") == 2
        assert say_all(app, upgrade + upgrade + LIVEZ).count(b"HTTP/1.1 200") == 3
        # From Python 3.12 on, a request may be answered before the end of all is seen.
        half = say_all(app, upgrade + LIVEZ + post(b'{"a":1}')[:-1])
        assert half.count(b"HTTP/1.1 200") in (1, 2)
        tail = say_all(app, upgrade + b"GET /api/tail HTTP/1.1\r\nHost: x\r\n\r\n")
        assert tail.count(b"HTTP/1.1 200") in (1, 2)


@pytest.mark.parametrize("path", ["/", "/api/tail"])
@pytest.mark.parametrize("sent_before", [b"", LIVEZ])
def test_what_never_ends_is_not_begun_for_who_sends_no_more(
    tmp_path: Path, path: str, sent_before: bytes
) -> None:
    head = f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    shakes = "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    with AppThread(tmp_path, ("http",)) as app:
        say_all(app, sent_before + (head + shakes).encode())
        assert app.call(lambda: app.app.monitor.counters("http").connections_open) == 0


def test_a_tail_is_not_begun_for_who_sends_no_more(tmp_path: Path) -> None:
    with AppThread(tmp_path, ("http",)) as app:
        say_all(app, b"GET /api/tail?after=0 HTTP/1.1\r\nHost: x\r\n\r\n")
        assert app.call(lambda: app.app.monitor.counters("http").connections_open) == 0


def test_a_tail_ends_with_its_reader(tmp_path: Path) -> None:
    with (
        AppThread(tmp_path, ("http",)) as app,
        socket.create_connection(("127.0.0.1", app.port("http")), timeout=30) as one,
    ):
        one.sendall(b"GET /api/tail HTTP/1.1\r\nHost: x\r\n\r\n")
        assert one.recv(4096).startswith(b"HTTP/1.1 200")
        one.shutdown(socket.SHUT_WR)
        while one.recv(4096):
            pass
