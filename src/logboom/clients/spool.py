"""Lines that wait for a server: on disk, so that neither an outage nor the end of the process loses them.

A process writes files of its own, and holds a lock on each. A file that nobody holds belonged to a process that has
ended: whoever comes next with the same server takes it over.
"""

import contextlib
import fcntl
import itertools
import os
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple, Protocol

FILE_BYTES_MAX: Final = 4 << 20
"""A file is ended at this size, so that the disk gets back what was delivered while more comes in."""
MEMORY_BYTES_MAX: Final = 16 << 20
"""What is kept in memory where the disk can't be used."""
RESET_BYTES: Final = 64 << 10
"""A delivered file is emptied from this size on; smaller ones are not worth the call."""

_MAGIC: Final = b"logboom-spool 1 "
_HEADER: Final = _MAGIC + b"%015d\n"
HEADER_BYTES: Final = len(_HEADER % 0)
_MODE: Final = 0o600
_SUFFIX: Final = ".spool"
_numbers: Final = itertools.count()


class Lines(NamedTuple):
    """The oldest lines of a part."""

    lines: list[bytes]
    size_bytes: int
    """For `drop`."""


class Part(Protocol):
    """A queue of lines."""

    @property
    def size_bytes(self) -> int:
        """Of the lines that wait, newlines included."""

    @property
    def full(self) -> bool:
        """Whether more lines should go into another part."""

    def append(self, data: bytes) -> None:
        """Add lines, each with its newline. Raises OSError: then nothing was added."""

    def peek(self, count_max: int, bytes_max: int) -> Lines:
        """The oldest lines, at least one of those that there are."""

    def drop(self, size_bytes: int) -> None:
        """Forget lines that `peek` gave. Raises OSError."""

    def sync(self) -> None:
        """Make it safe against a crash of the machine. Raises OSError."""

    def close(self) -> None:
        """Let go of it; what waits, stays."""


class MemoryPart:
    """Lines in memory."""

    def __init__(self) -> None:
        self._size_bytes = 0
        self._lines: deque[bytes] = deque()

    @property
    def size_bytes(self) -> int:
        """See `Part`."""
        return self._size_bytes

    @property
    def full(self) -> bool:
        """See `Part`."""
        return False

    def append(self, data: bytes) -> None:
        """See `Part`."""
        self._lines.extend(data[:-1].split(b"\n"))
        self._size_bytes += len(data)

    def peek(self, count_max: int, bytes_max: int) -> Lines:
        """See `Part`."""
        lines = list(itertools.islice(self._lines, count_max))
        sizes = list(itertools.accumulate(len(line) + 1 for line in lines))
        count = max(1, sum(size <= bytes_max for size in sizes))
        return Lines(lines[:count], sizes[count - 1] if lines else 0)

    def drop(self, size_bytes: int) -> None:
        """See `Part`."""
        self._size_bytes -= size_bytes
        while size_bytes > 0:
            size_bytes -= len(self._lines.popleft()) + 1

    def sync(self) -> None:
        """See `Part`."""

    def close(self) -> None:
        """See `Part`."""


