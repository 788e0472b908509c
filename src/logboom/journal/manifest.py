"""The manifest: one chained line per sealed segment, so that every later change of a sealed byte is detected.

`<data_dir>/journal/segments.manifest` is only ever appended to. Each line is a JSON object; its `chain` is the
SHA-256 of the chain before it (64 zeros for the first line) and of the line itself without its chain. Its `hash`
is the SHA-256 of the segment's first `bytes` bytes: `head -c BYTES SEGMENT | sha256sum` gives the same.

With write access to the folder, all of it can be replaced. That is detected only by comparing with a head of the
chain that was stored elsewhere: `logboom verify --head`.

The lines of deleted segments stay: about 700 bytes per segment in all, 1 MiB for 1,500 segments.
"""

import os
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from logboom.durable import make_folder, replace_file, sync_folder
from logboom.formats.times import iso_from_ns
from logboom.journal.segment_file import open_file, read_all
from logboom.journal.segments import Segment

MANIFEST_NAME: Final = "segments.manifest"
"""Not `.jsonl`: `cat *.jsonl` is for entries."""

NO_CHAIN: Final = "0" * 64
"""The chain before the first line."""

GONE: Final = frozenset({"expired", "removed", "missing"})
"""Events after which a segment may be missing."""

_CHAIN: Final = b',"chain":"'
_CHAIN_BYTES: Final = len(_CHAIN) + 64 + len(b'"}')
_LINE_BYTES_MAX: Final = 1 << 12
"""Bytes at the end in which the last line is searched; longer than any line."""

_appending: Final = threading.Lock()
"""Segments are sealed on one thread and expire on another; the data directory's lock excludes other processes."""


class SegmentEvent(msgspec.Struct, omit_defaults=True):
    """An event of a segment's life.

    `event` is one of: sealed (its hash was computed), repaired (changed by `verify --repair`, with a new hash),
    expired (deleted by retention), removed (deleted by `verify --repair`, it held no good line), missing (found
    missing by `verify --repair`), packed (compressed; its hash stays that of its lines), noted (a damaged line of the
    manifest, accepted by `verify --repair`).
    """

    event: str
    segment: str = ""
    """File name of the segment."""
    entries: int = 0
    bytes: int = 0
    hash: str = ""
    at: str = ""
    note: str = ""

    @property
    def first(self) -> int:
        """The segment's first sequence; -1 for an event without a segment."""
        return int(self.segment[:20]) if self.segment else -1

    @property
    def end(self) -> int:
        """The sequence after its last entry."""
        return self.first + self.entries


class ManifestLine(NamedTuple):
    """A line of the manifest as it was read."""

    number: int
    data: bytes
    chain: str
    """The chain value in the line."""
    event: SegmentEvent | None
    """None when the line can't be read."""
    good: bool
    """True if its chain matches its content and the line before it."""


class Manifest(NamedTuple):
    """Content of a manifest."""

    lines: list[ManifestLine]
    torn: bytes
    """Bytes after the last newline."""

    @property
    def head(self) -> str:
        """The last chain."""
        return next((line.chain for line in reversed(self.lines) if line.event), NO_CHAIN)

    def events(self) -> Iterator[tuple[ManifestLine, SegmentEvent]]:
        """Yield the intact lines with their events, oldest first."""
        return ((line, line.event) for line in self.lines if line.good and line.event)

    def until(self, line: ManifestLine) -> "Manifest":
        """The manifest up to and including `line`."""
        return Manifest(self.lines[: line.number], b"")

    def hashes(self) -> dict[int, tuple[ManifestLine, SegmentEvent]]:
        """The effective hash line of each segment, keyed by first sequence: the first one, or a later repair's."""
        return self._weigh().hashes

    def wrong(self) -> list[ManifestLine]:
        """Lines that can't be read, do not match the chain, or contradict an earlier line."""
        against = {line.number for line in self._weigh().against}
        return [line for line in self.lines if not line.good or line.number in against]

    def _weigh(self) -> "_Weighed":
        """Compare the lines that have a hash with each other."""
        hashes: dict[int, tuple[ManifestLine, SegmentEvent]] = {}
        against: list[ManifestLine] = []
        end = sealed_end = 0
        for line, event in self.events():
            if not (event.hash and event.segment):
                continue
            if event.event == "sealed":
                if event.first < sealed_end or event.first in hashes:
                    if event.first not in hashes or hashes[event.first][1].hash != event.hash:
                        against.append(line)
                    continue
                sealed_end = event.end
            hashes[event.first] = line, event
            end = max(end, event.end)
        return _Weighed(hashes, against, end, sealed_end)

    @property
    def end(self) -> int:
        """The sequence after the last one covered by any hash; none before it is assigned again."""
        return self._weigh().end

    @property
    def sealed_end(self) -> int:
        """The sequence after the last sealed one. Repaired segments may lie after it while others wait for a hash."""
        return self._weigh().sealed_end

    def unlisted(self, segments: Iterable[Segment]) -> list[Segment]:
        """Segments without a hash that precede sealed ones.

        Segments are sealed in order, so these were added later, their line was damaged, or the repair that made
        them was interrupted.
        """
        weighed = self._weigh()
        return [one for one in segments if one.first not in weighed.hashes and one.first < weighed.sealed_end]

    def gone(self) -> dict[int, SegmentEvent]:
        """The last event of each segment that may be missing, by first sequence."""
        found: dict[int, SegmentEvent] = {}
        for _, event in self.events():
            if event.event in GONE:
                found[event.first] = event
            elif event.first in found and (event.event == "repaired" or _is_back(found[event.first], event)):
                del found[event.first]
        return found


