"""Reading of matching entries from the newest back, for answers that describe many entries and may end early."""

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from logboom.journal.log import Block, Log, moment_of
from logboom.query.matching import Filter
from logboom.query.spans import Steps, bounds_of

BLOCK_BYTES: Final = 64 << 10
"""Bytes that are decoded at once: it holds the interpreter for a millisecond or two."""

Add = Callable[[Sequence[int], bytes], None]
"""Takes the sequences and the journal lines of some entries."""


class Reach(NamedTuple):
    """The part of a range that was read."""

    entries: int
    """Number of matching entries that were read."""
    before: int | None
    """The entries before this sequence were not read; None: all were."""
    reached_at: str
    """Receive time of the oldest entry that was looked at, as the journal has it; empty: none."""
    progress: float
    """Share of the sequences of the range that were looked at, 0 to 1."""


def look_back(
    log: Log,
    wanted: Filter,
    add: Add,
    give_up: Callable[[], bool] = lambda: False,
    *,
    end: int | None = None,
    progress: Callable[[int, int, int], object] = lambda _first, _reached, _end: None,
) -> Reach:
    """Read the entries that match, newest steps first.

    Args:
        log: the journal.
        wanted: which entries.
        add: called with the matching entries of each block; within a step of about a megabyte, the oldest first.
        give_up: asked after each block; True ends the reading with the block's step.
        end: no sequence from this one on; `before` of an earlier answer continues it.
        progress: called after each step with the first sequence, the number that was reached, and the end.
    """
    start, end = bounds_of(log, wanted, 0, end)
    entries, reached, reached_at = 0, end, ""
    for step, matcher in Steps(log, wanted).back(start, end):
        oldest = ""
        for block in log.blocks_of(step, BLOCK_BYTES):
            oldest = oldest or moment_of(block.data)
            found = matcher.matching(block)
            if isinstance(found, Block):
                add(range(found.first_sequence, found.next_sequence), found.data)
                entries += found.count
            elif found:
                add([sequence for sequence, _ in found], b"".join([line + b"\n" for _, line in found]))
                entries += len(found)
        reached, reached_at = step.start, oldest or reached_at
        progress(start, start + end - reached, end)
        if reached > start and give_up():
            return Reach(entries, reached, reached_at, (end - reached) / (end - start))
    return Reach(entries, None, reached_at, 1.0)
