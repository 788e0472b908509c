"""One file of a spool: a header with the delivery position, then frames. Locked by the process that uses it."""

import contextlib
import fcntl
import json
import os
import struct
import zlib
from pathlib import Path
from typing import Final, NamedTuple

from logboom.clients.delivery import oldspool, spool_frames
from logboom.clients.delivery.oldspool import OldFilePart
from logboom.clients.delivery.spoolparts import Pending, Queue, new_identity

READ_BYTES: Final = 512 << 10
"""Bytes of one read; a longer frame is read whole."""
HEADER_BYTES: Final = 1024
ANCHOR_BYTES_MAX: Final = 64
"""Times of servers have 26 bytes."""
RESET_BYTES: Final = 64 << 10
"""A delivered file is emptied from this size on; smaller ones are not worth the call."""

_MAGIC: Final = b"logboom-spool 2\n"
_CURSOR: Final = struct.Struct("<QQIIB")
_GENERATION: Final = struct.Struct("<I")
"""Behind the anchor; zero in files of versions that did not write it."""
_SLOT_BYTES: Final = 128
_SLOTS: Final = (len(_MAGIC), len(_MAGIC) + _SLOT_BYTES)
"""Two, written in turn, so that a power cut within a write leaves the other."""
_META: Final = _SLOTS[1] + _SLOT_BYTES
_META_BYTES_MAX: Final = HEADER_BYTES - _META - 2


class Cursor(NamedTuple):
    """The position up to which a file was delivered."""

    offset: int = HEADER_BYTES
    """Offset of the first frame that is not delivered completely."""
    skip: int = 0
    """Texts of that frame that are delivered."""
    in_flight: int = 0
    """Texts from there on that may have been sent without an answer yet."""
    anchor: str = ""
    """The server's time before those were sent; see `Dialect.anchor`."""
    generation: int = 0
    """Number of times that the file was emptied: its offsets begin again each time."""


