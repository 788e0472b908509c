"""Lines with their sequences: input and result of rendering."""

from collections.abc import Sequence
from itertools import compress
from typing import NamedTuple

import msgspec

from logboom.journal.log import Block, nth_line_end


class Lines(NamedTuple):
    """Lines in order, with the sequence of each. A gap stands for an entry that was left out."""

    sequences: Sequence[int]
    data: bytes
    """The lines, each with its newline."""


class Selection:
    """Selection of the lines for an output.

    Args:
        listeners: names of the listeners whose entries are selected. Empty: all.
    """

    def __init__(self, listeners: Sequence[str]) -> None:
        # No other line ends so: inside a JSON string the quotes would be escaped, and after the entry there is
        # only `"source"`, whose key differs.
        self._tails = tuple(b',"listener":%b}' % msgspec.json.encode(name) for name in listeners)

    def of(self, block: Block, position: int) -> Lines:
        """Select the lines of `block` from `position` on; earlier ones were written already."""
        done = min(max(0, position - block.first_sequence), block.count)
        data = block.data[nth_line_end(block.data, done) :] if done else block.data
        lines = Lines(range(block.first_sequence + done, block.next_sequence), data)
        return self._only_wanted(lines) if self._tails else lines

    def _only_wanted(self, lines: Lines) -> Lines:
        split = lines.data.split(b"\n")[:-1]
        wanted = [line.endswith(self._tails) for line in split]
        if all(wanted):
            return lines
        kept = b"\n".join(compress(split, wanted))
        return Lines(list(compress(lines.sequences, wanted)), kept + b"\n" if kept else b"")
