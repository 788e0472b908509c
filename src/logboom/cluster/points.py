"""Points of a follower: which message of the stream has which sequence in the copy."""

import os
import struct
from pathlib import Path
from typing import Final, NamedTuple

from logboom.durable import make_folder, replace_file

POINTS_MAX: Final = 4096
"""Points that are kept, 64 KiB; older ones are of no use, as the copy never shrinks that far."""

_POINT: Final = struct.Struct("<QQ")


class CopyPoint(NamedTuple):
    """Beginning of a message."""

    stream_sequence: int
    """Number of the message in the stream."""
    sequence: int
    """Sequence in the copy of its first line."""

    @property
    def packed(self) -> bytes:
        """The point as two little-endian u64."""
        return _POINT.pack(*self)

    @classmethod
    def unpacked(cls, data: bytes) -> "CopyPoint":
        """Return a point from its bytes. Raises `struct.error`."""
        return cls(*_POINT.unpack(data))


class PointFile:
    """File of points, oldest first. An incomplete one at the end is ignored.

    A point is written before its message: after a crash there is always one at or before the end of the copy.

    Args:
        path: path of the file; its folder is created.
        keep: only read the file, which a follower may be writing.
    """

    def __init__(self, path: Path, *, keep: bool = False) -> None:
        self._path = path
        data = path.read_bytes() if path.exists() else b""
        whole = data[: len(data) // _POINT.size * _POINT.size]
        self._points = [CopyPoint(*pair) for pair in _POINT.iter_unpack(whole)][-POINTS_MAX:]
        if not keep:
            make_folder(path.parent)
            self._rewrite()

    def first_from(self, stream_sequence: int, sequence: int) -> CopyPoint | None:
        """The first point that is neither before a message nor before a sequence; None: there is none."""
        later = (
            one for one in self._points if one.stream_sequence >= stream_sequence and one.sequence >= sequence
        )
        return next(later, None)

    def last_before(self, sequence: int) -> CopyPoint | None:
        """The last point at or before a sequence of the copy; None: there is none."""
        return next((point for point in reversed(self._points) if point.sequence <= sequence), None)

    def note(self, point: CopyPoint, *, every: int) -> None:
        """Write a point, unless the last one is less than `every` messages before it. Raises `OSError`."""
        if self._points and 0 <= point.stream_sequence - self._points[-1].stream_sequence < every:
            return
        self._points.append(point)
        if len(self._points) >= 2 * POINTS_MAX:
            self._points = self._points[-POINTS_MAX:]
            self._rewrite()
            return
        descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        try:
            os.write(descriptor, point.packed)
            os.fdatasync(descriptor)
        finally:
            os.close(descriptor)

    def _rewrite(self) -> None:
        replace_file(self._path, [b"".join(point.packed for point in self._points)])