class FilePart:
    """Lines in a locked file: a header with the place of the first line that waits, then the lines.

    Args:
        path: of the file.
        descriptor: open for reading and writing, locked; belongs to the part.
    """

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor
        self._start, self._end = _survey(descriptor)

    @property
    def size_bytes(self) -> int:
        """See `Part`."""
        return self._end - self._start

    @property
    def full(self) -> bool:
        """See `Part`."""
        return self._end >= FILE_BYTES_MAX

    def append(self, data: bytes) -> None:
        """See `Part`."""
        try:
            written = 0
            while written < len(data):
                written += os.pwrite(self._descriptor, memoryview(data)[written:], self._end + written)
        except OSError:
            os.ftruncate(self._descriptor, self._end)
            raise
        self._end += len(data)

    def peek(self, count_max: int, bytes_max: int) -> Lines:
        """See `Part`."""
        data = os.pread(self._descriptor, min(bytes_max, self.size_bytes), self._start)
        while b"\n" not in data and self.size_bytes:  # one line that is longer
            more = os.pread(self._descriptor, self.size_bytes - len(data), self._start + len(data))
            if not more:
                raise OSError(f"{self.path} is shorter than it was")
            data, count_max = data + more, 1
        lines = data.split(b"\n", count_max)[:-1]
        return Lines(lines, sum(map(len, lines)) + len(lines))

    def drop(self, size_bytes: int) -> None:
        """See `Part`."""
        self._start += size_bytes
        if self._start >= self._end >= RESET_BYTES:
            os.ftruncate(self._descriptor, HEADER_BYTES)
            self._start = self._end = HEADER_BYTES
        os.pwrite(self._descriptor, _HEADER % self._start, 0)

    def sync(self) -> None:
        """See `Part`."""
        os.fdatasync(self._descriptor)

    def close(self) -> None:
        """See `Part`; a file without lines is deleted."""
        if self._descriptor < 0:
            return
        with contextlib.suppress(OSError):
            if not self.size_bytes:
                self.path.unlink(missing_ok=True)
        self.abandon()

    def abandon(self) -> None:
        """Close the file, whoever else has it open; in a fork's child the lock stays the parent's."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


def _survey(descriptor: int) -> tuple[int, int]:
    """Where the lines of a file that is taken over start and end; a torn last line is cut off."""
    size = os.fstat(descriptor).st_size
    head = os.pread(descriptor, HEADER_BYTES, 0)
    number = head.removeprefix(_MAGIC).strip()
    if not head.startswith(_MAGIC) or not number.isdigit():
        raise OSError(f"not a spool file: begins with {head!r}")
    tail = size
    while tail > HEADER_BYTES:
        begin = max(HEADER_BYTES, tail - FILE_BYTES_MAX)
        newline = os.pread(descriptor, tail - begin, begin).rfind(b"\n")
        if newline >= 0:
            tail = begin + newline + 1
            break
        tail = begin
    tail = max(tail, HEADER_BYTES)
    if tail < size:
        os.ftruncate(descriptor, tail)
    return min(max(int(number), HEADER_BYTES), tail), tail


class Spool:
    """All lines of one process that wait for one server, oldest first. Used by one thread at a time.

    Args:
        folder: where the files are; made when it is missing. None: memory only.
        key: names the server; files of other keys are left alone.
        bytes_max: lines that wait beyond this are refused; those of earlier processes do not count.
    """

    def __init__(self, folder: Path | None, key: str, bytes_max: int) -> None:
        self._folder = folder
        self._key = key
        self._bytes_max = bytes_max
        self._adopted: deque[Part] = deque()
        self._own: deque[Part] = deque()
        self.trouble: str | None = None
        """Why the disk can't be used; lines are kept in memory meanwhile."""

    @property
    def size_bytes(self) -> int:
        """Of all lines that wait."""
        return sum(part.size_bytes for part in (*self._adopted, *self._own))

    @property
    def durable(self) -> bool:
        """Whether nothing waits in memory only."""
        return not any(isinstance(part, MemoryPart) and part.size_bytes for part in (*self._own,))

    def append(self, lines: Sequence[bytes]) -> int:
        """Keep lines as far as there is room.

        Returns:
            How many were kept, from the first on.
        """
        room = self._bytes_max - sum(part.size_bytes for part in self._own)
        count = len(lines)
        if sum(map(len, lines)) + count > room:
            sizes = itertools.accumulate(len(line) + 1 for line in lines)
            count = sum(size <= room for size in sizes)
        if count:
            count = self._put(lines[:count])
        return count

    def _put(self, lines: Sequence[bytes]) -> int:
        data = b"\n".join(lines) + b"\n"
        try:
            self._tail().append(data)
            return len(lines)
        except OSError as error:
            self.trouble = str(error)
        memory = self._own[-1] if self._own else None
        if not isinstance(memory, MemoryPart):
            memory = MemoryPart()
            self._own.append(memory)
        if memory.size_bytes + len(data) > MEMORY_BYTES_MAX:
            return 0
        memory.append(data)
        return len(lines)

    def _tail(self) -> Part:
        """The part that takes more lines. Raises OSError: the disk can't be used, or did not lately."""
        tail = self._own[-1] if self._own else None
        if isinstance(tail, MemoryPart) and tail.size_bytes and self._folder is not None:
            raise OSError(self.trouble)  # memory is given back first, then the disk is tried again
        if tail is None or tail.full or (isinstance(tail, MemoryPart) and self._folder is not None):
            part: Part = MemoryPart() if self._folder is None else self._create(self._folder)
            self.trouble = None
            self._own.append(part)
            return part
        return tail

    def _create(self, folder: Path) -> FilePart:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        while True:
            # by time, so that files of ended processes are taken over in their order
            name = f"{self._key}-{time.time_ns():020d}-{os.getpid()}-{next(_numbers)}{_SUFFIX}"
            descriptor = os.open(folder / name, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _MODE)
            if _lock(descriptor):  # else another process took it for an orphan
                os.pwrite(descriptor, _HEADER % HEADER_BYTES, 0)
                return FilePart(folder / name, descriptor)
            os.close(descriptor)

    def adopt(self) -> int:
        """Take over the files of processes that have ended; returns how many."""
        if self._folder is None:
            return 0
        count = 0
        held = {part.path for part in (*self._adopted, *self._own) if isinstance(part, FilePart)}
        for path in sorted(self._folder.glob(f"{self._key}-*{_SUFFIX}")):
            part = None if path in held else _take_over(path)
            if part is not None and part.size_bytes:
                self._adopted.append(part)
                count += 1
            elif part is not None:
                part.close()
        return count

    def peek(self, count_max: int, bytes_max: int) -> Lines:
        """The oldest lines; none: nothing waits. Raises OSError."""
        part = self._head()
        return part.peek(count_max, bytes_max) if part is not None else Lines([], 0)

    def drop(self, size_bytes: int) -> None:
        """Forget what `peek` gave: it was delivered. Raises OSError."""
        part = self._head()
        if part is not None:
            part.drop(size_bytes)

    def skip(self) -> None:
        """Put the oldest part aside, since it can't be read; its file stays."""
        for parts in (self._adopted, self._own):
            if parts:
                part = parts.popleft()
                if isinstance(part, FilePart):
                    part.abandon()
                return

    def _head(self) -> Part | None:
        """The first part that holds lines; those before are let go of."""
        for parts in (self._adopted, self._own):
            while parts:
                if parts[0].size_bytes:
                    return parts[0]
                if parts is self._own and len(parts) == 1:
                    return None
                parts.popleft().close()
        return None

    def sync(self) -> None:
        """Make what waits safe against a crash of the machine, as far as the disk does it."""
        with contextlib.suppress(OSError):
            if self._own:
                self._own[-1].sync()

    def close(self) -> None:
        """Let go of everything; what is on disk stays for the next process. Idempotent."""
        self.sync()
        for parts in (self._adopted, self._own):
            while parts:
                parts.popleft().close()

    def abandon(self) -> None:
        """In a fork's child: forget everything without touching it; it is the parent's."""
        for part in (*self._adopted, *self._own):
            if isinstance(part, FilePart):
                part.abandon()
        self._adopted.clear()
        self._own.clear()


def _lock(descriptor: int) -> bool:
    """Lock a file, unless another process has. False also if it was deleted meanwhile."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return os.fstat(descriptor).st_nlink > 0


def _take_over(path: Path) -> FilePart | None:
    """Open a file, if no process holds it. One that is no spool file is left alone."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        if _lock(descriptor):
            if (
                os.fstat(descriptor).st_size < HEADER_BYTES
            ):  # its process ended before it had written any line
                os.pwrite(descriptor, _HEADER % HEADER_BYTES, 0)
            return FilePart(path, descriptor)
    except OSError:
        pass
    os.close(descriptor)
    return None
