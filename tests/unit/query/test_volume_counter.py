"""Counts by time and level, held against counting every record."""

import errno
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from logboom.formats.buckets import Buckets, buckets_of, microseconds
from logboom.formats.levels import severity
from logboom.formats.records import records_of
from logboom.formats.times import iso_from_ns
from logboom.journal import segments as segments_module
from logboom.journal.folder_log import FolderLog
from logboom.journal.index import rebuild_index
from logboom.journal.log import Step
from logboom.journal.reader import JournalReader
from logboom.journal.segments import Segment, prefix, suffix
from logboom.query import volume_counter as volume_module
from logboom.query.matching import Filter, Matcher
from logboom.query.search import Search
from logboom.query.volume_counter import LEVELS_MAX, OTHERS, VolumeCounter
from logboom.testing.output_kit import FIRST_NS, sample_entries

COUNT = 800
SECOND = 480
"""First sequence of the second segment."""
STEP_NS = 137_000_000
"""Between two entries: the journal spans almost two minutes."""


def moment(number: float) -> str:
    return iso_from_ns(FIRST_NS + int(number * STEP_NS))


def write(folder: Path, entries: list[bytes], first: int = 0, start: int = 0) -> Segment:
    folder.mkdir(exist_ok=True)
    segment = Segment.at(folder, first)
    with segment.path.open("ab") as file:
        for number, entry in enumerate(entries, start):
            back = 90 if number % 280 == 120 else 0  # the clock is set back for a moment
            file.write(prefix(FIRST_NS + (number - back) * STEP_NS) + entry + suffix("10.0.0.1", "device"))
    rebuild_index(segment)
    return segment


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two segments with a point every few kilobytes."""
    for module in (segments_module, __import__("logboom.journal.index", fromlist=["index"])):
        monkeypatch.setattr(module, "INDEX_STEP_BYTES", 4000)
    entries = sample_entries(COUNT, seed=5)
    write(tmp_path / "j", entries[:SECOND])
    write(tmp_path / "j", entries[SECOND:], first=SECOND, start=SECOND)
    return tmp_path / "j"


def expected(folder: Path, wanted: Filter, buckets: Buckets) -> dict[str, list[int]]:
    page = Search(FolderLog(folder)).forward(wanted, 10**6)
    counts: Counter[tuple[str, int]] = Counter()
    for found in page.found:
        moment = found.record.received_at if wanted.by_arrival else found.record.time
        place = microseconds(moment) // buckets.width - buckets.first
        if 0 <= place < buckets.size:
            counts[found.record.level, place] += 1
    return {
        level: [counts[level, place] for place in range(buckets.size)]
        for level in {level for level, _ in counts}
    }


SPANS = [
    (-1.0, COUNT + 1.0),
    (124.5, 711.2),
    (0.0, 1.0),
    (SECOND - 1.0, SECOND + 1.0),
    (COUNT + 5.0, COUNT + 9.0),
]
FILTERS = [
    Filter(),
    Filter(level_min=severity("WARNING")),
    Filter(source="10.0.0.1"),
    Filter(source="e4643048d7292c2e"),
    Filter(text="pump"),
    Filter(listener="nobody"),
]


@pytest.mark.parametrize("wanted", FILTERS)
@pytest.mark.parametrize("number", [1, 5, 60, 2000])
def test_counts_are_exact_asked_once_or_again(folder: Path, wanted: Filter, number: int) -> None:
    counter, spans = VolumeCounter(FolderLog(folder)), []
    for low, high in SPANS:
        limited = wanted._replace(since=moment(low), until=moment(high))
        buckets = buckets_of(microseconds(limited.since), microseconds(limited.until), number)
        spans.append((limited, buckets, expected(folder, limited, buckets)))
    for limited, buckets, levels in spans * 2:
        found = counter.count(limited, buckets)
        assert found.levels == levels
        assert found.total == sum(map(sum, found.levels.values()))
        assert found.complete


def test_what_comes_later_is_counted(folder: Path) -> None:
    counter, wanted = VolumeCounter(FolderLog(folder)), Filter(since=moment(-1), by_arrival=True)
    buckets = buckets_of(microseconds(moment(-1)), microseconds(moment(COUNT + 600)), 60)
    assert counter.count(wanted, buckets).total == COUNT
    write(folder, sample_entries(500, seed=6), first=SECOND, start=COUNT)
    assert counter.count(wanted, buckets).total == COUNT + 500
    write(folder, sample_entries(50, seed=6), first=COUNT + 500, start=COUNT + 500)
    found = counter.count(wanted, buckets)
    assert found.levels == expected(folder, wanted, buckets)
    assert found.total == COUNT + 550


def test_a_count_that_is_given_up_has_the_newest(folder: Path) -> None:
    counter, wanted = VolumeCounter(FolderLog(folder)), Filter()
    buckets = buckets_of(microseconds(moment(-1)), microseconds(moment(COUNT)), 60)
    answers = iter([False] * 9 + [True])
    found = counter.count(wanted, buckets, give_up=lambda: next(answers))
    assert not found.complete
    assert 0 < found.total < COUNT
    whole = expected(folder, wanted, buckets)
    assert all(row[-2:] == whole[level][-2:] for level, row in found.levels.items())


def test_damaged_lines_are_no_entries(folder: Path) -> None:
    path = folder / f"{0:020d}.jsonl"
    data = bytearray(path.read_bytes())
    reader = JournalReader(folder)
    block = reader.read(100_000)
    reader.close()
    assert block is not None
    spoiled = block.data.index(b"\n", 50_000) + 5
    data[spoiled] = 0x07
    path.write_bytes(bytes(data))
    buckets = buckets_of(microseconds(moment(-1)), microseconds(moment(COUNT)), 5)
    assert len(records_of(range(block.count), bytes(data[: len(block.data)]))) == block.count - 1
    wanted = Filter(by_arrival=True)
    found = VolumeCounter(FolderLog(folder)).count(wanted, buckets)
    assert found.levels == expected(folder, wanted, buckets)
    assert found.total == COUNT - 1


def test_counts_are_exact_when_few_are_kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(volume_module, "CELLS_MAX", 40)
    counter = VolumeCounter(FolderLog(folder))
    for number in (5, 60, 5):
        buckets = buckets_of(microseconds(moment(-1)), microseconds(moment(COUNT)), number)
        assert counter.count(Filter(), buckets).levels == expected(folder, Filter(), buckets)


@pytest.mark.parametrize("wanted", [Filter(), Filter(text="pump")])
@pytest.mark.parametrize("number", [1, 5, 60])
def test_a_count_becomes_complete_however_little_room_there_is(
    folder: Path, monkeypatch: pytest.MonkeyPatch, wanted: Filter, number: int
) -> None:
    """Ask as a page does whose requests are given up after a few steps each."""
    buckets = buckets_of(microseconds(moment(-1)), microseconds(moment(COUNT)), number)
    monkeypatch.setattr(volume_module, "CELLS_MAX", buckets.size * 30)
    counter, reads, progress = VolumeCounter(FolderLog(folder)), list[Step](), 0.0
    read = counter._read

    def read_step(resolution: int, by_arrival: bool, step: Step, matcher: Matcher) -> Any:
        reads.append(step)
        return read(resolution, by_arrival, step, matcher)

    monkeypatch.setattr(counter, "_read", read_step)
    for _ in range(100):
        reads.clear()
        found = counter.count(wanted, buckets, give_up=lambda: len(reads) >= 4)
        assert found.progress >= progress
        progress = found.progress
        if found.complete:
            break
    assert found.levels == expected(folder, wanted, buckets)
    assert (found.complete, found.progress) == (True, 1)


def test_levels_that_senders_invent_are_bounded(tmp_path: Path) -> None:
    write(tmp_path / "j", [b'{"level":"%b%d"}' % (b"x" * 50, number) for number in range(100)])
    write(tmp_path / "k", [b'{"level":"L%d"}' % number for number in range(100)])
    buckets = buckets_of(microseconds(moment(-100)), microseconds(moment(1000)), 5)
    assert [*VolumeCounter(FolderLog(tmp_path / "j")).count(Filter(), buckets).levels] == ["X" * 32]
    found = VolumeCounter(FolderLog(tmp_path / "k")).count(Filter(), buckets)
    assert len(found.levels) == LEVELS_MAX + 1
    assert sum(found.levels[OTHERS]) == 100 - LEVELS_MAX
    assert found.total == 100


def test_an_empty_journal_has_nothing(tmp_path: Path) -> None:
    found = VolumeCounter(FolderLog(tmp_path)).count(Filter(), buckets_of(0, 1, 1))
    assert found == ({}, 0, 1)


def test_a_file_that_can_not_be_opened_for_a_while_is_counted_right_afterwards(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counter, buckets = VolumeCounter(FolderLog(folder)), buckets_of(0, microseconds(moment(COUNT)), 5)
    really_open, opened = os.open, list[str]()

    def refuse(path: Path, *arguments: int) -> int:
        opened.append(str(path))
        if 3 <= len(opened) <= 8:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return really_open(path, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", refuse)
        with pytest.raises(OSError, match="Too many open files"):
            counter.count(Filter(), buckets)
    assert counter.count(Filter(), buckets).total == COUNT
