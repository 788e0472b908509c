"""Recovery of a journal at start, after any kind of stop.

Data that is known to be synced is not changed, damaged or not: checksum records and index points are written after
the sync of what they cover. Only the data after the last of them is examined. There, a torn end is cut off; damage
before good lines is moved out of the segment, and the good lines stay: a power cut can leave such damage in entries
that were never acknowledged, but a lost checksum and a flipped bit look the same.
"""

import os
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from logboom.durable import bytes_of, make_folder, replace_file, sync_folder
from logboom.journal.index import fits_sums, rebuild_index
from logboom.journal.line_scan import Damage, LineScan, count_newlines
from logboom.journal.manifest import read_manifest, trim_manifest
from logboom.journal.repair import take_out
from logboom.journal.segment_file import SegmentFile, lines_size, open_file
from logboom.journal.segments import (
    INDEX_STEP_BYTES,
    POINT_BYTES,
    IndexPoint,
    Segment,
    list_segments,
    read_index,
)
from logboom.journal.sums import Origin, Sum, is_true, read_sums, sum_of, write_sums

_BLOCK_BYTES: Final = 4 << 20
"""Bytes per read; longer than any line."""

SPLITS_MAX: Final = 64
"""Largest number of damages that are moved out one by one; each makes a new segment. More of them are pages of a torn
write, in no order: then the end is cut at the first. Bits do not flip in that many places."""

CHECKED_BYTES_MAX: Final = 64 << 20
"""Bytes at the end of the newest segment whose checksums and lines are verified at start. It takes 90 ms from memory,
and the start must not wait for a slow disk. `logboom verify` checks the rest; a larger segment is not continued."""


@dataclass
class Recovered:
    """State of a journal after recovery."""

    next_sequence: int = 0
    segment: Segment | None = None
    """The segment to append to; None when the next write starts a new one."""
    size: int = 0
    indexed_to: int = 0
    """Offset from which the next index point is due."""
    started_ns: int = 0
    """Receive time of the segment's first entry, nanoseconds since the epoch; 0: unknown."""
    damages: int = 0
    """Number of damages before good lines; their sequences have no line any more."""
    notes: list[str] = field(default_factory=list)
    """Descriptions of findings and changes; empty after a clean stop."""


def recover(folder: Path, set_aside: Path) -> Recovered:
    """Repair the newest segment: move a torn or damaged end to `set_aside`, and count the lines.

    Older segments were sealed after a sync, and are not read; `logboom verify` checks them.

    Raises:
        OSError: the disk is full, or broken.
    """
    recovered = Recovered()
    sealed, next_sequence = _read_manifest(folder, set_aside, recovered)
    segments = list_segments(folder)
    while segments:
        segment = segments.pop()
        if segment.first in sealed:  # it has a hash; later segments are missing
            # It may be empty now: then the next segment must not get the same name.
            recovered.next_sequence = max(recovered.next_sequence, segment.first + 1)
            recovered.notes.append(f"{segment.name}: sealed, but all later segments are missing")
            break
        if lines_size(segment):
            _recover_segment(segment, set_aside, recovered)
            break
        if not segments:  # the name of an empty segment still gives the next sequence
            recovered.next_sequence = max(recovered.next_sequence, segment.first)
        sums = read_sums(segment)
        if sums:
            recovered.notes.append(f"{segment.name}: empty, but {sums[-1].end} stored bytes are missing")
        recovered.next_sequence = max(recovered.next_sequence, segment.first, sums[-1].next if sums else 0)
        segment.delete()
        sync_folder(folder)  # if it came back, it would limit the segment before it
    if next_sequence > recovered.next_sequence:  # outputs rely on sequences not being assigned twice
        recovered.next_sequence, recovered.segment = next_sequence, None
    elif recovered.segment is not None and recovered.segment.first < next_sequence:
        recovered.segment = None  # it lies before sealed segments: it must not grow
    return recovered


