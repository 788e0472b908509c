"""What happens to a journal at start: it is made whole again, whatever the last stop left behind.

What is known to be synced is left alone, damaged or not: a checksum's record, like an index point, was written
after the sync of what it covers. Only what stands behind the last of them is looked at. There, a torn end is cut
off; damage that good lines follow is taken out, and the good lines stay: a power cut leaves that of what was
never acknowledged, but a lost checksum and a flipped bit look the same.
"""

import os
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from logboom.durable import bytes_of, make_folder, replace_file, sync_folder
from logboom.journal.index import fits_sums, rebuild_index
from logboom.journal.lines import Damage, LineScan, count_newlines
from logboom.journal.manifest import mend_manifest, read_manifest
from logboom.journal.repair import take_out
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
"""Read at once; longer than any line."""

SPLITS_MAX: Final = 64
"""Damages that are taken out one by one; each makes a segment. More of them in what was written last are the
pages of a torn write, in no order: then the end is cut at the first. Bits don't flip in that many places."""

CHECKED_BYTES_MAX: Final = 64 << 20
"""How much of the newest segment is held against its checksums, and has its lines counted: 90 ms of memory, and the
start must not wait for a slow disk. The rest is for `logboom verify`; a segment with a rest is closed."""


@dataclass
class Recovered:
    """The state to go on from."""

    next_sequence: int = 0
    segment: Segment | None = None
    """The segment to append to; None: start a new one."""
    size: int = 0
    indexed_to: int = 0
    """The offset from which the next index point is due."""
    started_ns: int = 0
    """Receive time of the segment's first entry, nanoseconds since the epoch; 0: unknown."""
    damages: int = 0
    """How often good lines stood behind damage; the damage's sequences stand in no line now."""
    notes: list[str] = field(default_factory=list)
    """What was found and done, in words; empty after a clean stop."""


def recover(folder: Path, set_aside: Path) -> Recovered:
    """Make the newest segment whole: cut a torn or damaged end (kept in `set_aside`), count its lines.

    Older segments were sealed after a sync, and are left alone: `logboom verify` looks at them.

    Raises:
        OSError: the disk is full, or broken.
    """
    recovered = Recovered()
    sealed, next_sequence = _read_manifest(folder, set_aside, recovered)
    segments = list_segments(folder)
    while segments:
        segment = segments.pop()
        if segment.first in sealed:  # its hash was taken; what came after it is gone
            # It may hold no line any more: then its own name must not be given to the next one.
            recovered.next_sequence = max(recovered.next_sequence, segment.first + 1)
            recovered.notes.append(f"{segment.name}: sealed, but nothing is left of what came after it")
            break
        if segment.path.stat().st_size:
            _recover_segment(segment, set_aside, recovered)
            break
        if not segments:  # an empty journal still remembers where its sequence stands
            recovered.next_sequence = max(recovered.next_sequence, segment.first)
        sums = read_sums(segment)
        if sums:
            recovered.notes.append(
                f"{segment.name}: empty, but {sums[-1].end} bytes of it were on the disk once"
            )
        recovered.next_sequence = max(recovered.next_sequence, segment.first, sums[-1].next if sums else 0)
        segment.delete()
        sync_folder(folder)  # it must not come back and bound the segment that goes on in its place
    if next_sequence > recovered.next_sequence:  # sequences are never given twice: outputs count on it
        recovered.next_sequence, recovered.segment = next_sequence, None
    elif recovered.segment is not None and recovered.segment.first < next_sequence:
        recovered.segment = None  # it stands among what is sealed: nothing of ours goes into it
    return recovered


def _read_manifest(folder: Path, set_aside: Path, recovered: Recovered) -> tuple[set[int], int]:
    """The sealed segments, and the sequence after the last one that the manifest knows. Its trouble stops nothing."""
    try:
        mended = mend_manifest(folder, set_aside)
        manifest = read_manifest(folder)
    except OSError as error:
        recovered.notes.append(f"the manifest can't be read: {error}")
        return set(), 0
    if mended:
        recovered.notes.append(mended)
    recovered.notes += [
        f"{segment.name}: came after later ones were sealed, or its line in the manifest was damaged: "
        "see logboom verify, which can repair it"
        for segment in manifest.strangers(list_segments(folder))
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
    )  # a gap does no harm; a sequence given twice does
    lost = max([start.sequence, *(one.next for one in sums)])
    scan = _scan(segment.path, start)
    damages, end, next_sequence = _torn_end(scan, size)
    if end < size:
        _cut(segment, end, size - end, set_aside, recovered)
    _sync(segment.path)  # what is read from now on must not vanish in the next power cut
    if damages:
        segment = _take_out(segment, damages, end, set_aside, recovered)
        points, sums, start = read_index(segment), read_sums(segment), IndexPoint(segment.first, 0, 0)
    recovered.size = segment.path.stat().st_size
    recovered.next_sequence = max(recovered.next_sequence, next_sequence, lost)
    # An empty newer segment may have claimed a later sequence; then this one is closed. So it is when it changed.
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
        with suppress(OSError):  # a checksum that can't be written is missing, that's all
            _cover(segment, sums, start, recovered.size)


