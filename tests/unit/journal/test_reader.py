"""Reading by position, while the journal grows."""

from collections.abc import Callable
from pathlib import Path

import pytest

from logboom.journal.log import nth_line_end
from logboom.journal.reader import JournalReader
from logboom.journal.segments import list_segments, prefix, suffix
from logboom.journal.writer import Committed
from logboom.testing.crash_kit import Driver, RecordingDisk, entry_of

Open = Callable[..., Driver]


def entries(count: int, start: int = 0) -> list[bytes]:
    return [b'{"n":%d}' % number for number in range(start, start + count)]


def line(entry: bytes) -> bytes:
    return prefix(0) + entry + suffix("10.0.0.1", "device")


def read_all(reader: JournalReader, bytes_max: int = 1 << 20) -> list[bytes]:
    found = []
    while (block := reader.read(bytes_max)) is not None:
        assert block.count == block.data.count(b"\n")
        found += [entry_of(one) for one in block.data.splitlines(keepends=True)]
    return found


@pytest.fixture
def segmented(open_journal: Open) -> Driver:
    """Thirty entries in segments of a few."""
    driver = open_journal(segment_bytes_max=500)
    for number in range(30):
        driver.store(*entries(1, number))
    assert len(list_segments(driver.journal.folder)) > 4
    return driver


@pytest.mark.parametrize("bytes_max", [1, 100, 333, 1 << 20])
def test_reads_from_any_sequence_across_segments(segmented: Driver, bytes_max: int) -> None:
    for first in range(30):
        found = segmented.read(first, bytes_max)
        assert list(found) == list(range(first, 30))
        assert list(found.values()) == entries(30 - first, first)


def test_there_is_nothing_past_the_end(segmented: Driver) -> None:
    assert segmented.read(30) == {}
    assert segmented.read(1000) == {}


def test_reads_without_a_writer(segmented: Driver) -> None:
    segmented.close()
    assert read_all(JournalReader(segmented.journal.folder)) == entries(30)
    assert read_all(JournalReader(segmented.journal.folder, 17)) == entries(13, 17)


def test_an_empty_folder_has_nothing(tmp_path: Path) -> None:
    assert JournalReader(tmp_path).read() is None


def test_a_missing_index_is_made_again(segmented: Driver) -> None:
    for segment in list_segments(segmented.journal.folder):
        segment.index_path.unlink()
    assert list(segmented.read(13).values()) == entries(17, 13)


def test_follows_a_growing_journal_through_its_segments(open_journal: Open) -> None:
    driver = open_journal(segment_bytes_max=300)
    reader = JournalReader(driver.journal.folder, 0, lambda: driver.journal.committed)
    assert reader.read() is None
    for number in range(40):
        driver.store(*entries(1, number))
        if number % 3 == 0:
            assert read_all(reader) == entries(3 if number else 1, max(0, number - 2))
            assert reader.position == number + 1
            assert reader.read() is None
    reader.close()
    reader.close()


def test_older_entries_that_are_gone_are_skipped_and_the_block_says_so(segmented: Driver) -> None:
    first, second, *_ = list_segments(segmented.journal.folder)
    first.path.unlink()
    reader = JournalReader(segmented.journal.folder, 0, lambda: segmented.journal.committed)
    block = reader.read()
    assert block is not None
    assert block.first_sequence == second.first


def test_a_gap_between_segments_is_skipped_and_the_block_says_so(segmented: Driver) -> None:
    segments = list_segments(segmented.journal.folder)
    segments[2].path.unlink()
    reader = JournalReader(segmented.journal.folder, 0, lambda: segmented.journal.committed)
    firsts = []
    sequences: list[int] = []
    while (block := reader.read()) is not None:
        firsts.append(block.first_sequence)
        sequences += range(block.first_sequence, block.next_sequence)
    missing = set(range(segments[2].first, segments[3].first))
    assert sequences == [number for number in range(30) if number not in missing]
    assert segments[3].first in firsts


def test_a_position_inside_a_gap_goes_on_behind_it(segmented: Driver) -> None:
    segments = list_segments(segmented.journal.folder)
    segments[2].path.unlink()
    reader = JournalReader(
        segmented.journal.folder, segments[2].first + 1, lambda: segmented.journal.committed
    )
    assert read_all(reader) == entries(30 - segments[3].first, segments[3].first)


def test_reads_no_further_than_what_is_committed(tmp_path: Path) -> None:
    data = b"".join(map(line, entries(10)))
    (tmp_path / "00000000000000000000.jsonl").write_bytes(data)
    end = nth_line_end(data, 4)
    reader = JournalReader(tmp_path, 0, lambda: Committed(4, 0, end))
    assert read_all(reader) == entries(4)


def test_a_torn_last_line_is_not_read_until_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "00000000000000000000.jsonl"
    path.write_bytes(line(b'{"n":0}') + line(b'{"n":1}')[:30])
    reader = JournalReader(tmp_path)
    assert read_all(reader) == entries(1)
    with path.open("ab") as file:
        file.write(line(b'{"n":1}')[30:])
    assert read_all(reader) == entries(1, 1)


def test_a_line_longer_than_a_block_comes_whole(open_journal: Open) -> None:
    driver = open_journal()
    long = b'{"x":"%b"}' % (b"x" * 50_000)
    driver.store(*entries(2), long, *entries(1, 3))
    assert list(driver.read(0, 64).values()) == [*entries(2), long, *entries(1, 3)]


@pytest.mark.parametrize("fault", ["full", "broken"])
def test_what_a_failed_write_left_behind_is_never_read(open_journal: Open, fault: str) -> None:
    disk = RecordingDisk(seed=3)
    driver = open_journal(disk=disk)
    reader = JournalReader(driver.journal.folder, 0, lambda: driver.journal.committed)
    driver.store(*entries(3))
    assert read_all(reader) == entries(3)
    setattr(disk, fault, True)
    disk.stuck = True  # so the junk stays in the file
    driver.store(*[b'{"junk":%d}' % number for number in range(20)])
    assert reader.read() is None
    setattr(disk, fault, False)
    disk.stuck = False
    driver.store(*entries(3, 3))
    assert read_all(reader) == entries(3, 3)
    assert list(driver.read().values()) == entries(6)
    driver.close()
    assert read_all(JournalReader(driver.journal.folder)) == entries(6)


def test_an_open_reader_survives_the_deletion_of_what_it_reads(segmented: Driver) -> None:
    reader = JournalReader(segmented.journal.folder, 0, lambda: segmented.journal.committed)
    assert reader.read(1) is not None
    for segment in list_segments(segmented.journal.folder)[:3]:
        segment.path.unlink()
    found = read_all(reader)
    assert found[-1:] == entries(1, 29)
    assert found == sorted(found, key=lambda entry: int(entry[5:-1]))


def test_counts_line_ends() -> None:
    assert [nth_line_end(b"a\nbb\nc\n", number) for number in range(4)] == [0, 2, 5, 7]
