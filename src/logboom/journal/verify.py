"""Verification of a whole journal: its lines, its checksums, and the hashes in its manifest."""

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Final

from logboom.journal.index import fits_sums, received_at_ns
from logboom.journal.line_scan import Damage, LineScan, count_newlines, settle_lines
from logboom.journal.manifest import ManifestLine, SegmentEvent, read_manifest
from logboom.journal.segment_file import SegmentFile, open_file, read_all
from logboom.journal.segments import Segment, list_segments, read_index
from logboom.journal.sums import Sum, SumCheck, read_sums

_BLOCK_BYTES: Final = 4 << 20

_POINT_LATE_NS: Final = 3600 * 10**9
"""Largest difference between the times of an index point and of its line. The point has the time of its group's first
batch, the line that of the first batch with an entry; on a disk that hangs they may differ much."""


@dataclass
class Finding:
    """Result of verifying one segment."""

    segment: Segment
    lines: int = 0
    """Number of good lines."""
    size: int = 0
    damage: list[Damage] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    """Errors other than unreadable lines: bytes that changed or are missing."""
    notes: list[str] = field(default_factory=list)
    """Remarks without a loss: a missing index, lines that are ignored."""
    covered: int = 0
    """Bytes that match a checksum. Bytes whose checksum a crash took are not covered, which is no damage."""
    afterwards: int = 0
    """The part of `covered` whose checksum was computed from the file: at a start after a crash, or by a repair."""
    misled: bool = False
    """True if its index leads readers to wrong lines."""
    unreadable: bool = False
    """True if the file can't be read, so that it can't be repaired."""
    sealed: bool = False
    """True if the manifest has a hash of it that matches."""
    sealed_size: int | None = None
    """Number of sealed bytes; None when they have changed or have no hash."""
    sealed_end: int = 0
    """The sequence after the last sealed line."""

    @property
    def good(self) -> bool:
        """True if every line exists, is unchanged, and is found through the index."""
        return not (self.damage or self.problems or self.misled)

    @property
    def next_sequence(self) -> int:
        """The sequence after its last line."""
        return self.segment.first + self.lines + sum(damage.lines for damage in self.damage)


def verify(
    folder: Path, progress: Callable[[int], None] = lambda _bytes: None, *, growing: bool = False
) -> Iterator[Finding]:
    """Verify every segment, oldest first.

    Args:
        folder: the journal's folder.
        progress: called with the number of bytes of each block.
        growing: a server is writing: an incomplete last line is not damage, and segments may be deleted.
    """
    hashes = read_manifest(folder).hashes()
    segments = list_segments(folder)
    ends = [*(segment.first for segment in segments[1:]), None]
    for segment, end in zip(segments, ends, strict=False):
        try:
            finding = _scan(segment, end, hashes.get(segment.first), progress)
        except OSError as error:
            if isinstance(error, FileNotFoundError) and not segment.form.is_symlink():
                continue  # expired, or set aside by a repair: the audit checks this
            finding = Finding(
                segment, problems=[f"can't be read: {error.strerror or error}"], unreadable=True
            )
        if growing and end is None and finding.damage and finding.damage[-1].torn:
            finding.damage.pop()
            finding.notes.append("the last line is being written")
        yield finding


def _scan(
    segment: Segment,
    end: int | None,
    sealed: tuple[ManifestLine, SegmentEvent] | None,
    progress: Callable[[int], None],
) -> Finding:
    """Read one segment once, in blocks."""
    sums = read_sums(segment)  # before the data: a server may be adding to both
    lines, check, points = LineScan(0, segment.first), SumCheck(sums), _PointCheck(segment)
    digest, left = sha256(), sealed[1].bytes if sealed else 0
    with closing(open_file(segment)) as file:
        for block in read_all(file):
            progress(len(block))
            lines.feed(block)
            check.feed(block)
            points.feed(block)
            if left:
                digest.update(block[:left])
                left -= min(left, len(block))
        unpacked = not getattr(file, "damaged", None)
    lines.finish()
    check.end()
    points.end()
    finding = Finding(segment, lines.lines, lines.size, lines.damage)
    finding.covered, finding.afterwards = check.covered, check.afterwards
    _number(finding, _places(segment, sums, sealed))
    _compare_end(finding, end, sums, sealed)
    _compare_sums(finding, check.changed)
    if not unpacked:
        finding.problems.append(f"{segment.packed_path.name}: parts of it can't be unpacked")
    if sealed:
        _compare_hash(finding, sealed, None if left else digest.hexdigest())
        _compare_tail(finding, end)
    _compare_index(finding, sums, fits=points.fit)
    return finding


class _PointCheck:
    """Checks the points of an index, from which readers start, while their segment is read."""

    def __init__(self, segment: Segment) -> None:
        self._points = deque(read_index(segment))
        self._sequence = segment.first
        self._offset = 0
        self._last = b"\n"
        self.fit = True
        """True if each point so far is the start of the line with its sequence, and has about its time."""

    def feed(self, data: bytes) -> None:
        """Take the next bytes of the file."""
        end, place = self._offset + len(data), 0
        while self._points and self._points[0].offset < end:
            point = self._points.popleft()
            at = point.offset - self._offset
            self._sequence += data.count(b"\n", place, at)
            before = data[at - 1 : at] if at else self._last
            self.fit &= (before, point.sequence) == (b"\n", self._sequence)
            moment_ns = received_at_ns(data[at : at + 64])
            if moment_ns is not None and abs(moment_ns - point.received_ns) > _POINT_LATE_NS:
                self.fit = False
            place = at
        self._sequence += data.count(b"\n", place)
        self._last, self._offset = data[-1:], end

    def end(self) -> None:
        """Take the end of the file, where a point may be, too."""
        for point in self._points:
            self.fit &= (point.offset, point.sequence) == (self._offset, self._sequence)


