"""WebSocket messages from the client's side."""

import json

import pytest

from logboom.clients.wire import websocket_messages
from logboom.clients.wire.dialect import Outcome, Reply, UnfitLineError
from logboom.clients.wire.dialect_registry import choose
from logboom.clients.wire.stored_messages import earlier, time_of_header
from logboom.clients.wire.websocket_dialect import WebSocketDialect
from logboom.clients.wire.websocket_messages import StampedMessage, make_message, read_answer
from logboom.errors import ConfigError
from logboom.model import Receipt, Verdict
from logboom.web.messages import ERRORS, replies

MOMENT_US = 1_704_110_400_000_000


def test_a_message_is_the_documents() -> None:
    assert json.loads(make_message(["a", "b"], MOMENT_US, "whaleon-36381824")) == {
        "timestamp": "2024-01-01T12:00:00.000000",
        "message": ["a", "b"],
        "source": "whaleon-36381824",
        "type": "log",
        "line_count": 2,
    }


def test_lines_become_messages() -> None:
    dialect = WebSocketDialect("app")
    one, two = (json.loads(dialect.encode(line)) for line in (b'{"level":"INFO"}', b"a\nb\xff"))
    assert (one["message"], one["line_count"], one["source"]) == ('{"level":"INFO"}', 1, "app")
    assert (two["message"], two["line_count"]) == (["a", "b\N{REPLACEMENT CHARACTER}"], 2)


def test_messages_are_sent_as_they_are() -> None:
    line = b' {"message": ["x"],  "z":1} '
    payload = WebSocketDialect().encode(line)
    assert payload == line.strip()
    assert not isinstance(payload, StampedMessage)


def test_no_two_messages_have_the_same_time() -> None:
    dialect = WebSocketDialect()
    moments = [dialect.stamp_us(moment) for moment in (5, 5, 3, 100)]
    assert moments == [5, 6, 7, 100]
    assert dialect.stamp_us() > MOMENT_US


@pytest.mark.parametrize("line", [b"x" * (1 << 20), b'{"message":"%b"}' % (b"x" * (1 << 20))])
def test_what_would_end_the_connection_is_never_sent(line: bytes) -> None:
    with pytest.raises(UnfitLineError, match="longer than"):
        WebSocketDialect().encode(line)


@pytest.mark.parametrize("verdict", Verdict)
def test_the_servers_answers_are_understood(verdict: Verdict) -> None:
    expected = {
        Verdict.ACCEPTED: Outcome.ACKNOWLEDGED,
        Verdict.FILTERED: Outcome.FILTERED,
        Verdict.DUPLICATE: Outcome.ACKNOWLEDGED,
        Verdict.LIMITED: Outcome.LIMITED,
        Verdict.FAILED: Outcome.BUSY,
    }
    frame = replies(Receipt(0, bytes([verdict]), 42.0), 7, "2024-01-01T12:00:00.000000")
    answer = read_answer(frame[frame.index(b"{") :])
    assert answer is not None
    outcome = expected.get(verdict, Outcome.REFUSED)
    assert answer.reply == Reply(outcome, ERRORS.get(verdict, ""), 42 if verdict is Verdict.LIMITED else 0)
    assert answer.timestamp == "2024-01-01T12:00:00.000000"


@pytest.mark.parametrize(
    "text",
    [
        make_message("status", MOMENT_US, "app", websocket_messages.STATUS),
        b'{"status":"received","message":"of a peer"}',
        b'{"status":"error","message":"of a peer","source":"x"}',
        b'{"status":"error","message":["x"]}',
        b'{"status":"received"}',
        b'{"status":5}',
        b"[]",
        b"not JSON",
        b"\xff",
    ],
)
def test_other_peers_messages_are_no_answers(text: bytes) -> None:
    assert read_answer(text) is None


def test_times_of_the_server() -> None:
    assert time_of_header("Mon, 01 Jan 2024 12:00:00 GMT") == "2024-01-01T12:00:00.000000"
    assert time_of_header(None) == time_of_header("today") == ""
    assert earlier("2024-01-01T12:00:00.000001", 60) == "2024-01-01T11:59:00.000001"


@pytest.mark.parametrize(
    ("url", "name", "port"),
    [("ws://h:1/", "ws", 1), ("ws://h", "ws", 8080), ("WSS://h", "ws", 443), ("capnp://h", "capnp", 9020)],
)
def test_the_scheme_tells_the_protocol(url: str, name: str, port: int) -> None:
    dialect, target = choose(None, url)
    assert (dialect.name, target.port) == (name, port)


def test_tcp_must_be_named_and_the_unknown_is_answered_with_the_known() -> None:
    with pytest.raises(ConfigError, match="device, collector, gateway"):
        choose(None, "tcp://h:1")
    with pytest.raises(ConfigError, match="ws://"):
        choose(None, "ftp://h:1")