class FilePart:
    """Frames in a locked file.

    Args:
        path: of the file.
        descriptor: open for reading and writing, locked; belongs to the part.

    Raises:
        OSError: it can't be read, or is no spool file.
    """

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor
        self.damaged_bytes = 0
        """Bytes that belong to no whole frame: a crash of the machine, or of the process within a write, left them."""
        head = os.pread(descriptor, HEADER_BYTES, 0)
        if not head.startswith(_MAGIC):
            raise OSError(f"not a spool file: begins with {head[:16]!r}")
        meta = _read_meta(head)
        self.source = meta.get("source", "")
        self._identity = meta.get("id") or path.stem
        self._sequence, cursor = _read_cursor(head)
        self._offset, self._queue = cursor.offset, Queue()
        self._queue.skip = cursor.skip
        self.in_doubt, self.anchor = cursor.in_flight, cursor.anchor
        self._generation = cursor.generation
        self._ahead = cursor.offset  # up to where frames are in the queue
        self.count = 0
        self._end = self._survey()
        self._offset = self._ahead = min(self._offset, self._end)
        self.in_doubt = min(self.in_doubt, self.count)

    def _survey(self) -> int:
        """Count what is there; returns the end of the last whole frame, behind which the file is cut."""
        data = os.pread(self._descriptor, os.fstat(self._descriptor).st_size, 0)
        position = end = HEADER_BYTES
        while position < len(data):
            found = spool_frames.read(data, position)
            if found is None:
                position = data.find(spool_frames.MAGIC, position + 1)
                if position < 0:
                    break
                continue
            self.damaged_bytes += position - end
            if position >= self._offset:
                self.count += len(found.frame.texts)
            position = end = found.end
        self.count = max(0, self.count - self._queue.skip)
        if end < len(data):
            self.damaged_bytes += len(data) - end
            os.ftruncate(self._descriptor, end)
        return end

    @property
    def size_bytes(self) -> int:
        """See `SpoolPart`."""
        return self._end - self._offset

    @property
    def key(self) -> str:
        """See `SpoolPart`: the file and the position in it."""
        return f"{self._identity}-{self._generation:x}.{self._offset:x}.{self._queue.skip:x}"

    @property
    def file_bytes(self) -> int:
        """Size of the file."""
        return self._end

    def append(self, frame: bytes, count: int) -> None:
        """See `SpoolPart`. One write, unless the system takes it in pieces."""
        written = os.pwrite(self._descriptor, frame, self._end)
        if written < len(frame):
            self._write_rest(memoryview(frame), written)
        self._end += len(frame)
        self.count += count

    def _write_rest(self, frame: memoryview, written: int) -> None:
        try:
            while written < len(frame):
                written += os.pwrite(self._descriptor, frame[written:], self._end + written)
        except OSError:
            os.ftruncate(self._descriptor, self._end)
            raise

    def peek(self, count_max: int, bytes_max: int) -> list[Pending]:
        """See `SpoolPart`."""
        while self._queue.count < count_max and self._ahead < self._end:
            if not self._read_ahead():
                break
        return self._queue.pending(count_max, bytes_max)

    def _read_ahead(self) -> bool:
        """Read some frames; returns whether there were any."""
        end = self._end  # appends go on meanwhile
        data = os.pread(self._descriptor, min(READ_BYTES, end - self._ahead), self._ahead)
        size = spool_frames.frame_size(data, 0)
        if size > len(data):
            data = os.pread(self._descriptor, size, self._ahead)
        position = 0
        while found := spool_frames.read(data, position):
            self._queue.add(found.frame, found.end - position)
            position = found.end
        if not position:
            position = self._skip_damage(data)
        self._ahead += position
        return bool(position)

    def _skip_damage(self, data: bytes) -> int:
        """Bytes before the next frame, which are damaged."""
        if not data:
            raise OSError(f"{self.path} is shorter than it was")
        position = data.find(spool_frames.MAGIC, 1)
        size = position if position > 0 else len(data)
        if self._queue.frames:  # its bytes go with those of the frame before
            last = self._queue.frames.pop()
            self._queue.frames.append(last._replace(size=last.size + size))
        else:
            self._offset += size
        return size

    def intend(self, count: int, anchor: str) -> None:
        """See `SpoolPart`."""
        self._write_cursor(count, anchor)
        self.in_doubt = count

    def drop(self, count: int) -> None:
        """See `SpoolPart`."""
        self._offset += self._queue.advance(count)
        self.count -= count
        self.in_doubt = max(0, self.in_doubt - count)
        self._write_cursor(0, self.anchor)

    def _write_cursor(self, in_flight: int, anchor: str) -> None:
        self._sequence += 1
        cursor = Cursor(self._offset, self._queue.skip, in_flight, anchor, self._generation)
        os.pwrite(self._descriptor, _slot(self._sequence, cursor), _SLOTS[self._sequence % 2])

    @property
    def resettable(self) -> bool:
        """True when all is delivered and it is worth while to empty the file."""
        return self._offset >= self._end >= RESET_BYTES

    def empty(self) -> None:
        """Give the disk back what is delivered, if that is all of it. Raises OSError."""
        if self.resettable:
            os.ftruncate(self._descriptor, HEADER_BYTES)
            self._offset = self._ahead = self._end = HEADER_BYTES
            self._generation += 1
            self._write_cursor(0, self.anchor)

    def sync(self) -> None:
        """See `SpoolPart`."""
        os.fdatasync(self._descriptor)

    def close(self) -> None:
        """See `SpoolPart`; a file whose texts are all delivered is deleted."""
        if self._descriptor < 0:
            return
        with contextlib.suppress(OSError):
            if not self.count:
                self.path.unlink(missing_ok=True)
        self.abandon()

    def abandon(self) -> None:
        """Close the file and leave it as it is; in a forked child the lock stays the parent's."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


def create(path: Path, source: str) -> FilePart | None:
    """Make a file; None: another process took it for one without an owner. Raises OSError."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        if lock(descriptor):
            os.pwrite(descriptor, _header(source), 0)
            return FilePart(path, descriptor)
    except BaseException:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return None


