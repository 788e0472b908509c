"""Checksums of a segment: one per MiB, updated with each commit.

They have a separate file, `<first sequence>.sums`, for two reasons: the index keeps its format, so that data
directories of any age stay usable; and an index that is rebuilt from a damaged segment does not reveal the damage.
Like the index they are never synced: data whose checksum a crash took is "not covered", which is no error.

A record is written after the sync of what it covers. So it also proves that everything before its end was durable,
which recovery uses.
"""

import os
import struct
from collections.abc import Iterable
from contextlib import closing, suppress
from enum import IntEnum
from typing import Final, NamedTuple

import xxhash

from logboom.durable import replace_file
from logboom.journal.segment_file import open_file, read_all
from logboom.journal.segments import Segment

SUM_STEP_BYTES: Final = 1 << 20
"""Approximate number of bytes per checksum; a 256 MiB segment has 14 KiB of them. Damage is located this exactly."""

_READ_BYTES: Final = 1 << 20
_BODY: Final = struct.Struct("<6Q")
_CHECK: Final = struct.Struct("<Q")
SUM_BYTES: Final = _BODY.size + _CHECK.size


class Origin(IntEnum):
    """Origin of a checksum."""

    WRITTEN = 0
    """Computed from the bytes in memory when they were written."""
    RECOVERED = 1
    """Computed from the file at a start after a crash: earlier changes are not detected."""
    REPAIRED = 2
    """Computed from the file by `verify --repair`, which reported its findings."""


class Sum(NamedTuple):
    """Checksum of a range of whole lines in a segment."""

    start: int
    end: int
    first: int
    """Sequence of the first line."""
    next: int
    """Sequence after the last line."""
    digest: int
    """XXH3, 64 bits."""
    origin: int = Origin.WRITTEN


def pack_sum(segment: Segment, one: Sum) -> bytes:
    """Encode a record: six little-endian u64, and a checksum over them that is valid for this segment only."""
    body = _BODY.pack(*one)
    return body + _check(_seed_of(segment), body)


def read_sums(segment: Segment) -> list[Sum]:
    """Read the valid records: complete, of this segment, in order. Damage raises no error."""
    try:
        data = segment.sums_path.read_bytes()
    except OSError:
        return []
    sums: list[Sum] = []
    end, sequence, seed = 0, segment.first, _seed_of(segment)
    for place in range(0, len(data) - SUM_BYTES + 1, SUM_BYTES):
        body = data[place : place + _BODY.size]
        if data[place + _BODY.size : place + SUM_BYTES] != _check(seed, body):
            continue
        one = Sum(*_BODY.unpack(body))
        if end <= one.start < one.end and sequence <= one.first < one.next:
            sums.append(one)
            end, sequence = one.end, one.next
    return sums


def write_sums(segment: Segment, sums: Iterable[Sum]) -> None:
    """Replace the records of a segment durably; nothing is written when they are the same.

    Raises:
        OSError: the disk is full, or broken.
    """
    data = b"".join(pack_sum(segment, one) for one in sums)
    with suppress(OSError):
        if segment.sums_path.read_bytes() == data:
            return
    replace_file(segment.sums_path, [data])


def sum_of(segment: Segment, start: int, end: int, first: int, origin: Origin) -> Sum:
    """Compute the checksum of a range from the file, and count its lines.

    Raises:
        OSError: the file can't be read.
    """
    state, lines, offset = xxhash.xxh3_64(), 0, start
    with closing(open_file(segment)) as file:
        for data in read_all(file, start, end):
            state.update(data)
            lines += data.count(b"\n")
            offset += len(data)
    return Sum(start, offset, first, first + lines, state.intdigest(), origin)


def is_true(segment: Segment, one: Sum) -> bool:
    """Return whether the file matches the record, including the number of lines.

    Raises:
        OSError: the file can't be read.
    """
    return sum_of(segment, one.start, one.end, one.first, Origin(one.origin)) == one


