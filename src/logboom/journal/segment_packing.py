"""Packing: a sealed segment is compressed to a tenth, proven byte for byte, and only then is the plain file deleted.

A crash at any step leaves the plain segment, the packed one, or both: then the plain one counts, and is packed again.
"""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from hashlib import file_digest, sha256
from itertools import pairwise
from pathlib import Path
from typing import Final, NamedTuple

from logboom.durable import FILE_MODE, sync_folder
from logboom.errors import StorageError
from logboom.journal.manifest import SegmentEvent, append_events, read_manifest
from logboom.journal.seekable import write_frames
from logboom.journal.segment_file import SegmentFile, lines_size, open_file, open_packed, read_all
from logboom.journal.segments import COLUMNS_SUFFIX, FRAMES_SUFFIX, Segment, list_segments, read_index

_PART: Final = ".part"
UNPACKED_SUFFIX: Final = ".jsonl.part"

_REQUEST: Final = "pack-now"
"""Name of the empty file that requests packing."""

LEVEL: Final = 9
"""Compression level: 19 saves 8 % more, and takes ten times as long."""

Rest = Callable[[float], None]
"""Called after each piece of work with its duration, seconds; may wait, or raise to stop."""


ColumnPacker = Callable[[Segment, SegmentEvent, Path, int], None]
"""Writes a segment as columns, syncs and proves it (`prove`). Gets the segment, the line of its hash, the file to write
and zstd's level. Raises `StorageError` if it can't be packed so, and `OSError`."""


class PackedSegment(NamedTuple):
    """Result of packing a segment."""

    segment: Segment
    plain_bytes: int
    packed_bytes: int
    not_columns: str = ""
    """Reason for which it was packed as frames, although as columns was wanted."""


def packable(
    folder: Path, older_than_s: float, now: float | None = None
) -> list[tuple[Segment, SegmentEvent]]:
    """The plain segments that can be packed, oldest first, each with the line of its hash.

    Args:
        folder: the journal's folder.
        older_than_s: only segments whose last entry was written longer ago, seconds.
        now: seconds since the epoch; None: the current time.

    Raises:
        OSError: the folder or the manifest can't be read.
    """
    hashes = read_manifest(folder).hashes()
    latest = (time.time() if now is None else now) - older_than_s
    found = []
    for segment, _newer in pairwise(list_segments(folder)):
        sealed = hashes.get(segment.first)
        with suppress(FileNotFoundError):  # packed already, or past its retention
            about = segment.path.stat()
            if sealed is not None and about.st_mtime <= latest and about.st_size == sealed[1].bytes:
                found.append((segment, sealed[1]))
    return found


def pack(
    segment: Segment,
    sealed: SegmentEvent,
    *,
    level: int = LEVEL,
    rest: Rest = lambda _seconds: None,
    columns: ColumnPacker | None = None,
) -> PackedSegment:
    """Write a packed form, prove that it has the same bytes, and record it in the manifest.

    The plain form stays until `delete_plain`: readers that have listed the folder may still look for it.

    Args:
        segment: a sealed plain segment.
        sealed: the line of its hash in the manifest.
        level: zstd's compression level.
        rest: see `Rest`.
        columns: packs as columns; what it can't pack, and all if it is None, becomes zstd frames.

    Raises:
        StorageError: the segment does not have its hash any more, or the packed form has other bytes.
        OSError: the disk is full, or broken.
    """
    reason = ""
    if columns is not None:
        try:
            return _pack_into(
                segment, segment.columns_path, lambda part: columns(segment, sealed, part, level)
            )
        except StorageError as error:
            reason = str(error)
    packed = _pack_into(
        segment, segment.frames_path, lambda part: _write_frames(segment, sealed, part, level, rest)
    )
    return packed._replace(not_columns=reason)


def _pack_into(segment: Segment, path: Path, write: Callable[[Path], None]) -> PackedSegment:
    """Write a packed form under another name, record it, and give it its name. Raises as `pack` does."""
    about = segment.path.stat()
    part = path.with_name(path.name + _PART)
    try:
        write(part)
        os.utime(part, ns=(about.st_atime_ns, about.st_mtime_ns))  # retention goes by it
        size = part.stat().st_size
        append_events(
            segment.path.parent,
            [SegmentEvent("packed", segment.name, note=f"{path.name}, {size} bytes, {_file_hash(part)}")],
        )
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    sync_folder(segment.path.parent)
    return PackedSegment(segment, about.st_size, size)


def _write_frames(segment: Segment, sealed: SegmentEvent, part: Path, level: int, rest: Rest) -> None:
    """Write a segment as zstd frames, sync and prove it. Raises as `pack` does."""
    with part.open("wb") as file:
        os.fchmod(file.fileno(), FILE_MODE)
        with closing(open_file(segment)) as plain:
            write_frames(file, _parts(segment, plain, sealed.bytes, rest), level)
        file.flush()
        os.fsync(file.fileno())
    prove(part, sealed, rest)


