"""Journal lines decoded for their levels: always what records say, however little is decoded."""

import json
from typing import Any

import pytest

from logboom.formats.entry_level import level_of
from logboom.formats.levelled import LevelledLines
from logboom.formats.records import records_of
from logboom.query.entry_facts import count_levels, level_names, read_levels

PINO = {"level": 30, "time": 1770101530123, "pid": 7, "hostname": "h", "msg": "m"}
ENTRIES: list[dict[str, Any]] = [
    {"level": "info", "message": "m"},
    {"level": "INFO", "type": "error"},
    {"level": "30", "message": "m"},
    PINO,
    {"level": 30, "message": "m"},
    {"log": {"level": "error"}},
    {"log.level": "warn"},
    {"severity_number": 17},
    {"lvl": "dbg"},
    {"@l": "Fatal"},
    {"level": "", "severity": "error"},
    {"level": "NOISE"},
    {"level": "NOISE", "severity_number": 17},
    {"level": {"name": "error"}},
    {"level": ["x"]},
    {"type": "error"},
    {"type": {"a": 1}},
    {"type": [1]},
    {"type": None},
    {"temp": 1},
    {"message": "the level is high"},
    {"level": "x" * 5000},
]


def line(entry: str) -> bytes:
    return (
        b'{"received_at":"2026-02-03T06:52:10.000000+00:00","entry":%b,"source":"s","listener":"l"}\n'
        % entry.encode()
    )


def named(data: bytes, count: int) -> list[str]:
    found = read_levels(data, count)
    assert found is not None
    names = level_names(found)
    counted = count_levels(found)
    assert dict(counted) == {name: names.count(name) for name in names}
    return names


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: str(entry)[:40])
def test_one_kind_of_line(entry: dict[str, Any]) -> None:
    data = line(json.dumps(entry)) * 3
    assert named(data, 3) == [record.level for record in records_of(range(3), data)] == [level_of(entry)] * 3


def test_all_kinds_in_one_block() -> None:
    data = b"".join(line(json.dumps(entry)) for entry in ENTRIES)
    assert named(data, len(ENTRIES)) == [record.level for record in records_of(range(len(ENTRIES)), data)]


def test_a_key_with_an_escape_in_it() -> None:
    assert named(line(r'{"\u006cevel":"error"}'), 1) == named(line(r'{"\u006cvl":"error"}'), 1) == ["ERROR"]


def test_other_fields_and_parts_of_the_line() -> None:
    lines = LevelledLines(["temp", "hostname"], "source").read(line(json.dumps({**PINO, "temp": 5})))
    assert lines is not None
    assert [(one.source, one.entry.temp, one.entry.hostname, level_of(one.entry)) for one in lines] == [
        ("s", 5, "h", "INFO")
    ]


@pytest.mark.parametrize("damage", [b"{", b'{"level":', b"\xff\n", line('{"level":"x"}')[:-3]])
def test_damage_is_told(damage: bytes) -> None:
    assert LevelledLines().read(line('{"level":30}') + damage, 2) is None
    assert LevelledLines().read(line('{"level":30}'), 2) is None
