"""Taking damage out of a segment, so that every good line stays and keeps its sequence."""

import os
import sys
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Final

from logboom.journal.index import rebuild_index
from logboom.journal.lines import Damage
from logboom.journal.manifest import Event, append_events, hash_event
from logboom.journal.segments import Segment, list_segments, sync_folder
from logboom.journal.sums import Origin, Sum, cover, read_sums, write_sums

if TYPE_CHECKING:
    from logboom.journal.verify import Finding

_BLOCK_BYTES: Final = 4 << 20


def repair(finding: "Finding", set_aside: Path) -> list[Path]:
    """Make a segment whole: set its damage aside, take its checksums anew, and say so in the manifest.

    What was changed and still reads as lines stays as it is: nobody can say which line it was.

    Returns:
        The files that hold what was taken out.

    Raises:
        OSError: the disk is full, or broken.
    """
    segment = finding.segment
    if finding.good:
        if finding.notes:
            rebuild_index(segment)
        return []
    before = {other.first for other in list_segments(segment.path.parent)} - {segment.first}
    kept: list[Path] = []
    if finding.damage:
        kept = take_out(segment, finding.damage, finding.size, set_aside, Origin.REPAIRED)
    else:
        write_sums(segment, cover(segment, read_sums(segment), finding.size, Origin.REPAIRED))
        rebuild_index(segment)
    _tell(finding, before)
    return kept


def take_out(
    segment: Segment, damages: list[Damage], size: int, set_aside: Path, origin: Origin
) -> list[Path]:
    """Set damage aside; what stands after it becomes a segment of its own.

    So every good line keeps its sequence: it is the segment's first plus its line number. What would reach into
    the next segment that way (lines after a failed write) is set aside as well.

    Args:
        segment: the damaged segment.
        damages: where, in order.
        size: bytes of the segment.
        set_aside: where what is taken out goes.
        origin: of the checksums that must be taken anew.

    Returns:
        The files that hold what was taken out.

    Raises:
        OSError: the disk is full, or broken. Doing it again goes on where it ended.
    """
    set_aside.mkdir(parents=True, exist_ok=True)
    folder, sums = segment.path.parent, read_sums(segment)
    limit = min(
        (other.first for other in list_segments(folder) if other.first > segment.first), default=sys.maxsize
    )
    kept: list[Path] = []
    with segment.path.open("rb") as file:
        for damage, following in zip(damages, [*damages[1:], None], strict=True):
            end = following.offset if following else size
            kept.append(set_aside / f"{segment.path.stem}.{damage.offset}.bad")
            _copy(file.fileno(), damage.offset, damage.size, kept[-1])
            rest = Segment.at(folder, damage.sequence + damage.lines)
            if end > damage.end and rest.first >= limit:
                kept.append(set_aside / f"{segment.path.stem}.{damage.end}.surplus")
                _copy(file.fileno(), damage.end, end - damage.end, kept[-1])
            elif end > damage.end:
                _copy(file.fileno(), damage.end, end - damage.end, rest.path)
                rebuild_index(rest)
                write_sums(rest, cover(rest, _moved(sums, damage.end), end - damage.end, origin))
    sync_folder(set_aside)
    sync_folder(folder)
    _truncate(segment, damages[0].offset, sums, origin)
    return kept


def _moved(sums: Iterable[Sum], offset: int) -> list[Sum]:
    """The records as they are when the file starts at `offset`."""
    return [
        one._replace(start=one.start - offset, end=one.end - offset) for one in sums if one.start >= offset
    ]


def _truncate(segment: Segment, size: int, sums: list[Sum], origin: Origin) -> None:
    """Cut a segment, now that everything behind is safe elsewhere."""
    if size == 0 and len(list_segments(segment.path.parent)) > 1:  # the only one still holds the sequence
        segment.delete()
    else:
        with segment.path.open("r+b") as file:
            file.truncate(size)
            os.fsync(file.fileno())
        rebuild_index(segment)
        write_sums(segment, cover(segment, sums, size, origin))
    sync_folder(segment.path.parent)


def _copy(descriptor: int, offset: int, size: int, target: Path) -> None:
    """Copy a range of an open file into a new, durable one, which appears whole or not at all."""
    half_done = target.with_suffix(".part")
    with half_done.open("wb") as file:
        while size:
            data = os.pread(descriptor, min(size, _BLOCK_BYTES), offset)
            if not data:
                break
            file.write(data)
            offset, size = offset + len(data), size - len(data)
        file.flush()
        os.fsync(file.fileno())
    half_done.rename(target)


def _tell(finding: "Finding", before: set[int]) -> None:
    """Add lines to the manifest for a repaired segment, and for those that were made of it."""
    folder, name = finding.segment.path.parent, finding.segment.name
    what = [f"{damage.lines} lines from sequence {damage.sequence} on set aside" for damage in finding.damage]
    note = f"{name}: {'; '.join([*finding.problems, *what][:4])}"  # the first few: a line has a bound
    segments = list_segments(folder)
    pairs = pairwise(segments)
    events = [
        hash_event(one, "repaired", lines_max=following.first - one.first, note=note)
        for one, following in pairs
        if one.first not in before
    ]
    if not finding.segment.path.exists():
        events.append(Event("removed", name, note=note))
    append_events(folder, events)
