"""Extent of the journal for health: number of entries, and times of the first and the last one."""

import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

from logboom.journal.index import received_at_ns
from logboom.journal.journal import Journal
from logboom.journal.segments import Segment, list_segments

LOOK_INTERVAL_S: Final = 60.0
"""Interval of listing the folder: retention deletes as rarely, and there may be thousands of files."""

HEAD_BYTES: Final = 64
"""Bytes of a line that include its time."""

TAIL_BYTES: Final = 64 << 10
"""Bytes that are read first to find the last line."""


class JournalExtent(NamedTuple):
    """Extent of a journal."""

    entries: int
    """Number of entries by sequences, including those that recovery removed."""
    first: datetime | None
    """Receive time of the oldest entry, UTC; None: there is none, or its line is damaged."""
    last: datetime | None


class ExtentReader:
    """Determines the extent: lists the journal's folder at intervals, and reads the newest segment's end each time.

    Args:
        journal: journal of the server.
        clock: seconds, monotonic.
    """

    def __init__(self, journal: Journal, clock: Callable[[], float]) -> None:
        self._journal = journal
        self._clock = clock
        self._looked = (float("-inf"), -1)
        self._segments: list[Segment] = []
        self._first: datetime | None = None
        self._last: tuple[int, datetime | None] = (-1, None)

    def look(self) -> JournalExtent:
        """Return the current extent. Called on one thread."""
        committed = self._journal.committed
        looked_at, segment_first = self._looked
        is_old = segment_first != committed.segment_first or self._clock() - looked_at >= LOOK_INTERVAL_S
        if is_old or not self._segments:
            self._segments = list_segments(self._journal.folder)
            self._first = _first_of(self._segments[0].path) if self._segments else None
            self._looked = (self._clock(), committed.segment_first)
        oldest = self._segments[0].first if self._segments else committed.next_sequence
        count = committed.next_sequence - oldest
        if count <= 0:
            return JournalExtent(0, None, None)
        if self._last[0] != committed.next_sequence:
            current = Segment.at(self._journal.folder, committed.segment_first).path
            # Before the first commit into a segment, the last entry is in the one before.
            path, end = (current, committed.offset) if committed.offset else (self._segments[-1].path, None)
            self._last = (committed.next_sequence, _last_of(path, end))
        return JournalExtent(count, self._first, self._last[1])


def _first_of(path: Path) -> datetime | None:
    try:
        with path.open("rb") as file:
            return _moment(file.read(HEAD_BYTES))
    except FileNotFoundError:  # retention was faster
        return None


def _last_of(path: Path, end: int | None) -> datetime | None:
    """Receive time of the last line before the offset `end`; None means the end of the file."""
    try:
        with path.open("rb") as file:
            end = file.seek(0, os.SEEK_END) if end is None else end
            size = TAIL_BYTES
            while True:
                start = max(0, end - size)
                data = os.pread(file.fileno(), end - start, start)
                begin = data.rfind(b"\n", 0, -1) + 1
                if begin or not start:
                    return _moment(data[begin : begin + HEAD_BYTES])
                size *= 4
    except FileNotFoundError:
        return None


def _moment(line: bytes) -> datetime | None:
    received_ns = received_at_ns(line)
    return None if received_ns is None else datetime.fromtimestamp(received_ns / 1e9, UTC)
