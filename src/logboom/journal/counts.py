"""Files of roll-ups: a head that names the lines that were counted, and sections that only queries read.

Derived data: a file counts only with its checksum, and for exactly the sequences and bytes that it was made of.
"""

import os
import struct
from collections.abc import Sequence
from typing import Final

import xxhash

from logboom.journal.segments import Segment
from logboom.journal.step_times import Times

_MAGIC: Final = b"lbcount1"
_HEAD: Final = struct.Struct("<8sQQQqqqqIIII")
_CHECKSUM: Final = struct.Struct("<Q")
SECTIONS: Final = 4


def pack_counts(first: int, end: int, size: int, times: Times, sections: Sequence[bytes]) -> bytes:
    """Return the bytes of a file.

    Args:
        first: first sequence of the segment.
        end: the sequence after the last one.
        size: of the segment, bytes.
        times: of all its entries.
        sections: `SECTIONS` of them; an empty one is left out.
    """
    head = _HEAD.pack(_MAGIC, first, end, size, *times, *map(len, sections))
    data = head + b"".join(sections)
    return data + _CHECKSUM.pack(xxhash.xxh3_64_intdigest(data))


def times_of_counts(data: bytes, first: int, end: int, size: int) -> Times | None:
    """Return the times of a file that counts for these lines; None for any other."""
    if len(data) < _HEAD.size + _CHECKSUM.size or data[: len(_MAGIC)] != _MAGIC:
        return None
    fields = _HEAD.unpack_from(data)
    (checksum,) = _CHECKSUM.unpack_from(data, len(data) - _CHECKSUM.size)
    if fields[1:4] != (first, end, size) or checksum != xxhash.xxh3_64_intdigest(data[: -_CHECKSUM.size]):
        return None
    return Times(*fields[4:8])


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
    part = segment.counts_path.with_suffix(".counts.part")
    part.write_bytes(data)
    os.replace(part, segment.counts_path)  # noqa: PTH105 - one call