class _Weighed(NamedTuple):
    """Result of comparing the lines that have a hash."""

    hashes: dict[int, tuple[ManifestLine, SegmentEvent]]
    """The effective hash line of each segment, keyed by first sequence."""
    against: list[ManifestLine]
    """Lines that seal a segment again, or one before the last sealed sequence."""
    end: int
    """See `Manifest.end`."""
    sealed_end: int
    """See `Manifest.sealed_end`."""


def _is_back(gone: SegmentEvent, event: SegmentEvent) -> bool:
    """Return whether a new hash shows that a segment exists again. One that expired does not: the hash is older."""
    return bool(event.hash) and gone.event != "expired"


def read_manifest(folder: Path) -> Manifest:
    """Read the manifest of a journal's folder; empty when there is none. Damage raises no error.

    Raises:
        OSError: the file exists and can't be read.
    """
    try:
        data = (folder / MANIFEST_NAME).read_bytes()
    except FileNotFoundError:
        return Manifest([], b"")
    *whole, torn = data.split(b"\n")
    lines: list[ManifestLine] = []
    before = NO_CHAIN
    for number, raw in enumerate(whole, 1):
        chain, event = _parse(raw)
        good = event is not None and chain == _chain_of(before, raw[:-_CHAIN_BYTES])
        lines.append(ManifestLine(number, raw, chain, event, good))
        before = chain if event is not None else before
    return Manifest(lines, torn)


def append_events(folder: Path, events: Iterable[SegmentEvent]) -> None:
    """Append lines durably; on an error, the manifest stays unchanged.

    Raises:
        OSError: the disk is full, or broken.
    """
    events = list(events)
    if not events:
        return
    path = folder / MANIFEST_NAME
    with _appending:
        fresh = not path.exists()
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            end, before = _last(descriptor)
            os.ftruncate(descriptor, end)  # an incomplete line of a failed write
            data = b""
            for event in events:
                event.at = iso_from_ns(time.time_ns())
                body = msgspec.json.encode(event)[:-1]
                before = _chain_of(before, body)
                data += body + _CHAIN + before.encode() + b'"}\n'
            try:
                _write(descriptor, data, end)
            except OSError:
                os.ftruncate(descriptor, end)
                raise
        finally:
            os.close(descriptor)
        if fresh:
            sync_folder(folder)


def trim_manifest(folder: Path, set_aside: Path) -> str | None:
    """Move what a crash left after the last readable line to `set_aside`.

    Readable lines stay even if they do not match the chain: `verify` reports them.

    Returns:
        A description of the change; None when there was nothing to do.

    Raises:
        OSError: the disk is full, or broken.
    """
    manifest = read_manifest(folder)
    good = max((line.number for line in manifest.lines if line.event), default=0)
    torn = b"\n".join([*(line.data for line in manifest.lines[good:]), manifest.torn])
    if not torn:
        return None
    path = folder / MANIFEST_NAME
    end = path.stat().st_size - len(torn)
    make_folder(set_aside)
    aside = set_aside / f"{MANIFEST_NAME}.{end}.torn"
    replace_file(aside, [torn])
    with path.open("r+b") as file:
        file.truncate(end)
        os.fsync(file.fileno())
    return f"{MANIFEST_NAME}: cut {len(torn)} torn bytes at {end}, kept in {aside}"


def hash_event(segment: Segment, event: str, *, lines_max: int, note: str) -> SegmentEvent:
    """Make the event for the current content of a segment, of which at most `lines_max` lines count.

    Raises:
        OSError: it can't be read.
    """
    digest, lines, size = sha256(), 0, 0
    with closing(open_file(segment)) as file:
        for data in read_all(file):
            digest.update(data)
            lines += data.count(b"\n")
            size += len(data)
    return SegmentEvent(event, segment.name, min(lines, lines_max), size, digest.hexdigest(), note=note)


def _parse(raw: bytes) -> tuple[str, SegmentEvent | None]:
    """Parse the chain and the event of a line."""
    place = len(raw) - _CHAIN_BYTES
    try:
        chain = raw[place + len(_CHAIN) : -2].decode("ascii")
        event = msgspec.json.decode(raw, type=SegmentEvent)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return "", None
    name = event.segment[:20]
    known = not name or (name.isascii() and name.isdecimal())
    if place < 0 or raw[place : place + len(_CHAIN)] != _CHAIN or not known:
        return "", None
    return chain, event


def _chain_of(before: str, body: bytes) -> str:
    """Compute the chain of a line from `body`: the line up to its chain, without the closing brace."""
    return sha256(before.encode() + body).hexdigest()


def _write(descriptor: int, data: bytes, offset: int) -> None:
    if os.pwrite(descriptor, data, offset) < len(data):
        raise OSError("the disk is full: an incomplete line of the manifest was written")
    os.fsync(descriptor)


def _last(descriptor: int) -> tuple[int, str]:
    """Offset of the last line's end, and its chain."""
    size = os.fstat(descriptor).st_size
    start = max(0, size - _LINE_BYTES_MAX)
    data = os.pread(descriptor, size - start, start)
    end = data.rfind(b"\n") + 1
    for raw in reversed(data[:end].split(b"\n")[:-1]):
        chain, event = _parse(raw)
        if event is not None:
            return start + end, chain
    if start:
        raise OSError(f"the last {_LINE_BYTES_MAX} bytes of {MANIFEST_NAME} hold no valid line")
    return start + end, NO_CHAIN
