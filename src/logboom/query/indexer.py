"""Indexer of a plain journal: writes the files that let queries skip what can't match.

One step of the journal, about a megabyte, is the unit of work. The newest segment comes first, since most queries
read it; then the others, from the newest to the oldest, so that a journal of an older version is indexed as well.
"""

import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Final, NamedTuple

from logboom.durable import sync_file
from logboom.journal.counts import write_counts
from logboom.journal.device_clock import SegmentClock
from logboom.journal.folder_log import FolderLog
from logboom.journal.log import Block, Step
from logboom.journal.segments import Segment, list_segments
from logboom.journal.step_times import ALWAYS, StepKey, Times, append_times, pack_times
from logboom.journal.word_filters import DamagedWordsError, open_words, write_words
from logboom.query.matching import retimed
from logboom.query.roll_up_builder import RollUpBuilder
from logboom.query.time_bounds import times_of
from logboom.query.word_builder import WordBuilder

NEWEST_STEP_BYTES: Final = 16 << 20
"""Bytes of the newest segment after which its files are written again; queries read what came since."""

SETTLE_S: Final = 30.0
"""Time after a change of starts of boots, seconds, before a complete segment is indexed again: more may follow while a
device sends what it kept."""

BLOCK_BYTES: Final = 64 << 10
"""Bytes that are counted at once: decoding them holds the interpreter for about half a millisecond."""


class IndexProgress(NamedTuple):
    """Number of segments that are indexed."""

    segments: int
    """Number of complete segments: all but the newest."""
    indexed: int
    """Number of those that are indexed."""


class _Reading:
    """Files of a segment that are made while it is read from its beginning.

    Args:
        segment: the segment.
        with_counts: make its roll-up.
        with_words: make its word filters.
    """

    def __init__(self, segment: Segment, *, with_counts: bool, with_words: bool) -> None:
        self._segment = segment
        self._counts = RollUpBuilder() if with_counts else None
        """None: it is not made, or the lines are damaged."""
        self._words = WordBuilder(segment.first) if with_words else None
        self.position = segment.first
        """The sequence after the last line that was read."""
        self.size = 0
        """Bytes that were read."""
        self.times: Times | None = None
        """Times of the last step; None: they were not counted."""
        self.is_outdated = False
        """Times changed after they were counted."""
        self._tokens: list[tuple[int, int]] = []
        """End of each step that was counted, and the token of its times (`device_clock`)."""

    def add(self, step: Step, blocks: list[Block], between: Callable[[], None]) -> bool:
        """Add the next step, with a call of `between` after each block. Returns whether all of it was there."""
        self.times = None
        self._tokens.append((step.end, _token_of(step, blocks)))
        for block in blocks:
            self.position = block.next_sequence
            if self._counts is not None and not self._counts.add(retimed(block)):
                self._counts = None
            if self._words is not None and not self._words.is_full:
                self._words.add(block)
            between()
        if self._counts is not None:
            self.times = self._counts.take_times()
        self.size = step.offset + step.size
        return self.position == step.end

    def write(self, clock: SegmentClock | None, *, is_complete: bool) -> None:
        """Write the files for what was read so far. Raises `OSError`.

        Args:
            clock: the current starts of boots; if others applied to lines that were counted, there is no roll-up.
            is_complete: no further line will follow.
        """
        if not self.size:
            return
        if self._words is not None:
            write_words(self._segment, self._words.packed(), sync_file if is_complete else None)
        if any((clock.token(end) if clock else 0) != token for end, token in self._tokens):
            self._counts, self.is_outdated = None, True
        if self._counts is not None:
            token = clock.token(self.position) if clock else 0
            packed = self._counts.packed(self._segment.first, self.position, self.size, token)
            write_counts(self._segment, packed)


def _token_of(step: Step, blocks: list[Block]) -> int:
    """Return the token of the times of a step (`device_clock`)."""
    clock = blocks[0].clock if blocks else None
    return clock.token(step.end) if clock is not None else 0


