"""Number and times of the entries that the journal still has, for health."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final, NamedTuple

from logboom.journal.log import Log

LOOK_INTERVAL_S: Final = 60.0
"""Interval of looking for the oldest entry: retention deletes as rarely, and there may be thousands of files."""


class Kept(NamedTuple):
    """The entries that can be read."""

    entries: int
    """Number of sequences; one that recovery left out counts."""
    first: datetime | None
    """Receive time of the oldest entry, UTC; None: there is none, or its line is damaged."""
    last: datetime | None
    """Receive time of the newest entry."""


class KeptEntries:
    """Looks for the oldest entry now and then, and for the newest one each time.

    Args:
        log: the server's journal.
        clock: seconds, monotonic.
    """

    def __init__(self, log: Log, clock: Callable[[], float]) -> None:
        self._log = log
        self._clock = clock
        self._looked_at = float("-inf")
        self._oldest = 0
        self._first: datetime | None = None
        self._last: tuple[int, datetime | None] = (-1, None)

    def look(self) -> Kept:
        """Return what there is now. Called on one thread."""
        end = self._log.end
        is_old = self._clock() - self._looked_at >= LOOK_INTERVAL_S
        if is_old or self._last[1] is None:
            self._oldest, self._first = self._log.oldest(), _utc(self._log.first_arrival())
            self._looked_at = self._clock()
        if end <= self._oldest:
            return Kept(0, None, None)
        if self._last[0] != end:
            self._last = (end, _utc(self._log.last_arrival()))
        return Kept(end - self._oldest, self._first, self._last[1])


def _utc(moment_ns: int | None) -> datetime | None:
    return None if moment_ns is None else datetime.fromtimestamp(moment_ns / 1e9, UTC)
