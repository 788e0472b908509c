"""Receive times of the first and the last line of a segment."""

from contextlib import closing
from typing import Final

from logboom.journal.index import received_at_ns
from logboom.journal.segment_file import open_file
from logboom.journal.segments import Segment

HEAD_BYTES: Final = 64
"""Bytes of a line that hold its receive time."""

_TAIL_BYTES: Final = 64 << 10
"""Bytes that are read at first to find the last line of a segment."""


def first_arrival_in(segment: Segment) -> int | None:
    """Return when the first line was received, nanoseconds since the epoch; None: there is none."""
    try:
        with closing(open_file(segment)) as file:
            return received_at_ns(file.read_at(0, HEAD_BYTES))
    except FileNotFoundError:  # retention was faster
        return None


def last_arrival_in(segment: Segment, end: int | None) -> int | None:
    """Return when the last line was received that ends at an offset; None: at the file's end."""
    try:
        with closing(open_file(segment)) as file:
            end = file.size if end is None else end
            size = _TAIL_BYTES
            while True:
                start = max(0, end - size)
                data = file.read_at(start, end - start)
                begin = data.rfind(b"\n", 0, -1) + 1
                if begin or not start:
                    return received_at_ns(data[begin : begin + HEAD_BYTES])
                size *= 4
    except FileNotFoundError:
        return None
