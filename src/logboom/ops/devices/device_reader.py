"""Thread that reads the journal for the book of devices.

It skips nothing: a gap that is reported must be one. When more entries come than it can read, it is behind for a while.
"""

import time
from typing import Final

from logboom.journal.folder_log import FolderLog
from logboom.journal.log import Block
from logboom.model import Report
from logboom.ops.devices.clock_writer import ClockWriter
from logboom.ops.devices.device_book import DeviceBook
from logboom.ops.journal_follower import Effort, JournalFollower

WRITE_INTERVAL_S: Final = 1.0
"""Shortest time between two writings of the starts of boots, seconds: a backlog stands where it happened after that."""

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
        self._report = report
        self._failing = False
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

    def skip_to(self, position: int) -> None:
        """See `JournalFollower`."""
        self._book.skip_to(position)

    def save(self) -> None:
        """See `JournalFollower`."""
        self._write_at = 0.0
        self._write_clocks()
        self._book.save()

    def _write_clocks(self) -> None:
        """Write what was learned of the starts of boots, not too often."""
        began = time.monotonic()
        if began < self._write_at:
            return
        try:
            self._book.write_clocks(self._writer)
            self._failing = False
        except OSError as error:
            if not self._failing:
                self._report(
                    "warning", f"times of entries by uptime can't be saved: {error.strerror or error}"
                )
            self._failing = True
        now = time.monotonic()
        self._write_at = now + max(WRITE_INTERVAL_S, WRITE_REST_FACTOR * (now - began))
