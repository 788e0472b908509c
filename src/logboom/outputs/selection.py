"""Lines with their sequences: input and result of rendering."""

from bisect import bisect_left
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from logboom.journal.device_clock import SegmentClock
from logboom.journal.log import Block, nth_line_end
from logboom.query.filter.compiler import CompiledFilter
from logboom.query.filter.parser import parse


class Lines(NamedTuple):
    """Lines in order, with the sequence of each. A gap stands for an entry that was left out."""

    sequences: Sequence[int]
    data: bytes
    """The lines, each with its newline."""
    clock: SegmentClock | None = None
    """Times that the lines did not give themselves."""

    @property
    def timed(self) -> bytes:
        """The lines with these times, as far as they are known now. An entry's own text is that of `data`."""
        return self.data if self.clock is None else self.clock.retimed_data(self.data)


class Selection:
    """Selection of the lines for an output, block by block.

    Args:
        listeners: names of the listeners whose entries are selected. Empty: all.
        query: in the query language; selects the entries that match. Empty: all.

    Raises:
        FilterError: the query can't be read.
    """

    def __init__(self, listeners: Sequence[str] = (), query: str = "") -> None:
        # No other line ends so: inside a JSON string the quotes would be escaped, and after the entry there is
        # only `"source"`, whose key differs.
        self._tails = tuple(b',"listener":%b}' % msgspec.json.encode(name) for name in listeners)
        self._filter = CompiledFilter(parse(query))
        self._takes_everything = not self._tails and self._filter.takes_everything
        self._counted = 0  # the sequence up to which entries are counted
        self.skipped = 0
        """Number of entries that were left out since the start."""

    def of(self, block: Block, position: int) -> Lines:
        """Select the lines of `block` from `position` on; earlier ones were written already."""
        done = min(max(0, position - block.first_sequence), block.count)
        data = block.data[nth_line_end(block.data, done) :] if done else block.data
        sequences = range(block.first_sequence + done, block.next_sequence)
        if self._takes_everything or not sequences:
            return Lines(sequences, data, block.clock)
        lines = self._matching(self._of_listeners(Lines(sequences, data, block.clock)))
        self._count(sequences, lines.sequences)
        return lines

    def _of_listeners(self, lines: Lines) -> Lines:
        if not self._tails:
            return lines
        split = lines.data.split(b"\n")[:-1]
        return _picked(lines, [number for number, line in enumerate(split) if line.endswith(self._tails)])

    def _matching(self, lines: Lines) -> Lines:
        return _picked(lines, self._filter.select(lines.data, len(lines.sequences)))

    def _count(self, read: range, kept: Sequence[int]) -> None:
        """Count the entries that were left out, once each, although blocks are read again after errors."""
        fresh = range(max(self._counted, read.start), read.stop)
        if fresh:
            self.skipped += len(fresh) - (len(kept) - bisect_left(kept, fresh.start))
            self._counted = fresh.stop


def _picked(lines: Lines, numbers: Sequence[int]) -> Lines:
    """Return the lines with some numbers, from 0 and in order."""
    if len(numbers) == len(lines.sequences):
        return lines
    split = lines.data.split(b"\n")
    return Lines(
        [lines.sequences[number] for number in numbers],
        b"".join([split[number] + b"\n" for number in numbers]),
        lines.clock,
    )
