"""The times of a segment's steps: minimum and maximum of time and receive time, in a file per segment.

Derived data: a record counts only with its checksum and for exactly the step that it was made of. Where it is
missing or damaged, the step is read.
"""

import os
import struct
from typing import Final, NamedTuple

import xxhash

from logboom.durable import FILE_MODE
from logboom.journal.device_clock import SegmentClock
from logboom.journal.segments import Segment

ALWAYS: Final = 1 << 62
"""Later than any time, microseconds since the epoch."""

_RECORD: Final = struct.Struct("<QQQQqqqq")
_CHECKSUM: Final = struct.Struct("<Q")
RECORD_BYTES: Final = _RECORD.size + _CHECKSUM.size

FILE_BYTES_MAX: Final = 16 * 1024 * RECORD_BYTES
"""Largest file: a step has one more record whenever its times change. A larger one begins again: its steps are read."""


class TimeSpan(NamedTuple):
    """A span of time that is asked for; microseconds since the epoch."""

    since: int = 0
    until: int = ALWAYS
    """Before this."""
    by_arrival: bool = False
    """The span is one of receive times, not of the entries' own."""


class Times(NamedTuple):
    """The least and the greatest times of some entries, microseconds since the epoch."""

    low: int = ALWAYS
    high: int = -1
    received_low: int = ALWAYS
    received_high: int = -1

    def meets(self, span: TimeSpan) -> bool:
        """Return whether entries with these times may be in a span."""
        low, high = self._ends(span)
        return low < span.until and high >= span.since

    def within(self, span: TimeSpan) -> bool:
        """Return whether all entries with these times are in a span."""
        low, high = self._ends(span)
        return span.since <= low and high < span.until

    def _ends(self, span: TimeSpan) -> tuple[int, int]:
        return (self.received_low, self.received_high) if span.by_arrival else (self.low, self.high)

    def joined(self, other: "Times") -> "Times":
        """Return the times of both."""
        return Times(
            min(self.low, other.low),
            max(self.high, other.high),
            min(self.received_low, other.received_low),
            max(self.received_high, other.received_high),
        )


class StepKey(NamedTuple):
    """The identity of a whole step within its segment."""

    start: int
    """The first sequence."""
    end: int
    """The sequence after the last one."""
    offset: int
    """Start of the step in the segment, bytes."""
    size: int
    """Bytes."""


def pack_times(key: StepKey, times: Times, token: int = 0) -> bytes:
    """Return the bytes of one record.

    Args:
        key: the step.
        times: its times.
        token: identifies the starts of boots that these follow from (`device_clock`).
    """
    data = _RECORD.pack(*key, *times)
    return data + _CHECKSUM.pack(xxhash.xxh3_64_intdigest(data, token))


def read_times(segment: Segment, clock: SegmentClock | None = None) -> dict[StepKey, Times]:
    """Return the times of a segment's steps as far as they are known and undamaged. Never raises for damage.

    Args:
        segment: the segment.
        clock: its starts of boots; what was made with others does not count.
    """
    try:
        data = segment.times_path.read_bytes()
    except OSError:
        return {}
    found: dict[StepKey, Times] = {}
    for start in range(0, len(data) - RECORD_BYTES + 1, RECORD_BYTES):
        body = data[start : start + _RECORD.size]
        (checksum,) = _CHECKSUM.unpack_from(data, start + _RECORD.size)
        fields = _RECORD.unpack(body)
        if checksum == xxhash.xxh3_64_intdigest(body, clock.token(fields[1]) if clock else 0):
            found[StepKey(*fields[:4])] = Times(*fields[4:])
    return found


def append_times(segment: Segment, records: bytes) -> None:
    """Add whole records to a segment's file; not synced. Half a record that a crash left is cut off.

    Raises:
        OSError: they can't be written.
    """
    with open(segment.times_path, "ab", opener=open_private) as file:
        size = file.tell() // RECORD_BYTES * RECORD_BYTES
        file.truncate(size if size < FILE_BYTES_MAX else 0)
        file.write(records)
    drop_if_deleted(segment)


def open_private(path: str, flags: int) -> int:
    """Open a file that others may not read, as segments are."""
    return os.open(path, flags, FILE_MODE)


def drop_if_deleted(segment: Segment) -> None:
    """Remove what was derived of a segment that retention deleted meanwhile."""
    if not segment.form.exists():
        segment.delete_derived()
