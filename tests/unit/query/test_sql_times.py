"""Times by uptime in SQL: those that searches show, over lines, frames and columns."""

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from logboom.formats.times import iso_from_ns
from logboom.journal.device_clock import BootStart, change_clock
from logboom.journal.folder_log import FolderLog
from logboom.journal.index import rebuild_index
from logboom.journal.manifest import append_events, hash_event
from logboom.journal.seekable import write_frames
from logboom.journal.segments import Segment, prefix, suffix
from logboom.query.matching import Filter
from logboom.query.search import Search
from logboom.query.sql import log_view
from logboom.query.sql.column_writer import write_columns
from logboom.query.sql.log_view import open_view

START = 1_760_000_000 * 10**6
HOUR = 3600 * 10**6
LINES = 40
"""Lines per segment."""

NAMES = ("pump", "va'lve \u20ac", 'q"uote')


def entries() -> Iterator[dict[str, Any]]:
    """Entries of devices, and such as only look like them."""
    dice = random.Random(15)
    for number in range(3 * LINES - 24):
        yield {
            "device": dice.choice(NAMES),
            "boot_seq": dice.choice((1, 2, 3)),
            "uptime_ms": dice.choice((0, 5, 1000, 3_600_000, 5_000_000)) + number,
            "ts": dice.choice(
                (None, None, None, "1970-01-01T00:00:00Z", iso_from_ns((START + number) * 1000))
            ),
            "msg": f"n {number}",
        }
    device = {"device": "pump", "boot_seq": 1, "uptime_ms": 1000}
    for changes in (
        {"boot_seq": "1"},
        {"boot_seq": 1.0},
        {"boot_seq": True},
        {"boot_seq": None},
        {"boot_seq": 2**60},
        {"boot_seq": -1},
        {"uptime_ms": -5},
        {"uptime_ms": 1000.5},
        {"uptime_ms": "1000"},
        {"uptime_ms": 10**30},
        {"uptime_ms": 11 * 365 * 86_400_000},
        {"uptime_ms": 9 * 365 * 86_400_000},
        {"device": "unknown"},
        {"device": None},
        {"ts": "never"},
        {"ts": 17},
        {"ts": "1970-01-01T00:00:00Z", "time": "2025-10-09T09:00:00Z"},
        {"@timestamp": "2099-01-01T00:00:00Z"},
        {"file": "f", "starts": "s", "place": "p", "boot": "b", "r": "r", "parts": 1},
        {"msg": ["a", {"b": None}]},
    ):
        yield {**device, "ts": None, **changes}
    yield from ({"uptime_ms": 1000, "boot_seq": 1, "device": "pump"} for _ in range(4))


def starts(segment: int) -> list[BootStart]:
    """Starts of boots, which differ by segment: boot numbers are used again."""
    shift = segment * 1_000_000
    found = [
        ("l", "pump", 1, 10, START + shift),
        ("l", "pump", 1, 3_600_000, START + shift + 700_000),
        ("l", "pump", 2, 0, START - 20 * HOUR),
        ("l", NAMES[1], 1, 0, START + 3 * HOUR),  # ahead of all arrivals
        ("l", NAMES[1], 2, 0, START - 60 * 24 * HOUR),  # the counter began again
        ("l", NAMES[1], 3, 0, START + 3 * HOUR),
        ("l", NAMES[2], 3, 0, START + 40 * 24 * HOUR),
        ("other", "pump", 3, 0, START - HOUR),
        ("l", "10.0.0.1", 1, 0, START - HOUR),
    ]
    rows = [
        BootStart(listener, name, boot, from_ms, start_us, by_arrival=number % 3 < 2, low=segment)
        for number, (listener, name, boot, from_ms, start_us) in enumerate(found)
    ]
    return rows[: len(rows) - segment // LINES]


@pytest.fixture(params=["lines", "frames", "columns"])
def journal(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A journal of three segments with starts of boots, the last one plain."""
    written = [
        prefix((START + 2 * HOUR + number) * 1000) + json.dumps(entry).encode() + suffix("10.0.0.1", "l")
        for number, entry in enumerate(entries())
    ]
    assert len(written) == 3 * LINES
    for first in range(0, 3 * LINES, LINES):
        segment = Segment.at(tmp_path, first)
        data = b"".join(written[first : first + LINES])
        segment.path.write_bytes(data)
        rebuild_index(segment)
        change_clock(segment, lambda rows, first=first: rows.update({row.key: row for row in starts(first)}))  # type: ignore[misc]
        if request.param == "lines" or first == 2 * LINES:
            continue
        if request.param == "frames":
            with segment.packed_path.open("wb") as file:
                write_frames(file, [data], 3)
        else:
            write_columns(segment.path, first, segment.columns_path, 3)
        segment.path.unlink()
    return tmp_path


def test_sequences_are_those_of_the_lines_in_several_files(tmp_path: Path) -> None:
    count = 6000
    for first in range(0, 3 * count, count):
        segment = Segment.at(tmp_path, first)
        lines = (
            prefix(START * 1000) + b'{"n":%d,"pad":"%s"}' % (number, b"x" * 400) + suffix("a", "l")
            for number in range(first, first + count)
        )
        segment.path.write_bytes(b"".join(lines))
        append_events(tmp_path, [hash_event(segment, "sealed", lines_max=count, note="")])
    assert rows_of(tmp_path, "select count(*), count(*) filter (sequence <> n) from logs") == [(3 * count, 0)]
    Segment.at(tmp_path, count).path.unlink()  # a file is lost
    assert rows_of(tmp_path, "select count(*), count(*) filter (sequence <> n) from logs") == [(2 * count, 0)]


def rows_of(folder: Path, query: str, since: str = "") -> list[tuple[Any, ...]]:
    with duckdb.connect(":memory:") as engine:
        engine.execute("SET TimeZone = 'UTC'")
        open_view(folder, None, since, "").create(engine)
        return engine.execute(query).fetchall()


TIMES = "select sequence, strftime(time, '%Y-%m-%dT%H:%M:%S.%f+00:00') from logs order by sequence"


def test_times_are_those_of_a_search(journal: Path) -> None:
    records = [one.record for one in Search(FolderLog(journal)).forward(Filter(), 1000).found]
    assert {one.time_from for one in records} == {"sender", "uptime", "received"}
    found = rows_of(journal, TIMES)
    differing = [
        (one.entry, time, one.time) for (_, time), one in zip(found, records, strict=True) if time != one.time
    ]
    assert not differing


def test_the_begin_of_a_query_applies_to_these_times(journal: Path) -> None:
    since = iso_from_ns((START + HOUR) * 1000)
    records = [one.record for one in Search(FolderLog(journal)).forward(Filter(since=since), 1000).found]
    assert 0 < len(records) < 3 * LINES
    assert [sequence for sequence, _ in rows_of(journal, TIMES, since)] == [one.sequence for one in records]


def test_of_too_many_starts_those_of_the_newest_segments_count(
    journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = dict(rows_of(journal, TIMES))
    monkeypatch.setattr(log_view, "STARTS_MAX", len(starts(2 * LINES)))
    after = dict(rows_of(journal, TIMES))
    changed = [sequence for sequence in before if before[sequence] != after[sequence]]
    assert changed
    assert max(changed) < 2 * LINES
