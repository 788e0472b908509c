"""docs/contracts/forward.md: messages in JSON, and lines that come in parts."""

import json
from typing import Any

import msgspec
import pytest

from logboom.model import Verdict
from logboom.receivers.any import RECEIVER
from logboom.receivers.base import Transport
from logboom.receivers.forward.partial_lines import LINE_CHARS_MAX, LINES_MAX, WAIT_S
from logboom.receivers.forward.protocol import ForwardProtocol
from logboom.testing.protocol_kit import check_protocol

encode = msgspec.msgpack.Encoder().encode


def entries_of(data: bytes) -> list[dict[str, Any]]:
    return [json.loads(entry) for entry in check_protocol(ForwardProtocol, data).entries]


@pytest.mark.parametrize(
    ("text", "messages", "reply"),
    [
        ('["app", 1796051342, {"log": "a"}]', ["a"], ""),
        (
            '["app",1,{"log":"a"},{"chunk":"c1"}]["app",2,{"log":"]}\\\\\\""},null]',
            ["a", ']}\\"'],
            '{"ack":"c1"}',
        ),
        (' ["app",[[1,{"log":"a"}],\n[2,{"log":"b"}]],{"chunk":"c1"}]\n', ["a", "b"], '{"ack":"c1"}'),
        (
            '["a",1,{"log":"a"},{"chunk":"1"}]["a",1,{"log":"b"},{"chunk":"2"}]',
            ["a", "b"],
            '{"ack":"1"}{"ack":"2"}',
        ),
    ],
)
def test_messages_in_json_are_answered_in_json(text: str, messages: list[str], reply: str) -> None:
    outcome = check_protocol(ForwardProtocol, text.encode())
    assert [json.loads(entry)["message"] for entry in outcome.entries] == messages
    assert outcome.replies == reply.encode()
    assert not outcome.fatal


def test_json_keeps_its_numbers() -> None:
    data = (
        b'["app", 1796051342.25, {"message": "m", "big": 12345678901234567890123, "x": NaN, "y": "\\ud83d"}]'
    )
    assert entries_of(data) == [
        {
            "time": 1796051342250000000,
            "message": "m",
            "source": "app",
            "labels": {"tag": "app"},
            "attributes": {"big": "12345678901234567890123", "x": "NaN", "y": "\\ud83d"},
        }
    ]


def test_json_is_recognised_on_the_port_for_all_protocols() -> None:
    settings = msgspec.convert({"protocol": "any", "port": 0}, RECEIVER.settings)
    outcome = check_protocol(
        lambda: RECEIVER.transports[Transport.TCP].make(settings), b'["app",1,{"log":"a"},{"chunk":"c"}]'
    )
    assert outcome.replies == b'{"ack":"c"}'


def part(name: str, number: int, text: str, *, last: bool = False, **options: str) -> bytes:
    """A message of Docker's logging driver."""
    record = {
        "log": text,
        "container_id": "c" * 64,
        "container_name": "/pumps",
        "source": "stdout",
        "partial_message": "true",
        "partial_id": name,
        "partial_ordinal": str(number),
        "partial_last": "true" if last else "false",
    }
    return encode(["app", 1796051342, record, options])


WHOLE = {
    "time": 1796051342 * 10**9,
    "message": "abc",
    "source": "app",
    "labels": {"tag": "app", "container_name": "pumps", "container_id": "c" * 64, "stream": "stdout"},
}


def test_the_parts_of_a_line_become_one_entry() -> None:
    data = b"".join(
        [
            part("1", 1, "a"),
            encode(["app", 1, {"log": "between"}]),
            part("2", 1, "x"),
            part("1", 2, "b"),
            part("2", 2, "y", last=True),
            part("1", 3, "c", last=True),
        ]
    )
    outcome = check_protocol(ForwardProtocol, data)
    entries = [json.loads(entry) for entry in outcome.entries]
    assert [entry["message"] for entry in entries] == ["between", "xy", "abc"]
    assert entries[2] == WHOLE
    assert outcome.verdicts == [Verdict.ACCEPTED] * 3


@pytest.mark.parametrize(
    "data",
    [
        part("1", 1, "a") + part("1", 2, "b"),  # the end is missing
        part("1", 2, "b") + part("1", 3, "c", last=True),  # the start is missing
        part("1", 1, "a") + part("1", 3, "c", last=True),  # the middle is missing
        b"".join(part(str(number), 1, "a") for number in range(LINES_MAX + 2)),
        part("1", 1, "a" * LINE_CHARS_MAX) + part("1", 2, "b"),
        part("1", 1, "a", chunk="c1") + part("1", 2, "b", last=True, chunk="c2"),  # each waits for its answer
    ],
)
def test_parts_that_are_no_whole_line_are_kept_as_they_are(data: bytes) -> None:
    messages = [entry["message"] for entry in entries_of(data)]
    sent = [message[2]["log"] for message in map(msgspec.msgpack.decode, split(data))]
    assert sorted(messages) == sorted(sent)
    assert all("partial_id" in entry["attributes"] for entry in entries_of(data))


def split(data: bytes) -> list[bytes]:
    """The messages back to back, one by one."""
    return [b"\x94\xa3app" + rest for rest in data.split(b"\x94\xa3app")[1:]]


def test_parts_do_not_wait_for_ever() -> None:
    protocol = ForwardProtocol()
    protocol.receive_data(part("1", 1, "a"))
    for _ in range(WAIT_S):
        assert protocol.next_batch() is None
        assert protocol.buffered_bytes() == 1
        protocol.data_to_send()
    item = protocol.next_batch()
    assert item is not None
    assert json.loads(item[0].entries)["message"] == "a"
    assert protocol.buffered_bytes() == 0
