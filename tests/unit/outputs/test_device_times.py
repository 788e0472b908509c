"""Databases get the times by uptime that are known when an entry is written, and the entry as it was sent."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from logboom.formats.records import records_of
from logboom.formats.times import iso_from_ns
from logboom.journal.device_clock import BootStart, SegmentClock
from logboom.journal.log import Block
from logboom.journal.segments import prefix, suffix
from logboom.outputs.postgres_rows import DELIMITER, last_resort, rows_of, safe_rows_of
from logboom.outputs.redis_layout import shown
from logboom.outputs.selection import Lines, Selection
from logboom.outputs.sqlite import SqliteOutput, SqliteSettings

START_US = 1_760_000_000 * 10**6
ARRIVED_US = START_US + 5 * 3600 * 10**6
ENTRIES = (
    b'{"boot_seq":1,"uptime_ms":60000,"ts":null,"v":1.50,"device":"pump"}',
    b'{"boot_seq":1,"uptime_ms":60000,"ts":"2025-10-02T17:58:37Z","device":"pump"}',
    b'{"boot_seq":1,"uptime_ms":120000,"ts":"1970-01-01T00:00:09Z","temp":20,"rh":50,"lux":1,"device":"pump"}',
    b'{"boot_seq":2,"uptime_ms":60000,"ts":null,"device":"pump"}',
    b'{"msg":"no device"}',
)
ARRIVED = iso_from_ns(ARRIVED_US * 1000)
BY_UPTIME = iso_from_ns((START_US + 60 * 10**6) * 1000), iso_from_ns((START_US + 120 * 10**6) * 1000)
TIMES = [BY_UPTIME[0], "2025-10-02T17:58:37.000000+00:00", BY_UPTIME[1], ARRIVED, ARRIVED]


@pytest.fixture
def block() -> Block:
    """Entries of a device, of whose first boot the start is known."""
    clock = SegmentClock(0, [BootStart("l", "pump", 1, 0, START_US, by_arrival=True, low=0)])
    lines = [prefix(ARRIVED_US * 1000) + entry + suffix("10.0.0.1", "l") for entry in ENTRIES]
    return Block(0, len(lines), b"".join(lines), clock)


def test_sqlite(block: Block, tmp_path: Path) -> None:
    output = SqliteOutput(
        SqliteSettings(type="sqlite", path="logs.db", folder=str(tmp_path)), "o", tmp_path / "data"
    )
    output.open()
    output.write(block)
    output.flush()
    output.close()
    with closing(sqlite3.connect(tmp_path / "logs.db")) as connection:
        rows = connection.execute("select time, received_at, entry from entries order by sequence").fetchall()
    assert [row[0] for row in rows] == TIMES
    assert {row[1] for row in rows} == {ARRIVED}
    assert [row[2].encode() for row in rows] == list(ENTRIES)


def test_postgres(block: Block) -> None:
    lines = Selection().of(block, 0)
    expected = [time.replace(".000000", "") for time in TIMES]
    for rows in (rows_of(1, lines), safe_rows_of(1, lines)):
        fields = [row.text.rstrip("\n").split(DELIMITER) for row in rows]
        assert [row[3] for row in fields] == expected
        assert [row[9].encode() for row in fields] == list(ENTRIES)
        assert [row.candidate.time for row in rows if row.candidate is not None] == [expected[2]]
    assert last_resort(1, lines, 0).text.split(DELIMITER)[3] == expected[0]


def test_redis_and_what_is_selected(block: Block) -> None:
    lines = Selection(["l"], "device:pump").of(block, 2)
    assert list(lines.sequences) == [2, 3]
    records = records_of(lines.sequences, lines.timed)
    assert [shown(one).timestamp for one in records] == [BY_UPTIME[1][:-6], ARRIVED[:-6]]
    assert Lines(lines.sequences, lines.data).timed == lines.data
