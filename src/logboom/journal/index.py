"""Rebuilding a segment's sparse index from its lines, and checking an index against the checksums."""

from contextlib import closing
from datetime import datetime

from logboom.journal.segment_file import open_file
from logboom.journal.segments import INDEX_STEP_BYTES, IndexPoint, Segment, pack_point
from logboom.journal.sums import Sum

_BLOCK_BYTES = 4 << 20

_TIME = slice(16, 48)
"""Position of the receive time in a line."""


def rebuild_index(segment: Segment) -> None:
    """Rebuild the index of `segment`, one point per step; reads the whole segment once, in blocks."""
    points: list[IndexPoint] = []
    sequence, offset, due = segment.first, 0, 0
    with closing(open_file(segment)) as file:
        while block := file.read_at(offset, _BLOCK_BYTES):
            position = 0
            while True:
                here = offset + position
                moment_ns = received_at_ns(block[position : position + 64]) if here >= due else None
                if moment_ns is not None:
                    points.append(IndexPoint(sequence, here, moment_ns))
                    due = here + INDEX_STEP_BYTES
                jump = block.find(b"\n", max(position, min(due - offset, len(block)) - 1))
                if jump < 0:
                    break
                sequence += block.count(b"\n", position, jump + 1)
                position = jump + 1
            sequence += block.count(b"\n", position)
            last = block.rfind(b"\n") + 1
            offset += last
            if not last:
                break
    segment.index_path.write_bytes(b"".join(map(pack_point, points)))


def received_at_ns(line: bytes) -> int | None:
    """Receive time of a journal line, nanoseconds since the epoch; None when it is damaged or incomplete."""
    if len(line) < _TIME.stop:  # a truncated time could parse as another one, in the local time zone
        return None
    try:
        moment = datetime.fromisoformat(line[_TIME].decode("ascii"))
        moment_ns = int(moment.timestamp() * 1_000_000) * 1000
    except (ValueError, OverflowError):
        return None
    return moment_ns if 0 <= moment_ns < 1 << 64 else None  # a flipped bit makes year 970 of 1970


def fits_sums(points: list[IndexPoint], sums: list[Sum]) -> bool:
    """Return whether an index agrees with the checksums wherever both give a sequence. Checksums are more reliable."""
    sequences = {one.start: one.first for one in sums} | {one.end: one.next for one in sums}
    offsets = {sequence: offset for offset, sequence in sequences.items()}
    return all(
        sequences.get(point.offset, point.sequence) == point.sequence
        and offsets.get(point.sequence, point.offset) == point.offset
        for point in points
    )