def _places(
    segment: Segment, sums: list[Sum], sealed: tuple[ManifestLine, SegmentEvent] | None
) -> list[tuple[int, int]]:
    """Offsets with a known sequence, in order."""
    places = {0: segment.first}
    for one in sums:
        places |= {one.start: one.first, one.end: one.next}
    if sealed:
        places[sealed[1].bytes] = segment.first + sealed[1].entries
    if len(places) == 1:
        places |= {point.offset: point.sequence for point in read_index(segment)}
    return sorted(places.items())


def _number(finding: Finding, places: list[tuple[int, int]]) -> None:
    """Correct the number of damaged lines where the sequences before and after are known."""
    if not finding.damage:
        return
    damages = finding.damage
    guesses = [damage.lines for damage in damages]
    with closing(open_file(finding.segment)) as file:
        known = [place for place in places if _is_line_start(file, place[0], finding)]
        for (start, first), (end, following) in pairwise(known):
            within = [damage for damage in damages if start <= damage.offset and damage.end <= end]
            if within:
                edges = [start, *(edge for damage in within for edge in (damage.offset, damage.end)), end]
                good = sum(
                    count_newlines(file, low, high) for low, high in zip(edges[::2], edges[1::2], strict=True)
                )
                if following - first >= good:
                    settle_lines(within, following - first - good)
    shift = 0
    for damage, guess in zip(damages, guesses, strict=True):
        damage.sequence += shift
        shift += damage.lines - guess


def _is_line_start(file: SegmentFile, offset: int, finding: Finding) -> bool:
    """Return whether a line starts, or the file ends, at an offset outside of damage."""
    if offset > finding.size or any(one.offset < offset < one.end for one in finding.damage):
        return False
    inside_damage = any(
        one.end == offset for one in finding.damage
    )  # the newline at its end may be the damaged byte
    return offset == 0 or inside_damage or file.read_at(offset - 1, 1) == b"\n"


def _compare_end(
    finding: Finding, end: int | None, sums: list[Sum], sealed: tuple[ManifestLine, SegmentEvent] | None
) -> None:
    """Compare a segment's end with the start of the next. Durable entries must precede it; others may overlap."""
    if end is None:
        return
    sealed_end = sealed[1].end if sealed else 0
    hidden = max([sealed_end, *(one.next for one in sums[-1:])]) - end
    if hidden > 0:
        what = "sealed" if sealed_end > end else "stored"
        finding.problems.append(f"the next segment begins inside it: {hidden} {what} entries are hidden")
    surplus = finding.next_sequence - end
    if surplus > max(0, hidden):
        finding.notes.append(
            f"{surplus - max(0, hidden)} lines after a failed write, never acknowledged, not counted"
        )
    if surplus > 0:
        finding.damage = [damage for damage in finding.damage if damage.sequence < end]
    elif surplus < 0:
        finding.notes.append(f"{-surplus} sequences before the next segment have no line")


def _compare_sums(finding: Finding, changed: list[Sum]) -> None:
    for one in changed:
        if one.end > finding.size:
            gone = one.end - max(one.start, finding.size)
            finding.problems.append(
                f"{gone} stored bytes at the end are missing, of sequences before {one.next}"
            )
        else:
            finding.problems.append(
                f"bytes {one.start} to {one.end}, sequences {one.first} to {one.next - 1}, "
                "have changed since they were written: their checksum differs"
            )


def _compare_index(finding: Finding, sums: list[Sum], *, fits: bool) -> None:
    points = read_index(finding.segment)
    if finding.size and not points:
        finding.notes.append("index missing or unreadable")
    elif finding.good:  # otherwise lines can't be counted
        finding.misled = not fits
    elif not fits_sums(points, sums):
        finding.notes.append("index and checksums contradict each other: the index is damaged")


def _compare_tail(finding: Finding, end: int | None) -> None:
    """Report lines after the sealed bytes that readers would see."""
    if finding.sealed_size is None or finding.size <= finding.sealed_size:
        return
    with closing(open_file(finding.segment)) as file:
        lines = count_newlines(file, 0, finding.sealed_size)
    last = finding.next_sequence if end is None else min(end, finding.next_sequence)
    more = last - finding.segment.first - lines
    if more > 0:
        finding.problems.append(f"{more} lines follow the sealed ones, and would be read")


def _compare_hash(finding: Finding, sealed: tuple[ManifestLine, SegmentEvent], found: str | None) -> None:
    """Compare the hash `found` of the sealed bytes, None if some are missing, with the manifest."""
    line, event = sealed
    finding.sealed = found == event.hash
    if finding.sealed:
        finding.sealed_size, finding.sealed_end = event.bytes, event.end
    if found is None:
        finding.problems.append(f"{finding.size} bytes, {event.bytes} by line {line.number} of the manifest")
    elif not finding.sealed:
        finding.problems.append(
            f"does not match the hash in line {line.number} of the manifest, taken at {event.at}"
        )
    if event.event == "repaired":
        finding.notes.append(f"repaired at {event.at}: {event.note}")
