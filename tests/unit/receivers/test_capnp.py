"""docs/contracts/capnp.md: packed messages in frames, heartbeats, hellos, and never an answer to a message."""

import json
import pickle
from pathlib import Path
from typing import Any

import capnp  # type: ignore[import-untyped]
import pytest

from logboom.formats.capnp_entry import PICKLE
from logboom.model import Receipt, Verdict
from logboom.receivers.capnp.protocol import ENTRIES_GROWTH_MAX, HEARTBEAT, HEARTBEAT_POLLS, CapnpProtocol
from logboom.testing.protocol_kit import Outcome, check_protocol, run_protocol

CLIENT = capnp.SchemaParser().load(str(Path(__file__).parents[2] / "schemas" / "logger_client.capnp"))
LIMIT = 1 << 16


def frame(payload: bytes) -> bytes:
    return len(payload).to_bytes(4, "big") + payload


def message(text: str, *, segment: int | None = None, **fields: Any) -> bytes:
    return frame(CLIENT.LoggerMsg.new_message(segment, message=text, **fields).to_bytes_packed())


def hello(**fields: Any) -> bytes:
    return frame(CLIENT.HelloMsg.new_message(**fields).to_bytes())


def make() -> CapnpProtocol:
    return CapnpProtocol(frame_bytes_max=LIMIT)


def check(data: bytes) -> Outcome:
    outcome = check_protocol(make, data)
    assert outcome.replies == b""
    return outcome


def texts(outcome: Outcome) -> list[str]:
    return [json.loads(entry)["message"] for entry in outcome.entries]


def fed(data: bytes) -> CapnpProtocol:
    protocol = make()
    protocol.receive_data(data)
    return protocol


def ended(data: bytes) -> str:
    """Why a connection that brings `data` ends, however it is cut."""
    outcome = check(data)
    assert outcome.fatal
    protocol = fed(data)
    while protocol.next_batch():
        pass
    assert protocol.fatal is not None
    assert protocol.buffered_bytes() == 0
    protocol.receive_data(message("after the end"))
    protocol.receive_eof()
    assert protocol.next_batch() is None
    return protocol.fatal


def test_messages_are_stored_in_their_order() -> None:
    wanted = ["one", "zwei äöü", "x" * 3000, "vier"]
    outcome = check(b"".join(message(text, segment=n * 8 or None) for n, text in enumerate(wanted)))
    assert texts(outcome) == wanted
    assert outcome.verdicts == [Verdict.ACCEPTED] * 4
    assert not outcome.fatal


def test_zero_length_frames_are_ignored() -> None:
    outcome = check(HEARTBEAT * 3 + message("a") + HEARTBEAT + message("b") + HEARTBEAT)
    assert texts(outcome) == ["a", "b"]
    assert len(outcome.verdicts) == 2


def test_batches_carry_levels_for_the_filter() -> None:
    data = message("a" * 200, level="trade") + message("b" * 200, level="audit")
    found = fed(data).next_batch()
    assert found is not None
    batch, acker = found
    assert batch.levels == ["TRADE", "LEVEL_12"]
    assert batch.size_bytes == len(data)
    assert acker(Receipt(0, batch.verdicts)) == b""


def test_a_malformed_message_is_the_end_and_what_came_before_is_stored() -> None:
    data = message("a") + message("b") + frame(message("cut")[4:-3]) + message("c")
    outcome = check(data)
    assert texts(outcome) == ["a", "b"]
    assert outcome.verdicts == [Verdict.ACCEPTED, Verdict.ACCEPTED, Verdict.NOT_JSON]
    assert "malformed message of" in ended(data)


def test_a_frame_above_the_limit_is_the_end() -> None:
    data = message("a") + frame(b"x" * (LIMIT + 1))
    outcome = check(data)
    assert texts(outcome) == ["a"]
    assert outcome.verdicts == [Verdict.ACCEPTED, Verdict.TOO_LONG]
    assert ended(data) == f"frame of {LIMIT + 1} bytes, the limit is {LIMIT} (frame_bytes_max)"


