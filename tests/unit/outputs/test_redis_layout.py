import json
from typing import Any

import pytest

from logboom.formats.records import records_of
from logboom.journal.segments import prefix, suffix
from logboom.model import Record
from logboom.outputs.redis_layout import CUT, Limits, Shown, Transaction, shown

NOW_S = 1_762_974_538.0
RECEIVED = "2025-11-12T19:08:58.000000"
LIMITS = Limits(
    expire_s=604_800, recent_max=3, global_max=5, entries_max=1000, chars_max=1 << 20, message_chars_max=None
)


def record(entry: dict[str, Any], *, sequence: int = 7, peer: str = "10.0.0.1", age_s: int = 0) -> Record:
    moment_ns = int(NOW_S - age_s) * 1_000_000_000
    line = prefix(moment_ns) + json.dumps(entry).encode() + suffix(peer, "http") + b"\n"
    [made] = records_of([sequence], line)
    return made


def message(number: int = 7, **more: Any) -> Record:
    entry = {
        "timestamp": "2024-01-01T12:00:00",
        "message": f"m{number}",
        "source": "whaleon-1",
        "type": "log",
    }
    return record({**entry, **more}, sequence=number)


def commands(*records: Record, limits: Limits = LIMITS) -> list[list[str]]:
    """What Redis would be told, besides the position."""
    transaction = Transaction(limits, NOW_S)
    assert all(map(transaction.add, records))
    keys, words = transaction.arguments("position", "journal", 3, 9)
    assert words[0] == "position"
    assert words[keys : keys + 3] == ["journal", "3", "9"]
    lists, rest = int(words[keys + 3]), words[keys + 4 :]
    assert [key.partition(":")[0] for key in words[1:keys]] == ["recent_logs"] * lists + ["stats"] * (
        keys - 1 - lists
    )
    found = []
    while rest:
        end = 1 + int(rest[0])
        found.append(rest[1:end])
        rest = rest[end:]
    return found


def test_a_message_of_document_004() -> None:
    lines = [
        "StateChange [2024-01-01 12:00:00] Task completed",
        "Success [2024-01-01 12:00:01] Got task NX-01K647RGACYW27NCFXK4NR8HX9",
    ]
    entry = {
        "timestamp": "2024-01-01T12:00:00.000000",
        "message": lines,
        "source": "whaleon-36381824",
        "type": "log",
        "line_count": 2,
    }
    assert shown(record(entry)) == Shown(
        "2024-01-01T12:00:00.000000", "whaleon-36381824", "log", "\n".join(lines), 2, RECEIVED
    )


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"type": "heartbeat", "boot_seq": 1, "uptime_ms": 2}, ("heartbeat", '{"type":"heartbeat"', 1)),
        ({"boot_seq": 1, "uptime_ms": 2, "seq": 3, "level": "info", "msg": "boot"}, ("log", "boot", 1)),
        ({"id": "e4", "time": "2025-10-02 17:58:37", "temp": 24.1}, ("log", '{"id":"e4"', 1)),
        ({"level": "ERROR", "message": "disk full\nsda"}, ("error", "disk full\nsda", 2)),
        ({"level": "FATAL", "message": ""}, ("error", "", 1)),
        ({"level": "warn", "message": "x"}, ("log", "x", 1)),
        ({"message": ["a", 5, {"b": 1}]}, ("log", 'a\n5\n{"b":1}', 3)),
        ({"message": [], "type": "status"}, ("status", "", 1)),
        ({"message": "x", "type": 5, "line_count": True, "source": None}, ("log", "x", 1)),
        ({"message": "x", "line_count": -1}, ("log", "x", 1)),
        ({"message": "x\ny", "line_count": 0}, ("log", "x\ny", 0)),
    ],
)
def test_entries_of_other_protocols(entry: dict[str, Any], expected: tuple[str, str, int]) -> None:
    item = shown(record(entry))
    assert item.message_type == expected[0]
    assert item.message_content.startswith(expected[1])
    assert item.line_count == expected[2]
    assert item.source == "10.0.0.1"
    assert item.created_at == RECEIVED


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        ({"ts": "2025-01-01T00:00:00+01:00"}, "2024-12-31T23:00:00.000000"),
        ({"time": "2025-10-02 17:58:37"}, "2025-10-02T17:58:37.000000"),
        ({"timestamp": "yesterday"}, "yesterday"),
        ({"timestamp": 1_700_000_000}, "2023-11-14T22:13:20.000000"),
        ({"ts": None}, RECEIVED),
        ({"timestamp": "t" * 9999}, "t" * 256),
    ],
)
def test_timestamps(time: dict[str, Any], expected: str) -> None:
    assert shown(record(time)).timestamp == expected


