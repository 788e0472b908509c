"""The lines of a segment, whether it is plain or packed."""

import os
from collections.abc import Iterator
from contextlib import closing
from functools import lru_cache
from pathlib import Path
from typing import Final, Protocol

from logboom.journal.columns.column_file import ColumnFile
from logboom.journal.packed_file import PackedFile
from logboom.journal.seekable import SeekableFile
from logboom.journal.segments import COLUMNS_SUFFIX, Segment

READ_BYTES: Final = 1 << 20
"""Bytes of a read of `read_all`; the size of a packed frame."""


class SegmentFile(Protocol):
    """Bytes of a segment's lines, by their offset in the plain form."""

    @property
    def size(self) -> int:
        """Bytes of all lines."""

    def read_at(self, offset: int, size: int) -> bytes:
        """Return a range of bytes, fewer at the end. Raises `OSError`."""

    def forget(self, offset: int, size: int) -> None:
        """Release the kernel's page cache of a range."""

    def close(self) -> None:
        """Close the file. Idempotent."""


class PlainFile:
    """A plain segment, which may be growing. Raises `OSError`."""

    def __init__(self, segment: Segment) -> None:
        self._descriptor = os.open(segment.path, os.O_RDONLY | os.O_CLOEXEC)

    @property
    def size(self) -> int:
        """See `SegmentFile`."""
        return os.fstat(self._descriptor).st_size

    def read_at(self, offset: int, size: int) -> bytes:
        """See `SegmentFile`."""
        return os.pread(self._descriptor, size, offset)

    def forget(self, offset: int, size: int) -> None:
        """See `SegmentFile`."""
        os.posix_fadvise(self._descriptor, offset, size, os.POSIX_FADV_DONTNEED)

    def close(self) -> None:
        """See `SegmentFile`."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = -1


def open_file(segment: Segment) -> SegmentFile:
    """Open a segment: its plain form, else the packed one, which replaces it only once it is proven.

    Raises:
        FileNotFoundError: it was deleted.
        OSError: it can't be read.
    """
    try:
        return PlainFile(segment)
    except FileNotFoundError:
        return open_packed(segment.packed_path)


def open_packed(path: Path) -> PackedFile:
    """Open a packed file, complete or still without its final name. Raises `OSError`."""
    return ColumnFile(path) if COLUMNS_SUFFIX in path.suffixes else SeekableFile(path)


def read_all(file: SegmentFile, start: int = 0, end: int | None = None) -> Iterator[bytes]:
    """Yield the bytes of a range in pieces; a growing file is read to its current end. Raises `OSError`."""
    offset = start
    while end is None or offset < end:
        data = file.read_at(offset, READ_BYTES if end is None else min(READ_BYTES, end - offset))
        if not data:
            return
        yield data
        offset += len(data)


def lines_size(segment: Segment) -> int:
    """Bytes of a segment's lines in the plain form. Raises `OSError`."""
    try:
        return segment.path.stat().st_size
    except FileNotFoundError:
        return _unpacked_size(segment)


@lru_cache(maxsize=1024)
def _unpacked_size(segment: Segment) -> int:
    """Size of a packed segment's lines; such a file never changes."""
    with closing(open_packed(segment.packed_path)) as file:
        return file.size
