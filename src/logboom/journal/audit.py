"""Audit of the manifest: its hash chain, and the presence of every segment that it lists."""

from dataclasses import dataclass, field
from hashlib import sha256
from itertools import pairwise
from pathlib import Path

from logboom.journal.manifest import (
    Manifest,
    ManifestLine,
    SegmentEvent,
    append_events,
    hash_event,
    read_manifest,
    trim_manifest,
)
from logboom.journal.segments import SUFFIX, Segment, list_segments


@dataclass
class Audit:
    """Result of auditing a manifest."""

    manifest: Manifest
    present: list[Segment]
    broken: list[ManifestLine] = field(default_factory=list)
    """Lines that can't be read, do not match the chain, or contradict an earlier line, and that no repair has
    acknowledged yet."""
    missing: list[SegmentEvent] = field(default_factory=list)
    """Sealed segments whose file is missing without a recorded deletion, oldest first."""
    early: list[SegmentEvent] = field(default_factory=list)
    """Segments recorded as expired although an older segment still exists."""
    cut: SegmentEvent | None = None
    """The last sealed segment, when no later segment exists; None otherwise."""
    unlisted: list[Segment] = field(default_factory=list)
    """Segments without a hash although later ones have one: see `Manifest.unlisted`."""
    expired: int = 0
    """Number of segments that retention deleted."""
    known: int = 0
    """Number of missing segments that a repair recorded."""
    waiting: int = 0
    """Number of sealed segments without a hash so far; the server computes it in the background."""

    @property
    def good(self) -> bool:
        """True if the chain is intact, and every segment exists or has a recorded deletion."""
        wrong = self.broken or self.missing or self.early or self.cut or self.unlisted
        return not (wrong or self.manifest.torn)

    def place_of(self, head: str) -> ManifestLine | None:
        """Return the line whose chain is `head` if it and all lines before it are good, else None."""
        for line in self.manifest.lines:
            if not line.good:
                return None
            if line.chain == head.lower():
                return line
        return None

    def since(self, line: ManifestLine) -> "Since":
        """Changes to the segments that the manifest listed at `line`. Their contents are checked by `verify`."""
        then = self.manifest.until(line)
        hashes, lost = then.hashes(), then.gone()
        known = {first: listed for first, listed in hashes.items() if first not in lost}
        now, gone = self.manifest.hashes(), self.manifest.gone()
        there = {segment.first for segment in self.present}
        found, sealed_end = Since(known=set(known), end=then.end), then.sealed_end
        for first, (_, event) in sorted(known.items()):
            last = now[first][1]
            if first in there:
                if last.hash != event.hash:
                    found.changes.append(f"{event.segment}: {last.event} at {last.at}: {last.note}")
            elif first not in gone:
                found.changes.append(f"{event.segment}: missing")
            elif gone[first].event == "expired":
                found.expired.append(gone[first])
            else:
                found.changes.append(f"{event.segment}: {gone[first].event}, {_recorded(gone[first])}")
        found.changes += [
            f"{segment.name}: did not exist then, and lies before segments that were sealed by then"
            for segment in self.present
            if segment.first < sealed_end and segment.first not in hashes
        ]
        found.changes += [
            f"line {other.number} of the manifest is damaged, or contradicts an earlier one"
            for other in self.manifest.wrong()
            if other.number > line.number and (other.event is None or other.event.first in known)
        ]
        return found


@dataclass
class Since:
    """Changes since an earlier head of the manifest."""

    known: set[int]
    """First sequences of the segments that existed then."""
    end: int
    """The sequence after the last one listed then."""
    changes: list[str] = field(default_factory=list)
    """Descriptions of changes that no running server makes: repairs, and anything that looks like one."""
    expired: list[SegmentEvent] = field(default_factory=list)
    """Segments recorded as expired, oldest first. A manual deletion can be recorded in the same way."""