def _read_manifest(folder: Path, set_aside: Path, recovered: Recovered) -> tuple[set[int], int]:
    """The sealed segments, and the sequence after the last one in the manifest; an unreadable one is only noted."""
    try:
        trimmed = trim_manifest(folder, set_aside)
        manifest = read_manifest(folder)
    except OSError as error:
        recovered.notes.append(f"the manifest can't be read: {error}")
        return set(), 0
    if trimmed:
        recovered.notes.append(trimmed)
    recovered.notes += [
        f"{segment.name}: came after later ones were sealed, or its line in the manifest was damaged: "
        "see logboom verify, which can repair it"
        for segment in manifest.unlisted(list_segments(folder))
    ]
    return set(manifest.hashes()), manifest.end


def _recover_segment(segment: Segment, set_aside: Path, recovered: Recovered) -> None:
    points, sums = read_index(segment), read_sums(segment)
    if not fits_sums(points, sums):
        points = []
    size = segment.path.stat().st_size
    start = _last_known(segment, points, sums, size)
    intact = _is_intact(segment, sums, size, recovered)
    counted = _count_from_sums(segment, sums, start)
    if intact and counted != start.sequence:
        intact = False
        recovered.notes.append(
            f"{segment.name}: {counted} is the sequence at {start.offset} by its lines, {start.sequence} by its index: "
            "see logboom verify"
        )
    start = start._replace(
        sequence=max(start.sequence, counted)
    )  # a gap is harmless; a sequence that is assigned twice is not
    lost = max([start.sequence, *(one.next for one in sums)])
    scan = _scan(segment.path, start)
    damages, end, next_sequence = _torn_end(scan, size)
    if end < size:
        _cut(segment, end, size - end, set_aside, recovered)
    _sync(segment.path)  # readers see it from now on: the next power cut must not remove it
    if damages:
        segment = _take_out(segment, damages, end, set_aside, recovered)
        points, sums, start = read_index(segment), read_sums(segment), IndexPoint(segment.first, 0, 0)
    recovered.size = segment.path.stat().st_size
    recovered.next_sequence = max(recovered.next_sequence, next_sequence, lost)
    # An empty newer segment may have claimed a later sequence; then this one is closed, as it is after a change.
    intact = intact and recovered.next_sequence == next_sequence
    counts = intact and _counts(segment, recovered.size, next_sequence, recovered)
    if not _index_is_whole(segment, points) or (counts and not _index_counts(segment, points)):
        rebuild_index(segment)
        points = read_index(segment)
        recovered.notes.append(f"{segment.name}: index rebuilt")
    recovered.indexed_to = points[-1].offset + INDEX_STEP_BYTES if points else 0
    if counts:
        recovered.segment = segment
        recovered.started_ns = points[0].received_ns if points else 0
    if intact:
        with suppress(OSError):  # a missing checksum only leaves data unverified
            _cover(segment, sums, start, recovered.size)


def _last_known(segment: Segment, points: list[IndexPoint], sums: list[Sum], size: int) -> IndexPoint:
    """The last known start of a line before which everything is synced."""
    known = [IndexPoint(one.next, one.end, 0) for one in sums] + points
    with closing(open_file(segment)) as file:
        for place in sorted(known, key=lambda point: point.offset, reverse=True):
            if 0 < place.offset <= size and _is_line_start(file, place.offset):
                return place
    return IndexPoint(segment.first, 0, 0)


def _is_intact(segment: Segment, sums: list[Sum], size: int, recovered: Recovered) -> bool:
    """Return whether acknowledged data matches its checksums. Differences are noted; the data is not changed."""
    intact = True
    for one in sums:
        if one.end > size:
            gone = one.end - max(size, one.start)
            what = f"{gone} stored bytes at the end are missing"
        elif one.start >= size - CHECKED_BYTES_MAX and not is_true(segment, one):
            what = f"bytes {one.start} to {one.end} have changed since they were written"
        else:
            continue
        intact = False
        recovered.notes.append(f"{segment.name}: {what}: see logboom verify, which can repair it")
    return intact


def _count_from_sums(segment: Segment, sums: list[Sum], place: IndexPoint) -> int:
    """The sequence at a place, counted by the lines since the end of the last checksum before it."""
    known = [(one.end, one.next) for one in sums if one.end <= place.offset]
    offset, sequence = known[-1] if known else (0, segment.first)
    with closing(open_file(segment)) as file:
        return sequence + count_newlines(file, offset, place.offset)


