"""The read side of a journal: the protocol that everything uses that reads entries.

`folder_log.FolderLog` implements it over the segments of a journal. Another store of the same lines can take its
place: readers know neither files nor segments.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Final, NamedTuple, Protocol

from logboom.formats.entry_time import is_canonical
from logboom.formats.envelope import RECEIVED_AT
from logboom.journal.device_clock import SegmentClock
from logboom.journal.step_times import Times, TimeSpan
from logboom.journal.word_filters import WordTest

BLOCK_BYTES: Final = 1 << 20
"""Default size of a block: what a reader holds in memory at once."""

QUERY_BLOCK_BYTES: Final = 256 << 10
"""Bytes searched at once; other threads get their turn in between. Typed decoding takes 0.4 ms for it."""


class Block(NamedTuple):
    """Whole journal lines, in order, without a gap."""

    first_sequence: int
    count: int  # type: ignore[assignment]  # hides tuple.count, which no block needs
    data: bytes
    """The lines, each with its newline."""
    clock: SegmentClock | None = None
    """Times that the lines did not give themselves."""

    @property
    def next_sequence(self) -> int:
        """The sequence after the last of the block."""
        return self.first_sequence + self.count


class Step(NamedTuple):
    """A range of sequences that is read, and whose aggregates are cached, as one: about a megabyte of lines."""

    start: int
    """The first sequence."""
    end: int
    """The sequence after the last one."""
    whole: bool
    """The step is complete, and will never change."""
    segment: int
    """First sequence of the segment, or whatever identifies the step's file to the log."""
    offset: int
    """Start of the step in its file, bytes; meaningful when it is `whole`."""
    size: int
    """Bytes; 0 when the step is not `whole`."""
    times: Times | None = None
    """The times of its entries; None: not known, the step may hold entries of any time."""
    counts: bytes | None = None
    """The roll-up of a step that is a segment, or the beginning of one (`query.roll_up`)."""


Usable = Callable[[bytes], bool]
"""Returns whether a roll-up answers a query."""


class Extent(NamedTuple):
    """Size of a log."""

    oldest: int
    """The first sequence that can be read; of an empty log, the next one to be stored."""
    bytes: int
    """Size of the journal lines."""
    segments: int
    """Number of files."""


class LogCursor(Protocol):
    """A position in a log that moves forward."""

    position: int
    """The next sequence to be read."""

    def read(self, bytes_max: int = BLOCK_BYTES) -> Block | None:
        """Return the next block of about `bytes_max` bytes (a longer line comes whole); None at the end.

        Entries that were deleted are skipped: the block's `first_sequence` is larger than `position` was.

        Raises:
            FileNotFoundError: they are being deleted now; the next read finds what is left.
        """

    def close(self) -> None:
        """Close the files. Idempotent."""


class Log(Protocol):
    """Journal lines by sequence, in the order of their arrival. Any number of threads may read."""

    grown: threading.Condition
    """Notified when `end` has grown."""

    @property
    def end(self) -> int:
        """The sequence after the last entry that may be read: all before it is durable."""

    def extent(self) -> Extent:
        """Return what there is now; costs one `stat` per segment."""

    def oldest(self) -> int:
        """Return the first sequence that can be read; `end` when there is none."""

    def first_arrival(self) -> int | None:
        """Return when the oldest entry was received, nanoseconds since the epoch.

        None: there is no entry, or its line is damaged.
        """

    def last_arrival(self) -> int | None:
        """Return the same of the newest entry."""

    def cursor(self, position: int = 0) -> LogCursor:
        """Return a cursor at a sequence; it reads up to `end`, however far that grows."""

    def bounds(self, since: str, until: str, start: int = 0, end: int | None = None) -> tuple[int, int]:
        """Return a range of sequences that holds all entries that were received in a time.

        Args:
            since: at or after this; ISO 8601 as in the journal. Empty: no limit.
            until: before this.
            start: no sequence below this one.
            end: no sequence from this one on.
        """

    def steps_back(
        self,
        start: int,
        end: int,
        span: TimeSpan | None = None,
        usable: Usable | None = None,
        words: WordTest | None = None,
    ) -> Iterator[Step]:
        """Yield the steps from the one before `end` back to the one that holds `start`.

        Args:
            start: the first sequence.
            end: the sequence after the last one.
            span: steps without an entry of that time may be left out.
            usable: asked for each roll-up of a segment within the range; where it returns true, the lines that were
                counted are one step, with the roll-up. A log may have none.
            words: lines without an entry that passes may be left out; steps may then be shorter, or without lines.
        """

    def blocks_of(self, step: Step, bytes_max: int = QUERY_BLOCK_BYTES) -> Iterator[Block]:
        """Yield the blocks of a step. Ends early when they were deleted.

        Raises:
            OSError: they can't be read.
        """

    def holds(self, step: Step) -> bool:
        """Return whether all lines of a whole step can still be read."""

    def clock_token(self, start: int, end: int) -> int:
        """Return a number that changes with those times of the entries of a range that they did not give themselves."""


def blocks(log: Log, start: int, end: int, bytes_max: int = QUERY_BLOCK_BYTES) -> Iterator[Block]:
    """Yield the blocks of a range of sequences, oldest first. Entries that are deleted meanwhile are left out."""
    with closing(log.cursor(start)) as cursor:
        while cursor.position < end:
            try:
                block = cursor.read(bytes_max)
            except FileNotFoundError:
                return
            if block is None or block.first_sequence >= end:
                return
            yield block if block.next_sequence <= end else head(block, end - block.first_sequence)


def start_of_last(log: Log, size: int) -> int:
    """Return the first sequence of about the last `size` bytes of a log."""
    found, first = 0, log.oldest()
    for step in log.steps_back(first, log.end):
        found += step.size
        if found >= size:
            return step.start
    return first


def head(block: Block, count: int) -> Block:
    """Return the first lines of a block."""
    return block._replace(count=count, data=block.data[: nth_line_end(block.data, count)])


def moment_of(data: bytes) -> str:
    """Return the receive time of the first of some lines, as the journal has it; empty when it is damaged."""
    text = data[RECEIVED_AT].decode("ascii", "replace")
    return text if is_canonical(text) else ""


def nth_line_end(data: bytes, number: int) -> int:
    """Return the offset after the `number`-th newline of `data`."""
    end = 0
    for _ in range(number):
        end = data.index(b"\n", end) + 1
    return end
