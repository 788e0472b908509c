"""Indexer of a plain journal: writes the files that let queries skip what can't match.

One step of the journal, about a megabyte, is the unit of work. The newest segment comes first, since most queries
read it; then the others, from the newest to the oldest, so that a journal of an older version is indexed as well.
"""

from pathlib import Path
from typing import Final, NamedTuple

from logboom.journal.counts import write_counts
from logboom.journal.log import Block, Log, Step
from logboom.journal.segments import Segment, list_segments
from logboom.journal.step_times import ALWAYS, StepKey, Times, append_times, pack_times
from logboom.query.roll_up_builder import RollUpBuilder
from logboom.query.time_bounds import times_of

NEWEST_STEP_BYTES: Final = 16 << 20
"""Bytes of the newest segment after which its roll-up is written again; queries read what came since."""

BLOCK_BYTES: Final = 64 << 10
"""Bytes that are counted at once: decoding them holds the interpreter for about half a millisecond."""


class IndexProgress(NamedTuple):
    """Number of segments that are indexed."""

    segments: int
    """Number of complete segments: all but the newest."""
    indexed: int
    """Number of those that are indexed."""


class Indexer:
    """Indexes a journal step by step. Used on one thread.

    Args:
        folder: the journal's.
        log: the same journal, to be read.
    """

    def __init__(self, folder: Path, log: Log) -> None:
        self._folder = folder
        self._log = log
        self._done: set[int] = set()
        """First sequences of complete segments that are indexed, or can't be."""
        self._complete: set[int] = set()
        self._builders: dict[int, RollUpBuilder] = {}
        """Roll-ups that are being counted: of the newest segment, and of one other."""
        self._uncountable: set[int] = set()
        """Segments with damage, which get no roll-up."""
        self._work: list[Step] = []
        """Steps of one segment that are still to be indexed; the oldest is last."""
        self._counted_bytes = 0
        """Bytes of the newest segment that its roll-up was last written for."""
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
        if not self._work:
            self._finish(step)
        return step.size

    def _count(self, step: Step, blocks: list[Block]) -> None:
        """Count a step for its segment's roll-up."""
        if step.segment in self._uncountable:
            return
        if step.start == step.segment:
            self._builders[step.segment] = RollUpBuilder()
        builder = self._builders.get(step.segment)
        if builder is None or builder.position not in (-1, step.start):
            return
        if not all(map(builder.add, blocks)) or builder.position != step.end:
            del self._builders[step.segment]
            self._uncountable.add(step.segment)

    def _finish(self, step: Step) -> None:
        """Write the roll-up of a segment that was read to its end, or of the newest one as far as it was read."""
        builder = self._builders.get(step.segment)
        if builder is None or builder.position != step.end:
            return
        segment, size = Segment.at(self._folder, step.segment), step.offset + step.size
        is_complete = step.segment in self._complete
        if is_complete or size - self._counted_bytes >= NEWEST_STEP_BYTES:
            write_counts(segment, builder.packed(segment.first, step.end, size))
            self._counted_bytes = 0 if is_complete else size
        if is_complete:
            del self._builders[step.segment]
            self._done.add(segment.first)

    def _find_work(self) -> None:
        segments = list_segments(self._folder)
        if not segments:
            return
        complete = self._complete = {one.first for one in segments[:-1]}
        self._done &= complete
        present = {one.first for one in segments}
        self._builders = {first: one for first, one in self._builders.items() if first in present}
        self._uncountable &= present
        ends = [one.first for one in segments[1:]] + [self._log.end]
        for segment, end in reversed(list(zip(segments, ends, strict=True))):
            if segment.first in self._done:
                continue
            self._work = self._missing(segment, end, complete=segment.first in complete)
            if self._work:
                break
            if segment.first in complete:
                self._done.add(segment.first)
        self.progress = IndexProgress(len(complete), len(self._done))

    def _missing(self, segment: Segment, end: int, *, complete: bool) -> list[Step]:
        """Return the whole steps of a segment that are to be read, newest first."""
        builder = self._builders.get(segment.first)
        counted_to = builder.position if builder is not None else segment.first
        steps = [step for step in self._log.steps_back(segment.first, end) if step.whole]
        if segment.first in self._uncountable or (complete and self._is_counted(segment, end)):
            return [step for step in steps if step.times is None]
        return [step for step in steps if step.times is None or step.start >= counted_to]

    def _is_counted(self, segment: Segment, end: int) -> bool:
        steps = self._log.steps_back(segment.first, end, usable=lambda _: True)
        return any(step.counts is not None and step.end == end for step in steps)

    def _index(self, step: Step) -> None:
        segment = Segment.at(self._folder, step.segment)
        blocks = list(self._log.blocks_of(step, BLOCK_BYTES))
        self._count(step, blocks)
        if step.times is not None:
            return
        times = times_of(blocks)
        if times is None:  # a damaged receive time: the step may hold entries of any time
            times = Times(0, ALWAYS, 0, ALWAYS)
        append_times(segment, pack_times(StepKey(step.start, step.end, step.offset, step.size), times))
