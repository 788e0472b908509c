"""Checking a whole journal, and setting aside what is broken."""

import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from logboom.journal.index import rebuild_index
from logboom.journal.recovery import good_lines, is_good_line
from logboom.journal.segments import Segment, list_segments, read_index, sync_folder

_BLOCK_BYTES: Final = 4 << 20


@dataclass
class Damage:
    """Bytes of a segment that are not journal lines."""

    offset: int
    size: int
    sequence: int
    """The sequence that the first damaged line had."""
    lines: int
    """How many lines it was, as far as newlines tell."""
    torn: bool
    """The file ends inside a line."""


@dataclass
class Finding:
    """What was found in one segment."""

    segment: Segment
    lines: int = 0
    """Good lines."""
    size: int = 0
    damage: list[Damage] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """Oddities that lose nothing: a missing index, lines that do not count."""

    @property
    def good(self) -> bool:
        """Every line can be read."""
        return not self.damage


def verify(
    folder: Path, progress: Callable[[int], None] = lambda _bytes: None, *, growing: bool = False
) -> Iterator[Finding]:
    """Read every segment, oldest first.

    Args:
        folder: the journal's folder.
        progress: told about each block's bytes.
        growing: a server is writing meanwhile: an unfinished last line is no damage.
    """
    segments = list_segments(folder)
    ends = [*(segment.first for segment in segments[1:]), None]
    for segment, end in zip(segments, ends, strict=False):
        finding = _scan(segment, progress)
        _compare(finding, end)
        if growing and end is None and finding.damage and finding.damage[-1].torn:
            finding.damage.pop()
            finding.notes.append("the last line is being written")
        yield finding


def _scan(segment: Segment, progress: Callable[[int], None]) -> Finding:
    """Read one segment in blocks of whole lines."""
    finding = Finding(segment)
    rest = b""
    with segment.path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            progress(len(block))
            data = rest + block
            whole = data.rfind(b"\n") + 1
            _scan_lines(data[:whole], finding)
            rest = data[whole:]
    if rest:
        finding.damage.append(Damage(finding.size, len(rest), _next_sequence(finding), 1, torn=True))
        finding.size += len(rest)
    return finding


def _scan_lines(data: bytes, finding: Finding) -> None:
    good, count = good_lines(data)
    finding.lines += count
    finding.size += good
    for line in data[good:].split(b"\n")[:-1]:
        if is_good_line(line):
            finding.lines += 1
            finding.size += len(line) + 1
        else:
            _add_damage(finding, len(line) + 1)


def _add_damage(finding: Finding, size: int) -> None:
    """One more damaged line; neighbours are one damage."""
    last = finding.damage[-1] if finding.damage else None
    if last is not None and last.offset + last.size == finding.size:
        last.size += size
        last.lines += 1
    else:
        finding.damage.append(Damage(finding.size, size, _next_sequence(finding), 1, torn=False))
    finding.size += size


def _next_sequence(finding: Finding) -> int:
    return finding.segment.first + finding.lines + sum(damage.lines for damage in finding.damage)


def _compare(finding: Finding, end: int | None) -> None:
    """Hold a segment against its index and the segment after it."""
    if finding.size and not read_index(finding.segment):
        finding.notes.append("index missing or unreadable")
    if end is None:
        return
    surplus = _next_sequence(finding) - end
    if surplus > 0:
        finding.notes.append(f"{surplus} lines after a failed write, never acknowledged, not counted")
    elif surplus < 0:
        finding.notes.append(f"{-surplus} sequences before the next segment stand in no line")


def repair(finding: Finding, set_aside: Path) -> list[Path]:
    """Set the damage of a segment aside; what stands after it becomes a segment of its own.

    So every good line keeps its sequence: it is the segment's first plus its line number. What would reach into
    the next segment that way (damage that made newlines, or lines after a failed write) is set aside as well.

    Returns:
        The files that hold what was taken out.
    """
    segment = finding.segment
    set_aside.mkdir(parents=True, exist_ok=True)
    data_path = segment.path
    following_firsts = [
        other.first for other in list_segments(data_path.parent) if other.first > segment.first
    ]
    limit = min(following_firsts, default=sys.maxsize)
    kept: list[Path] = []
    with data_path.open("rb") as file:
        for number, damage in enumerate(finding.damage):
            following = finding.damage[number + 1 : number + 2]
            end = following[0].offset if following else finding.size
            kept.append(set_aside / f"{data_path.stem}.{damage.offset}.bad")
            _copy(file.fileno(), damage.offset, damage.size, kept[-1])
            start = damage.offset + damage.size
            rest = Segment.at(data_path.parent, damage.sequence + damage.lines)
            if end > start and rest.first >= limit:
                kept.append(set_aside / f"{data_path.stem}.{start}.surplus")
                _copy(file.fileno(), start, end - start, kept[-1])
            elif end > start:
                _copy(file.fileno(), start, end - start, rest.path)
                rebuild_index(rest)
    sync_folder(set_aside)
    sync_folder(data_path.parent)
    if finding.damage:
        _truncate(segment, finding.damage[0].offset)
    elif finding.notes:
        rebuild_index(segment)
    return kept


def _truncate(segment: Segment, size: int) -> None:
    """Cut a segment, now that everything behind is safe elsewhere."""
    if size == 0 and len(list_segments(segment.path.parent)) > 1:  # the only one still holds the sequence
        segment.path.unlink()
        segment.index_path.unlink(missing_ok=True)
    else:
        with segment.path.open("r+b") as file:
            file.truncate(size)
            os.fsync(file.fileno())
        rebuild_index(segment)
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
