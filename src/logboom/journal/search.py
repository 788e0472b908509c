"""Looking through a journal: pages of matching entries, forward or backward, from any place or time.

Backward, it goes from one point of the sparse index to the one before: about a megabyte a step. Nothing is
held but one block and the page itself, however long the journal is.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Final, NamedTuple

from logboom.journal.index import rebuild_index, received_at_ns
from logboom.journal.matching import Filter, Found, Matcher
from logboom.journal.reader import Block, JournalReader
from logboom.journal.segments import IndexPoint, Segment, list_segments, read_index
from logboom.journal.writer import Committed

PAGE_BYTES_MAX: Final = 8 << 20
"""Bytes of entries on one page: entries may have a megabyte each, a page's number of them is no bound."""

_BLOCK_BYTES: Final = 256 << 10
"""Bytes looked through at once; other threads get their turn in between."""

_HEAD_BYTES: Final = 64
"""Of a line: its receive time stands there."""

_END: Final = 1 << 63


class Page(NamedTuple):
    """What was found, and where to go on."""

    found: list[Found]
    """In the order of the search."""
    first: int
    """The oldest sequence that was looked at; a search before it goes on towards the past."""
    next: int
    """The sequence after the newest that was looked at; a search from it on goes on towards the present."""
    more: bool
    """The search ended before its end: by its limits, or because it was told to."""


class Search:
    """A journal to be looked through.

    Args:
        folder: the journal's folder.
        committed: how far the writer is; None: no writer in this process.
        give_up: asked after each block; True ends the search with what was found so far.
    """

    def __init__(
        self,
        folder: Path,
        committed: Callable[[], Committed] | None = None,
        give_up: Callable[[], bool] = lambda: False,
    ) -> None:
        self._folder = folder
        self._committed = committed
        self._give_up = give_up

    def place(self, wanted: Filter, start: int = 0) -> int:
        """The first sequence from `start` on that can match; times are looked up in the index."""
        return self._bounds(wanted, start, None)[0]

    def forward(self, wanted: Filter, limit: int, *, start: int = 0, end: int | None = None) -> Page:
        """The first matches of the sequences from `start` to before `end`, oldest first."""
        start, end = self._bounds(wanted, start, end)
        page = _Collector(limit)
        matcher, position = Matcher(wanted), start
        for block in self._blocks(start, end):
            found = page.add(matcher.first(block, page.left))
            position = found[-1].record.sequence + 1 if page.full else block.next_sequence
            if page.full or self._give_up():
                break
        else:
            return Page(page.found, start, max(start, position), more=False)
        return Page(page.found, start, position, more=position < end)

    def backward(self, wanted: Filter, limit: int, *, start: int = 0, end: int | None = None) -> Page:
        """The last matches of the sequences from `start` to before `end`, newest first."""
        start, end = self._bounds(wanted, start, end)
        page = _Collector(limit)
        matcher, position = Matcher(wanted), end
        for low, high in self._steps(start, end):
            newest_first: list[Found] = []
            for block in self._blocks(low, high):
                newest_first[:0] = matcher.last(block, page.left)
                del newest_first[page.left :]
            found = page.add(newest_first)
            position = found[-1].record.sequence if page.full else low
            if page.full or self._give_up():
                break
        else:
            position = start
        return Page(page.found, position, end, more=position > start)

    def _bounds(self, wanted: Filter, start: int, end: int | None) -> tuple[int, int]:
        """The sequences that can match at all."""
        last = self._committed().next_sequence if self._committed else self._end()
        segments = list_segments(self._folder)
        low = max(start, segments[0].first if segments else last)
        high = last if end is None else min(end, last)
        if wanted.since:
            low = max(low, _place_of(segments, wanted.since).sequence)
        if wanted.until:
            high = min(high, _end_of(segments, wanted.until))
        return min(low, last), max(min(low, last), high)

    def _end(self) -> int:
        """The sequence after the last one, without a writer to ask."""
        segments = list_segments(self._folder)
        if not segments:
            return 0
        with closing(JournalReader(self._folder, segments[-1].first)) as reader:
            points = _points(segments[-1])
            reader.position = points[-1].sequence
            while reader.read(_BLOCK_BYTES) is not None:
                pass
            return reader.position

    def _steps(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """Ranges of sequences from `end` back to `start`, one index point each."""
        for segment in reversed(list_segments(self._folder)):
            for point in reversed(_points(segment)):
                if point.sequence < end:
                    yield max(point.sequence, start), end
                    end = point.sequence
                if end <= start:
                    return

    def _blocks(self, start: int, end: int) -> Iterator[Block]:
        """The blocks of a range. Segments that are deleted meanwhile are passed over."""
        with closing(JournalReader(self._folder, start, self._committed)) as reader:
            while reader.position < end:
                try:
                    block = reader.read(_BLOCK_BYTES)
                except FileNotFoundError:
                    return
                if block is None or block.first_sequence >= end:
                    return
                yield block._replace(count=min(block.count, end - block.first_sequence))


class _Collector:
    """A page that is being filled."""

    def __init__(self, limit: int) -> None:
        self.found: list[Found] = []
        self.left = limit
        self._bytes_left = PAGE_BYTES_MAX

    @property
    def full(self) -> bool:
        return self.left <= 0 or self._bytes_left <= 0

    def add(self, found: list[Found]) -> list[Found]:
        """Take what still fits, at least one; returns the page so far."""
        for one in found:
            if self.full:
                break
            self.found.append(one)
            self.left -= 1
            self._bytes_left -= len(one.entry)
        return self.found


def _points(segment: Segment) -> list[IndexPoint]:
    """The index of a segment, made anew when it is missing; its start is always a point."""
    try:
        if not segment.index_path.exists():
            rebuild_index(segment)
        points = read_index(segment)
        if points and points[0].sequence == segment.first:
            return points
        with segment.path.open("rb") as file:
            moment_ns = received_at_ns(file.read(_HEAD_BYTES))
    except OSError:  # deleted meanwhile
        points, moment_ns = [], None
    return [IndexPoint(segment.first, 0, moment_ns or 0), *points]


def _timed(segments: list[Segment]) -> list[Segment]:
    """Without the newest, as long as nothing stands in it."""
    return segments[:-1] if segments and not _points(segments[-1])[0].received_ns else segments


def _place_of(segments: list[Segment], moment: str) -> IndexPoint:
    """The last index point before a moment: nothing that came at or after it stands before the point."""
    moment_ns, segments = _nanoseconds(moment), _timed(segments)
    number = bisect_left(segments, moment_ns, key=lambda segment: _points(segment)[0].received_ns)
    if not number:
        return IndexPoint(0, 0, 0)
    points = _points(segments[number - 1])
    return points[max(0, bisect_left(points, moment_ns, key=_time_of) - 1)]


def _end_of(segments: list[Segment], moment: str) -> int:
    """The sequence of the first index point after a moment: what came before it stands before the point."""
    moment_ns, segments = _nanoseconds(moment), _timed(segments)
    number = bisect_right(segments, moment_ns, key=lambda segment: _points(segment)[0].received_ns)
    if number:
        points = _points(segments[number - 1])
        position = bisect_right(points, moment_ns, key=_time_of)
        if position < len(points):
            return points[position].sequence
    return segments[number].first if number < len(segments) else _END


def _time_of(point: IndexPoint) -> int:
    return point.received_ns


def _nanoseconds(moment: str) -> int:
    return int(datetime.fromisoformat(moment).timestamp() * 1_000_000) * 1000
