"""The plain journal as a `Log`: sequences by arrival time and steps by the sparse index of its segments."""

import threading
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from datetime import datetime
from pathlib import Path
from typing import Final, NamedTuple

from logboom.journal.arrivals import HEAD_BYTES, first_arrival_in, last_arrival_in
from logboom.journal.counts import read_head
from logboom.journal.device_clock import Clocks, SegmentClock
from logboom.journal.index import rebuild_index, received_at_ns
from logboom.journal.log import QUERY_BLOCK_BYTES, Block, Extent, Step, Usable, head
from logboom.journal.reader import JournalReader
from logboom.journal.segment_file import SegmentFile, lines_size, open_file
from logboom.journal.segments import IndexPoint, Segment, clocked_segments, list_segments, read_index
from logboom.journal.step_times import StepKey, Times, TimeSpan, read_times
from logboom.journal.word_filters import DamagedWordsError, WordTest, open_words
from logboom.journal.word_steps import WordSteps, find_steps, times_within
from logboom.journal.writer import Committed

_END: Final = 1 << 63

SEGMENTS_MAX: Final = 100_000
"""Segments whose times are held in memory, some 20 MB: 25 TB of journal."""


class FolderLog:
    """A journal's folder as a `log.Log`.

    Args:
        folder: the journal's folder.
        committed: how far the writer is; None: no writer in this process, every whole line may be read.
        grown: notified after each commit; None: nothing grows in this process.
    """

    def __init__(
        self,
        folder: Path,
        committed: Callable[[], Committed] | None = None,
        grown: threading.Condition | None = None,
    ) -> None:
        self.folder = folder
        self._committed = committed
        self.grown = grown or threading.Condition()
        self._segment_times: dict[int, tuple[int, Times]] = {}
        """Times of segments that are complete and known, with the token of their starts, by first sequence."""
        self._clocks = Clocks()
        self._clocked: list[int] = []
        """First sequences of the segments with starts of boots, in order."""
        self._damaged_words: set[int] = set()

    @property
    def end(self) -> int:
        """See `log.Log`. Without a writer it reads the last megabyte."""
        if self._committed is not None:
            return self._committed().next_sequence
        segments = list_segments(self.folder)
        if not segments:
            return 0
        with closing(JournalReader(self.folder, points_of(segments[-1])[-1].sequence)) as reader:
            while reader.read(QUERY_BLOCK_BYTES) is not None:
                pass
            return reader.position

    def extent(self) -> Extent:
        """See `log.Log`."""
        segments = list_segments(self.folder)
        size = 0
        for segment in segments:
            with suppress(FileNotFoundError):  # past its retention meanwhile
                size += segment.form.stat().st_size
        return Extent(segments[0].first if segments else self.end, size, len(segments))

    def oldest(self) -> int:
        """See `log.Log`."""
        segments = list_segments(self.folder)
        return segments[0].first if segments else self.end

    def first_arrival(self) -> int | None:
        """See `log.Log`."""
        segments = list_segments(self.folder)
        return first_arrival_in(segments[0]) if segments and segments[0].first < self.end else None

    def last_arrival(self) -> int | None:
        """See `log.Log`. With a writer, no folder is listed."""
        committed = self._committed() if self._committed is not None else None
        if committed is not None and committed.offset:
            return last_arrival_in(Segment.at(self.folder, committed.segment_first), committed.offset)
        filled = [one for one in list_segments(self.folder) if _size_of(one)]
        return last_arrival_in(filled[-1], None) if filled else None

    def cursor(self, position: int = 0) -> JournalReader:
        """See `log.Log`."""
        return JournalReader(self.folder, position, self._committed, self._clocks)

    def bounds(self, since: str, until: str, start: int = 0, end: int | None = None) -> tuple[int, int]:
        """See `log.Log`. The range begins and ends at points of the index."""
        last = self.end
        segments = list_segments(self.folder)
        low = max(start, segments[0].first if segments else last)
        high = last if end is None else min(end, last)
        if since:
            low = max(low, _place_of(segments, since).sequence)
        if until:
            high = min(high, _end_of(segments, until))
        return min(low, last), max(min(low, last), high)

    def steps_back(
        self,
        start: int,
        end: int,
        span: TimeSpan | None = None,
        usable: Usable | None = None,
        words: WordTest | None = None,
    ) -> Iterator[Step]:
        """See `log.Log`. A step lies between two points of the index."""
        newer: Segment | None = None
        self._clocked = clocked_segments(self.folder)
        for segment in reversed(list_segments(self.folder)):
            following_segment, newer = newer, segment
            if end <= start:
                return
            if segment.first >= end:
                continue
            if not self._may_meet(segment, following_segment, span):
                end = segment.first
                continue
            counted = None
            if usable is not None and start <= segment.first:
                counted = _counted(segment, following_segment, end, usable, self._clocks.of(segment))
            floor = counted.end if counted else start
            known = {}
            if span is not None or words is None:
                known = read_times(segment, self._clocks.of(segment))
            yield from self._steps_in(_Piece(segment, following_segment, floor, end), known, span, words)
            end = max(start, segment.first)
            if counted is not None:
                end = counted.start
                if span is None or (counted.times and counted.times.meets(span)):
                    yield counted

    def take_damaged_words(self) -> set[int]:
        """Return the segments whose word filters were found to be damaged since the last call, by first sequence."""
        taken, self._damaged_words = self._damaged_words, set()
        return taken

    def _steps_in(
        self, piece: "_Piece", known: dict[StepKey, Times], span: TimeSpan | None, words: WordTest | None
    ) -> Iterator[Step]:
        """Yield the steps of one segment, newest first, without those that can't match."""
        segment, start, end = piece.segment, piece.start, piece.end
        found = self._find_words(piece, words) if words is not None else None
        top = max(start, found.end) if found is not None else start
        for step in _steps_of(segment, piece.newer, top, end):
            times = known.get(StepKey(step.start, step.end, step.offset, step.size))
            if times is None or span is None or times.meets(span):
                yield step._replace(times=times)
        if found is None:
            return
        if not found.steps:  # however many segments are skipped, a query may be ended
            low = max(start, segment.first)
            yield Step(low, low, False, segment.first, 0, 0)  # noqa: FBT003
        timed = _timed_steps(piece, known) if span is not None and found.steps else []
        for step in found.steps:
            times = times_within(step, timed)
            if times is None or span is None or times.meets(span):
                yield step._replace(times=times)

    def _find_words(self, piece: "_Piece", words: WordTest) -> WordSteps | None:
        """Return the steps of a segment that may have some words; None: it has no usable filters."""
        segment = piece.segment
        try:
            with open_words(segment) as filters:
                if _is_of(segment, piece.newer, filters.covered.end, filters.covered.size):
                    return find_steps(filters, words, piece.start, piece.end)
        except DamagedWordsError:
            self._damaged_words.add(segment.first)
        except OSError:
            pass
        return None

    def _may_meet(self, segment: Segment, newer: Segment | None, span: TimeSpan | None) -> bool:
        """Return whether a segment may hold entries of a span."""
        if span is None or newer is None:
            return True
        clock = self._clocks.of(segment)
        token = clock.token(newer.first) if clock else 0
        known, times = self._segment_times.get(segment.first, (-1, Times()))
        if known != token:
            found = _times_of(segment, newer, clock)
            if found is None:
                return True
            if len(self._segment_times) >= SEGMENTS_MAX:
                self._segment_times.clear()
            self._segment_times[segment.first], times = (token, found), found
        return times.meets(span)

    def clock_of(self, segment: Segment) -> SegmentClock | None:
        """Return the starts of boots for a segment; None: there are none."""
        return self._clocks.of(segment)

    def clock_token(self, start: int, end: int) -> int:
        """See `log.Log`. As of the last call of `steps_back`, which finds the segments."""
        token, clocked = 0, self._clocked
        for first in clocked[max(0, bisect_right(clocked, start) - 1) : bisect_left(clocked, end)]:
            clock = self._clocks.of(Segment.at(self.folder, first))
            token ^= clock.token(end) if clock else 0
        return token

    def blocks_of(self, step: Step, bytes_max: int = QUERY_BLOCK_BYTES) -> Iterator[Block]:
        """See `log.Log`. Whole steps are read without a look at the index."""
        pieces = self._read(step, bytes_max) if step.whole else self._read_on(step, bytes_max)
        for block in pieces:
            if block.first_sequence >= step.end:
                return
            yield block if block.next_sequence <= step.end else head(block, step.end - block.first_sequence)

    def holds(self, step: Step) -> bool:
        """See `log.Log`."""
        return _size_of(Segment.at(self.folder, step.segment)) >= step.offset + step.size

    def _read_on(self, step: Step, bytes_max: int) -> Iterator[Block]:
        """Yield blocks from the start of a step on."""
        with closing(self.cursor(step.start)) as cursor, suppress(FileNotFoundError):
            while cursor.position < step.end and (block := cursor.read(bytes_max)) is not None:
                yield block

    def _read(self, step: Step, bytes_max: int) -> Iterator[Block]:
        """Yield the blocks of a whole step. Ends early when the file does, or was deleted."""
        segment = Segment.at(self.folder, step.segment)
        try:
            file = open_file(segment)
        except FileNotFoundError:
            return
        clock = self._clocks.of(segment)
        with closing(file):
            position, offset, end = step.start, step.offset, step.offset + step.size
            while offset < end:
                data = _lines_at(file, offset, min(bytes_max, end - offset), end)
                if not data:
                    return
                block = Block(position, data.count(b"\n"), data, clock)
                yield block
                position, offset = block.next_sequence, offset + len(data)


