"""Ranges of time over entries with backlogs and wrong clocks: the indexed answers are those of reading everything."""

import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logboom.formats.buckets import buckets_of, microseconds
from logboom.formats.levels import severity
from logboom.formats.times import iso_from_ns
from logboom.journal import index as index_module
from logboom.journal import segments as segments_module
from logboom.journal.folder_log import FolderLog
from logboom.journal.index import rebuild_index
from logboom.journal.segments import Segment, prefix, suffix
from logboom.model import Record
from logboom.query.exporter import Export
from logboom.query.field_discovery import find_fields
from logboom.query.indexer import Indexer
from logboom.query.matching import Filter
from logboom.query.search import Search
from logboom.query.series_reader import SeriesReader
from logboom.query.volume_counter import VolumeCounter

BASE_NS = 1_764_500_000 * 10**9
DAY_S = 86_400
SEGMENT_LINES = 60
LISTENERS = ("device", "http")


@pytest.fixture(autouse=True)
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (segments_module, index_module):
        monkeypatch.setattr(module, "INDEX_STEP_BYTES", 2000)


def entry_of(chance: random.Random, received_s: int) -> dict[str, Any]:
    """An entry whose clock is right, behind, ahead, wrong, or not there."""
    entry: dict[str, Any] = {"v": chance.randrange(100), "level": chance.choice(["INFO", "error", "30"])}
    entry["device"] = chance.choice("abc")
    kind = chance.randrange(9)
    at = received_s - chance.randrange(3)
    if kind == 1:  # a backlog
        at -= chance.randrange(40 * DAY_S)
    elif kind == 2:  # a fast clock that may be right
        at += chance.randrange(DAY_S)
    elif kind == 3:  # one that is wrong
        at += DAY_S + 1 + chance.randrange(1000 * DAY_S)
    elif kind == 4:  # another one
        at = chance.choice([0, 7, 400_000_000, 946_684_799])
    elif kind == 5:
        return entry
    key = chance.choice(["ts", "time", "timestamp", "@timestamp"])
    written = chance.randrange(4)
    iso = iso_from_ns(at * 10**9 + chance.randrange(10**9))
    entry[key] = (iso, at, at * 1000 + 7, iso[:19] + "Z")[written]
    return entry


def write(folder: Path, seed: int, count: int) -> None:
    chance, received_ns = random.Random(seed), BASE_NS
    folder.mkdir(exist_ok=True)
    lines = []
    for _ in range(count):
        received_ns += chance.choice([0, 10**5, 10**9, 5 * 10**9, 6 * 10**11, 4 * 10**12 + 7000])
        entry = json.dumps(entry_of(chance, received_ns // 10**9)).encode()
        if not chance.randrange(40):
            entry = entry[:-1] + b',"big":1e400}'  # only the lenient decoder reads it
        tail = suffix(chance.choice(["10.0.0.1", "a"]), chance.choice(LISTENERS))
        lines.append(prefix(received_ns) + entry + tail)
    for start in range(0, count, SEGMENT_LINES):
        segment = Segment.at(folder, start)
        segment.path.write_bytes(b"".join(lines[start : start + SEGMENT_LINES]))
        rebuild_index(segment)


def index(folder: Path, steps: int) -> None:
    indexer = Indexer(folder, FolderLog(folder))
    for _ in range(steps):
        if not indexer.advance():
            return


def everything(log: FolderLog) -> list[Record]:
    return [one.record for one in Search(log).forward(Filter(), 10**6).found]


def matches(record: Record, wanted: Filter) -> bool:
    time = record.received_at if wanted.by_arrival else record.time
    return (
        (not wanted.since or time >= wanted.since)
        and (not wanted.until or time < wanted.until)
        and (not wanted.listener or record.listener == wanted.listener)
        and (wanted.level_min is None or record.level == "ERROR")
    )


def filters(chance: random.Random, records: list[Record]) -> Filter:
    times = sorted(chance.choice(records).time for _ in range(2))
    if chance.random() < 0.3:
        times = sorted(chance.choice(records).received_at for _ in range(2))
    since, until = chance.choice([(times[0], times[1]), (times[0], ""), ("", times[1]), (times[0], times[0])])
    return Filter(
        level_min=chance.choice([None, None, severity("ERROR")]),
        listener=chance.choice(["", "", "http"]),
        since=since,
        until=until,
        by_arrival=chance.random() < 0.3,
    )


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32), indexed=st.sampled_from([0, 7, 10**6]))
def test_indexed_answers_are_those_of_reading_everything(
    tmp_path_factory: pytest.TempPathFactory, seed: int, indexed: int
) -> None:
    folder, chance = tmp_path_factory.mktemp("j"), random.Random(seed)
    write(folder, seed, chance.choice([1, 59, 61, 400]))
    index(folder, indexed)
    log = FolderLog(folder)
    records = everything(log)
    counter, reader = VolumeCounter(log), SeriesReader(log)
    for _ in range(6):
        wanted = filters(chance, records)
        expected = [record for record in records if matches(record, wanted)]
        check_lists(log, wanted, expected)
        check_pictures(counter, reader, wanted, records, expected, chance.choice([1, 5, 60, 500]))


def check_lists(log: FolderLog, wanted: Filter, expected: list[Record]) -> None:
    sequences = [record.sequence for record in expected]
    search = Search(log)
    assert [one.record.sequence for one in search.forward(wanted, 10**6).found] == sequences
    assert [one.record.sequence for one in search.backward(wanted, 10**6).found] == sequences[::-1]
    end, found = None, list[int]()
    while (page := search.backward(wanted, 5, end=end)).found:
        found += [one.record.sequence for one in page.found]
        end = page.first
        if not page.more:
            break
    assert found == sequences[::-1]
    export = Export(log, wanted, "jsonl")
    assert sum(piece.rows for piece in export.pieces()) == len(expected)
    assert all(export.first <= sequence < export.end for sequence in sequences)
    fields = {field.name: field.count for field in find_fields(log, wanted).fields}
    assert fields.get("v", 0) == len(expected)


def check_pictures(
    counter: VolumeCounter,
    reader: SeriesReader,
    wanted: Filter,
    records: list[Record],
    expected: list[Record],
    number: int,
) -> None:
    times = [record.received_at if wanted.by_arrival else record.time for record in expected]
    since = microseconds(wanted.since or min(record.time for record in records))
    until = microseconds(wanted.until or max(record.time for record in records)) + 1
    buckets = buckets_of(since, until, number)
    counts: Counter[tuple[str, int]] = Counter()
    last: dict[int, tuple[str, int]] = {}
    for record, time in zip(expected, times, strict=True):
        place = microseconds(time) // buckets.width - buckets.first
        if 0 <= place < buckets.size:
            counts[record.level, place] += 1
            last[place] = max(last.get(place, ("", 0)), (time, record.sequence))
    volume = counter.count(wanted, buckets)
    assert volume.complete
    assert {
        (level, place): count
        for level, row in volume.levels.items()
        for place, count in enumerate(row)
        if count
    } == counts
    values = {record.sequence: record.entry["v"] for record in records}
    series = reader.read(wanted, ("v",), buckets)
    assert {place: point.last for place, point in series.values["v"].items()} == {
        place: values[sequence] for place, (_, sequence) in last.items()
    }