def test_the_commands() -> None:
    first, second = "log:2024-01-01T12:00:00:whaleon-1:8", "log:2024-01-01T12:00:00:whaleon-1:9"
    found = commands(message(7), message(8, type="status", message=["a", "b"]))
    fields = {
        "timestamp": "2024-01-01T12:00:00",
        "source": "whaleon-1",
        "message_type": "log",
        "message_content": "m7",
        "line_count": "1",
        "created_at": RECEIVED,
    }
    assert found[0][:2] == ["HSET", first]
    assert dict(zip(found[0][2::2], found[0][3::2], strict=True)) == fields
    assert found[1] == ["EXPIRE", first, "604800"]
    assert found[4:] == [
        ["LPUSH", "recent_logs:whaleon-1", first, second],
        ["LTRIM", "recent_logs:whaleon-1", "0", "2"],
        ["EXPIRE", "recent_logs:whaleon-1", "604800"],
        ["LPUSH", "recent_logs:global", first, second],
        ["LTRIM", "recent_logs:global", "0", "4"],
        ["EXPIRE", "recent_logs:global", "604800"],
        ["HINCRBY", "stats:whaleon-1", "total", "2"],
        ["HINCRBY", "stats:whaleon-1", "log", "1"],
        ["HINCRBY", "stats:whaleon-1", "status", "1"],
        ["HSET", "stats:whaleon-1", "last_seen", RECEIVED],
    ]


def test_only_what_stays_in_a_list_is_pushed() -> None:
    pushes = [command for command in commands(*map(message, range(9))) if command[0] == "LPUSH"]
    assert [[key.rpartition(":")[2] for key in push[2:]] for push in pushes] == [list("789"), list("56789")]


def test_a_source_named_global_has_no_list_of_its_own() -> None:
    pushes = [command for command in commands(message(7, source="global")) if command[0] == "LPUSH"]
    assert pushes == [["LPUSH", "recent_logs:global", "log:2024-01-01T12:00:00:global:8"]]


@pytest.mark.parametrize("kind", ["total", "last_seen", "x" * 33])
def test_odd_types_are_counted_as_other(kind: str) -> None:
    found = commands(message(7, type=kind))
    assert ["HINCRBY", "stats:whaleon-1", "total", "1"] in found
    assert ["HINCRBY", "stats:whaleon-1", "other", "1"] in found
    assert found[0][7] == kind


@pytest.mark.parametrize(
    ("age_s", "life"), [(0, "604800"), (3600, "601200"), (604_799, "1"), (-50, "604800")]
)
def test_entries_expire_from_when_they_were_received(age_s: int, life: str) -> None:
    assert commands(record({"message": "x"}, age_s=age_s))[1][2] == life


def test_what_would_have_expired_already_is_only_counted() -> None:
    found = commands(record({"message": "x", "source": "s"}, age_s=604_800))
    assert [command[:2] for command in found] == [
        ["HINCRBY", "stats:s"],
        ["HINCRBY", "stats:s"],
        ["HSET", "stats:s"],
    ]


def test_a_transaction_is_bounded() -> None:
    by_number = Transaction(LIMITS._replace(entries_max=2), NOW_S)
    assert [by_number.add(message(n)) for n in range(3)] == [True, True, False]
    by_size = Transaction(LIMITS._replace(chars_max=2000), NOW_S)
    assert [by_size.add(message(n, message="x" * 1200)) for n in range(2)] == [True, False]
    one = Transaction(LIMITS._replace(chars_max=10), NOW_S)
    assert [one.add(message(n)) for n in range(2)] == [True, False]


def test_a_message_that_is_too_long_for_the_way_is_cut() -> None:
    limits = LIMITS._replace(message_chars_max=50)
    assert commands(message(7, message="x" * 51), limits=limits)[0][9] == "x" * (50 - len(CUT)) + CUT
    assert commands(message(7, message="x" * 50), limits=limits)[0][9] == "x" * 50
