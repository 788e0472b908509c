"""Files of roll-ups: a head that names the lines that were counted, and sections that only queries read.

Derived data: a file counts only with its checksum, and for exactly the sequences and bytes that it was made of.
"""

import struct
from collections.abc import Sequence
from typing import Final, NamedTuple

import xxhash

from logboom.journal.device_clock import SegmentClock
from logboom.journal.segments import PART_SUFFIX, Segment
from logboom.journal.step_times import Times, drop_if_deleted, open_private

_MAGIC: Final = b"lbcount1"
_HEAD: Final = struct.Struct("<8sQQQqqqqIIII")
_CHECKSUM: Final = struct.Struct("<Q")
SECTIONS: Final = 4


def pack_counts(
    first: int, end: int, size: int, times: Times, sections: Sequence[bytes], *, token: int = 0
) -> bytes:
    """Return the bytes of a file.

    Args:
        first: first sequence of the segment.
        end: the sequence after the last one.
        size: of the segment, bytes.
        times: of all its entries.
        sections: `SECTIONS` of them; an empty one is left out.
        token: identifies the starts of boots that the times follow from (`device_clock`).
    """
    head = _HEAD.pack(_MAGIC, first, end, size, *times, *map(len, sections))
    data = head + b"".join(sections)
    return data + _CHECKSUM.pack(xxhash.xxh3_64_intdigest(data, token))


class Counted(NamedTuple):
    """The lines that were counted: the first ones of a segment, or all."""

    first: int
    """First sequence of the segment."""
    end: int
    """The sequence after the last line that was counted."""
    size: int
    """Bytes of these lines."""
    times: Times


def read_head(data: bytes, clock: SegmentClock | None = None) -> Counted | None:
    """Return the lines that a file was made of; None when it is damaged, or was made with other times."""
    if len(data) < _HEAD.size + _CHECKSUM.size or data[: len(_MAGIC)] != _MAGIC:
        return None
    fields = _HEAD.unpack_from(data)
    (checksum,) = _CHECKSUM.unpack_from(data, len(data) - _CHECKSUM.size)
    first, end, size = fields[1:4]
    if checksum != xxhash.xxh3_64_intdigest(data[: -_CHECKSUM.size], clock.token(end) if clock else 0):
        return None
    return Counted(first, end, size, Times(*fields[4:8]))


def section_of(data: bytes, number: int) -> bytes:
    """Return one section of an undamaged file; empty when it was left out."""
    sizes = _HEAD.unpack_from(data)[8:]
    start = _HEAD.size + sum(sizes[:number])
    return data[start : start + sizes[number]]


def write_counts(segment: Segment, data: bytes) -> None:
    """Write the file of a segment, whole or not at all; not synced.

    Raises:
        OSError: it can't be written.
    """
    part = segment.counts_path.with_suffix(PART_SUFFIX)
    with open(part, "wb", opener=open_private) as file:
        file.write(data)
    part.replace(segment.counts_path)
    drop_if_deleted(segment)