class Indexer:
    """Indexes a journal step by step. Used on one thread.

    Args:
        folder: the journal's.
        log: the same journal, to be read.
        settle_s: see `SETTLE_S`.
        between: called after each block of a step: a step as a whole would hold the interpreter for too long.
    """

    def __init__(
        self,
        folder: Path,
        log: FolderLog,
        *,
        settle_s: float = SETTLE_S,
        between: Callable[[], None] = lambda: None,
    ) -> None:
        self._folder = folder
        self._log = log
        self._settle_s = settle_s
        self._between = between
        self._done: dict[int, int] = {}
        """First sequences of complete segments that are indexed, or can't be, with the token of their times."""
        self._readings: dict[int, _Reading] = {}
        """Readings of the newest segment, and of one other."""
        self._damaged: set[int] = set()
        """Segments whose word filters are to be made again."""
        self._unreadable: set[int] = set()
        """Segments that hold less than their index says."""
        self._work: list[Step] = []
        """Steps of one segment that are still to be indexed; the oldest is last."""
        self._written_bytes = 0
        """Bytes of the newest segment that its files were last written for."""
        self.progress = IndexProgress(0, 0)

    def advance(self) -> int:
        """Index one step; return its size in bytes, 0 when nothing is left to do now.

        Raises:
            OSError: a file can't be read or written.
        """
        if not self._work:
            self._find_work()
        if not self._work:
            return 0
        step = self._work.pop()
        self._index(step)
        return step.size

    def _find_work(self) -> None:
        """Find steps to be read; write the files of segments that have none left."""
        segments = list_segments(self._folder)
        complete = {one.first for one in segments[:-1]}
        self._damaged = (self._damaged | self._log.take_damaged_words()) & complete
        self._done = {
            one.first: self._done[one.first]
            for one, newer in pairwise(segments)
            if one.first not in self._damaged and self._done.get(one.first) == self._token(one, newer.first)
        }
        self._unreadable &= {one.first for one in segments}
        self._readings = {
            one.first: self._readings[one.first] for one in segments if one.first in self._readings
        }
        ends = [one.first for one in segments[1:]] + [self._log.end]
        for segment, end in reversed(
            list(zip(segments, ends, strict=False))
        ):  # without a segment, an end only
            if segment.first in self._done or (segment.first in complete and self._is_settling(segment)):
                continue
            self._work = self._missing(segment, end, is_complete=segment.first in complete)
            if self._work:
                break
            self._finish(segment, end, is_complete=segment.first in complete)
        self.progress = IndexProgress(len(complete), len(self._done))

    def _token(self, segment: Segment, end: int) -> int:
        clock = self._log.clock_of(segment)
        return clock.token(end) if clock is not None else 0

    def _is_settling(self, segment: Segment) -> bool:
        """Return whether the starts of boots changed a moment ago: they may change again."""
        try:
            return 0 <= time.time() - segment.clock_path.stat().st_mtime < self._settle_s
        except OSError:
            return False

    def _missing(self, segment: Segment, end: int, *, is_complete: bool) -> list[Step]:
        """Return the whole steps of a segment that are to be read, newest first."""
        steps = [step for step in self._log.steps_back(segment.first, end) if step.whole]
        reading = self._readings.get(segment.first)
        if reading is None and segment.first not in self._unreadable:
            reading = self._begin(segment, end, is_complete=is_complete)
        return [
            step
            for step in steps
            if step.times is None or (reading is not None and step.start >= reading.position)
        ]

    def _begin(self, segment: Segment, end: int, *, is_complete: bool) -> _Reading | None:
        """Return the beginning of a segment's reading; None when its files are there."""
        with_counts = not is_complete or not self._is_counted(segment, end)
        with_words = not is_complete or not self._has_words(segment, end)
        if not with_counts and not with_words:
            return None
        reading = _Reading(segment, with_counts=with_counts, with_words=with_words)
        self._readings[segment.first] = reading
        return reading

    def _is_counted(self, segment: Segment, end: int) -> bool:
        steps = self._log.steps_back(segment.first, end, usable=lambda _: True)
        return any(step.counts is not None and step.end == end for step in steps)

    def _has_words(self, segment: Segment, end: int) -> bool:
        if segment.first in self._damaged:
            return False
        try:
            with open_words(segment) as filters:
                filters.parts(0)  # the end of the file is there
                return filters.covered.end == end or filters.is_full
        except (DamagedWordsError, OSError):
            return False

    def _finish(self, segment: Segment, end: int, *, is_complete: bool) -> None:
        """Write the files of a segment that was read to its end, or of the newest one as far as it was read."""
        reading = self._readings.get(segment.first)
        if reading is not None and (is_complete or reading.size - self._written_bytes >= NEWEST_STEP_BYTES):
            reading.write(self._log.clock_of(segment), is_complete=is_complete)
            self._written_bytes = 0 if is_complete else reading.size
        if is_complete:
            self._readings.pop(segment.first, None)
            self._damaged.discard(segment.first)
            if reading is None or not reading.is_outdated:  # else it is read again
                self._done[segment.first] = self._token(segment, end)

    def _index(self, step: Step) -> None:
        segment = Segment.at(self._folder, step.segment)
        blocks = list(self._log.blocks_of(step, BLOCK_BYTES))
        reading = self._readings.get(step.segment)
        if (
            reading is not None
            and reading.position == step.start
            and not reading.add(step, blocks, self._between)
        ):
            del self._readings[step.segment]
            self._unreadable.add(step.segment)
        if step.times is not None:
            return
        times = reading.times if reading is not None and reading.position == step.end else None
        times = times or times_of(map(retimed, blocks))
        if times is None:  # a damaged receive time: the step may hold entries of any time
            times = Times(0, ALWAYS, 0, ALWAYS)
        key = StepKey(step.start, step.end, step.offset, step.size)
        append_times(segment, pack_times(key, times, _token_of(step, blocks)))
