"""docs/contracts/beats.md: windows, acknowledgements, versions, events as they come."""

import json
import struct
import zlib
from base64 import b64decode
from pathlib import Path
from typing import Any

import pytest

from logboom.model import Receipt, Verdict
from logboom.receivers.beats.protocol import BeatsProtocol
from logboom.testing.protocol_kit import Outcome, check_protocol, run_protocol

CAPTURES = Path(__file__).parents[2] / "captures" / "beats"


def frame(number: int, data: bytes) -> bytes:
    return b"2J" + struct.pack(">II", number, len(data)) + data


def window(*events: bytes, count: int | None = None) -> bytes:
    head = b"2W" + struct.pack(">I", len(events) if count is None else count)
    return head + b"".join(frame(number, event) for number, event in enumerate(events, 1))


def compressed(frames: bytes) -> bytes:
    data = zlib.compress(frames)
    return b"2C" + struct.pack(">I", len(data)) + data


def entries_of(outcome: Outcome) -> list[dict[str, Any]]:
    return [json.loads(entry) for entry in outcome.entries]


def entry_of(event: bytes) -> dict[str, Any]:
    [entry] = entries_of(check_protocol(BeatsProtocol, window(event)))
    return entry


@pytest.mark.parametrize(
    ("name", "stored", "replies"),
    [
        ("go-lumber.bin", 4, b"2A\0\0\0\3" + b"2A\0\0\0\1"),
        ("js-lumberjack-client.bin", 3, b"2A\0\0\0\3"),
        ("py-pylogbeat.bin", 3, b"2A\0\0\0\3"),
    ],
)
def test_what_real_clients_send_is_stored_and_acknowledged(name: str, stored: int, replies: bytes) -> None:
    outcome = check_protocol(BeatsProtocol, (CAPTURES / name).read_bytes())
    assert outcome.verdicts == [Verdict.ACCEPTED] * stored
    assert outcome.replies == replies
    assert not outcome.fatal
    for entry in entries_of(outcome):
        assert entry["message"]
        assert entry["time"].startswith("2026-11-")


def test_filebeats_fields() -> None:
    protocol = BeatsProtocol()
    protocol.receive_data((CAPTURES / "go-lumber.bin").read_bytes())
    item = protocol.next_batch()
    assert item is not None
    first = json.loads(item[0].entries.split(b"\n")[0])
    assert first["host"] == "pi4"
    assert first["message"] == "pump 0"
    assert first["attributes"]["@metadata"] == {"beat": "filebeat", "type": "_doc", "version": "8.17.0"}
    assert item[0].keys == [b'"beats:x|||/var/log/pumps.log|%d"' % offset for offset in (0, 7, 14)]


def test_logstash_clients_fields() -> None:
    outcome = check_protocol(BeatsProtocol, (CAPTURES / "py-pylogbeat.bin").read_bytes())
    assert [entry["level"] for entry in entries_of(outcome)] == ["INFO", "ERROR", "WARNING"]
    assert {(entry["host"], entry["source"].endswith("lsa.py")) for entry in entries_of(outcome)} == {
        ("vm", True)
    }


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (b'{"message":"m","n":1.10,"big":12345678901234567890123}', None),
        (b'{"message":"m","log":{"level":"warn"}}', {"level": "WARNING"}),
        (b'{"message":"m","log.level":"error"}', {"level": "ERROR"}),
        (b'{"message":"m","service":{"name":"pumps"}}', {"source": "pumps"}),
        (b'{"message":"m","fields":{"app":"pumps"}}', {"source": "pumps"}),
        (b'{"message":"m","host":"pi"}', {"host": "pi"}),
        (b'{"message":"m","level":30}', {"attributes": {"level": 30}}),
        (b'{\n "message": "m",\r\n "a": [\n1]}\n', {"attributes": {"a": [1]}}),
        (b'{"message":"m","x":NaN}', {"attributes": {"x": "NaN"}}),
        (b'{"message":"m","x":1e400}', None),
    ],
)
def test_events_keep_all_that_they_hold(event: bytes, expected: dict[str, Any] | None) -> None:
    if expected is None:
        outcome = check_protocol(BeatsProtocol, window(event))
        assert event.removeprefix(b'{"message":"m",').rstrip(b"}") in outcome.entries[0]
        return
    entry = entry_of(event)
    assert entry.pop("message") == "m"
    assert {name: entry[name] for name in expected} == expected


