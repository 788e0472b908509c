"""Answers of an HTTP server as replies to entries, and a server that answers as the test says."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from logboom.clients.delivery.delivery import Delivery
from logboom.clients.delivery.report import Report
from logboom.clients.delivery.shipping import patient_policy
from logboom.clients.wire import http1
from logboom.clients.wire.bearer import TokenRefusedError
from logboom.clients.wire.dialect import ConnectFailedError, Outcome
from logboom.clients.wire.dialect_registry import choose
from logboom.clients.wire.http1 import HttpAnswer
from logboom.clients.wire.http_dialect import HttpDialect, replies_of
from logboom.clients.wire.target import Target
from logboom.errors import ConfigError

OK, BAD, FILTERED = Outcome.ACKNOWLEDGED, Outcome.REFUSED, Outcome.FILTERED
LIMITED, BUSY, UNCLEAR = Outcome.LIMITED, Outcome.BUSY, Outcome.AMBIGUOUS


def account(
    stored: int, *details: tuple[int, str], filtered: int = 0, duplicates: int = 0, error: str = ""
) -> bytes:
    """The body of an answer of the API."""
    entries = [{"index": index, "status": status, "reason": status} for index, status in details]
    body: dict[str, Any] = {
        "stored": stored,
        "duplicates": duplicates,
        "filtered": filtered,
        "refused": len(details) - filtered,
    }
    body |= {"first_sequence": 1, "entries": entries, "entries_omitted": 0}
    return json.dumps(body | ({"error": error} if error else {})).encode()


@pytest.mark.parametrize(
    ("status", "body", "count", "expected"),
    [
        (200, account(3), 3, [OK, OK, OK]),
        (200, account(1, duplicates=2), 3, [OK, OK, OK]),
        (200, account(1, (0, "filtered"), filtered=1), 2, [FILTERED, OK]),
        (207, account(2, (1, "invalid")), 3, [OK, BAD, OK]),
        (413, account(0, (0, "too_long")), 1, [BAD]),
        (429, account(1, (1, "limited"), (2, "limited")), 3, [OK, LIMITED, LIMITED]),
        (503, account(1, (1, "failed")), 2, [OK, BUSY]),
        (400, account(1, (1, "invalid"), error="the rest was not looked at"), 4, [OK, BAD, UNCLEAR, UNCLEAR]),
        (503, account(0, error="too many at once"), 2, [BUSY, BUSY]),
        (408, account(0, error="nothing came"), 1, [BUSY]),
        (400, b'{"error":"no"}', 1, [BAD]),
        (400, b'{"error":"no"}', 2, [UNCLEAR, UNCLEAR]),  # each alone then
        (413, b"<html>nginx</html>", 2, [UNCLEAR, UNCLEAR]),
        (413, b"<html>nginx</html>", 1, [BAD]),
        (502, b"<html>nginx</html>", 1, [BUSY]),
        (429, b"slow down", 2, [LIMITED, LIMITED]),
    ],
)
def test_each_entry_has_its_own_outcome(
    status: int, body: bytes, count: int, expected: list[Outcome]
) -> None:
    replies = replies_of(HttpAnswer(status, {}, body), count)
    assert replies is not None
    assert [reply.outcome for reply in replies] == expected


@pytest.mark.parametrize(
    "answer",
    [
        HttpAnswer(200, {}, b"<html>hello</html>"),
        HttpAnswer(200, {}, b'{"status":"fine"}'),
        HttpAnswer(404, {}, b"not found"),
        HttpAnswer(301, {"location": "https://logs.example/"}, b""),
        HttpAnswer(200, {}, account(1)),  # of two
    ],
)
def test_what_is_no_answer_of_a_logboom_server_settles_nothing(answer: HttpAnswer) -> None:
    assert replies_of(answer, 2) is None


def test_an_account_that_does_not_add_up_is_not_believed() -> None:
    body = account(1, (7, "invalid"))
    with pytest.raises(ConnectionAbortedError, match="became of each entry"):
        replies_of(HttpAnswer(207, {}, body), 2)


def test_the_time_of_a_limit_is_kept() -> None:
    replies = replies_of(HttpAnswer(429, {"retry-after": "17"}, account(0, (0, "limited"))), 1)
    assert replies is not None
    assert replies[0].retry_after_s == 17.0


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://logs", "http://logs:8080"),
        ("http://logs:80/", "http://logs:80"),
        ("https://logs.example", "https://logs.example:443"),
        ("https://logs.example/logboom/", "https://logs.example:443/logboom"),
        ("http://[::1]:8080/api/entries", "http://[::1]:8080"),
    ],
)
def test_urls(url: str, shown: str) -> None:
    dialect, target = choose(None, url)
    assert isinstance(dialect, HttpDialect)
    assert str(target) == shown


@pytest.mark.parametrize("url", ["http://logs/?a=1", "http://", "https://logs:0", "tcp://logs:9000/path"])
def test_wrong_urls(url: str) -> None:
    with pytest.raises(ConfigError, match="expected"):
        choose("collector" if url.startswith("tcp") else None, url)


Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def serving(talk: Talk) -> tuple[asyncio.Server, Target]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await talk(reader, writer)
        except asyncio.IncompleteReadError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    return server, Target("http", "127.0.0.1", server.sockets[0].getsockname()[1])


async def read_request(reader: asyncio.StreamReader) -> tuple[str, bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    size = int(head.lower().partition("content-length: ")[2].partition("\r\n")[0])
    return head, await reader.readexactly(size)


def delivered(
    talk: Talk, *batches: list[bytes], target_of: Callable[[Target], Target] = lambda t: t
) -> Report:
    """Deliver batches to a server that talks so; returns the report."""

    async def run() -> Report:
        server, target = await serving(talk)
        policy = patient_policy(reconnects_max=3, window=256)
        delivery = Delivery(HttpDialect(), target_of(target), policy, Report())
        try:
            for batch in batches:
                await delivery.deliver(batch)
        finally:
            await delivery.close()
            server.close()
        return delivery.report

    return asyncio.run(run())


LINES = [b'{"message":"a"}\n', b'{"message":"b"}\n']


def test_batches_go_over_one_connection_as_ndjson() -> None:
    requests = []
    connections = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(writer)
        while True:
            requests.append(await read_request(reader))
            body = account(2)
            writer.write(
                b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body)
            )
            writer.write(body)

    report = delivered(talk, LINES, LINES, target_of=lambda t: t._replace(path="/logs", name="logs.example"))
    assert report.acknowledged == 4
    assert len(connections) == 1
    head, body = requests[0]
    assert head.startswith("POST /logs/api/entries HTTP/1.1\r\nHost: logs.example:")
    assert "Content-Type: application/x-ndjson\r\n" in head
    assert body == b"".join(LINES)


@pytest.mark.parametrize("ending", ["chunked", "until the end"])
def test_answers_of_all_lengths(ending: str) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        body = account(2)
        if ending == "chunked":
            writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\n%b\r\n" % body[:5])
            writer.write(b"%x\r\n%b\r\n0\r\nTrailer: x\r\n\r\n" % (len(body) - 5, body[5:]))
        else:
            writer.write(b"HTTP/1.0 200 OK\r\n\r\n" + body)

    assert delivered(talk, LINES, LINES).acknowledged == 4


def test_a_connection_that_the_server_closes_is_opened_again() -> None:
    answers = iter([b"", b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"])

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        _, body = await read_request(reader)
        good = account(body.count(b"\n"))
        head = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(good)
        writer.write(next(answers, head + good))

    report = delivered(talk, LINES, LINES)
    assert (report.acknowledged, report.refused.total()) == (4, 0)


def test_a_wrong_server_is_named() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 301 Moved\r\nLocation: https://x/\r\nContent-Length: 0\r\n\r\n")

    with pytest.raises(
        ConnectFailedError, match="takes no entries: it answers 301: it redirects to https://x/"
    ):
        delivered(talk, LINES)


def test_a_refused_token_is_named() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n")

    with pytest.raises(TokenRefusedError, match="asks for a token"):
        delivered(talk, LINES)


@pytest.mark.parametrize("size", [http1.BODY_BYTES_MAX + 1, 1 << 60])
def test_answers_are_bounded(size: int) -> None:
    async def read() -> None:
        reader = asyncio.StreamReader()
        reader.feed_data(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        await http1.read_answer(reader)

    with pytest.raises(ConnectionAbortedError, match="an answer of more than"):
        asyncio.run(read())


def test_heads_are_bounded() -> None:
    async def read() -> None:
        reader = asyncio.StreamReader()
        reader.feed_data(b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * http1.HEAD_BYTES_MAX)
        await http1.read_answer(reader)

    with pytest.raises(ConnectionAbortedError, match="not HTTP"):
        asyncio.run(read())


Answers = list[tuple[int, bytes]]


def requests_to(answers: Answers, *batches: list[bytes]) -> tuple[Report, list[tuple[str, bytes]]]:
    """The report, and key and body of each request, of a server that gives these answers; a status of 0 is none."""
    requests: list[tuple[str, bytes]] = []
    given = iter(answers)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head, body = await read_request(reader)
            requests.append((head.partition("Idempotency-Key: ")[2].partition("\r\n")[0], body))
            status, content = next(given)
            if not status:
                return
            writer.write(b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n" % (status, len(content)) + content)

    return delivered(talk, *batches), requests


def test_a_batch_without_an_answer_goes_out_again_as_it_was() -> None:
    answers = [(0, b""), (503, account(0, (0, "failed"), (1, "failed"))), (200, account(1, duplicates=1))]
    report, requests = requests_to([*answers, (200, account(2))], LINES, LINES)
    first, again, third, other = requests
    assert first == again == third
    assert first[0] != ""
    assert (other[0] != first[0], other[1]) == (True, first[1])
    assert (report.acknowledged, report.resent, report.refused.total()) == (4, 4, 0)


def test_only_what_will_never_be_stored_leaves_a_batch() -> None:
    batch = [b'{"n":%d}\n' % number for number in range(4)]
    limited = account(1, (0, "filtered"), (1, "invalid"), (3, "limited"), filtered=1)
    report, requests = requests_to([(429, limited), (200, account(1, duplicates=1))], batch)
    assert requests[1] == (requests[0][0], b"".join(batch[2:]))
    assert (report.acknowledged, report.filtered, report.refused.total()) == (2, 1, 1)


def test_each_line_of_a_refused_batch_has_a_key_that_is_the_same_next_time() -> None:
    answers = [(413, b"<html>too large</html>"), (200, account(1)), (0, b""), (200, account(1))]
    report, requests = requests_to(answers, LINES)
    whole, *alone = requests
    assert alone == [(f"{whole[0]}/0", LINES[0]), (f"{whole[0]}/1", LINES[1]), (f"{whole[0]}/1", LINES[1])]
    assert report.acknowledged == 2