def places_in(path: Path) -> list[bytes]:
    """The places of all whole frames of a file, in order; none when it can't be read."""
    try:
        data = path.read_bytes()
    except OSError:
        return []
    found: list[bytes] = []
    position = HEADER_BYTES
    while 0 < position < len(data):
        one = spool_frames.read(data, position)
        if one is None:
            position = data.find(spool_frames.MAGIC, position + 1)
            continue
        if one.frame.place:
            found.append(one.frame.place)
        position = one.end
    return found


def take_over(path: Path) -> FilePart | OldFilePart | None:
    """Open a file, if no process holds it. One that is no spool file is left alone."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        if lock(descriptor):
            head = os.pread(descriptor, HEADER_BYTES, 0)
            if _is_unfinished(head):  # its process ended before it had written anything
                path.unlink(missing_ok=True)
            else:
                return (OldFilePart if head.startswith(oldspool.MAGIC) else FilePart)(path, descriptor)
    except OSError:
        pass
    os.close(descriptor)
    return None


def lock(descriptor: int) -> bool:
    """Lock a file, unless another process has. False also if it was deleted meanwhile."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return os.fstat(descriptor).st_nlink > 0


def _is_unfinished(head: bytes) -> bool:
    """True when a file has less than a header."""
    if head.startswith(oldspool.MAGIC):
        return len(head) < oldspool.HEADER_BYTES
    return len(head) < HEADER_BYTES and _MAGIC.startswith(head[: len(_MAGIC)])


def _header(source: str) -> bytes:
    identity = new_identity()
    meta = json.dumps({"source": source, "id": identity}).encode()
    if len(meta) > _META_BYTES_MAX:
        meta = json.dumps({"source": source[: _META_BYTES_MAX // 16], "id": identity}).encode()
    head = _MAGIC.ljust(_META, b"\0") + len(meta).to_bytes(2, "little") + meta
    return head.ljust(HEADER_BYTES, b"\0")


def _read_meta(head: bytes) -> dict[str, str]:
    size = int.from_bytes(head[_META : _META + 2], "little")
    try:
        return {name: str(value) for name, value in json.loads(head[_META + 2 : _META + 2 + size]).items()}
    except (ValueError, AttributeError):
        return {}


def _slot(sequence: int, cursor: Cursor) -> bytes:
    anchor = cursor.anchor.encode()[:ANCHOR_BYTES_MAX]
    data = _CURSOR.pack(sequence, cursor.offset, cursor.skip, cursor.in_flight, len(anchor)) + anchor
    data += _GENERATION.pack(cursor.generation)
    data = data.ljust(_SLOT_BYTES - 4, b"\0")
    return data + zlib.crc32(data).to_bytes(4, "little")


def _read_cursor(head: bytes) -> tuple[int, Cursor]:
    """The newest slot that is whole, and its sequence; without one, nothing was delivered."""
    newest, cursor = 0, Cursor()
    for start in _SLOTS:
        data, checksum = head[start : start + _SLOT_BYTES - 4], head[start + _SLOT_BYTES - 4 :][:4]
        if zlib.crc32(data) != int.from_bytes(checksum, "little"):
            continue
        sequence, offset, skip, in_flight, size = _CURSOR.unpack_from(data)
        if sequence > newest:
            anchor = data[_CURSOR.size : _CURSOR.size + size].decode(errors="replace")
            (generation,) = _GENERATION.unpack_from(data, _CURSOR.size + size)
            newest, cursor = sequence, Cursor(max(offset, HEADER_BYTES), skip, in_flight, anchor, generation)
    return newest, cursor