def test_a_message_that_is_no_text_stays_as_it_is() -> None:
    assert entry_of(b'{"message":{"a":1}}') == {"message": '{"a":1}', "attributes": {"message": {"a": 1}}}
    assert entry_of(b'{"a":1}') == {"attributes": {"a": 1}}


def test_bytes_that_are_no_text_are_kept_as_they_came() -> None:
    entry = entry_of(b'{"message":"p\xfcp"}')
    assert entry["message"] == "p\ufffdp"
    assert b64decode(entry["raw"]) == b'{"message":"p\xfcp"}'


def test_version_1() -> None:
    pairs = {b"line": b"valve stuck", b"host": b"pi", b"file": b"/var/log/x"}
    body = b"".join(struct.pack(">I", len(text)) + text for pair in pairs.items() for text in pair)
    data = b"1W\0\0\0\1" + b"1D" + struct.pack(">II", 7, len(pairs)) + body
    outcome = check_protocol(BeatsProtocol, data)
    assert entries_of(outcome) == [
        {"message": "valve stuck", "host": "pi", "attributes": {"file": "/var/log/x"}}
    ]
    assert outcome.replies == b"1A\0\0\0\7"


def test_bad_events_are_refused_and_their_window_is_acknowledged() -> None:
    events = [b'{"message":"a"}', b"nope", b"[]", b'{"m":"' + b"x" * 3000 + b'"}', b'{"message":"b"}']
    outcome = check_protocol(lambda: BeatsProtocol(event_bytes_max=2000), window(*events))
    assert outcome.verdicts == [
        *(Verdict.ACCEPTED, Verdict.NOT_JSON, Verdict.NOT_OBJECT, Verdict.TOO_LONG, Verdict.ACCEPTED)
    ]
    assert outcome.replies == b"2A\0\0\0\5"


def test_a_window_that_could_not_be_stored_whole_is_not_acknowledged() -> None:
    event = b'{"message":"' + b"x" * 500 + b'"}'
    many = b"2W" + struct.pack(">I", 2500) + compressed(window(*[event] * 2500)[6:])
    protocol = BeatsProtocol()
    protocol.receive_data(many + window(event))
    items = []
    while (item := protocol.next_batch()) is not None:
        items.append(item)
    assert len(items) > 3
    replies = [
        acker(batch.failed_receipt() if number == 1 else batch.receipt(0))
        for number, (batch, acker) in enumerate(items)
    ]
    assert b"".join(replies) == b"2A\0\0\0\1"


def test_a_waiting_client_gets_a_sign_of_life_every_five_seconds() -> None:
    protocol = BeatsProtocol()
    protocol.receive_data(window(b'{"message":"a"}'))
    item = protocol.next_batch()
    assert item is not None
    assert [protocol.data_to_send() for _ in range(10)] == [*[b""] * 4, b"2A\0\0\0\0"] * 2
    batch, acker = item
    assert acker(Receipt(0, batch.verdicts)) == b"2A\0\0\0\1"
    assert [protocol.data_to_send() for _ in range(10)] == [b""] * 10


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n",
        b"3W\0\0\0\1",
        b"2X\0\0\0\1",
        b"2W\0\xff\xff\xff",
        b"2C\xff\xff\xff\xff",
        b"2J\0\0\0\1\xff\xff\xff\xff",
        b"1D\0\0\0\1\xff\xff\xff\xff",
        compressed(compressed(frame(1, b"{}"))),
        compressed(frame(1, b"{}")[:-1]),
        b"2C\0\0\0\4nope",
    ],
)
def test_what_is_no_lumberjack_ends_the_connection_behind_what_was_good(data: bytes) -> None:
    outcome = check_protocol(
        lambda: BeatsProtocol(frame_bytes_max=4096), window(b'{"message":"a"}') + data + window(b"{}")
    )
    assert outcome.fatal
    assert len(outcome.entries) == 1
    assert outcome.replies == b"2A\0\0\0\1"


def test_a_bomb_is_bounded() -> None:
    data = compressed(frame(1, b"{}" + b" " * (20 << 20)))
    outcome = run_protocol(BeatsProtocol, [data])
    assert outcome.fatal
    assert not outcome.entries
