"""The time of an entry: the sender's where it can be right, else that of its arrival."""

import json
from typing import Any

import pytest

from logboom.formats.csv_rows import COLUMNS, csv_rows
from logboom.formats.entry_time import clock_of
from logboom.formats.records import records_of
from logboom.journal.segments import suffix

RECEIVED = "2026-11-30T12:00:00.250000+00:00"


@pytest.mark.parametrize(
    ("entry", "time"),
    [
        ({"ts": "2026-11-30T11:59:58.000000+00:00"}, "2026-11-30T11:59:58.000000+00:00"),
        ({"time": "2026-11-30T12:59:58+01:00"}, "2026-11-30T11:59:58.000000+00:00"),
        ({"timestamp": 1_700_000_000_123}, "2023-11-14T22:13:20.123000+00:00"),
        ({"@timestamp": "2000-01-01T00:00:00Z"}, "2000-01-01T00:00:00.000000+00:00"),
        ({"ts": "2026-12-01T12:00:00.250000+00:00"}, "2026-12-01T12:00:00.250000+00:00"),
        ({"ts": "2027-01-01", "time": "2026-11-30 10:00"}, "2026-11-30T10:00:00.000000+00:00"),
    ],
)
def test_a_time_that_can_be_right_counts(entry: dict[str, Any], time: str) -> None:
    assert clock_of(entry, RECEIVED) == (time, False)


@pytest.mark.parametrize(
    "entry", [{}, {"ts": None}, {"ts": 12.5}, {"time": "noon"}, {"ts": True}, {"ts": {}}]
)
def test_an_entry_without_a_time_has_that_of_its_arrival(entry: dict[str, Any]) -> None:
    assert clock_of(entry, RECEIVED) == (RECEIVED, False)


@pytest.mark.parametrize(
    "time",
    [
        *("1999-12-31T23:59:59.999999+00:00", "1970-01-01T00:00:12Z", "0001-01-01T00:00:00", "2300-01-01"),
        *("2026-12-01T12:00:00.250001+00:00", "2027-01-01T00:00:00Z", 946_684_799, 1_900_000_000_000),
    ],
)
def test_a_wrong_clock_is_marked_and_the_entry_has_the_time_of_its_arrival(time: object) -> None:
    line = f'{{"received_at":"{RECEIVED}","entry":{json.dumps({"ts": time})}'.encode() + suffix("a", "http")
    [record] = records_of([0], line)
    assert (record.time, record.wrong_clock) == (RECEIVED, True)
    row = csv_rows([0], line).decode().split(",")
    assert row[COLUMNS.index("time")] == RECEIVED
