"""Removing damage from a segment, so that every good line stays and keeps its sequence."""

import os
import sys
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from logboom.durable import bytes_of, make_folder, replace_file, sync_folder
from logboom.journal.index import rebuild_index
from logboom.journal.line_scan import Damage
from logboom.journal.log import nth_line_end
from logboom.journal.manifest import SegmentEvent, append_events, hash_event
from logboom.journal.segment_packing import unpack
from logboom.journal.segments import Segment, list_segments
from logboom.journal.sums import Origin, Sum, cover, read_sums, write_sums

if TYPE_CHECKING:
    from logboom.journal.verify import Finding


def repair(finding: "Finding", set_aside: Path) -> list[Path]:
    """Repair a segment: set its damage aside, recompute its checksums, and record this in the manifest.

    Changed bytes that are still valid lines stay: which of them changed can't be determined.

    Returns:
        The files with the removed data.

    Raises:
        OSError: the disk is full, or broken.
    """
    segment = finding.segment
    if finding.unreadable:
        return []
    if not (finding.damage or finding.problems):
        if finding.notes or finding.misled:
            rebuild_index(segment)
        return []
    make_folder(set_aside)
    if segment.is_packed:
        unpack(segment)
    before = {other.first for other in list_segments(segment.path.parent)}
    if finding.damage:
        kept = take_out(segment, finding.damage, finding.size, set_aside, Origin.REPAIRED)
    else:
        kept = _expel(finding, set_aside)
        size = finding.size if finding.sealed_size is None else finding.sealed_size
        kept += _settle(segment, size, read_sums(segment), set_aside, Origin.REPAIRED)
    _record(finding, before)
    return kept


def _expel(finding: "Finding", set_aside: Path) -> list[Path]:
    """Set aside the segments that begin among entries with an intact seal: they were added after those entries."""
    kept: list[Path] = []
    folder = finding.segment.path.parent
    for other in list_segments(folder):
        if finding.segment.first < other.first < finding.sealed_end:
            kept.append(set_aside / f"{other.name}.unlisted")
            other.form.replace(kept[-1])
            sync_folder(set_aside)
            other.delete()
    sync_folder(folder)
    return kept


def take_out(
    segment: Segment, damages: list[Damage], size: int, set_aside: Path, origin: Origin
) -> list[Path]:
    """Set damage aside; the lines after each damage become a new segment.

    So every good line keeps its sequence, the segment's first plus its line number. Lines that would overlap with
    the next segment (lines after a failed write) are set aside as well.

    Args:
        segment: the damaged segment.
        damages: in order of offset.
        size: bytes of the segment.
        set_aside: folder for the removed data.
        origin: of the recomputed checksums.

    Returns:
        The files with the removed data.

    Raises:
        OSError: the disk is full, or broken. A second call continues where the first one ended.
    """
    make_folder(set_aside)
    folder, sums, limit = segment.path.parent, read_sums(segment), _limit(segment)
    kept: list[Path] = []
    with segment.path.open("rb") as file:
        for damage, following in zip(damages, [*damages[1:], None], strict=True):
            end = following.offset if following else size
            kept.append(set_aside / f"{segment.path.stem}.{damage.offset}.bad")
            replace_file(kept[-1], bytes_of(file.fileno(), damage.offset, damage.size))
            rest = Segment.at(folder, damage.sequence + damage.lines)
            if end > damage.end and rest.first >= limit:
                kept.append(set_aside / f"{segment.path.stem}.{damage.end}.surplus")
                replace_file(kept[-1], bytes_of(file.fileno(), damage.end, end - damage.end))
            elif end > damage.end:
                replace_file(rest.path, bytes_of(file.fileno(), damage.end, end - damage.end))
                kept += _settle(rest, end - damage.end, _moved(sums, damage.end), set_aside, origin)
    _truncate(segment, damages[0].offset, sums, origin)
    return kept


def _limit(segment: Segment) -> int:
    """First sequence of the following segment."""
    others = list_segments(segment.path.parent)
    return min((other.first for other in others if other.first > segment.first), default=sys.maxsize)


def _settle(segment: Segment, size: int, sums: Iterable[Sum], set_aside: Path, origin: Origin) -> list[Path]:
    """Write index and checksums of a segment of good lines; surplus lines after its end are set aside."""
    kept: list[Path] = []
    with segment.path.open("r+b") as file:
        descriptor = file.fileno()
        whole = os.fstat(descriptor).st_size
        size = min(size, _offset_of(descriptor, _limit(segment) - segment.first, whole))
        if size < whole:
            kept.append(set_aside / f"{segment.path.stem}.{size}.surplus")
            replace_file(kept[0], bytes_of(descriptor, size, whole - size))
            os.ftruncate(descriptor, size)
            os.fsync(descriptor)
    rebuild_index(segment)
    write_sums(segment, cover(segment, sums, size, origin))
    return kept


def _offset_of(descriptor: int, lines: int, size: int) -> int:
    """Offset of the end of that many lines; the size when there are fewer."""
    offset = 0
    for data in bytes_of(descriptor, 0, size):
        found = data.count(b"\n")
        if found >= lines:
            return offset + nth_line_end(data, lines)
        offset, lines = offset + len(data), lines - found
    return size


def _moved(sums: Iterable[Sum], offset: int) -> list[Sum]:
    """The records, shifted to a file that starts at `offset`."""
    return [
        one._replace(start=one.start - offset, end=one.end - offset) for one in sums if one.start >= offset
    ]


def _truncate(segment: Segment, size: int, sums: list[Sum], origin: Origin) -> None:
    """Cut a segment after the rest was copied."""
    if size == 0 and len(list_segments(segment.path.parent)) > 1:  # the only one is kept for its sequence
        segment.delete()
    else:
        with segment.path.open("r+b") as file:
            file.truncate(size)
            os.fsync(file.fileno())
        rebuild_index(segment)
        write_sums(segment, cover(segment, sums, size, origin))
    sync_folder(segment.path.parent)


def _record(finding: "Finding", before: set[int]) -> None:
    """Add lines to the manifest for a repaired segment, for the new ones made of it, and for deleted ones."""
    folder, name = finding.segment.path.parent, finding.segment.name
    what = [f"{damage.lines} lines from sequence {damage.sequence} on set aside" for damage in finding.damage]
    note = f"{name}: {'; '.join([*finding.problems, *what][:4])}"  # the first few: the length of a line is limited
    segments = list_segments(folder)
    events = [
        hash_event(one, "repaired", lines_max=following.first - one.first, note=note)
        for one, following in pairwise(segments)
        if one == finding.segment or one.first not in before
    ]
    gone = before - {one.first for one in segments}
    events += [SegmentEvent("removed", Segment.at(folder, first).name, note=note) for first in sorted(gone)]
    append_events(folder, events)
