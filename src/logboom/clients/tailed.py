"""One file that is followed: whole lines from a place on, in groups that belong together."""

import os
import time
from pathlib import Path
from typing import Final

from logboom.clients.multiline import Grouping, Line, group, joined
from logboom.clients.position import Identity, Place, holds, identity_of, place_at
from logboom.clients.sources import LINE_BYTES_MAX

READ_BYTES: Final = 256 << 10
GROUP_BYTES_MAX: Final = 128 << 10
"""A group of lines that has grown to this size is complete: it must not fill a whole read, nor a message."""


class TailedFile:
    """An open file, and how far it was read. It is the same file after a rename.

    Args:
        path: where it is now.
        offset: where to begin.

    Raises:
        OSError: it can't be opened.
    """

    def __init__(self, path: Path, offset: int = 0) -> None:
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self.identity: Identity = identity_of(os.fstat(self._descriptor))
        self.place: Place = place_at(self._descriptor, offset)
        self.skipped = 0
        """Lines that were too long, so far."""
        self._skipping = False
        self._size_seen = -1
        self._grown_at = 0.0

    @property
    def offset(self) -> int:
        """Bytes that are done with."""
        return self.place.offset

    @property
    def size(self) -> int:
        """Its size now, bytes."""
        return os.fstat(self._descriptor).st_size

    @property
    def is_intact(self) -> bool:
        """Whether it only grew since it was read: it was not truncated, or written anew."""
        return holds(self._descriptor, self.place)

    def quiet_s(self) -> float:
        """For how long it has not grown, seconds."""
        size, now = self.size, time.monotonic()
        if size != self._size_seen:
            self._size_seen, self._grown_at = size, now
        return now - self._grown_at

    def move(self, offset: int) -> None:
        """Everything up to `offset` is done with."""
        self.place = place_at(self._descriptor, offset)

    def read(self, grouping: Grouping, *, quiet: bool = False, last: bool = False) -> list[Line]:
        """The next lines or groups; none at the end. They stay the next ones until `move`.

        Args:
            grouping: which lines belong together.
            quiet: nothing came for a while: the last group is complete.
            last: nothing more will come: what is there is complete, an unfinished line too.
        """
        lines = self._lines(last=last)
        if not grouping.active or not lines:
            return lines
        groups, full = group(lines, grouping)
        start = groups[-2].end if len(groups) > 1 else self.offset
        full = full or groups[-1].end - start > GROUP_BYTES_MAX
        at_end = groups[-1].end >= self.size
        return groups if full or (at_end and (quiet or last)) else groups[:-1]

    def _lines(self, *, last: bool) -> list[Line]:
        while True:
            data = os.pread(self._descriptor, READ_BYTES, self.offset)
            end = data.rfind(b"\n")
            if end < 0 and len(data) == READ_BYTES and not self._skipping:
                data = os.pread(self._descriptor, LINE_BYTES_MAX + 1, self.offset)
                end = data.rfind(b"\n")
            if not data:
                return []
            if self._skipping:
                self._skip(data)
            elif end < 0 and len(data) > LINE_BYTES_MAX:
                self.skipped += 1
                self._skip(data)
            else:
                return self._cut(data, end, last=last)

    def _skip(self, data: bytes) -> None:
        """Leave out a line that is too long, or as much of it as has come."""
        end = data.find(b"\n") + 1
        self._skipping = not end
        self.move(self.offset + (end or len(data)))

    def _cut(self, data: bytes, end: int, *, last: bool) -> list[Line]:
        position = self.offset
        lines = []
        for line in data[: end + 1].split(b"\n")[:-1]:
            position += len(line) + 1
            lines.append(Line(_clean(line), position))
        rest = data[end + 1 :]
        if last and rest and position + len(rest) >= self.size:
            lines.append(Line(_clean(rest), position + len(rest)))
        return lines

    def read_to(self, ends: list[int]) -> list[Line]:
        """Lines or groups as they were cut before, known by their ends."""
        found, start = [], self.offset
        for end in ends:
            lines = os.pread(self._descriptor, end - start, start).removesuffix(b"\n").split(b"\n")
            found.append(Line(joined(map(_clean, lines)), end))
            start = end
        return found

    def close(self) -> None:
        """Close it. Idempotent."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = -1


def _clean(line: bytes) -> bytes:
    """A line without its carriage return, and without zeros before it.

    A writer that does not append leaves those when its file is truncated.
    """
    return line.removesuffix(b"\r").lstrip(b"\0")
