"""One file that is followed: whole lines from a place on, in groups that belong together."""

import os
import time
from itertools import accumulate, islice
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from logboom.clients.delivery.encodings import UTF_8, Encoding, as_utf8, detect
from logboom.clients.delivery.line_reader import LINE_BYTES_MAX
from logboom.clients.follow.multiline import FileLine, Grouping, group, joined
from logboom.clients.follow.position import (
    BEFORE_BYTES_MAX,
    HEAD_BYTES_MAX,
    FileIdentity,
    FilePlace,
    digest,
    identity_of,
)

READ_BYTES: Final = 256 << 10
GROUP_BYTES_MAX: Final = 128 << 10
"""A group of lines that has grown to this size is complete: it must not fill a whole read, nor a message."""


class _Chunk(NamedTuple):
    """Bytes that were read last."""

    offset: int
    data: bytes


class TailedFile:
    """An open file, and how far it was read. It is the same file after a rename.

    Its first bytes and those before the offset are compared at each look: when they differ, or the file is shorter, it
    was truncated or written again.

    Args:
        path: where it is now.
        offset: where to begin, bytes.
        number: names the generation in places.

    Raises:
        OSError: it can't be opened.
    """

    def __init__(self, path: Path, offset: int = 0, number: int = 0) -> None:
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        self.number = number
        self.identity: FileIdentity = identity_of(os.fstat(self._descriptor))
        self.offset = offset
        """Bytes that are done with."""
        self.skipped = 0
        """Lines that were too long, so far."""
        self.size_seen = 0
        """The largest size at a look since the file was begun, bytes."""
        self._path = path
        self._skipping = False
        self._grown_at = 0.0
        self._mtime_ns = self.mtime_ns
        self._size_at_growth = -1
        self._chunk = _Chunk(offset, b"")
        self.head = self.pread(HEAD_BYTES_MAX, 0)
        """Its first bytes, at most `HEAD_BYTES_MAX`."""
        self._blank = not self.head
        self.before = self.pread(min(offset, BEFORE_BYTES_MAX), max(0, offset - BEFORE_BYTES_MAX))
        """The bytes before the offset, at most `BEFORE_BYTES_MAX`."""

    def pread(self, size: int, offset: int) -> bytes:
        """Bytes at an offset, as far as there are any."""
        return os.pread(self._descriptor, size, offset)

    @property
    def size(self) -> int:
        """Its size now, bytes."""
        return os.fstat(self._descriptor).st_size

    @property
    def mtime_ns(self) -> int:
        """Time of the last write, nanoseconds since the epoch."""
        return os.fstat(self._descriptor).st_mtime_ns

    @property
    def path(self) -> Path:
        """Its path now, where the system knows it; else the last one known."""
        try:
            now = Path(f"/proc/self/fd/{self._descriptor}").readlink()
        except OSError:
            return self._path
        if now.is_absolute() and not now.name.endswith(" (deleted)"):
            self._path = now
        return self._path

    @property
    def place(self) -> FilePlace:
        """The position, and the means to recognise the file."""
        return self._place(self.offset, self.before, self.path)

    @property
    def finished_place(self) -> FilePlace:
        """The place after all was read, and it was moved away."""
        return msgspec.structs.replace(self.place, finished=True)

    def place_at(self, offset: int) -> FilePlace:
        """The place at the end of a line that `read` gave."""
        return self._place(offset, self._before_at(offset), self._path)

    def _place(self, offset: int, before: bytes, path: Path) -> FilePlace:
        return FilePlace(
            *self.identity,
            offset,
            len(self.head),
            len(before),
            digest(self.head, before),
            number=self.number,
            path=printable(path),
        )

    def _before_at(self, offset: int) -> bytes:
        """The bytes before an offset within the last read: not read again, since the file may be another by now."""
        start, data = self._chunk
        return (self.before + data[: offset - start])[-BEFORE_BYTES_MAX:]

    @property
    def is_intact(self) -> bool:
        """True when it only grew since it was read: it was not truncated, or written again."""
        head = self.pread(HEAD_BYTES_MAX, 0)
        if not head.startswith(self.head) or self.size < self.offset:
            return False
        size = len(self.before)
        if self.pread(size, self.offset - size) != self.before:
            return False
        self.head = head
        return True

    def look(self) -> bool:
        """Note its size; returns whether it is intact."""
        intact = self.is_intact
        if intact:
            self.size_seen = max(self.size_seen, self.size)
        return intact

    def has_begun(self) -> bool:
        """True when it was empty and was written since: what is there now need not be all that was."""
        mtime_ns, self._mtime_ns = self._mtime_ns, self.mtime_ns
        was_blank, self._blank = self._blank, not self.head
        return was_blank and (bool(self.head) or self._mtime_ns != mtime_ns)

    def quiet_s(self) -> float:
        """Seconds since it has grown."""
        size, now = self.size, time.monotonic()
        if size != self._size_at_growth:
            self._size_at_growth, self._grown_at = size, now
        return now - self._grown_at

    def move(self, offset: int) -> None:
        """Everything up to `offset`, the end of a line that `read` gave, is done with."""
        self.before = self._before_at(offset)
        self._chunk = _Chunk(offset, self._chunk.data[offset - self._chunk.offset :])
        self.offset = offset
        self.size_seen = max(self.size_seen, offset)

    def move_to_end(self) -> None:
        """Everything that is there now is done with."""
        self.offset = self.size_seen = self.size
        start = max(0, self.offset - BEFORE_BYTES_MAX)
        self.before = self.pread(self.offset - start, start)
        self._chunk = _Chunk(self.offset, b"")

    def begin_again(self, number: int) -> None:
        """It was truncated: what it holds now is another generation."""
        self.number, self.offset, self.size_seen = number, 0, 0
        self.before, self._chunk, self._skipping = b"", _Chunk(0, b""), False
        self.head = self.pread(HEAD_BYTES_MAX, 0)
        self._blank = not self.head

    def holds(self, other: "TailedFile") -> bool:
        """True when it has the bytes of another file, as far as that was read and seen: it is a copy of it."""
        size = len(other.before)
        if self.size < max(other.offset, len(other.head)) or not other.head:
            return False
        head = self.pread(len(other.head), 0)
        return head == other.head and self.pread(size, other.offset - size) == other.before

    def begins(self, other: "TailedFile") -> bool:
        """True when all that it holds is the beginning of another file: a copy, maybe one that is being made."""
        size = self.size
        if not size or other.size < size:
            return False
        start = max(0, size - BEFORE_BYTES_MAX)
        return all(
            self.pread(count, place) == other.pread(count, place)
            for count, place in ((min(size, HEAD_BYTES_MAX), 0), (size - start, start))
        )

    def read(self, grouping: Grouping, *, quiet: bool = False, last: bool = False) -> list[FileLine]:
        """The next lines or groups, as UTF-8; none at the end. They stay the next ones until `move`.

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

    @property
    def _encoding(self) -> Encoding:
        return detect(self.head)

    def _pread(self, size: int) -> bytes:
        data = self.pread(size, self.offset)
        self._chunk = _Chunk(self.offset, data)
        self.size_seen = max(self.size_seen, self.offset + len(data))
        return data

    def _lines(self, *, last: bool) -> list[FileLine]:
        while True:
            data = self._pread(READ_BYTES)
            if self.offset == 0:
                if not data.startswith(self.head):  # truncated since the last look
                    return []
                self.head = data[:HEAD_BYTES_MAX]
            encoding = self._encoding
            end = _end_of_lines(data, self.offset, encoding)
            if not end and len(data) == READ_BYTES and not self._skipping:
                data = self._pread(LINE_BYTES_MAX + encoding.unit)
                end = _end_of_lines(data, self.offset, encoding)
            if not data:
                return []
            if self._skipping:
                self._skip(data, encoding)
            elif not end and len(data) > LINE_BYTES_MAX:
                self.skipped += 1
                self._skip(data, encoding)
            else:
                return self._cut(data, end, encoding, last=last)

    def _skip(self, data: bytes, encoding: Encoding) -> None:
        """Leave out a line that is too long, or as much of it as has come."""
        end = _find(data, 0, self.offset, encoding)
        self._skipping = end < 0
        whole = len(data) - (self.offset + len(data)) % encoding.unit
        self.move(self.offset + (whole if end < 0 else end + encoding.unit))

    def _cut(self, data: bytes, end: int, encoding: Encoding, *, last: bool) -> list[FileLine]:
        start = len(encoding.mark) if self.offset == 0 else 0
        lines = _split(data[start:end], self.offset + start, encoding)
        rest = data[max(end, start) :]
        if last and rest and self.offset + len(data) >= self.size:
            lines.append(FileLine(_clean(as_utf8(rest, encoding)), self.offset + len(data)))
        return lines

    def read_to(self, ends: list[int]) -> list[FileLine]:
        """Lines or groups as an earlier version has cut them, known by their ends."""
        found, start = [], self.offset
        for end in ends:
            lines = self.pread(end - start, start).removesuffix(b"\n").split(b"\n")
            found.append(FileLine(as_utf8(joined(map(_clean, lines))), end))
            start = end
        self._pread(ends[-1] - self.offset)
        return found

    def close(self) -> None:
        """Close it. Idempotent."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = -1


