"""The manifest: one line for each segment that was sealed, chained, so that no sealed byte changes unseen.

`<data_dir>/journal/segments.manifest` is only ever appended to. Each line is a JSON object; its `chain` is the
SHA-256 of the chain before it (64 zeros for the first line) and of the line itself without its chain. Its `hash`
is the SHA-256 of the segment's first `bytes` bytes: `head -c BYTES SEGMENT | sha256sum` says the same.

Who can write to the folder can make all of it anew. That shows only against a head of the chain that was noted
elsewhere: `logboom verify --head`.

The lines of segments that are deleted stay: about 700 bytes a segment in all, 1 MiB for 1,500 segments.
"""

import os
import threading
import time
from collections.abc import Iterable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from logboom.durable import make_folder, replace_file, sync_folder
from logboom.formats.times import iso_from_ns
from logboom.journal.segments import Segment

MANIFEST_NAME: Final = "segments.manifest"
"""Not `.jsonl`: `cat *.jsonl` is for entries."""

NO_CHAIN: Final = "0" * 64
"""What stands before the first line."""

GONE: Final = frozenset({"expired", "removed", "missing"})
"""Events after which a segment need not be there."""

_READ_BYTES: Final = 1 << 20
_CHAIN: Final = b',"chain":"'
_CHAIN_BYTES: Final = len(_CHAIN) + 64 + len(b'"}')
_LINE_BYTES_MAX: Final = 1 << 12
"""Longer than any line: where the last one is looked for."""

_appending: Final = threading.Lock()
"""Segments are sealed on one thread and expire on another; between processes the data directory's lock stands."""


class Event(msgspec.Struct, omit_defaults=True):
    """What happened to a segment.

    `event` is one of: sealed (its hash was taken), repaired (changed by `verify --repair`, hash taken anew),
    expired (deleted by retention), removed (deleted by `verify --repair`, nothing good was in it), missing (not
    there, and `verify --repair` was told), noted (a damaged line of the manifest that `verify --repair` was told).
    """

    event: str
    segment: str = ""
    """The name of its file."""
    entries: int = 0
    bytes: int = 0
    hash: str = ""
    at: str = ""
    note: str = ""

    @property
    def first(self) -> int:
        """The segment's first sequence; -1 when it is about none."""
        return int(self.segment[:20]) if self.segment else -1

    @property
    def end(self) -> int:
        """The sequence after its last one, by its entries."""
        return self.first + self.entries


class Line(NamedTuple):
    """A line of the manifest as it is found."""

    number: int
    data: bytes
    chain: str
    """The chain that it carries."""
    event: Event | None
    """None: the line can't be read."""
    good: bool
    """Its chain fits it, and the line before it."""


class Manifest(NamedTuple):
    """What stands in a manifest."""

    lines: list[Line]
    torn: bytes
    """What stands behind the last newline."""

    @property
    def head(self) -> str:
        """The last chain."""
        return next((line.chain for line in reversed(self.lines) if line.event), NO_CHAIN)

    def events(self) -> Iterator[tuple[Line, Event]]:
        """What can be trusted, oldest first."""
        return ((line, line.event) for line in self.lines if line.good and line.event)

    def until(self, line: Line) -> "Manifest":
        """The manifest as it was when `line` was its last."""
        return Manifest(self.lines[: line.number], b"")

    def hashes(self) -> dict[int, tuple[Line, Event]]:
        """The hash that counts for each segment, by its first sequence: the first one, but for repairs."""
        return self._weigh().hashes

    def wrong(self) -> list[Line]:
        """Lines that can't be read, whose chain does not fit, or that contradict an earlier one."""
        against = {line.number for line in self._weigh().against}
        return [line for line in self.lines if not line.good or line.number in against]

    def _weigh(self) -> "_Weighed":
        """Hold the lines with a hash against each other."""
        hashes: dict[int, tuple[Line, Event]] = {}
        against: list[Line] = []
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
        """The sequence after the last one that ever had a hash: none before it is given again."""
        return self._weigh().end

    @property
    def sealed_end(self) -> int:
        """How far the sealer went. A repair goes ahead of it when segments wait for their hash."""
        return self._weigh().sealed_end

    def strangers(self, segments: Iterable[Segment]) -> list[Segment]:
        """Segments without a hash that stand before others that were sealed.

        Segments are sealed in their order: so these were put there afterwards, or their line was damaged, or a
        repair that made them was broken off.
        """
        weighed = self._weigh()
        return [one for one in segments if one.first not in weighed.hashes and one.first < weighed.sealed_end]

    def gone(self) -> dict[int, Event]:
        """Why segments need not be there, by first sequence."""
        found: dict[int, Event] = {}
        for _, event in self.events():
            if event.event in GONE:
                found[event.first] = event
            elif event.first in found and (event.event == "repaired" or _is_back(found[event.first], event)):
                del found[event.first]
        return found


