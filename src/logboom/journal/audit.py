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
from logboom.journal.segments import SUFFIX, list_segments


@dataclass
class Audit:
    """What was found in a manifest."""

    manifest: Manifest
    broken: list[Line] = field(default_factory=list)
    """Lines that can't be read, or whose chain does not fit, and that no repair was told of yet."""
    missing: list[Event] = field(default_factory=list)
    """Segments that were sealed, are not there, and were never said to go; oldest first."""
    expired: int = 0
    """Segments that went past their retention."""
    waiting: int = 0
    """Sealed segments that have no hash yet: the server takes it in the background."""

    @property
    def good(self) -> bool:
        """The chain is whole, and every segment is there or was said to go."""
        return not (self.broken or self.missing or self.manifest.torn)

    def place_of(self, head: str) -> Line | None:
        """The line whose chain is `head`, when it and every line before it are good; None: there is none."""
        for line in self.manifest.lines:
            if not line.good:
                return None
            if line.chain == head.lower():
                return line
        return None


def audit(folder: Path, *, growing: bool = False) -> Audit:
    """Check the manifest of a journal's folder.

    Args:
        folder: the journal's folder.
        growing: a server may be adding a line: half a line at the end is no damage.

    Raises:
        OSError: it can't be read.
    """
    present = list_segments(folder)
    manifest = read_manifest(folder)
    if growing:
        manifest = manifest._replace(torn=b"")
    told = {event.note for _, event in manifest.events() if event.event == "noted"}
    broken = [line for line in manifest.lines if not line.good and _name_of(line) not in told]
    hashes, gone = manifest.hashes(), manifest.gone()
    there = {segment.first for segment in present}
    missing = [
        event for first, (_, event) in sorted(hashes.items()) if first not in there and first not in gone
    ]
    expired = sum(why == "expired" and first not in there for first, why in gone.items())
    waiting = sum(segment.first not in hashes for segment in present[:-1])
    return Audit(manifest, broken, missing, expired, waiting)


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
    events = [Event("missing", event.segment) for event in found.missing]
    left = {line.number for line in read_manifest(folder).lines}
    events += [Event("noted", note=_name_of(line)) for line in found.broken if line.number in left]
    hashes = found.manifest.hashes()
    lost = {line.event.first for line in found.broken if line.event}
    segments = list_segments(folder)
    for segment, following in pairwise(segments):
        if segment.first in lost and segment.first not in hashes:
            why = "its line in the manifest was damaged"
            lines_max = following.first - segment.first
            events.append(hash_event(segment, "repaired", lines_max=lines_max, note=why))
    append_events(folder, events)
    return [*done, *(f"manifest: {event.event} {event.note or event.segment}" for event in events)]


def _name_of(line: Line) -> str:
    """Names a damaged line, so that another damage in its place is another one."""
    return f"line {line.number}, SHA-256 {sha256(line.data).hexdigest()}"


def missing_text(events: list[Event]) -> str:
    """The segments that are missing, in words; the first one by name."""
    first = events[0]
    last = events[-1].segment.removesuffix(SUFFIX)
    others = f" and {len(events) - 1} others up to {last}" if len(events) > 1 else ""
    return f"{first.segment}{others} is missing: {first.entries} entries, sealed at {first.at}"