def test_a_frame_of_exactly_the_limit_is_taken() -> None:
    room = LIMIT - len(message("")[4:])
    length = next(size for size in range(room, 0, -1) if len(message("x" * size)) - 4 <= LIMIT)
    assert texts(run_protocol(make, [message("x" * length)])) == ["x" * length]


@pytest.mark.parametrize(
    ("start", "speaks"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", "HTTP"),
        (b"POST /logs HTTP/1.1\r\n", "HTTP"),
        (b"\x16\x03\x01\x02\x00\x01\x00", "TLS"),
    ],
)
def test_foreign_clients_are_told_apart(start: bytes, speaks: str) -> None:
    assert f"the client seems to speak {speaks}" in ended(start)


@pytest.mark.parametrize("version", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_is_never_read(version: int) -> None:
    """What `logging.handlers.SocketHandler` sends: protocol 1, and whatever its subclasses make of it."""
    record = {"name": "app", "msg": "hello", "args": None, "levelno": 20}
    data = frame(pickle.dumps(record, version))
    assert texts(check(message("a") + data)) == ["a"]
    reason = ended(data)
    assert reason == PICKLE if version else "malformed" in reason


def test_a_connection_that_ends_inside_a_frame_says_so() -> None:
    data = message("a") + message("never complete")
    for missing in (1, 10, len(message("never complete")) - 1):
        outcome = check(data[:-missing])
        assert texts(outcome) == ["a"]
        assert outcome.verdicts == [Verdict.ACCEPTED, Verdict.NOT_JSON]
        assert not outcome.fatal
    protocol = fed(b"\0\0\0\x10abc")
    assert protocol.next_batch() is None
    protocol.receive_eof()
    found = protocol.next_batch()
    assert found is not None
    assert found[0].reasons == ("the connection ended inside a frame, after 7 of 20 bytes",)
    assert protocol.next_batch() is None


def test_a_hello_gives_what_follows_its_identity() -> None:
    data = (
        message("before")
        + hello(fromName="trader", fromHost="desk7")
        + message("after")
        + hello(fromName="x")
    )
    assert texts(check(data)) == ["before", "after"]
    protocol = fed(data)
    seen = []
    while (found := protocol.next_batch()) is not None:
        seen.append((protocol.identity, found[0].count))
    assert seen == [(None, 1), ("trader@desk7", 1)]
    assert protocol.identity == "x"


def test_a_hello_without_names_changes_nothing_but_is_one() -> None:
    protocol = fed(hello(fromName="x") + hello())
    assert protocol.next_batch() is None
    assert protocol.identity == "x"
    assert protocol.fatal is None


@pytest.mark.parametrize("payload", [bytes(4), bytes(5), bytes(16) + b"x", bytes(4) + b"\xff" * 20])
def test_a_malformed_hello_is_the_end(payload: bytes) -> None:
    assert "malformed HelloMsg" in ended(frame(payload))


def test_only_clients_that_said_hello_get_heartbeats() -> None:
    silent, greeted = fed(message("a")), fed(hello(fromName="x"))
    for protocol in (silent, greeted):
        protocol.next_batch()
    sent = [[protocol.data_to_send() for _ in range(3 * HEARTBEAT_POLLS)] for protocol in (silent, greeted)]
    assert b"".join(sent[0]) == b""
    assert b"".join(sent[1]) == HEARTBEAT * 3
    assert sent[1].index(HEARTBEAT) == HEARTBEAT_POLLS - 1


def test_messages_made_to_grow_count_for_what_they_hold() -> None:
    data = message("") * 1000
    found = fed(data).next_batch()
    assert found is not None
    batch = found[0]
    assert len(batch.entries) > ENTRIES_GROWTH_MAX * len(data)
    assert batch.size_bytes == len(batch.entries) // ENTRIES_GROWTH_MAX


def test_what_is_held_is_told() -> None:
    protocol = fed(message("a") + b"\0\0\0")
    assert protocol.buffered_bytes() == len(message("a")) + 3
    assert protocol.next_batch() is not None
    assert protocol.buffered_bytes() == 3
    assert protocol.next_batch() is None