def _last_known(segment: Segment, points: list[IndexPoint], sums: list[Sum], size: int) -> IndexPoint:
    """The last place that is known to be the start of a line, with everything before it synced."""
    known = [IndexPoint(one.next, one.end, 0) for one in sums] + points
    with segment.path.open("rb") as file:
        for place in sorted(known, key=lambda point: point.offset, reverse=True):
            if 0 < place.offset <= size and _is_line_start(file.fileno(), place.offset):
                return place
    return IndexPoint(segment.first, 0, 0)


def _is_intact(segment: Segment, sums: list[Sum], size: int, recovered: Recovered) -> bool:
    """Say so when what was acknowledged is not what it was; it is left as it is."""
    intact = True
    for one in sums:
        if one.end > size:
            gone = one.end - max(size, one.start)
            what = f"{gone} bytes at the end are gone that were on the disk once"
        elif one.start >= size - CHECKED_BYTES_MAX and not is_true(segment, one):
            what = f"bytes {one.start} to {one.end} are not what was written"
        else:
            continue
        intact = False
        recovered.notes.append(f"{segment.name}: {what}: see logboom verify, which can repair it")
    return intact


def _count_from_sums(segment: Segment, sums: list[Sum], place: IndexPoint) -> int:
    """The sequence at a place by the lines before it, counted from where the last checksum before it ends."""
    known = [(one.end, one.next) for one in sums if one.end <= place.offset]
    offset, sequence = known[-1] if known else (0, segment.first)
    with segment.path.open("rb") as file:
        return sequence + count_newlines(file.fileno(), offset, place.offset)


def _counts(segment: Segment, size: int, next_sequence: int, recovered: Recovered) -> bool:
    """Whether line n is sequence first + n up to the end: else what is appended would not be found at its sequence.

    What no checksum covers can hold a newline too many, without anything else that tells. A segment that is too
    large to be counted is not taken to be whole.
    """
    if size > CHECKED_BYTES_MAX:
        return False
    with segment.path.open("rb") as file:
        surplus = segment.first + count_newlines(file.fileno(), 0, size) - next_sequence
    if surplus:
        recovered.notes.append(
            f"{segment.name}: {abs(surplus)} {'more' if surplus > 0 else 'fewer'} lines than by its checksums: "
            "see logboom verify, which can repair it"
        )
    return not surplus


def _index_counts(segment: Segment, points: list[IndexPoint]) -> bool:
    """Whether each point stands at the start of the line of its sequence."""
    before = IndexPoint(segment.first, 0, 0)
    with segment.path.open("rb") as file:
        for point in points:
            lines = count_newlines(file.fileno(), before.offset, point.offset)
            if before.sequence + lines != point.sequence or not _is_line_start(file.fileno(), point.offset):
                return False
            before = point
    return True


def _is_line_start(descriptor: int, offset: int) -> bool:
    return offset == 0 or os.pread(descriptor, 1, offset - 1) == b"\n"


def _scan(path: Path, start: IndexPoint) -> LineScan:
    scan = LineScan(start.offset, start.sequence)
    with path.open("rb") as file:
        file.seek(start.offset)
        while block := file.read(_BLOCK_BYTES):
            scan.feed(block)
    scan.finish()
    return scan


def _torn_end(scan: LineScan, size: int) -> tuple[list[Damage], int, int]:
    """The damage that good lines follow, where those end, and the sequence after them."""
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
    """Take damage out of the middle; returns the segment that holds the last lines now."""
    kept = take_out(segment, damages, size, set_aside, Origin.RECOVERED)
    recovered.damages = len(damages)
    for damage, path in zip(damages, kept, strict=False):
        recovered.notes.append(
            f"{segment.name}: damage at {damage.offset}, {damage.lines} lines from sequence {damage.sequence} on; "
            f"kept in {path}, the lines behind it stay"
        )
    return list_segments(segment.path.parent)[-1]


def _cover(segment: Segment, sums: list[Sum], start: IndexPoint, size: int) -> None:
    """Take the checksum of what was looked at, and leave no half record to write behind."""
    if start.offset < size and not (sums and sums[-1].end > start.offset):
        sums = [*sums, sum_of(segment, start.offset, size, start.sequence, Origin.RECOVERED)]
    write_sums(segment, sums)


def _index_is_whole(segment: Segment, points: list[IndexPoint]) -> bool:
    """Points that are appended behind a torn one would never be found again."""
    path = segment.index_path
    return bool(points) and path.stat().st_size == len(points) * POINT_BYTES


def _cut(segment: Segment, offset: int, size: int, set_aside: Path, recovered: Recovered) -> None:
    """Keep the damaged end aside, then cut it off, each step durable before the next."""
    make_folder(set_aside)
    aside = set_aside / f"{segment.path.stem}.{offset}.torn"
    with segment.path.open("rb") as source:
        replace_file(aside, bytes_of(source.fileno(), offset, size))
    os.truncate(segment.path, offset)
    recovered.notes.append(f"{segment.name}: cut {size} torn bytes at {offset}, kept in {aside}")


def _sync(path: Path) -> None:
    with path.open("r+b") as file:
        os.fsync(file.fileno())
