"""The contract of `Log`, held against the plain journal, with and without its writer, and a list of lines."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from logboom.formats.buckets import buckets_of
from logboom.journal import index as index_module
from logboom.journal import segments as segments_module
from logboom.journal import writer as writer_module
from logboom.journal.folder_log import FolderLog
from logboom.journal.log import Log
from logboom.journal.segments import prefix, suffix
from logboom.query.exporter import Export
from logboom.query.field_discovery import find_fields
from logboom.query.matching import Filter
from logboom.query.search import Search
from logboom.query.series_reader import SeriesReader
from logboom.query.volume_counter import VolumeCounter
from logboom.testing.crash_kit import Driver
from logboom.testing.output_kit import FIRST_NS, sample_entries, write_journal
from tests.kit.log_kit import MemoryLog, check_log


@pytest.fixture(autouse=True)
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (segments_module, index_module, writer_module):
        monkeypatch.setattr(module, "INDEX_STEP_BYTES", 4000)


def lines_of(log: Log) -> list[bytes]:
    with closing(log.cursor(0)) as cursor:
        blocks = iter(cursor.read, None)
        return [line for block in blocks for line in block.data.splitlines(keepends=True)]


def test_a_folder_without_a_writer(tmp_path: Path) -> None:
    write_journal(tmp_path, sample_entries(300), segment_lines=70)
    log = FolderLog(tmp_path / "journal")
    assert len(lines_of(log)) == 300
    check_log(log, lines_of(log))


def test_a_journal_that_is_being_written(open_journal: Callable[..., Driver]) -> None:
    driver = open_journal(segment_bytes_max=9000)
    log = driver.journal.log
    check_log(log, [])
    for number in range(0, 200, 20):
        driver.store(*sample_entries(20, seed=number))
        assert len(lines_of(log)) == number + 20
        check_log(log, lines_of(log))


def test_a_journal_whose_oldest_segments_are_gone(tmp_path: Path) -> None:
    write_journal(tmp_path, sample_entries(300), segment_lines=70)
    log, folder = FolderLog(tmp_path / "journal"), tmp_path / "journal"
    lines = lines_of(log)
    for path in sorted(folder.glob("*.jsonl"))[:2]:
        path.unlink()
    check_log(log, lines[140:], 140)
    with closing(log.cursor(5)) as cursor:
        block = cursor.read()
        assert block is not None
        assert block.first_sequence == 140


@pytest.mark.parametrize("count", [0, 1, 300])
def test_a_list_of_lines(count: int) -> None:
    check_log(memory_log(count), memory_log(count).lines)


def memory_log(count: int) -> MemoryLog:
    return MemoryLog(
        [
            prefix(FIRST_NS + number * 10**9) + entry + suffix("10.0.0.1", "device")
            for number, entry in enumerate(sample_entries(count))
        ]
    )


def test_every_reader_takes_any_log(tmp_path: Path) -> None:
    """Search, volume, series, fields and export give the same answers from a list as from a folder."""
    write_journal(tmp_path, sample_entries(300), segment_lines=70)
    folder_log = FolderLog(tmp_path / "journal")
    memory = MemoryLog(lines_of(folder_log))
    assert answers(memory) == answers(folder_log)


def answers(log: Log) -> list[object]:
    wanted = Filter(level_min=20.0)
    times = [log.first_arrival() or 0, log.last_arrival() or 0]
    buckets = buckets_of(times[0] // 1000, times[1] // 1000 + 1, 10)
    search = Search(log)
    series = SeriesReader(log).read(wanted, ("temp",), buckets)
    return [
        search.backward(wanted, 7),
        search.forward(Filter(), 7, start=100),
        VolumeCounter(log).count(Filter(), buckets),
        series.values,
        {(one.name, one.count) for one in find_fields(log, Filter()).fields},
        b"".join(piece.data for piece in Export(log, Filter(), "csv").pieces()),
    ]
