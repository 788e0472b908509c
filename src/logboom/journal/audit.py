"""Checking the manifest itself: its chain, and that each segment it knows is there."""

from dataclasses import dataclass, field
from hashlib import sha256
from itertools import pairwise
from pathlib import Path

from logboom.journal.manifest import (
    Event,
    Line,
    Manifest,
    append_events,
    hash_event,
    mend_manifest,
    read_manifest,
)
from logboom.journal.segments import SUFFIX, Segment, list_segments


@dataclass
class Audit:
    """What was found in a manifest."""

    manifest: Manifest
    present: list[Segment]
    broken: list[Line] = field(default_factory=list)
    """Lines that can't be read, whose chain does not fit, or that contradict an earlier one, and that no repair was
    told of yet."""
    missing: list[Event] = field(default_factory=list)
    """Segments that were sealed, are not there, and were never said to go; oldest first."""
    early: list[Event] = field(default_factory=list)
    """Segments that are gone and said to be past their retention, though an older one is there."""
    cut: Event | None = None
    """The last segment that was sealed, when nothing of what came after it is there."""
    strangers: list[Segment] = field(default_factory=list)
    """Segments that have no hash, though later ones do: see `Manifest.strangers`."""
    expired: int = 0
    """Segments that went past their retention."""
    known: int = 0
    """Segments that are not there, as a repair says."""
    waiting: int = 0
    """Sealed segments that have no hash yet: the server takes it in the background."""

    @property
    def good(self) -> bool:
        """The chain is whole, and every segment is there or was said to go."""
        wrong = self.broken or self.missing or self.early or self.cut or self.strangers
        return not (wrong or self.manifest.torn)

    def place_of(self, head: str) -> Line | None:
        """The line whose chain is `head`, when it and every line before it are good; None: there is none."""
        for line in self.manifest.lines:
            if not line.good:
                return None
            if line.chain == head.lower():
                return line
        return None

    def since(self, line: Line) -> "Since":
        """What became of what the manifest knew at `line`; whether segments are as they were sealed is for `verify`."""
        then = self.manifest.until(line)
        hashes, lost = then.hashes(), then.gone()
        known = {first: told for first, told in hashes.items() if first not in lost}
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
                found.changes.append(f"{event.segment}: {gone[first].event}, {_told(gone[first])}")
        found.changes += [
            f"{segment.name}: was not there, and stands before what was sealed by then"
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
    """What became of what a head of the manifest knew."""

    known: set[int]
    """The first sequences of the segments that were there then."""
    end: int
    """The sequence after the last one that it knew."""
    changes: list[str] = field(default_factory=list)
    """What no server does, in words: repairs, and whatever looks like one."""
    expired: list[Event] = field(default_factory=list)
    """What is gone and said to be past its retention, oldest first. Who deletes it by hand can say so, too."""


def audit(folder: Path, *, growing: bool = False) -> Audit:
    """Check the manifest of a journal's folder.

    Args:
        folder: the journal's folder.
        growing: a server may be adding a line: half a line at the end is no damage.

    Raises:
        OSError: it can't be read.
    """
    before = _files(folder)
    manifest = read_manifest(folder)  # it may tell of a segment that came or went meanwhile
    present = sorted({*before, *_files(folder)})
    if growing:
        manifest = manifest._replace(torn=b"")
    found = Audit(manifest, present)
    told = {event.note for _, event in manifest.events() if event.event == "noted"}
    found.broken = [line for line in manifest.wrong() if _name_of(line) not in told]
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
    if hashes and not any(first > last for first in (*there, *gone)):  # a later one made it a sealed one
        found.cut = hashes[last][1]
    found.strangers = manifest.strangers(present)
    found.waiting = sum(
        segment.first not in hashes and segment not in found.strangers for segment in present[:-1]
    )
    return found


def _files(folder: Path) -> list[Segment]:
    """The segments, without what has their name and is none: a link to nowhere, say."""
    return [segment for segment in list_segments(folder) if segment.path.is_file()]


def accept(folder: Path, found: Audit, set_aside: Path) -> list[str]:
    """Write into the manifest what is wrong with it: from then on it is known, and no more than that.

    Returns:
        What was done, in words.

    Raises:
        OSError: the disk is full, or broken.
    """
    done: list[str] = []
    mended = mend_manifest(folder, set_aside)
    if mended:
        done.append(mended)
    events = [Event("missing", event.segment) for event in [*found.missing, *found.early]]
    if found.cut:
        events.append(Event("missing", Segment.at(folder, found.cut.end).name))
    left = {line.number for line in read_manifest(folder).lines}
    events += [Event("noted", note=_name_of(line)) for line in found.broken if line.number in left]
    hashes = found.manifest.hashes()
    lost = {line.event.first for line in found.broken if line.event} | {one.first for one in found.strangers}
    for segment, following in pairwise(list_segments(folder)):
        if segment.first in lost and segment.first not in hashes:
            why = "its line in the manifest was damaged, or it came after later ones"
            lines_max = following.first - segment.first
            events.append(hash_event(segment, "repaired", lines_max=lines_max, note=why))
    append_events(folder, events)
    return [*done, *(f"manifest: {event.event} {event.note or event.segment}" for event in events)]


def _name_of(line: Line) -> str:
    """Names a damaged line, so that another damage in its place is another one."""
    return f"line {line.number}, SHA-256 {sha256(line.data).hexdigest()}"


def _told(event: Event) -> str:
    """When and why, as the manifest says."""
    return f"told at {event.at}" + (f": {event.note}" if event.note else "")


def missing_text(events: list[Event]) -> str:
    """The segments that are missing, in words; the first one by name."""
    first = events[0]
    return f"{names_text(events)} is missing: {first.entries} entries, sealed at {first.at}"


def names_text(events: list[Event]) -> str:
    """Segments by name; of many, the first and the last."""
    first, last = events[0], events[-1].segment.removesuffix(SUFFIX)
    return first.segment + (f" and {len(events) - 1} others up to {last}" if len(events) > 1 else "")
