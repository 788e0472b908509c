"""Roll-ups: volume, statistics and fields are those of counting every entry, whatever was rolled up."""

import json
import random
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logboom.formats.buckets import buckets_of, microseconds
from logboom.formats.levels import severity
from logboom.formats.records import numeric_fields, sender
from logboom.formats.times import iso_from_ns
from logboom.journal import index as index_module
from logboom.journal import segments as segments_module
from logboom.journal.folder_log import FolderLog
from logboom.journal.index import rebuild_index
from logboom.journal.segments import Segment, prefix, suffix
from logboom.model import Record
from logboom.query import indexer as indexer_module
from logboom.query import roll_up_builder as builder_module
from logboom.query.field_discovery import find_fields
from logboom.query.indexer import Indexer
from logboom.query.matching import Filter
from logboom.query.search import Search
from logboom.query.volume_counter import VolumeCounter
from logboom.viewer.source_counts import count_sources

BASE_NS = 1_764_500_000 * 10**9
SEGMENT_LINES = 70
ODD: list[dict[str, Any]] = [
    {"source": ["x"], "level": {"name": "warn"}},
    {"source": 7, "type": 8, "level": 40},
    {"temp": "24.1", "rh": 50, "lux": "1e3", "id": 12},
    {"detail": {"fan": 3, "deep": {"er": 1}}, "n": 10**30},
    {"type": "x" * 100, "level": "y" * 100, "host": "h" * 200},
    {"id": True, "level": ""},
]


@pytest.fixture(autouse=True)
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (segments_module, index_module):
        monkeypatch.setattr(module, "INDEX_STEP_BYTES", 2000)


def entry_of(chance: random.Random, received_s: int) -> dict[str, Any]:
    if not chance.randrange(12):
        return dict(chance.choice(ODD))
    entry: dict[str, Any] = {
        "device": f"d{chance.randrange(4)}",
        "level": chance.choice(["INFO", "error", "30", "WARNING"]),
        "type": chance.choice(["log", "heartbeat"]),
        "temp": chance.choice([20, 20.5, "21.5", None]),
    }
    if chance.randrange(3):
        entry["ts"] = received_s - chance.choice([0, 1, 290, 86_400 * chance.randrange(20)])
    return entry


