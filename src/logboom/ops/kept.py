"""What the journal still has, for health: how many entries, and when the first and the last of them came."""

import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

from logboom.journal.index import received_at_ns
from logboom.journal.journal import Journal
from logboom.journal.segments import Segment, list_segments

LOOK_INTERVAL_S: Final = 60.0
"""How often the folder is looked at: retention deletes as rarely, and there may be thousands of files."""

HEAD_BYTES: Final = 64
"""Enough of a line for its time."""

TAIL_BYTES: Final = 64 << 10
"""What is read at first to find the last line."""


class Kept(NamedTuple):
    """See the module's text."""

    entries: int
    """How many, by their sequences: one that recovery left out counts."""
    first: datetime | None
    """When the oldest entry was received, UTC; None: there is none, or its line is damaged."""
    last: datetime | None


class KeptEntries:
    """Looks at the journal's folder now and then, and at the end of its newest segment each time.

    Args:
        journal: the server's.
        clock: seconds, monotonic.
    """

    def __init__(self, journal: Journal, clock: Callable[[], float]) -> None:
        self._journal = journal
        self._clock = clock
        self._looked = (float("-inf"), -1)
        self._segments: list[Segment] = []
        self._first: datetime | None = None
        self._last: tuple[int, datetime | None] = (-1, None)

    def look(self) -> Kept:
        """What there is now. Called on one thread."""
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
            return Kept(0, None, None)
        if self._last[0] != committed.next_sequence:
            current = Segment.at(self._journal.folder, committed.segment_first).path
            # Before the first commit into a segment, the last entry stands in the one before.
            path, end = (current, committed.offset) if committed.offset else (self._segments[-1].path, None)
            self._last = (committed.next_sequence, _last_of(path, end))
        return Kept(count, self._first, self._last[1])


def _first_of(path: Path) -> datetime | None:
    try:
        with path.open("rb") as file:
            return _moment(file.read(HEAD_BYTES))
    except FileNotFoundError:  # retention was faster
        return None


def _last_of(path: Path, end: int | None) -> datetime | None:
    """When the last line was received that ends at an offset; None: at the file's end."""
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