def delete_plain(segment: Segment) -> None:
    """Delete the plain form of a packed segment. Raises `OSError`."""
    if segment.packed_path.exists():
        segment.path.unlink(missing_ok=True)
        sync_folder(segment.path.parent)


def clean_up(folder: Path) -> None:
    """Delete what a crash has left of packing: incomplete files, and packed ones whose plain segment is still there.

    Raises:
        OSError: the folder can't be changed.
    """
    leftovers = [
        *(path for suffix in (FRAMES_SUFFIX, COLUMNS_SUFFIX) for path in folder.glob(f"*{suffix}{_PART}")),
        *folder.glob(f"*{UNPACKED_SUFFIX}"),
    ]
    leftovers += [
        path
        for one in list_segments(folder)
        if one.path.exists()
        for path in (one.frames_path, one.columns_path)
        if path.exists()
    ]
    for path in leftovers:
        path.unlink(missing_ok=True)
    if leftovers:
        sync_folder(folder)


def unpack(segment: Segment) -> None:
    """Replace the packed form by the plain one; damaged frames become damaged lines.

    Raises:
        OSError: the disk is full, or broken.
    """
    part = segment.path.with_suffix(UNPACKED_SUFFIX)
    about = segment.packed_path.stat()
    try:
        with part.open("wb") as file, closing(open_file(segment)) as packed:
            os.fchmod(file.fileno(), FILE_MODE)
            for data in read_all(packed):
                file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.utime(part, ns=(about.st_atime_ns, about.st_mtime_ns))
        part.replace(segment.path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    sync_folder(segment.path.parent)
    segment.packed_path.unlink()
    sync_folder(segment.path.parent)


def request(folder: Path) -> None:
    """Ask the server that writes to a journal to pack all its sealed segments. Raises `OSError`."""
    (folder / _REQUEST).touch()


def is_requested(folder: Path) -> bool:
    """Return whether the packing of all sealed segments was requested."""
    return (folder / _REQUEST).exists()


def settle_request(folder: Path) -> None:
    """Note that the request is done. Raises `OSError`."""
    (folder / _REQUEST).unlink(missing_ok=True)


class StorageSizes(NamedTuple):
    """Sizes of a journal on disk."""

    plain_segments: int
    plain_bytes: int
    packed_segments: int
    packed_bytes: int
    """Bytes of the packed files."""
    unpacked_bytes: int
    """Bytes of their lines."""
    recent_bytes: int = 0
    """Bytes of the lines, plain and packed, of segments that were written to lately."""

    @property
    def ratio(self) -> float | None:
        """Size of packed lines relative to their files; None without packed segments."""
        return self.unpacked_bytes / self.packed_bytes if self.packed_bytes else None


def storage_of(folder: Path, since: float = 0.0) -> StorageSizes:
    """Measure a journal. Costs one `stat` per segment.

    Args:
        folder: the journal's folder.
        since: time from which on segments were written to lately, seconds since the epoch.

    Raises:
        OSError: the folder can't be read.
    """
    plain: list[int] = []
    packed: list[tuple[int, int]] = []
    recent = 0
    for segment in list_segments(folder):
        with suppress(FileNotFoundError):
            about = (segment.packed_path if segment.is_packed else segment.path).stat()
            lines = about.st_size
            if segment.is_packed:
                with suppress(OSError):  # a damaged file: its own size counts
                    lines = lines_size(segment)
            if segment.is_packed:
                packed.append((about.st_size, lines))
            else:
                plain.append(about.st_size)
            recent += lines if about.st_mtime >= since else 0
    return StorageSizes(
        len(plain),
        sum(plain),
        len(packed),
        sum(size for size, _ in packed),
        sum(size for _, size in packed),
        recent,
    )


def _parts(segment: Segment, plain: SegmentFile, size: int, rest: Rest) -> Iterator[bytes]:
    """Yield the lines of a segment in parts of about a megabyte, each from one point of the index to the next."""
    ends = [point.offset for point in read_index(segment) if 0 < point.offset < size] + [size]
    start = 0
    for end in ends:
        started = time.thread_time()
        if data := plain.read_at(start, end - start):
            yield data
            plain.forget(start, end - start)
        start = end
        rest(time.thread_time() - started)


def prove(path: Path, sealed: SegmentEvent, rest: Rest = lambda _seconds: None) -> None:
    """Unpack a file, and compare its bytes with the hash of the segment. Raises `StorageError`, `OSError`."""
    digest = sha256()
    with closing(open_packed(path)) as file:
        started = time.thread_time()
        for data in read_all(file):
            digest.update(data)
            rest(time.thread_time() - started)
            started = time.thread_time()
    if digest.hexdigest() != sealed.hash:
        raise StorageError(f"{sealed.segment} is not packed: its bytes do not have the hash in the manifest")


def _file_hash(path: Path) -> str:
    with path.open("rb") as file:
        return f"SHA-256 {file_digest(file, 'sha256').hexdigest()}"