def printable(path: Path) -> str:
    """A path for JSON, whose bytes that are not UTF-8 are replaced."""
    return os.fsencode(path).decode(errors="replace")


def _split(data: bytes, offset: int, encoding: Encoding) -> list[FileLine]:
    """Whole lines, and where each ends in the file."""
    lines = []
    if encoding.unit > 1:
        start = 0
        while (end := _find(data, start, offset, encoding)) >= 0:
            text = as_utf8(data[start:end], encoding)
            start = end + encoding.unit
            lines.append(FileLine(_clean(text), offset + start))
        return lines
    raw = data.split(b"\n")[:-1]
    texts = raw if data.isascii() else as_utf8(data, UTF_8).split(b"\n")[:-1]
    if b"\r" in data or b"\0" in data:
        texts = [_clean(text) for text in texts]
    ends = accumulate(map(len, raw), lambda end, size: end + size + 1, initial=offset)
    return list(map(FileLine, texts, islice(ends, 1, None)))


def _end_of_lines(data: bytes, offset: int, encoding: Encoding) -> int:
    """The end of the last whole line; 0: there is none."""
    end = len(data)
    while (found := data.rfind(encoding.newline, 0, end)) >= 0:
        if (offset + found) % encoding.unit == 0:
            return found + encoding.unit
        end = found + encoding.unit - 1
    return 0


def _find(data: bytes, start: int, offset: int, encoding: Encoding) -> int:
    """The index of the next newline; -1: there is none."""
    while (found := data.find(encoding.newline, start)) >= 0:
        if (offset + found) % encoding.unit == 0:
            return found
        start = found + 1
    return -1


def _clean(line: bytes) -> bytes:
    """A line without its carriage return, and without zeros before it.

    A writer that does not append leaves those when its file is truncated.
    """
    return line.removesuffix(b"\r").lstrip(b"\0")
