"""Segment files: names, order, the envelope of a line, and the sparse index."""

import os
import re
import struct
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from logboom.durable import unfinished
from logboom.formats.envelope import KEY_AT, LISTENER_AT
from logboom.formats.times import iso_from_ns
from logboom.model import Source
from logboom.remembered import Remembered

SUFFIX: Final = ".jsonl"
FRAMES_SUFFIX: Final = ".jsonl.zst"
COLUMNS_SUFFIX: Final = ".parquet"
INDEX_SUFFIX: Final = ".index"
SUMS_SUFFIX: Final = ".sums"
TIMES_SUFFIX: Final = ".times"
COUNTS_SUFFIX: Final = ".counts"
WORDS_SUFFIX: Final = ".words"
CLOCK_SUFFIX: Final = ".clock"
PART_SUFFIX: Final = ".counts.part"
INDEX_STEP_BYTES: Final = 1 << 20
"""Distance between index points, which a seek reads at most; a 256 MiB segment has an index of 6 KiB."""


SEQUENCE_MAX: Final = 1 << 62
"""Upper limit for a segment's first sequence. A file name with a larger number is not a segment."""

_NAME: Final = re.compile(r"([0-9]{20})\.(?:jsonl(?:\.zst)?|parquet)")

SUFFIXES_BYTES_MAX: Final = 8 << 20
"""Cache of line ends, one per active source: room for 15,000. More sources cost 1 µs per line or batch."""

LINE_BYTES_MIN: Final = 32
"""Lower limit for the length of a journal line; an index that implies shorter ones is damaged."""


class IndexPoint(NamedTuple):
    """Position of a sequence in its segment."""

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
        """Path of its sparse index."""
        return self.path.with_suffix(INDEX_SUFFIX)

    @property
    def sums_path(self) -> Path:
        """Path of its checksums."""
        return self.path.with_suffix(SUMS_SUFFIX)

    @property
    def times_path(self) -> Path:
        """The file of its steps' times (`times`)."""
        return self.path.with_suffix(TIMES_SUFFIX)

    @property
    def counts_path(self) -> Path:
        """The file of its roll-up."""
        return self.path.with_suffix(COUNTS_SUFFIX)

    @property
    def words_path(self) -> Path:
        """The file of its word filters."""
        return self.path.with_suffix(WORDS_SUFFIX)

    @property
    def clock_path(self) -> Path:
        """The file of the starts of boots (`device_clock`)."""
        return self.path.with_suffix(CLOCK_SUFFIX)

    @property
    def name(self) -> str:
        """Its file name, used in the manifest and in reports."""
        return self.path.name

    @property
    def frames_path(self) -> Path:
        """Path of its packed form as zstd frames (`seekable`)."""
        return self.path.with_suffix(FRAMES_SUFFIX)

    @property
    def columns_path(self) -> Path:
        """Path of its packed form as columns (`columns`)."""
        return self.path.with_suffix(COLUMNS_SUFFIX)

    @property
    def packed_path(self) -> Path:
        """Path of the packed form that exists, which has replaced the plain one; of the frames, if none does."""
        return self.columns_path if os.path.lexists(self.columns_path) else self.frames_path

    @property
    def form(self) -> Path:
        """Path of the form that exists: the plain one, if both do."""
        return self.path if os.path.lexists(self.path) else self.packed_path

    @property
    def is_packed(self) -> bool:
        """True if only the packed form exists."""
        return not os.path.lexists(self.path) and self.packed_path.exists()

    def delete_derived(self) -> None:
        """Remove what was made of its lines, and can be made again."""
        for path in (self.times_path, self.counts_path, self.words_path, self.clock_path):
            path.unlink(missing_ok=True)
            unfinished(path).unlink(missing_ok=True)
        self.counts_path.with_suffix(PART_SUFFIX).unlink(missing_ok=True)

    def delete(self) -> None:
        """Delete its files; the caller syncs the folder."""
        self.delete_derived()
        self.index_path.unlink(missing_ok=True)
        self.sums_path.unlink(missing_ok=True)
        self.path.unlink(missing_ok=True)
        self.frames_path.unlink(missing_ok=True)
        self.columns_path.unlink(missing_ok=True)

    @classmethod
    def at(cls, folder: Path, first: int) -> "Segment":
        """The segment of `folder` that starts with sequence `first`."""
        return cls(first, folder / f"{first:020d}{SUFFIX}")


def list_segments(folder: Path) -> list[Segment]:
    """All segments of a journal, plain and packed, oldest first. Files with other names are ignored."""
    try:
        names = os.listdir(folder)  # noqa: PTH208 - as often as entries are read
    except FileNotFoundError:
        return []
    found = {int(match[1]) for match in map(_NAME.fullmatch, names) if match}
    return [Segment.at(folder, first) for first in sorted(found) if first < SEQUENCE_MAX]


def clocked_segments(folder: Path) -> list[int]:
    """Return the first sequences of the segments that have starts of boots (`device_clock`), in order."""
    try:
        names = os.listdir(folder)  # noqa: PTH208 - as often as entries are read
    except FileNotFoundError:
        return []
    firsts = [name.removesuffix(CLOCK_SUFFIX) for name in names if name.endswith(CLOCK_SUFFIX)]
    return sorted(int(first) for first in firsts if first.isdecimal())


def find_segment(segments: list[Segment], sequence: int) -> int:
    """Index of the segment that holds `sequence`; 0 when it is older than all of them."""
    return max(0, bisect_right(segments, sequence, key=lambda segment: segment.first) - 1)


def read_index(segment: Segment) -> list[IndexPoint]:
    """Read the valid points of a segment's index: in order, and within a plain file. Damage raises no error."""
    try:
        data = segment.index_path.read_bytes()
        size = None if segment.is_packed else segment.path.stat().st_size
    except OSError:
        return []
    points: list[IndexPoint] = []
    whole = len(data) // _POINT.size * _POINT.size
    for fields in _POINT.iter_unpack(data[:whole]):
        point = IndexPoint(*fields)
        last = points[-1] if points else IndexPoint(segment.first - 1, -1, 0)
        if point.sequence <= last.sequence or point.offset <= last.offset:
            break
        if size is not None and point.offset > size:
            break
        if (point.sequence - segment.first) * LINE_BYTES_MIN > point.offset:
            break
        points.append(point)
    return points


def pack_point(point: IndexPoint) -> bytes:
    """Encode an index point as three little-endian u64."""
    return _POINT.pack(*point)


def seek(segment: Segment, sequence: int) -> IndexPoint:
    """The last index point at or before `sequence`."""
    points = read_index(segment)
    position = bisect_right(points, sequence, key=lambda point: point.sequence)
    return points[position - 1] if position else IndexPoint(segment.first, 0, 0)


def prefix(received_ns: int) -> bytes:
    """The part of a line before the entry."""
    return b'{"received_at":"%b","entry":' % iso_from_ns(received_ns).encode()


def suffix(peer: str, listener: str) -> bytes:
    """The part of a line after the entry, including the newline."""
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
    """Insert a key, which is a JSON string, into the suffix of an entry; the end of the line stays the same."""
    before, after = ends_of_key(suffix)
    return before + key + after


def ends_of_key(suffix: bytes) -> tuple[bytes, bytes]:
    """Return what stands before and after the key in the suffix of an entry with a key."""
    source, listener = suffix.rsplit(LISTENER_AT, 1)
    return source + KEY_AT, LISTENER_AT + listener
