"""Thread that reads the journal for the book of devices.

It skips nothing: a gap that is reported must be one. When more entries come than it can read, it is behind for a while.
"""

import time
from collections.abc import Callable
from typing import Final

from logboom.journal.folder_log import FolderLog
from logboom.journal.log import Block
from logboom.model import Report
from logboom.ops.devices.clock_filler import ClockFiller
from logboom.ops.devices.clock_writer import ClockWriter
from logboom.ops.devices.device_book import DeviceBook
from logboom.ops.journal_follower import Effort, JournalFollower

WRITE_INTERVAL_S: Final = 1.0
"""Shortest time between two writings of the starts of boots, seconds: a backlog stands where it happened after that."""

FILL_S: Final = 0.05
"""CPU time of each look at what the book has not looked at, seconds: there is one per second or less."""

FILL_WALL_S: Final = 0.2
"""Longest time of one, seconds: new lines wait meanwhile, and a disk may be slow."""

WRITE_REST_FACTOR: Final = 20
"""Ratio of pauses to writing."""

EFFORT: Final = Effort(rest_factor=9, flood_rest_factor=49, behind_max=1 << 62)
"""A tenth of a core, and less while entries flood in: it reads them all, later."""


class DeviceReader(JournalFollower):
    """Service that reads the journal for the book of devices.

    Args:
        journal: journal to read.
        book: book to update.
        report: logs a disk that fails.
    """

    def __init__(self, journal: FolderLog, book: DeviceBook, report: Report) -> None:
        super().__init__("devices", journal, EFFORT)
        self._book = book
        self._writer = ClockWriter(journal.folder)
        self._filler = ClockFiller(journal, book, self._writer)
        self._report = report
        self._failing: set[str] = set()
        self._write_at = 0.0
        """Time of the next writing of the starts of boots, monotonic clock."""

    @property
    def position(self) -> int:
        """See `JournalFollower`."""
        return self._book.position

    def take(self, block: Block) -> None:
        """See `JournalFollower`."""
        self._book.take(block)
        self._write_clocks()

    def reached_end(self) -> None:
        """See `JournalFollower`."""
        self._write_clocks()
        self._try("older", self._fill)

    def _fill(self) -> None:
        """Read what the book has not looked at, for a moment."""
        cpu_until, until = time.thread_time() + FILL_S, time.monotonic() + FILL_WALL_S
        while time.thread_time() < cpu_until and time.monotonic() < until and not self._stopping.is_set():
            if not self._filler.step():
                return

    def work(self) -> None:
        """See `JournalFollower`."""
        self._book.find_lost()
        try:
            super().work()
        finally:
            self._filler.close()

    def skip_to(self, position: int) -> None:
        """See `JournalFollower`."""
        self._book.skip_to(position)

    def save(self) -> None:
        """See `JournalFollower`."""
        self._write_at = 0.0
        self._write_clocks()
        self._try("older", self._filler.write)
        self._book.save()

    def _write_clocks(self) -> None:
        """Write what was learned of the starts of boots, not too often."""
        began = time.monotonic()
        if began < self._write_at:
            return
        self._try("new", lambda: self._book.write_clocks(self._writer))
        now = time.monotonic()
        self._write_at = now + max(WRITE_INTERVAL_S, WRITE_REST_FACTOR * (now - began))

    def _try(self, entries: str, write: Callable[[], None]) -> None:
        """Write starts of boots, of new or of older entries. An error is logged once."""
        try:
            write()
            self._failing.discard(entries)
        except OSError as error:
            if entries not in self._failing:
                reason = error.strerror or error
                self._report("warning", f"times of {entries} entries by uptime can't be saved: {reason}")
            self._failing.add(entries)