def audit(folder: Path, *, growing: bool = False) -> Audit:
    """Check the manifest of a journal's folder.

    Args:
        folder: the journal's folder.
        growing: a server may be appending: an incomplete last line is not damage.

    Raises:
        OSError: it can't be read.
    """
    before = _files(folder)
    manifest = read_manifest(folder)  # it may list a segment that was added or deleted meanwhile
    present = sorted({*before, *_files(folder)})
    if growing:
        manifest = manifest._replace(torn=b"")
    found = Audit(manifest, present)
    noted = {event.note for _, event in manifest.events() if event.event == "noted"}
    found.broken = [line for line in manifest.wrong() if _name_of(line) not in noted]
    hashes, gone = manifest.hashes(), manifest.gone()
    there = {segment.first for segment in present}
    found.missing = [
        event for first, (_, event) in sorted(hashes.items()) if first not in there and first not in gone
    ]
    lost = [event for first, event in sorted(gone.items()) if first not in there]
    past = [event for event in lost if event.event == "expired"]
    staying = [first for first in there if first not in gone or gone[first].event != "expired"]
    oldest = min(staying, default=0)
    found.early = [event for event in past if event.first > oldest] if staying else []
    found.expired, found.known = len(past) - len(found.early), len(lost) - len(past)
    last = max(hashes, default=-1)
    if hashes and not any(
        first > last for first in (*there, *gone)
    ):  # it was sealed because a later one existed
        found.cut = hashes[last][1]
    found.unlisted = manifest.unlisted(present)
    found.waiting = sum(
        segment.first not in hashes and segment not in found.unlisted for segment in present[:-1]
    )
    return found


def _files(folder: Path) -> list[Segment]:
    """Segments that are regular files; a broken link with a segment's name is none."""
    return [segment for segment in list_segments(folder) if segment.form.is_file()]


def accept(folder: Path, found: Audit, set_aside: Path) -> list[str]:
    """Record the findings of an audit in the manifest, so that later audits accept them.

    Returns:
        One description per change.

    Raises:
        OSError: the disk is full, or broken.
    """
    done: list[str] = []
    trimmed = trim_manifest(folder, set_aside)
    if trimmed:
        done.append(trimmed)
    events = [SegmentEvent("missing", event.segment) for event in [*found.missing, *found.early]]
    if found.cut:
        events.append(SegmentEvent("missing", Segment.at(folder, found.cut.end).name))
    left = {line.number for line in read_manifest(folder).lines}
    events += [SegmentEvent("noted", note=_name_of(line)) for line in found.broken if line.number in left]
    hashes = found.manifest.hashes()
    lost = {line.event.first for line in found.broken if line.event} | {one.first for one in found.unlisted}
    for segment, following in pairwise(list_segments(folder)):
        if segment.first in lost and segment.first not in hashes:
            why = "its line in the manifest was damaged, or it came after later ones"
            lines_max = following.first - segment.first
            events.append(hash_event(segment, "repaired", lines_max=lines_max, note=why))
    append_events(folder, events)
    return [*done, *(f"manifest: {event.event} {event.note or event.segment}" for event in events)]


def _name_of(line: ManifestLine) -> str:
    """Identify a damaged line by number and hash, so that later damage to it is reported again."""
    return f"line {line.number}, SHA-256 {sha256(line.data).hexdigest()}"


def _recorded(event: SegmentEvent) -> str:
    """Time and reason of an event."""
    return f"recorded at {event.at}" + (f": {event.note}" if event.note else "")


def missing_text(events: list[SegmentEvent]) -> str:
    """Describe missing segments; the first one with its entries and time."""
    first = events[0]
    return f"{names_text(events)} is missing: {first.entries} entries, sealed at {first.at}"


def names_text(events: list[SegmentEvent]) -> str:
    """Names of segments; of several, the first and the last."""
    first, last = events[0], events[-1].segment.removesuffix(SUFFIX)
    return first.segment + (f" and {len(events) - 1} others up to {last}" if len(events) > 1 else "")
