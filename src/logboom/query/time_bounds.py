"""Minimum and maximum of the times of some journal lines."""

from collections.abc import Iterable

from logboom.formats.buckets import microseconds
from logboom.formats.entry_time import is_canonical
from logboom.journal.log import Block
from logboom.journal.step_times import Times
from logboom.query.line_times import times_of_lines


def times_of(blocks: Iterable[Block]) -> Times | None:
    """Return the least and the greatest times of all undamaged lines; None when they can't be known.

    All times are written alike, and compared as texts: a damaged one may sort anywhere in between.
    """
    found = Times()
    for block in blocks:
        pairs = [pair for pair in times_of_lines(block.data, block.count) if pair[0]]
        if not pairs:
            continue
        own, received = zip(*pairs, strict=True)
        ends = [min(own), max(own), min(received), max(received)]
        if not all(map(is_canonical, ends)):
            return None
        found = found.joined(Times(*map(microseconds, ends)))
    return found
