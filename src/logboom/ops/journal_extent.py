"""Extent of the journal for health: number of entries, and times of the first and the last one."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final, NamedTuple

from logboom.journal.log import Log

LOOK_INTERVAL_S: Final = 60.0
"""Interval of looking for the oldest entry: retention deletes as rarely, and there may be thousands of files."""


class JournalExtent(NamedTuple):
    """Extent of a journal."""

    entries: int
    """Number of entries by sequences, including those that recovery removed."""
    first: datetime | None
    """Receive time of the oldest entry, UTC; None: there is none, or its line is damaged."""
    last: datetime | None


class ExtentReader:
    """Determines the extent: reads the time of the oldest entry at intervals, and that of the newest one each time.

    Args:
        log: journal of the server.
        clock: seconds, monotonic.
    """

    def __init__(self, log: Log, clock: Callable[[], float]) -> None:
        self._log = log
        self._clock = clock
        self._lock = threading.Lock()
        self._looked_at = float("-inf")
        self._oldest = 0
        self._first: datetime | None = None
        self._last: tuple[int, datetime | None] = (-1, None)

    def look(self) -> JournalExtent:
        """Return the current extent. Any thread may ask."""
        with self._lock:
            return self._look()

    def _look(self) -> JournalExtent:
        end = self._log.end
        is_old = self._clock() - self._looked_at >= LOOK_INTERVAL_S
        if is_old or self._last[1] is None:
            self._oldest, self._first = self._log.oldest(), _utc(self._log.first_arrival())
            self._looked_at = self._clock()
        if end <= self._oldest:
            return JournalExtent(0, None, None)
        if self._last[0] != end:
            self._last = (end, _utc(self._log.last_arrival()))
        return JournalExtent(end - self._oldest, self._first, self._last[1])


def _utc(moment_ns: int | None) -> datetime | None:
    return None if moment_ns is None else datetime.fromtimestamp(moment_ns / 1e9, UTC)
