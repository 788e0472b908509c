"""Segment files: their names, their envelope, their order, and the sparse index beside each."""

import re
import struct
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from logboom.formats.envelope import KEY_AT, LISTENER_AT
from logboom.formats.times import iso_from_ns
from logboom.model import Source
from logboom.remembered import Remembered

SUFFIX: Final = ".jsonl"
INDEX_SUFFIX: Final = ".index"
SUMS_SUFFIX: Final = ".sums"
INDEX_STEP_BYTES: Final = 1 << 20
"""A seek reads at most this much in vain; a 256 MiB segment has an index of 6 KiB."""


SEQUENCE_MAX: Final = 1 << 62
"""No journal gets there; a name that says so is no segment's, and would leave no room for sequences."""

_NAME: Final = re.compile("[0-9]{20}")

SUFFIXES_BYTES_MAX: Final = 8 << 20
"""Ends of lines, one per source that is active: 15,000. In a larger fleet, each line costs 1 µs more."""

LINE_BYTES_MIN: Final = 32
"""No journal line is as short; an index that says so is damaged, and would make the sequence jump."""


class IndexPoint(NamedTuple):
    """Where a sequence stands in its segment."""

    sequence: int
    offset: int
    """Bytes from the start of the segment; always the start of a line."""
    received_ns: int
    """Receive time of the group that starts there, nanoseconds since the epoch."""


_POINT: Final = struct.Struct("<QQQ")
POINT_BYTES: Final = _POINT.size


class Segment(NamedTuple):
    """A segment file, known by its first sequence."""

    first: int
    path: Path

    @property
    def index_path(self) -> Path:
        """Where its sparse index lives."""
        return self.path.with_suffix(INDEX_SUFFIX)

    @property
    def sums_path(self) -> Path:
        """Where its checksums live."""
        return self.path.with_suffix(SUMS_SUFFIX)

    @property
    def name(self) -> str:
        """What it is called in the manifest and in reports."""
        return self.path.name

    def delete(self) -> None:
        """Remove it and what stands beside it; the folder is still to be synced."""
        self.index_path.unlink(missing_ok=True)
        self.sums_path.unlink(missing_ok=True)
        self.path.unlink(missing_ok=True)

    @classmethod
    def at(cls, folder: Path, first: int) -> "Segment":
        """The segment of `folder` that starts with sequence `first`."""
        return cls(first, folder / f"{first:020d}{SUFFIX}")


def list_segments(folder: Path) -> list[Segment]:
    """All segments of a journal, oldest first. Files of other names are left alone."""
    return sorted(
        Segment(int(path.stem), path)
        for path in folder.glob(f"*{SUFFIX}")
        if _NAME.fullmatch(path.stem) and int(path.stem) < SEQUENCE_MAX
    )


def find_segment(segments: list[Segment], sequence: int) -> int:
    """Index of the segment that holds `sequence`; 0 when it is older than all of them."""
    return max(0, bisect_right(segments, sequence, key=lambda segment: segment.first) - 1)


def read_index(segment: Segment) -> list[IndexPoint]:
    """The points of a segment's index that can be trusted: in order, and within the file. Never raises for damage."""
    try:
        data = segment.index_path.read_bytes()
        size = segment.path.stat().st_size
    except OSError:
        return []
    points: list[IndexPoint] = []
    whole = len(data) // _POINT.size * _POINT.size
    for fields in _POINT.iter_unpack(data[:whole]):
        point = IndexPoint(*fields)
        last = points[-1] if points else IndexPoint(segment.first - 1, -1, 0)
        if point.sequence <= last.sequence or not last.offset < point.offset <= size:
            break
        if (point.sequence - segment.first) * LINE_BYTES_MIN > point.offset:
            break
        points.append(point)
    return points


def pack_point(point: IndexPoint) -> bytes:
    """The bytes of one index point: three little-endian u64."""
    return _POINT.pack(*point)


def seek(segment: Segment, sequence: int) -> IndexPoint:
    """The last known place at or before `sequence`."""
    points = read_index(segment)
    position = bisect_right(points, sequence, key=lambda point: point.sequence)
    return points[position - 1] if position else IndexPoint(segment.first, 0, 0)


def prefix(received_ns: int) -> bytes:
    """What stands before the entry on its line."""
    return b'{"received_at":"%b","entry":' % iso_from_ns(received_ns).encode()


def suffix(peer: str, listener: str) -> bytes:
    """What stands after the entry on its line, newline included."""
    return _suffixes[Source(listener, peer)]


def suffixes(sources: Iterable[Source]) -> Iterator[bytes]:
    """One `suffix` per source."""
    return map(_suffixes.__getitem__, sources)


_suffixes: Final = Remembered[Source, bytes](
    lambda source: (
        b',"source":%b,"listener":%b}\n'
        % (msgspec.json.encode(source.peer), msgspec.json.encode(source.listener))
    ),
    SUFFIXES_BYTES_MAX,
)


def keyed_suffix(suffix: bytes, key: bytes) -> bytes:
    """The suffix of an entry that has a key; `key` is a JSON string. The line's end stays as it is without one."""
    source, listener = suffix.rsplit(LISTENER_AT, 1)
    return source + KEY_AT + key + LISTENER_AT + listener