def write(folder: Path, seed: int, count: int) -> None:
    chance, received_ns, lines = random.Random(seed), BASE_NS, list[bytes]()
    folder.mkdir(exist_ok=True)
    pause_ns = chance.choice([10**8, 10**11, 10**13])
    for _ in range(count):
        received_ns += chance.randrange(pause_ns) // 1000 * 1000
        entry = json.dumps(entry_of(chance, received_ns // 10**9)).encode()
        tail = suffix(chance.choice(["10.0.0.1", "d1"]), chance.choice(["device", "http"]))
        lines.append(prefix(received_ns) + entry + tail)
    for start in range(0, count, SEGMENT_LINES):
        segment = Segment.at(folder, start)
        segment.path.write_bytes(b"".join(lines[start : start + SEGMENT_LINES]))
        rebuild_index(segment)


def index(folder: Path) -> Indexer:
    indexer = Indexer(folder, FolderLog(folder))
    while indexer.advance():
        pass
    return indexer


def spoil(folder: Path, chance: random.Random) -> None:
    """Damage, cut and delete some of the files that were derived."""
    for path in sorted([*folder.glob("*.counts"), *folder.glob("*.times")]):
        kind, data = chance.randrange(8), bytearray(path.read_bytes())
        if kind == 0:
            path.unlink()
        elif kind == 1:
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
            path.write_bytes(data)
        elif kind == 2:
            path.write_bytes(data[: chance.randrange(len(data))])


def matches(record: Record, wanted: Filter) -> bool:
    time = record.received_at if wanted.by_arrival else record.time
    names = (record.source, record.entry.get("source"), sender(record.entry, record.source))
    return (
        (not wanted.since or time >= wanted.since)
        and (not wanted.until or time < wanted.until)
        and wanted.listener in ("", record.listener)
        and (not wanted.source or wanted.source in names)
        and (wanted.level_min is None or (severity(record.level) or 0) >= wanted.level_min)
    )


def filters(chance: random.Random, records: list[Record]) -> Filter:
    times = sorted(microseconds(chance.choice(records).time) for _ in range(2))
    since, until = (iso_from_ns((time + chance.randrange(-400, 400) * 10**6) * 1000) for time in times)
    return Filter(
        level_min=chance.choice([None, None, severity("WARNING")]),
        source=chance.choice(["", "", "d1", "10.0.0.1", "x", "7"]),
        listener=chance.choice(["", "", "http"]),
        since=chance.choice(["", since]),
        until=chance.choice(["", until]),
        by_arrival=chance.random() < 0.2,
    )


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    cells_max=st.sampled_from([3, 20, 4096]),
    rows_max=st.sampled_from([2, 10_000]),
    raw_max=st.sampled_from([5, 10_000]),
    chars_max=st.sampled_from([16, 1024]),
)
def test_answers_are_those_of_counting_every_entry(
    tmp_path_factory: pytest.TempPathFactory,
    seed: int,
    cells_max: int,
    rows_max: int,
    raw_max: int,
    chars_max: int,
) -> None:
    folder, chance = tmp_path_factory.mktemp("j"), random.Random(seed)
    write(folder, seed, chance.choice([1, 69, 71, 400]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(builder_module, "VOLUME_CELLS_MAX", cells_max)
        patch.setattr(builder_module, "SOURCE_CELLS_MAX", cells_max)
        patch.setattr(builder_module, "_RAW_MAX", raw_max)
        patch.setattr(builder_module, "ROWS_MAX", rows_max)
        patch.setattr(builder_module, "PLACE_CHARS_MAX", chars_max)
        patch.setattr(indexer_module, "NEWEST_STEP_BYTES", chance.choice([1, 5000]))
        index(folder)
    if chance.random() < 0.3:
        spoil(folder, chance)
    log = FolderLog(folder)
    records = [one.record for one in Search(log).forward(Filter(), 10**6).found]
    counter = VolumeCounter(log)
    for _ in range(6):
        wanted = filters(chance, records)
        expected = [record for record in records if matches(record, wanted)]
        check_volume(counter, wanted, records, expected, chance.choice([1, 5, 60, 500]))
        check_stats(log, wanted, expected)
        check_fields(log, wanted, expected)
    check_stats(log, Filter(), records)
    check_fields(log, Filter(), records)


def check_volume(
    counter: VolumeCounter, wanted: Filter, records: list[Record], expected: list[Record], number: int
) -> None:
    every = sorted(record.time for record in records)
    since, until = microseconds(wanted.since or every[0]), microseconds(wanted.until or every[-1]) + 1
    buckets = buckets_of(since, until, number)
    counts: Counter[tuple[str, int]] = Counter()
    for record in expected:
        time = record.received_at if wanted.by_arrival else record.time
        place = microseconds(time) // buckets.width - buckets.first
        if 0 <= place < buckets.size:
            counts[record.level[:32], place] += 1
    found = counter.count(wanted, buckets)
    cells = {(level, n): count for level, row in found.levels.items() for n, count in enumerate(row) if count}
    assert cells == counts
    assert found.complete


def check_stats(log: FolderLog, wanted: Filter, expected: list[Record]) -> None:
    found: dict[str, list[Record]] = defaultdict(list)
    for record in expected:
        found[sender(record.entry, record.source)].append(record)
    naive = {
        name: (
            len(some),
            Counter(str(one.entry["type"])[:64] for one in some if isinstance(one.entry.get("type"), str)),
            Counter(one.level[:64] for one in some if one.level),
            min(one.received_at if wanted.by_arrival else one.time for one in some),
            max(one.received_at if wanted.by_arrival else one.time for one in some),
        )
        for name, some in found.items()
    }
    answer = count_sources(log, wanted, lambda *_: None)
    assert {
        name: (one.total, one.types, one.levels, one.first_seen, one.last_seen)
        for name, one in answer.items()
    } == naive


def check_fields(log: FolderLog, wanted: Filter, expected: list[Record]) -> None:
    naive: dict[str, list[float]] = defaultdict(list)
    for record in expected:
        for name, number in numeric_fields(record.entry).items():
            naive[name].append(number)
    found = {
        field.name: (field.count, field.low, field.high, field.last)
        for field in find_fields(log, wanted).fields
    }
    assert found == {name: (len(some), min(some), max(some), some[-1]) for name, some in naive.items()}


def test_an_old_journal_is_indexed_once_and_then_answers_without_its_lines(tmp_path: Path) -> None:
    folder = tmp_path / "j"
    write(folder, 3, 3 * SEGMENT_LINES + 5)
    indexer = index(folder)
    assert indexer.progress == (3, 3)
    files = {path.name: path.stat().st_mtime_ns for path in folder.glob("*.counts")}
    assert len(files) == 3
    again = index(folder)
    assert again.progress == (3, 3)
    assert {path.name: path.stat().st_mtime_ns for path in folder.glob("*.counts")} == files
    log = FolderLog(folder)
    buckets = buckets_of(0, BASE_NS // 500, 60)
    total = VolumeCounter(log).count(Filter(), buckets).total
    for path in sorted(folder.glob("*.jsonl"))[:3]:
        path.write_bytes(b"\n" * path.stat().st_size)  # nothing of them can be read
    assert VolumeCounter(log).count(Filter(), buckets).total == total == 3 * SEGMENT_LINES + 5
    assert sum(one.total for one in count_sources(log, Filter(), lambda *_: None).values()) == total
    assert find_fields(log, Filter()).before is None


def test_a_segment_with_damage_has_no_roll_up_and_is_read(tmp_path: Path) -> None:
    folder = tmp_path / "j"
    write(folder, 4, 2 * SEGMENT_LINES)
    path = min(folder.glob("*.jsonl"))
    data = path.read_bytes()
    path.write_bytes(data.replace(b'{"received_at":"2025', b'{"received_at":"2Z25', 1))
    indexer = index(folder)
    assert indexer.progress == (1, 1)
    assert not list(folder.glob("*.counts"))
    buckets = buckets_of(0, BASE_NS // 500, 60)
    assert VolumeCounter(FolderLog(folder)).count(Filter(), buckets).total == 2 * SEGMENT_LINES - 1
