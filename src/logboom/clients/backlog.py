"""Output that waits for the server: in memory first, then in a file, both bounded. Writers never wait."""

import os
import struct
import tempfile
import threading
from collections import deque
from pathlib import Path
from typing import Final, NamedTuple

MEMORY_BYTES_MAX: Final = 8 << 20
"""Some seconds of a talkative command; more than any usual reconnect takes."""
DISK_BYTES_MAX: Final = 256 << 20
"""By default; hours of most commands."""
CHUNK_OVERHEAD_BYTES: Final = 200
"""What a chunk takes beside its data: it counts, or tiny lines would take many times the limit."""
TAKE_BYTES_MAX: Final = 1 << 20
"""About how much is taken at once: several windows."""

_HEAD: Final = struct.Struct("<BQQI")


class Chunk(NamedTuple):
    """Lines that were read at once."""

    stream: int
    """1 is standard output, 2 standard error, as their descriptors."""
    moment_us: int
    """When, microseconds since the epoch."""
    data: bytes
    """Lines, joined by newlines."""
    dropped: int = 0
    """How many lines were dropped before this chunk, since there was no room."""

    @property
    def size(self) -> int:
        """What it counts, bytes."""
        return len(self.data) + CHUNK_OVERHEAD_BYTES

    @property
    def lines(self) -> int:
        """Number of lines."""
        return self.data.count(b"\n") + 1


class Backlog:
    """A queue of chunks between threads. When it is full, new lines are dropped and counted, never old ones.

    Args:
        disk_bytes_max: the file's bound; 0: no file.
        folder: where the file is made, once it is needed; it has no name, and ends with the process.
        memory_bytes_max: the memory's bound.
    """

    def __init__(
        self,
        disk_bytes_max: int = DISK_BYTES_MAX,
        folder: Path | None = None,
        memory_bytes_max: int = MEMORY_BYTES_MAX,
    ) -> None:
        self.dropped = 0
        """Lines dropped so far."""
        self.lines = 0
        """Lines that wait, or were taken and are not settled."""
        self._untold = 0  # dropped lines that no chunk tells of yet
        self._lock = threading.Lock()
        self._memory: deque[Chunk] = deque()
        self._memory_bytes = 0
        self._memory_bytes_max = memory_bytes_max
        self._ring = _Ring(disk_bytes_max, folder)
        self._ring_lines = 0

    def put(self, stream: int, moment_us: int, data: bytes) -> None:
        """Add lines; any thread."""
        with self._lock:
            chunk = Chunk(stream, moment_us, data, self._untold)
            if self._keep(chunk):
                self._untold = 0
                self.lines += chunk.lines
            else:
                self._drop(chunk.lines)

    def count_dropped(self, lines: int) -> None:
        """Count lines that were lost before they came here."""
        with self._lock:
            self._drop(lines)

    def take(self) -> list[Chunk]:
        """The oldest chunks, about `TAKE_BYTES_MAX` bytes; none when nothing waits."""
        with self._lock:
            chunks, size = [], 0
            while self._memory and size < TAKE_BYTES_MAX:
                chunk = self._memory.popleft()
                chunks.append(chunk)
                size += chunk.size
            self._memory_bytes -= size
            self._refill()
            return chunks

    def settle(self, lines: int) -> None:
        """Lines that were taken are done with."""
        with self._lock:
            self.lines -= lines

    def take_untold(self) -> int:
        """How many lines were dropped that no chunk tells of; they count as told then."""
        with self._lock:
            untold, self._untold = self._untold, 0
            return untold

    def close(self) -> None:
        """Give the file back. Idempotent."""
        with self._lock:
            self._ring.close()

    def _drop(self, lines: int) -> None:
        self._untold += lines
        self.dropped += lines

    def _keep(self, chunk: Chunk) -> bool:
        if not len(self._ring) and self._memory_bytes + chunk.size <= self._memory_bytes_max:
            self._memory.append(chunk)
            self._memory_bytes += chunk.size
            return True
        if not self._ring.push(chunk):
            return False
        self._ring_lines += chunk.lines
        return True

    def _refill(self) -> None:
        """Get chunks back from the file."""
        while len(self._ring) and self._memory_bytes < self._memory_bytes_max:
            chunk = self._ring.pop()
            if chunk is None:  # the file can't be read any more
                self._drop(self._ring_lines)
                self.lines -= self._ring_lines
                self._ring_lines = 0
                return
            self._ring_lines -= chunk.lines
            self._memory.append(chunk)
            self._memory_bytes += chunk.size


class _Ring:
    """A file of bounded size, written round and round."""

    def __init__(self, size: int, folder: Path | None) -> None:
        self._size = size
        self._folder = folder
        self._file = -1
        self._start = self._end = 0  # bytes ever read and written

    def __len__(self) -> int:
        return self._end - self._start

    def push(self, chunk: Chunk) -> bool:
        """Add a chunk; False when there is no room, or the disk has trouble."""
        data = _HEAD.pack(chunk.stream, chunk.moment_us, chunk.dropped, len(chunk.data)) + chunk.data
        if len(self) + len(data) > self._size:
            return False
        try:
            self._write(data)
        except OSError:
            return False
        self._end += len(data)
        return True

    def pop(self) -> Chunk | None:
        """The oldest chunk; None, and empty, when the disk has trouble."""
        try:
            stream, moment_us, dropped, size = _HEAD.unpack(self._read(_HEAD.size))
            return Chunk(stream, moment_us, self._read(size), dropped)
        except (OSError, struct.error):
            self._start = self._end
            return None

    def close(self) -> None:
        """Give the file back. Idempotent."""
        if self._file >= 0:
            os.close(self._file)
        self._file = -1
        self._size = 0

    def _write(self, data: bytes) -> None:
        if self._file < 0:
            self._file, name = tempfile.mkstemp(prefix="logboom-run-", dir=self._folder)
            Path(name).unlink()  # nothing stays behind, however this process ends
        place = self._end % self._size
        first = min(len(data), self._size - place)
        _write_all(self._file, data[:first], place)
        _write_all(self._file, data[first:], 0)

    def _read(self, count: int) -> bytes:
        place = self._start % self._size
        first = min(count, self._size - place)
        data = os.pread(self._file, first, place) + os.pread(self._file, count - first, 0)
        self._start += count
        return data


def _write_all(descriptor: int, data: bytes, place: int) -> None:
    while data:
        written = os.pwrite(descriptor, data, place)
        data, place = data[written:], place + written