def _counts(segment: Segment, size: int, next_sequence: int, recovered: Recovered) -> bool:
    """Return whether line n has sequence first + n up to the end, so that appended lines are found at their sequence.

    Data without a checksum can contain an extra newline that nothing else reveals. False for a segment that is too
    large to be counted at start.
    """
    if size > CHECKED_BYTES_MAX:
        return False
    with closing(open_file(segment)) as file:
        surplus = segment.first + count_newlines(file, 0, size) - next_sequence
    if surplus:
        recovered.notes.append(
            f"{segment.name}: {abs(surplus)} {'more' if surplus > 0 else 'fewer'} lines than by its checksums: "
            "see logboom verify, which can repair it"
        )
    return not surplus


def _index_counts(segment: Segment, points: list[IndexPoint]) -> bool:
    """Return whether each point is the start of the line with its sequence."""
    before = IndexPoint(segment.first, 0, 0)
    with closing(open_file(segment)) as file:
        for point in points:
            lines = count_newlines(file, before.offset, point.offset)
            if before.sequence + lines != point.sequence or not _is_line_start(file, point.offset):
                return False
            before = point
    return True


def _is_line_start(file: SegmentFile, offset: int) -> bool:
    return offset == 0 or file.read_at(offset - 1, 1) == b"\n"


def _scan(path: Path, start: IndexPoint) -> LineScan:
    scan = LineScan(start.offset, start.sequence)
    with path.open("rb") as file:
        file.seek(start.offset)
        while block := file.read(_BLOCK_BYTES):
            scan.feed(block)
    scan.finish()
    return scan


def _torn_end(scan: LineScan, size: int) -> tuple[list[Damage], int, int]:
    """The damages that good lines follow, the end of those lines, and the sequence after them."""
    damages, end, next_sequence = list(scan.damage), size, scan.next_sequence
    while damages and damages[-1].end == end:
        last = damages.pop()
        end, next_sequence = last.offset, last.sequence
    if len(damages) > SPLITS_MAX:
        return [], damages[0].offset, damages[0].sequence
    return damages, end, next_sequence


def _take_out(
    segment: Segment, damages: list[Damage], size: int, set_aside: Path, recovered: Recovered
) -> Segment:
    """Move damage out of the middle; returns the segment that holds the last lines afterwards."""
    kept = take_out(segment, damages, size, set_aside, Origin.RECOVERED)
    recovered.damages = len(damages)
    for damage, path in zip(damages, kept, strict=False):
        recovered.notes.append(
            f"{segment.name}: damage at {damage.offset}, {damage.lines} lines from sequence {damage.sequence} on; "
            f"kept in {path}, the lines after it stay"
        )
    return list_segments(segment.path.parent)[-1]


def _cover(segment: Segment, sums: list[Sum], start: IndexPoint, size: int) -> None:
    """Add the checksum of the scanned data, and remove an incomplete record at the end."""
    if start.offset < size and not (sums and sums[-1].end > start.offset):
        sums = [*sums, sum_of(segment, start.offset, size, start.sequence, Origin.RECOVERED)]
    write_sums(segment, sums)


def _index_is_whole(segment: Segment, points: list[IndexPoint]) -> bool:
    """Return whether the index ends with a whole point; points after an incomplete one would never be read."""
    path = segment.index_path
    return bool(points) and path.stat().st_size == len(points) * POINT_BYTES


def _cut(segment: Segment, offset: int, size: int, set_aside: Path, recovered: Recovered) -> None:
    """Copy the damaged end to `set_aside`, then cut it off; each step is durable before the next."""
    make_folder(set_aside)
    aside = set_aside / f"{segment.path.stem}.{offset}.torn"
    with segment.path.open("rb") as source:
        replace_file(aside, bytes_of(source.fileno(), offset, size))
    os.truncate(segment.path, offset)
    recovered.notes.append(f"{segment.name}: cut {size} torn bytes at {offset}, kept in {aside}")


def _sync(path: Path) -> None:
    with path.open("r+b") as file:
        os.fsync(file.fileno())