class _Weighed(NamedTuple):
    """What the lines with a hash say together."""

    hashes: dict[int, tuple[Line, Event]]
    """Those that count, by first sequence."""
    against: list[Line]
    """They seal anew what has a hash, or what the sealer had gone past."""
    end: int
    """See `Manifest.end`."""
    sealed_end: int
    """See `Manifest.sealed_end`."""


def _is_back(gone: Event, event: Event) -> bool:
    """Whether a segment is there again, by a hash. One that expired is not: its hash was being taken meanwhile."""
    return bool(event.hash) and gone.event != "expired"


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a journal's folder; empty when there is none. Never raises for damage.

    Raises:
        OSError: it is there, and can't be read.
    """
    try:
        data = (folder / MANIFEST_NAME).read_bytes()
    except FileNotFoundError:
        return Manifest([], b"")
    *whole, torn = data.split(b"\n")
    lines: list[Line] = []
    before = NO_CHAIN
    for number, raw in enumerate(whole, 1):
        chain, event = _parse(raw)
        good = event is not None and chain == _chain_of(before, raw[:-_CHAIN_BYTES])
        lines.append(Line(number, raw, chain, event, good))
        before = chain if event is not None else before
    return Manifest(lines, torn)


def append_events(folder: Path, events: Iterable[Event]) -> None:
    """Add lines, durable when this returns; on an error, the manifest is as it was.

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
            os.ftruncate(descriptor, end)  # half a line, of a write that failed
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


def mend_manifest(folder: Path, set_aside: Path) -> str | None:
    """Set aside what a crash left behind the last line that can be read; says so, None: nothing to do.

    Lines that can be read stay, whether their chain fits or not: that is for `verify` to tell.

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


def hash_event(segment: Segment, event: str, *, lines_max: int, note: str) -> Event:
    """The line for a whole segment as it stands now; of its lines, `lines_max` count at most.

    Raises:
        OSError: it can't be read.
    """
    digest, lines, size = sha256(), 0, 0
    with segment.path.open("rb") as file:
        while data := file.read(_READ_BYTES):
            digest.update(data)
            lines += data.count(b"\n")
            size += len(data)
    return Event(event, segment.name, min(lines, lines_max), size, digest.hexdigest(), note=note)


def _parse(raw: bytes) -> tuple[str, Event | None]:
    """The chain and the event of a line."""
    place = len(raw) - _CHAIN_BYTES
    try:
        chain = raw[place + len(_CHAIN) : -2].decode("ascii")
        event = msgspec.json.decode(raw, type=Event)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return "", None
    name = event.segment[:20]
    known = not name or (name.isascii() and name.isdecimal())
    if place < 0 or raw[place : place + len(_CHAIN)] != _CHAIN or not known:
        return "", None
    return chain, event


def _chain_of(before: str, body: bytes) -> str:
    """The chain of a line: of `body`, the line up to where its chain starts, closing brace left out."""
    return sha256(before.encode() + body).hexdigest()


def _write(descriptor: int, data: bytes, offset: int) -> None:
    if os.pwrite(descriptor, data, offset) < len(data):
        raise OSError("the disk is full: half a line of the manifest was written")
    os.fsync(descriptor)


def _last(descriptor: int) -> tuple[int, str]:
    """Where the last line ends, and its chain."""
    size = os.fstat(descriptor).st_size
    start = max(0, size - _LINE_BYTES_MAX)
    data = os.pread(descriptor, size - start, start)
    end = data.rfind(b"\n") + 1
    for raw in reversed(data[:end].split(b"\n")[:-1]):
        chain, event = _parse(raw)
        if event is not None:
            return start + end, chain
    if start:
        raise OSError(f"{MANIFEST_NAME} ends with {_LINE_BYTES_MAX} bytes that are no lines")
    return start + end, NO_CHAIN
