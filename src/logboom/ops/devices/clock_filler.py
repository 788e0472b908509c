"""Starts of boots in lines that the book of devices has not looked at: those from before it, and of lost files."""

from itertools import islice
from typing import Final

from logboom.journal.folder_log import FolderLog
from logboom.journal.log import Block, LogCursor, head
from logboom.journal.segments import list_segments
from logboom.ops.devices.boot_clock import BootClock
from logboom.ops.devices.clock_writer import BootKey, ClockWriter
from logboom.ops.devices.device import learn
from logboom.ops.devices.device_book import DeviceBook
from logboom.ops.devices.device_lines import sightings_of
from logboom.ops.journal_follower import BLOCK_BYTES
from logboom.query.matching import Filter
from logboom.query.spans import Steps

CLOCKS_MAX: Final = 20_000
"""Boots in memory, some 20 MB. Of more, the ones that were seen first are written, and forgotten."""

_DEVICES: Final = Filter(text='"boot_seq"')


class ClockFiller:
    """Reads what the book has not looked at, oldest first, and writes the starts of boots that it learns.

    Boots that the book itself learns from are left to it. Used on one thread.

    Args:
        log: the journal.
        book: knows what it has not looked at.
        writer: writes the starts.
    """

    def __init__(self, log: FolderLog, book: DeviceBook, writer: ClockWriter) -> None:
        self._log = log
        self._book = book
        self._writer = writer
        self._cursor: LogCursor | None = None
        self._clocks: dict[BootKey, BootClock] = {}

    def step(self) -> bool:
        """Read a block; False: there is nothing to be read. Raises `OSError`: starts can't be written."""
        wanted = self._book.unlooked
        if wanted is None:
            self._finish()
            return False
        low, high = wanted
        if self._cursor is not None and self._cursor.position != low:
            self._finish()
        try:
            block = self._read(low, high)
        except OSError:  # damaged, or deleted in between
            self._finish()
            self._book.looked_to(self._end_of_segment(low, high))
            return True
        if block is None or block.first_sequence >= high:
            self._book.looked_to(high)
            return True
        self._learn(block if block.next_sequence <= high else head(block, high - block.first_sequence))
        if len(self._clocks) > CLOCKS_MAX:
            self.write()
            self._clocks = dict(islice(self._clocks.items(), CLOCKS_MAX // 2, None))
        self._book.looked_to(min(block.next_sequence, high))
        return True

    def write(self) -> None:
        """Write what was learned. Raises `OSError`."""
        self._writer.write(
            (key, clock) for key, clock in self._clocks.items() if not self._book.learns(key, clock.high)
        )

    def _finish(self) -> None:
        """Write what was learned, and forget it. Raises `OSError`."""
        self.write()
        self._clocks = {}
        self.close()

    def close(self) -> None:
        """Close the files. Idempotent."""
        if self._cursor is not None:
            self._cursor.close()
        self._cursor = None

    def _read(self, low: int, high: int) -> Block | None:
        """Read a block; None: there is none. Raises `OSError`."""
        if self._cursor is None:
            low = self._first_of_devices(low, high)
            self._cursor = self._log.cursor(low)
        return self._cursor.read(BLOCK_BYTES) if low < high else None

    def _end_of_segment(self, low: int, high: int) -> int:
        """Return the first sequence after the segment of `low`, within the range."""
        newer = (one.first for one in list_segments(self._log.folder) if one.first > low)
        return min(next(newer, high), high)

    def _first_of_devices(self, low: int, high: int) -> int:
        """Return the first sequence that may be a device's; word filters show it without reading."""
        ranges = Steps(self._log, _DEVICES).ranges(max(low, self._log.oldest()), high)
        return ranges[0].start if ranges else high

    def _learn(self, block: Block) -> None:
        for seen in sightings_of(block):
            key = BootKey(seen.listener, seen.name, seen.boot)
            clock = self._clocks.get(key)
            if clock is None:
                clock = self._clocks[key] = BootClock()
            learn(clock, seen)
