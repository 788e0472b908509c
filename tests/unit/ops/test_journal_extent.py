"""Number and times of the entries that health reports."""

import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from logboom.journal.folder_log import FolderLog
from logboom.journal.segments import Segment
from logboom.journal.writer import Committed
from logboom.ops.journal_extent import LOOK_INTERVAL_S, ExtentReader, JournalExtent


class Folder:
    """A journal that is nothing but files, with a clock that is set by hand."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.now = 0.0
        self.committed = Committed(0, 0, 0)
        self.extent = ExtentReader(FolderLog(folder, lambda: self.committed), lambda: self.now)

    def segment(self, first: int, *lines: bytes) -> Segment:
        segment = Segment.at(self.folder, first)
        segment.path.write_bytes(b"".join(lines))
        self.committed = Committed(first + len(lines), first, sum(map(len, lines)))
        return segment


@pytest.fixture
def journal(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def line(day: int, size: int = 10) -> bytes:
    return b'{"received_at":"2025-01-%02dT00:00:00.000000+00:00","entry":"%b"}\n' % (day, b"x" * size)


def on(day: int) -> datetime:
    return datetime(2025, 1, day, tzinfo=UTC)


def test_health_waits_while_another_thread_reads(journal: Folder) -> None:
    journal.segment(0, line(1))
    asked: list[threading.Thread] = []
    found: list[JournalExtent] = []

    class Slow(FolderLog):
        def first_arrival(self) -> int | None:
            if not asked:
                asked.append(threading.Thread(target=lambda: found.append(extent.look())))
                asked[0].start()
                asked[0].join(0.05)  # without a lock it ends here
            assert not found
            return super().first_arrival()

    extent = ExtentReader(Slow(journal.folder, lambda: journal.committed), lambda: 0.0)
    assert extent.look() == JournalExtent(1, on(1), on(1))
    asked[0].join()
    assert found == [JournalExtent(1, on(1), on(1))]


def test_nothing_is_kept_of_an_empty_journal(journal: Folder) -> None:
    assert journal.extent.look() == JournalExtent(0, None, None)


def test_it_grows_from_nothing(journal: Folder) -> None:
    journal.extent.look()
    journal.segment(0, line(1), line(2))
    assert journal.extent.look() == JournalExtent(2, on(1), on(2))
    journal.segment(0, line(1), line(2), line(3))
    assert journal.extent.look() == JournalExtent(3, on(1), on(3))


def test_a_long_last_line_is_found(journal: Folder) -> None:
    journal.segment(0, line(1), line(2, 5 << 16))
    assert journal.extent.look() == JournalExtent(2, on(1), on(2))


def test_what_is_not_committed_yet_does_not_count(journal: Folder) -> None:
    segment = journal.segment(0, line(1), line(2))
    with segment.path.open("ab") as file:
        file.write(line(3))
    assert journal.extent.look() == JournalExtent(2, on(1), on(2))


def test_before_the_first_commit_of_a_segment_the_last_entry_stands_in_the_one_before(
    journal: Folder,
) -> None:
    journal.segment(0, line(1), line(2))
    journal.committed = Committed(2, 2, 0)
    assert journal.extent.look() == JournalExtent(2, on(1), on(2))


def test_what_retention_deletes_is_noticed_within_a_minute(journal: Folder) -> None:
    old = journal.segment(0, line(1), line(2))
    journal.segment(2, line(3))
    assert journal.extent.look() == JournalExtent(3, on(1), on(3))
    old.delete()
    assert journal.extent.look() == JournalExtent(3, on(1), on(3))
    journal.now += LOOK_INTERVAL_S
    assert journal.extent.look() == JournalExtent(1, on(3), on(3))


def test_a_damaged_line_has_no_time(journal: Folder) -> None:
    journal.segment(0, b"\xff" * 100 + b"\n")
    assert journal.extent.look() == JournalExtent(1, None, None)


def test_a_segment_that_vanishes_meanwhile_is_no_error(journal: Folder) -> None:
    journal.segment(0, line(1)).delete()
    journal.segment(1, line(2))
    journal.extent.look()
    journal.committed = Committed(3, 1, 999)
    Segment.at(journal.folder, 1).delete()
    assert journal.extent.look() == JournalExtent(2, on(2), None)
