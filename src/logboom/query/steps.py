"""Where to look in a journal: ranges of sequences that can match, and the steps of the index within them."""

import os
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from datetime import datetime
from pathlib import Path
from typing import Final, NamedTuple

from logboom.journal.index import rebuild_index, received_at_ns
from logboom.journal.reader import Block, JournalReader, nth_line_end
from logboom.journal.segments import IndexPoint, Segment, list_segments, read_index
from logboom.journal.writer import Committed

BLOCK_BYTES: Final = 256 << 10
"""Bytes looked through at once; other threads get their turn in between. Typed decoding takes 0.4 ms for it."""

_HEAD_BYTES: Final = 64
"""Of a line: its receive time stands there."""

_END: Final = 1 << 63


class Step(NamedTuple):
    """What lies between an index point and the next one: about a megabyte of lines."""

    start: int
    """The first sequence."""
    end: int
    """The sequence after the last one."""
    segment: Segment
    offset: int
    """Where the step starts in its segment, bytes; meaningful when it is `whole`."""
    size: int
    """Bytes; 0 when the step is not `whole`."""

    @property
    def whole(self) -> bool:
        """It ends at an index point or with a segment that is not the newest, and is complete: it will never change."""
        return self.size > 0

    @property
    def is_there(self) -> bool:
        """All bytes of a whole step are: its segment was neither deleted nor cut meanwhile."""
        try:
            return self.segment.path.stat().st_size >= self.offset + self.size
        except FileNotFoundError:
            return False


class Places:
    """A journal's sequences by time, and its steps.

    Args:
        folder: the journal's folder.
        committed: how far the writer is; None: no writer in this process.
    """

    def __init__(self, folder: Path, committed: Callable[[], Committed] | None = None) -> None:
        self.folder = folder
        self._committed = committed

    def bounds(self, since: str, until: str, start: int = 0, end: int | None = None) -> tuple[int, int]:
        """The sequences that can have come in a time.

        Args:
            since: at or after this; ISO 8601 as in the journal, or nothing.
            until: before this.
            start: no sequence below this one.
            end: no sequence from this one on.
        """
        last = self._committed().next_sequence if self._committed else self._end()
        segments = list_segments(self.folder)
        low = max(start, segments[0].first if segments else last)
        high = last if end is None else min(end, last)
        if since:
            low = max(low, _place_of(segments, since).sequence)
        if until:
            high = min(high, _end_of(segments, until))
        return min(low, last), max(min(low, last), high)

    def _end(self) -> int:
        """The sequence after the last one, without a writer to ask."""
        segments = list_segments(self.folder)
        if not segments:
            return 0
        with closing(JournalReader(self.folder, segments[-1].first)) as reader:
            points = points_of(segments[-1])
            reader.position = points[-1].sequence
            while reader.read(BLOCK_BYTES) is not None:
                pass
            return reader.position

    def steps_back(self, start: int, end: int) -> Iterator[Step]:
        """The steps from the one before `end` back to the one that holds `start`."""
        newer: Segment | None = None
        for segment in reversed(list_segments(self.folder)):
            following = _end_point(segment, newer)
            newer = segment
            for point in reversed(points_of(segment)):
                if point.sequence < end:
                    is_whole = following is not None and following.sequence == end and point.sequence >= start
                    size = following.offset - point.offset if following is not None and is_whole else 0
                    yield Step(max(point.sequence, start), end, segment, point.offset, size)
                    end = point.sequence
                following = point
                if end <= start:
                    return

    def blocks(self, start: int, end: int, bytes_max: int = BLOCK_BYTES) -> Iterator[Block]:
        """The blocks of a range. Segments that are deleted meanwhile are passed over."""
        with closing(JournalReader(self.folder, start, self._committed)) as reader:
            while reader.position < end:
                try:
                    block = reader.read(bytes_max)
                except FileNotFoundError:
                    return
                if block is None or block.first_sequence >= end:
                    return
                yield block if block.next_sequence <= end else _cut(block, end - block.first_sequence)

    def blocks_of(self, step: Step, bytes_max: int = BLOCK_BYTES) -> Iterator[Block]:
        """The blocks of a step; those of a whole one are read without a look at the index."""
        if not step.whole:
            yield from self.blocks(step.start, step.end, bytes_max)
            return
        position = step.start
        for data in step_data(step, bytes_max):
            block = Block(position, data.count(b"\n"), data)
            yield block if block.next_sequence <= step.end else _cut(block, step.end - position)
            position = min(block.next_sequence, step.end)


