"""docs/contracts/syslog.md: every message becomes an entry, whatever its header looks like."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from logboom.formats.mapped import MappedEntry
from logboom.model import Verdict
from logboom.receivers.syslog.protocol import SyslogProtocol, batch_of_messages
from logboom.receivers.syslog.stamps import Stamps
from logboom.receivers.syslog.syslog_entry import SyslogEntry
from logboom.testing.protocol_kit import Outcome, check_protocol
from tests.kit.captures import datagrams, streams

NOW = datetime(2026, 11, 30, 16, tzinfo=UTC).timestamp()
EXPECTED = json.loads(Path(__file__).with_name("syslog_entries.json").read_text())


def protocol(**options: Any) -> SyslogProtocol:
    return SyslogProtocol(lambda: NOW, **options)


def stamps() -> Stamps:
    return Stamps(lambda: NOW)


def read(*messages: bytes) -> list[dict[str, Any]]:
    batch = batch_of_messages(list(messages), 1, stamps())
    assert batch.verdicts == bytes(len(messages))
    return [json.loads(entry) for entry in batch.entries.split(b"\n")]


def messages_of(outcome: Outcome) -> list[str]:
    return [json.loads(entry)["message"] for entry in outcome.entries]


@pytest.mark.parametrize("folder", ["syslog", "fluentbit"])
def test_what_real_clients_send(folder: str) -> None:
    for name, data in streams(folder, "*" if folder == "syslog" else "syslog*").items():
        outcome = check_protocol(protocol, data, rounds=2)
        assert [json.loads(entry) for entry in outcome.entries] == EXPECTED[f"{folder}/{name}"], name
        assert (outcome.replies, outcome.fatal) == (b"", False)
        assert set(outcome.verdicts) == {Verdict.ACCEPTED}
    for name, sent in datagrams(folder, "*" if folder == "syslog" else "syslog*").items():
        assert read(*sent) == EXPECTED[f"{folder}/{name}"], name


def test_names_are_those_of_all_protocols() -> None:
    names = SyslogEntry.__struct_fields__
    assert names == MappedEntry.__struct_fields__


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        # Cisco: a number, a clock that is not set, a zone, a mnemonic
        (
            b"<189>123: *Mar  1 18:46:11.123 UTC: %SYS-5-CONFIG_I: Configured from console",
            {
                "time": "2027-03-01T18:46:11.123+00:00",
                "level": "NOTICE",
                "message": "Configured from console",
                "source": "%SYS-5-CONFIG_I",
                "labels": {"facility": "local7"},
                "attributes": {"sequence": 123},
            },
        ),
        (b"<189>Nov 30 2025 15:18:45 gw: up", {"time": "2025-11-30T15:18:45+00:00", "source": "gw"}),
        (b"<189>Nov 30 15:18:45 2025 gw: up", {"time": "2025-11-30T15:18:45+00:00", "source": "gw"}),
        # rsyslog's ForwardFormat
        (
            b"<34>2026-11-21T04:12:09.611+00:00 host tag: msg",
            {
                "time": "2026-11-21T04:12:09.611+00:00",
                "level": "CRITICAL",
                "message": "msg",
                "source": "tag",
                "host": "host",
                "labels": {"facility": "auth"},
            },
        ),
        # ESPHome without and with a clock
        (b"<134>- esp wifi: up", {"message": "up", "source": "wifi", "host": "esp", "time": None}),
        (b"<134>Nov 30 15:18:45 esp wifi: up", {"message": "up", "source": "wifi", "host": "esp"}),
        # no priority, a priority above 191, no number, leading zeros
        (b"pump on", {"level": "NOTICE", "message": "pump on", "labels": {"facility": "user"}}),
        (b"<192>pump on", {"level": "NOTICE", "message": "<192>pump on"}),
        (b"<x>pump on", {"message": "<x>pump on"}),
        (b"<007>pump on", {"level": "DEBUG", "message": "pump on", "labels": {"facility": "kern"}}),
        (b"<13>", {"message": "", "level": "NOTICE"}),
        # a time that is none stays in the message
        (b"<13>Feb 31 10:00:00 h t: m", {"message": "Feb 31 10:00:00 h t: m", "time": None}),
        # RFC 5424 without a time, and with what it does not allow
        (b"<13>1 - - - - - -", {"message": "", "time": None, "host": None}),
        (
            b'<13>1 - h a p m [x y="1"][z] text',
            {"message": "text", "attributes": {"sd.x.y": "1", "sd.z": ""}},
        ),
        (b'<13>1 - h a p m [x y="1" text', {"message": '[x y="1" text', "host": "h"}),
        (b"<13>1 yesterday h a p m - text", {"message": "1 yesterday h a p m - text"}),
        (b"<13>1 2026-11-30T15:18:45.123456789Z h a p m - t", {"time": "2026-11-30T15:18:45.123456789Z"}),
        (rb'<13>1 - h a p m [x y="a\"b\\c\]d\e"] t', {"attributes": {"sd.x.y": 'a"b\\c]d\\e'}}),
        # the message: a byte order mark, indentation, JSON with numbers as sent
        (b"<13>1 2026-11-30T15:18:45Z h a p m - \xef\xbb\xbf\xc3\xa4", {"message": "ä"}),
        (b"<13>1 2026-11-30T15:18:45Z h a p m -     at x", {"message": "    at x"}),
        (b'<13>Nov 30 15:18:45 h t: @cee: {"a":1}', {"message": '@cee: {"a":1}', "attributes": {"a": 1}}),
        (b'<13>Nov 30 15:18:45 h t: {"a":1} ', {"attributes": {"a": 1}}),
        (b'<13>Nov 30 15:18:45 h t: {"a"', {"message": '{"a"', "attributes": None}),
        # line ends and zero bytes behind it
        (b"<13>Nov 30 15:18:45 h t: m\r\n\0\n", {"message": "m"}),
    ],
)
def test_messages(message: bytes, expected: dict[str, Any]) -> None:
    [entry] = read(message)
    assert {name: entry.get(name) for name in expected} == expected


def test_json_keeps_its_numbers() -> None:
    batch = batch_of_messages(
        [b'<13>Nov 30 15:18:45 h t: {"a":1.10,"b":12345678901234567890123}'], 1, stamps()
    )
    assert batch.entries.endswith(b'"attributes":{"a":1.10,"b":12345678901234567890123}}')


def test_bytes_that_are_not_utf8_are_kept() -> None:
    [good, bad] = read(b"<13>Nov 30 15:18:45 h t: m", b"<13>Nov 30 15:18:45 h t: \xffm\n")
    assert (good["message"], bad["message"]) == ("m", "\ufffdm")
    assert bad["raw"] == "PDEzPk5vdiAzMCAxNToxODo0NSBoIHQ6IP9t"
    assert "raw" not in good


def test_levels_are_there_for_the_filter() -> None:
    batch = batch_of_messages([b"<8>a", b"b", b"<15>Nov 30 15:18:45 h t: m"], 1, stamps())
    assert batch.levels == ["EMERGENCY", "NOTICE", "DEBUG"]


@pytest.mark.parametrize(
    ("now", "stamp", "year"),
    [
        ("2027-01-01T00:00:05", "Dec 31 23:59:59", 2026),
        ("2026-12-31T23:59:55", "Jan  1 00:00:01", 2027),
        ("2026-06-15T00:00:00", "Jan  1 00:00:01", 2026),
        ("2026-03-01T00:00:00", "Feb 29 00:00:01", None),
        ("2028-03-01T00:00:00", "Feb 29 00:00:01", 2028),
    ],
)
def test_the_year_is_the_nearest(now: str, stamp: str, year: int | None) -> None:
    moment = datetime.fromisoformat(now).replace(tzinfo=UTC).timestamp()
    found = Stamps(lambda: moment)[stamp]
    assert (found and int(found[:4])) == year


def test_the_zone_of_senders() -> None:
    berlin = Stamps(lambda: NOW, ZoneInfo("Europe/Berlin"))
    assert berlin["Nov 30 15:18:45"] == "2026-11-30T15:18:45+01:00"
    assert berlin["Jul 01 15:18:45"] == "2026-07-01T15:18:45+02:00"


def test_times_are_read_again_when_the_year_may_have_changed() -> None:
    moments = iter([NOW, NOW + 365 * 86400])
    stamps = Stamps(lambda: next(moments))
    assert stamps["Nov 30 15:18:45"] == "2026-11-30T15:18:45+00:00"
    stamps.refresh()
    assert stamps["Nov 30 15:18:45"] == "2027-11-30T15:18:45+00:00"


# --- the stream ---


def test_frames_of_all_kinds_on_one_connection() -> None:
    outcome = check_protocol(
        protocol, b"<13>one\n\n8 <13>a\nbc<13>two\r\n7 <13>d\0e<13>three\0<13>f\nour\0\n<13>five\0"
    )
    assert messages_of(outcome) == ["one", "a\nbc", "two", "d\0e", "three", "f\nour", "five"]


def test_a_count_needs_a_priority_behind_it() -> None:
    assert messages_of(check_protocol(protocol, b"12 monkeys\n4 <13\n07 <13>abc\n12345678901 <13>x\n12")) == [
        "12 monkeys",
        "<13",
        "07 <13>abc",
        "12345678901 <13>x",
        "12",
    ]


def test_lines_without_a_priority_are_entries_until_a_zero_byte_has_come() -> None:
    assert messages_of(check_protocol(protocol, b"<11>failed\n  at x\0<11>failed\n  at y\0")) == [
        "failed",
        "  at x",
        "failed\n  at y",
    ]


def test_messages_that_are_too_long_cost_nothing_else() -> None:
    data = b"<13>a\n<13>" + b"x" * 100 + b"\n<13>b\n200 <13>" + b"y" * 196 + b"6 <13>cc<13>" + b"z" * 100
    outcome = check_protocol(lambda: protocol(line_bytes_max=64), data)
    assert messages_of(outcome) == ["a", "b", "cc"]
    long, good = Verdict.TOO_LONG, Verdict.ACCEPTED
    assert outcome.verdicts == [good, long, good, long, good, long]


def test_messages_with_nothing_between_them_are_told_apart_once_many_have_come() -> None:
    line = b"<132>1 2026-11-30T15:12:59.541Z pi4 pumps 1 - - <13>valve"
    outcome = check_protocol(lambda: protocol(line_bytes_max=300), line * 20)
    assert messages_of(outcome) == ["<13>valve"] * 20


def test_messages_with_nothing_between_them_are_told_apart_after_a_pause() -> None:
    one = protocol()
    one.receive_data(b"<132>Nov 30 15:12:51 h t: a<132>Nov 30 15:12:51 h t: b")
    assert one.next_batch() is None
    assert one.data_to_send() == b""  # less than a second has passed
    assert one.next_batch() is None
    assert one.data_to_send() == b""
    found = one.next_batch()
    assert found is not None
    assert [json.loads(entry)["message"] for entry in found[0].entries.split(b"\n")] == ["a", "b"]
    assert one.notice is not None
    assert "newLine" in one.notice
    assert one.buffered_bytes() == 0


@pytest.mark.parametrize("rest", [b"<132>Nov 30 15:12:51 h t: b", b"12 <13>a", b"12"])
def test_a_pause_does_not_cut_what_will_get_its_end(rest: bytes) -> None:
    one = protocol()
    one.receive_data(b"<132>Nov 30 15:12:51 h t: a\n" + rest)
    assert one.next_batch() is not None
    for _ in range(3):
        one.data_to_send()
    assert one.next_batch() is None
    assert one.notice is None


def test_the_end_of_the_connection_ends_a_message() -> None:
    assert messages_of(check_protocol(protocol, b"<13>a\n<13>b")) == ["a", "b"]
    assert messages_of(check_protocol(protocol, b"6 <13>ab20 <13>torn")) == ["ab", "torn"]
    assert messages_of(check_protocol(protocol, b"x")) == ["x"]
    assert messages_of(check_protocol(protocol, b"")) == []


def test_blank_lines_and_zero_bytes_are_no_messages() -> None:
    assert messages_of(check_protocol(protocol, b"\n\r\n\0\0\n<13>a\0\0\r\n\0")) == ["a"]
    assert protocol().next_batch() is None