class _Piece(NamedTuple):
    """Sequences of one segment."""

    segment: Segment
    newer: Segment | None
    """The segment after it."""
    start: int
    end: int


def _timed_steps(piece: _Piece, known: dict[StepKey, Times]) -> list[Step]:
    """Return the whole steps of a segment, with their times as far as they are known."""
    first, end = piece.segment.first, piece.newer.first if piece.newer else _END
    return [
        step._replace(times=known.get(StepKey(step.start, step.end, step.offset, step.size)))
        for step in _steps_of(piece.segment, piece.newer, first, end)
    ]


def _is_of(segment: Segment, newer: Segment | None, end: int, size: int) -> bool:
    """Return whether lines up to a sequence and a size are the first ones of a segment, or all."""
    if newer is not None and (end, size) == (newer.first, _size_of(segment)):
        return True
    return (end, size) in {point[:2] for point in points_of(segment)}


def _steps_of(segment: Segment, newer: Segment | None, start: int, end: int) -> Iterator[Step]:
    """Yield the steps of one segment, newest first."""
    following = _end_point(segment, newer)
    for point in reversed(points_of(segment)):
        if end <= start:
            return
        if point.sequence < end:
            is_whole = following is not None and following.sequence == end and point.sequence >= start
            size = following.offset - point.offset if following is not None and is_whole else 0
            yield Step(max(point.sequence, start), end, size > 0, segment.first, point.offset, size)
            end = point.sequence
        following = point