def _end_point(segment: Segment, newer: Segment | None) -> IndexPoint | None:
    """The place behind the last line of a segment; None while lines may still be added, or when it was deleted."""
    if newer is None:
        return None
    try:
        return IndexPoint(newer.first, segment.path.stat().st_size, 0)
    except FileNotFoundError:
        return None


def _cut(block: Block, count: int) -> Block:
    """The first lines of a block."""
    return Block(block.first_sequence, count, block.data[: nth_line_end(block.data, count)])


def step_data(step: Step, bytes_max: int = BLOCK_BYTES) -> Iterator[bytes]:
    """The lines of a whole step, some at a time. Ends early when the file does, or was deleted.

    Raises:
        OSError: it can't be read.
    """
    try:
        descriptor = os.open(step.segment.path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        offset, end = step.offset, step.offset + step.size
        while offset < end:
            data = _lines_at(descriptor, offset, min(bytes_max, end - offset), end)
            if not data:
                return
            yield data
            offset += len(data)
    finally:
        os.close(descriptor)


def _lines_at(descriptor: int, offset: int, size: int, end: int) -> bytes:
    """Whole lines from `offset` on, one at least when there is one before `end`."""
    while True:
        data = os.pread(descriptor, size, offset)
        last = data.rfind(b"\n") + 1
        if last or len(data) < size or offset + size >= end:
            return data[:last]
        size = min(size * 2, end - offset)


def points_of(segment: Segment) -> list[IndexPoint]:
    """The index of a segment, made anew when it is missing; its start is always a point.

    Raises:
        OSError: the segment can't be read.
    """
    try:
        if not segment.index_path.exists():
            with suppress(OSError):  # a folder that may only be read
                rebuild_index(segment)
        points = read_index(segment)
        if points and points[0].sequence == segment.first:
            return points
        with segment.path.open("rb") as file:
            moment_ns = received_at_ns(file.read(_HEAD_BYTES))
    except FileNotFoundError:  # deleted meanwhile
        points, moment_ns = [], None
    return [IndexPoint(segment.first, 0, moment_ns or 0), *points]


def _timed(segments: list[Segment]) -> list[Segment]:
    """Without the newest, as long as nothing stands in it."""
    return segments[:-1] if segments and not points_of(segments[-1])[0].received_ns else segments


def _place_of(segments: list[Segment], moment: str) -> IndexPoint:
    """The last index point before a moment: nothing that came at or after it stands before the point."""
    moment_ns, segments = nanoseconds(moment), _timed(segments)
    number = bisect_left(segments, moment_ns, key=lambda segment: points_of(segment)[0].received_ns)
    if not number:
        return IndexPoint(0, 0, 0)
    points = points_of(segments[number - 1])
    return points[max(0, bisect_left(points, moment_ns, key=_time_of) - 1)]


def _end_of(segments: list[Segment], moment: str) -> int:
    """The sequence of the first index point after a moment: what came before it stands before the point."""
    moment_ns, segments = nanoseconds(moment), _timed(segments)
    number = bisect_right(segments, moment_ns, key=lambda segment: points_of(segment)[0].received_ns)
    if number:
        points = points_of(segments[number - 1])
        position = bisect_right(points, moment_ns, key=_time_of)
        if position < len(points):
            return points[position].sequence
    return segments[number].first if number < len(segments) else _END


def _time_of(point: IndexPoint) -> int:
    return point.received_ns


def nanoseconds(moment: str) -> int:
    """A time of the journal as nanoseconds since the epoch."""
    return int(datetime.fromisoformat(moment).timestamp() * 1_000_000) * 1000
