"""Checksums beside a segment."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from logboom.journal import sums as module
from logboom.journal.segments import Segment, list_segments
from logboom.journal.sums import SUM_BYTES, Origin, Sum, cover, pack_sum, read_sums, sum_of, write_sums
from logboom.testing.crash_kit import Driver, RecordingDisk

Open = Callable[..., Driver]


def entries(count: int, start: int = 0) -> list[bytes]:
    return [b'{"n":%d}' % number for number in range(start, start + count)]


@pytest.fixture
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SUM_STEP_BYTES", 300)


def only(driver: Driver) -> Segment:
    (segment,) = list_segments(driver.journal.folder)
    return segment


@pytest.mark.usefixtures("small_steps")
def test_each_commit_is_covered_at_once(open_journal: Open) -> None:
    driver = open_journal()
    for number in range(20):
        driver.store(*entries(1, number))
        sums = read_sums(only(driver))
        assert (sums[0].start, sums[-1].end, sums[-1].next) == (
            0,
            driver.journal.committed.offset,
            number + 1,
        )
        assert [one.start for one in sums[1:]] == [one.end for one in sums[:-1]]
        assert all(sum_of(only(driver), *one[:3], Origin.WRITTEN) == one for one in sums)
    assert len(sums) > 5


@pytest.mark.usefixtures("small_steps")
def test_the_next_start_goes_on_behind(open_journal: Open) -> None:
    for start in range(0, 30, 3):
        driver = open_journal()
        assert driver.journal.recovered.notes == []
        driver.store(*entries(3, start))
        driver.close()
    sums = read_sums(only(driver))
    assert [one.origin for one in sums] == [Origin.WRITTEN] * len(sums)
    assert sums[-1].next == 30
    assert cover(only(driver), sums, sums[-1].end, Origin.REPAIRED) == sums


def test_what_was_found_at_a_start_says_so(open_journal: Open) -> None:
    driver = open_journal()
    driver.store(*entries(5))
    driver.close()
    only(driver).sums_path.unlink()
    driver = open_journal()
    driver.store(*entries(5, 5))
    assert [(one.first, one.next, one.origin) for one in read_sums(only(driver))] == [
        (0, 5, Origin.RECOVERED),
        (5, 10, Origin.WRITTEN),
    ]


@pytest.mark.parametrize("damage", [b"", b"torn", bytes(SUM_BYTES), b"\xff" * 100, b"\xff" * 10_000])
def test_damaged_checksums_stop_nothing(open_journal: Open, damage: bytes) -> None:
    driver = open_journal()
    driver.store(*entries(5))
    driver.close()
    path = only(driver).sums_path
    for data in (damage, path.read_bytes() + damage):
        path.write_bytes(data)
        driver = open_journal()
        driver.store(*entries(1))
        driver.close()
        sums = read_sums(only(driver))
        assert sums[-1].end == only(driver).path.stat().st_size
        assert path.stat().st_size == SUM_BYTES * len(sums)


@pytest.mark.parametrize("place", range(SUM_BYTES))
def test_a_flipped_bit_in_a_record_makes_it_none(tmp_path: Path, place: int) -> None:
    segment = Segment.at(tmp_path, 7)
    records = [Sum(0, 100, 7, 9, 1), Sum(100, 200, 9, 11, 2), Sum(200, 300, 11, 12, 3)]
    write_sums(segment, records)
    assert read_sums(segment) == records
    data = bytearray(segment.sums_path.read_bytes())
    data[SUM_BYTES + place] ^= 1
    segment.sums_path.write_bytes(data)
    assert read_sums(segment) == [records[0], records[2]]


def test_records_of_another_segment_do_not_count(tmp_path: Path) -> None:
    mine, other = Segment.at(tmp_path, 7), Segment.at(tmp_path, 8)
    mine.sums_path.write_bytes(pack_sum(other, Sum(0, 100, 8, 9, 1)))
    assert read_sums(mine) == []


def test_a_failed_write_is_not_covered(open_journal: Open) -> None:
    disk = RecordingDisk()
    driver = open_journal(disk=disk)
    driver.store(*entries(3))
    disk.broken = disk.stuck = True
    driver.store(*entries(3))
    disk.broken = disk.stuck = False
    driver.store(*entries(3, 3))
    first, second = list_segments(driver.journal.folder)
    assert [one[2:4] for one in read_sums(first)] == [(0, 3)]
    assert [one[2:4] for one in read_sums(second)] == [(3, 6)]


def test_checksums_that_cannot_be_written_refuse_no_entry(
    open_journal: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fake(*_arguments: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    driver = open_journal()
    monkeypatch.setattr(os, "pwrite", fake)
    assert driver.store(*entries(3)).first_sequence == 0
    monkeypatch.undo()
    assert read_sums(only(driver)) == []
    driver.store(*entries(3, 3))
    (one,) = read_sums(only(driver))
    assert one[:4] == (0, driver.journal.committed.offset, 0, 6)


def test_checksums_that_cannot_be_opened_refuse_no_entry(open_journal: Open, data_dir: Path) -> None:
    (data_dir / "journal" / "00000000000000000000.sums").mkdir(parents=True)
    driver = open_journal()
    assert driver.store(*entries(3)).first_sequence == 0
    driver.close()
    assert open_journal().store(*entries(1)).first_sequence == 3


def test_what_is_true_is_kept_and_gaps_are_filled(open_journal: Open) -> None:
    driver = open_journal()
    driver.store(*entries(6))
    driver.close()
    segment = only(driver)
    size = segment.path.stat().st_size
    third = size // 3
    true = sum_of(segment, third, 2 * third, 2, Origin.WRITTEN)
    false = sum_of(segment, 0, third, 0, Origin.WRITTEN)._replace(digest=1)
    found = cover(segment, [false, true], size, Origin.REPAIRED)
    assert [(one.first, one.next, one.origin) for one in found] == [(0, 2, 2), (2, 4, 0), (4, 6, 2)]
    assert (
        cover(segment, [true._replace(first=3, next=5)], size, Origin.REPAIRED)[0].origin == Origin.REPAIRED
    )
