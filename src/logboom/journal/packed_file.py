"""The lines of a packed segment, which consists of parts that are unpacked one by one."""

import os
from abc import ABC, abstractmethod
from bisect import bisect_right
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple


class PackedPart(NamedTuple):
    """Lines of a part."""

    size: int
    """Bytes after unpacking."""
    lines: int


class PackedFile(ABC):
    """Base of the forms of packed segments, see `SegmentFile`. A damaged part is read as as many damaged lines.

    Args:
        path: path of the file.

    Raises:
        FileNotFoundError: there is none.
        OSError: it can't be read, or is damaged as a whole.
    """

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            self._parts = self._read_parts(path)
        except BaseException:
            self.close()
            raise
        self._starts = list(accumulate((part.size for part in self._parts), initial=0))
        self._cached: tuple[int, bytes] = (-1, b"")
        self.size = self._starts[-1]
        """Bytes of all lines."""
        self.damaged: set[int] = set()
        """Numbers of the parts that could not be unpacked."""

    @abstractmethod
    def _read_parts(self, path: Path) -> list[PackedPart]:
        """Read which parts the file has. Raises `OSError`."""

    @abstractmethod
    def _unpack(self, number: int) -> bytes | None:
        """Return the lines of a part; None: it is damaged. Raises `OSError`."""

    def read_at(self, offset: int, size: int) -> bytes:
        """Return a range of bytes, fewer at the end. Raises `OSError`."""
        end = min(offset + size, self.size)
        if offset >= end:
            return b""
        number = bisect_right(self._starts, offset) - 1
        pieces = []
        while offset < end:
            start = self._starts[number]
            piece = self._unpacked(number)[offset - start : end - start]
            pieces.append(piece)
            offset, number = offset + len(piece), number + 1
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def forget(self, _offset: int, _size: int) -> None:  # noqa: B027 - parts that were read once are seldom read again
        """See `SegmentFile`."""

    def close(self) -> None:
        """Close the file. Idempotent."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = -1

    def _unpacked(self, number: int) -> bytes:
        if self._cached[0] == number:
            return self._cached[1]
        part, data = self._parts[number], self._unpack(number)
        if data is None or len(data) != part.size:
            self.damaged.add(number)
            data = b"?" * (part.size - part.lines) + b"\n" * part.lines
        self._cached = number, data
        return data
