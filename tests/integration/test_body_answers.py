"""The answer to a body is true, however the body ends: what it calls stored is stored, and all of it."""

import gzip
import json
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from logboom.web import bodies
from tests.kit.app_kit import journal_lines
from tests.kit.app_thread import AppThread

LIMIT_S = 30.0
ENTRY = b'{"message":"one"}\n'
GOOD = ENTRY * 3

HEAD = b"POST /api/entries HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-ndjson\r\nConnection: close\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


def sized(body: bytes, size: int, headers: bytes = b"") -> bytes:
    return HEAD + headers + b"Content-Length: %d\r\n\r\n%b" % (size, body)


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def packed(body: bytes, more: int = 0) -> bytes:
    return sized(body, len(body) + more, b"Content-Encoding: gzip\r\n")


ENDS: dict[str, tuple[bytes, bytes, int]] = {
    "as it should": (sized(GOOD, len(GOOD) + len(ENTRY)), ENTRY, 200),
    "before its length": (sized(GOOD, 5000), b'{"message":"ha', 400),
    "at a line's end, before its length": (sized(GOOD, 5000), b"", 400),
    "between two chunks": (CHUNKED + chunk(GOOD), b"", 400),
    "within a chunk": (CHUNKED + chunk(GOOD), b"ffff\r\n" + ENTRY, 400),
    "in a chunk without a size": (CHUNKED + chunk(GOOD), b"zz\r\n" + ENTRY, 400),
    "with a bad line": (sized(GOOD, len(GOOD) + 4), b"bad\n", 207),
    "within gzip": (packed(gzip.compress(GOOD), 100), gzip.compress(ENTRY)[:-4], 400),
    "with nonsense behind gzip": (packed(gzip.compress(GOOD), 8), b"nonsense", 400),
}
"""What is sent first, what is sent once that is stored, before this side of the connection ends; and the status."""


def say(app: AppThread, sent: bytes, then: bytes = b"") -> tuple[int, dict[str, Any]]:
    """Send, once something is stored send more, end this side of the connection, and read the answer."""
    with socket.create_connection(("127.0.0.1", app.port("http")), timeout=LIMIT_S) as one:
        one.sendall(sent)
        if then:
            deadline = time.monotonic() + LIMIT_S
            while not app.call(lambda: app.app.journal.committed.next_sequence):
                assert time.monotonic() < deadline
            one.sendall(then)
        one.shutdown(socket.SHUT_WR)
        received = b""
        while data := one.recv(1 << 16):
            received += data
    assert received.count(b"HTTP/1.1 ") == 1
    return int(received.split(b" ", 2)[1]), json.loads(received.partition(b"\r\n\r\n")[2])


@pytest.mark.parametrize("how", ENDS)
def test_what_is_stored_is_told_whatever_comes_then(tmp_path: Path, how: str) -> None:
    first, then, status = ENDS[how]
    with AppThread(tmp_path, ("http",)) as app:
        found, told = say(app, first, then)
        assert "💥" not in app.log.getvalue()
    assert found == status
    assert told["stored"] == len(journal_lines(tmp_path))
    assert told["stored"] >= 3 or not then


@pytest.mark.parametrize(
    "pad",
    [
        lambda member: member + bytes(512),
        lambda member: member + bytes(1) + member,
        lambda member: member + bytes(300_000),
        lambda member: member + member + bytes(7),
    ],
    ids=["behind", "between", "long", "behind the second"],
)
def test_zeros_behind_gzip_are_no_error(tmp_path: Path, pad: Callable[[bytes], bytes]) -> None:
    body = pad(gzip.compress(ENTRY))
    with AppThread(tmp_path, ("http",)) as app:
        status, told = say(app, packed(body))
    assert (status, told["refused"]) == (200, 0)
    assert told["stored"] == len(journal_lines(tmp_path)) == body.count(gzip.compress(ENTRY)[10:-8])


@pytest.mark.parametrize("form", ["numbers", "strings", "lists", "nulls between entries"])
def test_an_array_of_what_is_no_entry_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    monkeypatch.setattr(bodies, "INVALID_MAX", 1000)
    element = {
        "numbers": b"1,",
        "strings": b'"},{",',
        "lists": b"[{}],",
        "nulls between entries": b"{},null,",
    }
    array = b"[" + element[form] * 300_000 + b"{}]"
    head = HEAD.replace(b"x-ndjson", b"json") + b"Content-Encoding: gzip\r\n"
    body = gzip.compress(array)
    with AppThread(tmp_path, ("http",)) as app:
        status, told = say(app, head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        counters = app.app.listeners["http"].service.intake.counters
        assert sum(counters.verdicts.values()) == 0
    assert status == 400
    assert told["error"] == "more than 1000 bad entries: the rest was not looked at"
    assert told["stored"] == len(journal_lines(tmp_path)) == 0


def test_an_array_is_stored_as_a_whole_or_not_at_all(tmp_path: Path) -> None:
    entries = [{"message": f"{number}", "a": {"b": [1, "},{"]}} for number in range(10_000)]
    good = json.dumps(entries).encode()
    head = HEAD.replace(b"x-ndjson", b"json")
    with AppThread(tmp_path, ("http",)) as app:
        status, told = say(app, head + b"Content-Length: %d\r\n\r\n" % (len(good) - 1) + good[:-1])
        assert (status, told["stored"]) == (400, 0)
        assert "not a JSON array" in told["error"]
        status, told = say(app, head + b"Content-Length: %d\r\n\r\n" % len(good) + good)
        assert (status, told["stored"], told["refused"]) == (200, 10_000, 0)
    assert [json.loads(line)["entry"] for line in journal_lines(tmp_path)] == entries