def _times_of(segment: Segment, newer: Segment, clock: SegmentClock | None) -> Times | None:
    """Return the times of a whole segment; None when those of a step are missing."""
    known, times = read_times(segment, clock), Times()
    for step in _steps_of(segment, newer, segment.first, newer.first):
        found = known.get(StepKey(step.start, step.end, step.offset, step.size))
        if found is None:
            return None
        times = times.joined(found)
    return times


def _counted(
    segment: Segment, newer: Segment | None, end: int, usable: Usable, clock: SegmentClock | None
) -> Step | None:
    """Return the lines of a segment that have a usable roll-up as one step; None when it has none before `end`."""
    try:
        data = segment.counts_path.read_bytes()
    except OSError:
        return None
    found = read_head(data, clock)
    if found is None or found.first != segment.first or found.end > end or not usable(data):
        return None
    if not _is_of(segment, newer, found.end, found.size):
        return None
    return Step(segment.first, found.end, found.size > 0, segment.first, 0, found.size, found.times, data)


def _size_of(segment: Segment) -> int:
    """Return the size of a segment, bytes; 0 when it is gone."""
    try:
        return lines_size(segment)
    except FileNotFoundError:
        return 0


def _end_point(segment: Segment, newer: Segment | None) -> IndexPoint | None:
    """Return the place behind a segment's last line; None while lines may still be added, or when it was deleted."""
    if newer is None:
        return None
    try:
        return IndexPoint(newer.first, lines_size(segment), 0)
    except FileNotFoundError:
        return None


def _lines_at(file: SegmentFile, offset: int, size: int, end: int) -> bytes:
    """Return whole lines from `offset` on, one at least when there is one before `end`."""
    while True:
        data = file.read_at(offset, size)
        last = data.rfind(b"\n") + 1
        if last or len(data) < size or offset + size >= end:
            return data[:last]
        size = min(size * 2, end - offset)


def points_of(segment: Segment) -> list[IndexPoint]:
    """Return the index of a segment, rebuilt when it is missing; its start is always a point.

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
        with closing(open_file(segment)) as file:
            moment_ns = received_at_ns(file.read_at(0, HEAD_BYTES))
    except FileNotFoundError:  # deleted meanwhile
        points, moment_ns = [], None
    return [IndexPoint(segment.first, 0, moment_ns or 0), *points]


def _timed(segments: list[Segment]) -> list[Segment]:
    """Return the segments without the newest, as long as that one is empty."""
    return segments[:-1] if segments and not points_of(segments[-1])[0].received_ns else segments


def _place_of(segments: list[Segment], moment: str) -> IndexPoint:
    """Return the last index point before a moment: all that came at or after it follows the point."""
    moment_ns, segments = nanoseconds(moment), _timed(segments)
    number = bisect_left(segments, moment_ns, key=lambda segment: points_of(segment)[0].received_ns)
    if not number:
        return IndexPoint(0, 0, 0)
    points = points_of(segments[number - 1])
    return points[max(0, bisect_left(points, moment_ns, key=_time_of) - 1)]


def _end_of(segments: list[Segment], moment: str) -> int:
    """Return the sequence of the first index point after a moment: all that came before it precedes the point."""
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
    """Return a time of the journal as nanoseconds since the epoch."""
    return int(datetime.fromisoformat(moment).timestamp() * 1_000_000) * 1000