def cover(segment: Segment, candidates: Iterable[Sum], size: int, origin: Origin) -> list[Sum]:
    """Records for the first `size` bytes of a segment: candidates that match, and new ones for the rest.

    Args:
        segment: a segment that contains only good lines.
        candidates: records that may or may not match the file.
        size: bytes to cover.
        origin: origin of the new records.
    """
    sums: list[Sum] = []
    end, sequence = 0, segment.first
    for one in candidates:
        if one.start < end or one.end > size:
            continue
        gap = sum_of(segment, end, one.start, sequence, origin) if one.start > end else None
        if (gap.next if gap else sequence) != one.first:
            continue
        if is_true(segment, one):
            sums += [gap, one] if gap else [one]
            end, sequence = one.end, one.next
    if end < size:
        sums.append(sum_of(segment, end, size, sequence, origin))
    return sums


class SumCheck:
    """Compares a segment's bytes with its checksums while they are read once, from the start."""

    def __init__(self, sums: list[Sum]) -> None:
        self._sums = iter(sums)
        self._one = next(self._sums, None)
        self._state = xxhash.xxh3_64()
        self._offset = 0
        self.changed: list[Sum] = []
        """The ranges whose bytes have changed or are missing."""
        self.covered = 0
        """Bytes that match a checksum."""
        self.afterwards = 0
        """The part of `covered` whose checksum was computed from the file."""

    def feed(self, data: bytes) -> None:
        """Take the next bytes of the file."""
        end = self._offset + len(data)
        view = memoryview(data)
        while self._one is not None and self._one.start < end:
            one = self._one
            low, high = max(one.start, self._offset), min(one.end, end)
            self._state.update(view[low - self._offset : high - self._offset])
            if one.end > end:
                break
            self._finish(one, fits=self._state.intdigest() == one.digest)
        self._offset = end

    def end(self) -> None:
        """Take the end of the file: the remaining ranges are missing."""
        while self._one is not None:
            self._finish(self._one, fits=False)

    def _finish(self, one: Sum, *, fits: bool) -> None:
        if fits:
            self.covered += one.end - one.start
            self.afterwards += (one.end - one.start) * (one.origin != Origin.WRITTEN)
        else:
            self.changed.append(one)
        self._one = next(self._sums, None)
        self._state.reset()


class SumsWriter:
    """Writes the checksums of the segment that is being written. Disk errors are ignored: then some are missing.

    The record of the current block is overwritten with each commit, until the block has `SUM_STEP_BYTES`.

    Args:
        segment: the segment.
        offset: offset of the next bytes.
        sequence: sequence of the next line.
        fresh: the segment is new: existing records are discarded.
    """

    def __init__(self, segment: Segment, offset: int, sequence: int, *, fresh: bool) -> None:
        self._start = self._end = offset
        self._first = sequence
        self._state = xxhash.xxh3_64()
        self._seed = _seed_of(segment)
        self._descriptor = -1
        self._place = 0
        with suppress(OSError):
            flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | (os.O_TRUNC if fresh else 0)
            self._descriptor = os.open(segment.sums_path, flags, 0o640)
            self._place = -(-os.fstat(self._descriptor).st_size // SUM_BYTES) * SUM_BYTES

    def add(self, data: bytes, next_sequence: int) -> None:
        """Cover durable bytes that follow those added before."""
        self._state.update(data)
        self._end += len(data)
        if self._descriptor < 0:
            return
        # Like `pack_sum`, but without a `Sum` and without `suppress`, which would cost 1 µs of 2.6 per commit.
        digest = self._state.intdigest()
        body = _BODY.pack(self._start, self._end, self._first, next_sequence, digest, Origin.WRITTEN)
        try:  # noqa: SIM105
            os.pwrite(self._descriptor, body + _check(self._seed, body), self._place)
        except OSError:
            pass
        if self._end - self._start >= SUM_STEP_BYTES:
            self._place += SUM_BYTES
            self._start, self._first = self._end, next_sequence
            self._state.reset()

    def close(self) -> None:
        """Close the file. Idempotent."""
        if self._descriptor >= 0:
            with suppress(OSError):
                os.close(self._descriptor)
        self._descriptor = -1


def _seed_of(segment: Segment) -> int:
    return segment.first % (1 << 64)


def _check(seed: int, body: bytes) -> bytes:
    return _CHECK.pack(xxhash.xxh3_64_intdigest(body, seed))
