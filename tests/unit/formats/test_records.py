import json
from typing import Any

import pytest

from logboom.formats.records import records_of
from logboom.model import Record

RECEIVED = "2025-11-12T19:08:58.838190+00:00"


def journal_line(entry: str) -> bytes:
    return (
        f'{{"received_at":"{RECEIVED}","entry":{entry},"source":"10.0.0.1","listener":"device"}}\n'.encode()
    )


def record_of(entry: dict[str, Any]) -> Record:
    (record,) = records_of([7], journal_line(json.dumps(entry)))
    return record


def test_a_device_entry() -> None:
    entry = {"boot_seq": 1, "uptime_ms": 5, "level": "warn", "msg": "hot", "ts": "2025-11-12T20:00:00+01:00"}
    assert record_of(entry) == Record(
        sequence=7,
        received_at=RECEIVED,
        time="2025-11-12T19:00:00.000000+00:00",
        source="10.0.0.1",
        listener="device",
        level="WARNING",
        message="hot",
        entry=entry,
        time_from="sender",
    )


@pytest.mark.parametrize("key", ["level", "severity", "levelname", "lvl"])
def test_synonyms_of_level(key: str) -> None:
    assert record_of({key: "Err"}).level == "ERROR"


@pytest.mark.parametrize("key", ["msg", "message"])
def test_synonyms_of_message(key: str) -> None:
    assert record_of({key: "hello"}).message == "hello"


@pytest.mark.parametrize("key", ["ts", "time", "timestamp", "@timestamp"])
def test_synonyms_of_time(key: str) -> None:
    assert record_of({key: "2025-10-02 17:58:37"}).time == "2025-10-02T17:58:37.000000+00:00"


def test_null_counts_as_absent() -> None:
    record = record_of({"level": None, "lvl": "debug", "msg": None, "message": "m", "ts": None})
    assert (record.level, record.message, record.time) == ("DEBUG", "m", RECEIVED)


@pytest.mark.parametrize(
    ("level", "shown"),
    [(40, "ERROR"), ("30", "WARNING"), (" info ", "INFO"), ("Custom", "CUSTOM"), (["x"], "['x']"), ("", "")],
)
def test_levels(level: object, shown: str) -> None:
    assert record_of({"level": level}).level == shown


@pytest.mark.parametrize(("kind", "shown"), [("error", "ERROR"), ("heartbeat", ""), ("30", ""), (3, "")])
def test_a_type_stands_in_for_the_level_only_when_it_is_a_level_word(kind: object, shown: str) -> None:
    assert record_of({"type": kind}).level == shown


def test_an_unreadable_time_is_the_receive_time() -> None:
    assert record_of({"time": "noon"}).time == RECEIVED


def test_times_can_be_left_out() -> None:
    line = journal_line('{"ts":"2025-01-01T00:00:00Z"}')
    assert records_of([0], line, with_times=False)[0].time == RECEIVED


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"type": "heartbeat", "uptime_ms": 5}, '{"type":"heartbeat","uptime_ms":5}'),
        ({"temp": 24.1, "name": "ü"}, '{"temp":24.1,"name":"ü"}'),
        ({"msg": ["one", "two"]}, "one\ntwo"),
        ({"msg": ["one", 2]}, '["one",2]'),
        ({"msg": 5}, "5"),
        ({"msg": False}, "false"),
        ({"msg": {"a": 1}}, '{"a":1}'),
        ({"msg": ""}, ""),
        ({}, "{}"),
        ({"n": 10**30}, f'{{"n":{10**30}}}'),
    ],
)
def test_messages_that_are_no_strings(entry: dict[str, Any], message: str) -> None:
    assert record_of(entry).message == message


def test_sequences_may_have_gaps() -> None:
    lines = journal_line('{"msg":"a"}') + journal_line('{"msg":"b"}')
    assert [(r.sequence, r.message) for r in records_of([3, 9], lines)] == [(3, "a"), (9, "b")]


@pytest.mark.parametrize(
    "damage", [b"", b"\0\0\0", b"{", b'{"received_at":"x"}', b"\xff\xfe", b'{"a":"\\ud800"}', b"[1,2]"]
)
def test_damaged_lines_are_left_out(damage: bytes) -> None:
    data = journal_line('{"msg":"a"}') + damage + b"\n" + journal_line('{"msg":"b"}')
    assert [(r.sequence, r.message) for r in records_of(range(5, 8), data)] == [(5, "a"), (7, "b")]


def test_two_documents_on_one_line_are_damage() -> None:
    twice = journal_line("{}")[:-1] * 2 + b"\n"
    assert [r.sequence for r in records_of(range(2), twice + journal_line("{}"))] == [1]


@pytest.mark.parametrize("entry", ['{"msg":"big","n":1e400}', '{"n":1e400,"msg":"big"}'])
def test_numbers_beyond_the_fast_decoder(entry: str) -> None:
    (record,) = records_of([0], journal_line(entry))
    assert record.message == "big"


def test_what_no_decoder_reads_is_its_own_message() -> None:
    entry = f'{{"n":{"9" * 5000},"x":1e400}}'  # Python refuses integers of so many digits
    (record,) = records_of([0], journal_line(entry))
    assert record.message == entry


def test_nothing() -> None:
    assert records_of(range(0), b"") == []


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"event": "started", "level": "info", "port": 80}, "started"),  # structlog
        ({"event": "started", "msg": "m"}, "m"),
        ({"event": "started", "message": "m"}, "m"),
        ({"event": {"dataset": "x"}, "message": "ECS"}, "ECS"),
        ({"event": {"dataset": "x"}}, '{"event":{"dataset":"x"}}'),
        ({"event": "", "text": "t"}, "t"),
        ({"short_message": "GELF", "host": "h"}, "GELF"),
        ({"log": "a container's line", "stream": "stdout"}, "a container's line"),
        ({"log": {"level": "info"}}, '{"log":{"level":"info"}}'),
        ({"body": "OpenTelemetry"}, "OpenTelemetry"),
    ],
)
def test_other_loggers_texts_are_messages_where_there_is_no_other(
    entry: dict[str, Any], message: str
) -> None:
    assert record_of(entry).message == message


@pytest.mark.parametrize("value", ["1760000000123", 1760000000123, "1760000000.123", 1760000000123000000])
def test_epoch_times_of_any_unit_are_times(value: object) -> None:
    assert record_of({"time": value}).time == "2025-10-09T08:53:20.123000+00:00"


@pytest.mark.parametrize(
    "value", ["0001-01-01T00:00:00.000000+00:00", "1770-10-15T01:23:00", 12.5, "0", -1, 1e17]
)
def test_absurd_times_are_none(value: object) -> None:
    assert record_of({"time": value}).time == RECEIVED


def test_the_first_time_that_can_be_read_counts() -> None:
    assert record_of({"ts": 12.5, "time": "2025-10-02 17:58:37"}).time == "2025-10-02T17:58:37.000000+00:00"
