"""Appending to segments: the file mechanics of the write path, without threads or acknowledgements."""

import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from logboom.durable import sync_folder
from logboom.journal.disk import Disk
from logboom.journal.probe import check_free
from logboom.journal.segments import (
    INDEX_STEP_BYTES,
    IndexPoint,
    Segment,
    pack_point,
)
from logboom.journal.sums import SumsWriter

FREE_CHECK_INTERVAL_S = 0.1
"""Interval of the check for free space. A disk takes less than one group in that time."""


CACHED_BYTES = 16 << 20
"""Bytes of the newest segment that stay in the kernel's page cache, for outputs and live readers. Most entries are
read soon or never: older ones must not displace other files of the machine, and writing into memory that was used
before is twice as fast as into new memory."""

FORGET_STEP_BYTES = 4 << 20
"""Bytes that are released at once."""


class Committed(NamedTuple):
    """The end of the durable entries; replaced as a whole, so that any thread may read it."""

    next_sequence: int
    segment_first: int
    """First sequence of the segment that is being written."""
    offset: int
    """Durable bytes of that segment."""


class SegmentWriter:
    """Appends groups of lines, seals segments, and leaves a segment after a disk error.

    Args:
        folder: the journal's folder.
        next_sequence: the sequence of the next entry.
        disk: makes the system calls.
        segment_bytes_max: size at which a segment is sealed.
        segment_age_max_s: age at which it is sealed.
        free_bytes_min: nothing is written when the disk has less free space.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        folder: Path,
        next_sequence: int,
        *,
        disk: Disk,
        segment_bytes_max: int,
        segment_age_max_s: float,
        free_bytes_min: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder = folder
        self._disk = disk
        self._segment_bytes_max = segment_bytes_max
        self._segment_age_max_s = segment_age_max_s
        self._free_bytes_min = free_bytes_min
        self._clock = clock
        self._descriptor = -1
        self._index = -1
        self._sums: SumsWriter | None = None
        self._written: list[bytes] = []  # since the last commit; added to the checksum once durable
        self._opened_at = 0.0
        self._free_checked_at = -1e9
        self._indexed_to = 0
        self._forgotten_to = 0
        self.committed = Committed(next_sequence, next_sequence, 0)

    def resume(self, segment: Segment, size: int, indexed_to: int, *, age_s: float = 0.0) -> None:
        """Continue a recovered segment that was started `age_s` seconds ago."""
        self._open(segment, os.O_APPEND, size)
        self._opened_at -= age_s
        self.committed = Committed(self.committed.next_sequence, segment.first, size)
        self._indexed_to = indexed_to

    def begin_at(self, sequence: int) -> None:
        """Let the first line of an empty journal have this sequence."""
        self.committed = Committed(sequence, sequence, 0)

    def write(self, data: bytes) -> None:
        """Append lines, which are durable after `commit`.

        Raises:
            StorageError: the disk is nearly full.
            OSError: the write failed.
        """
        self._check_free()
        if self._descriptor < 0:
            self._open(Segment.at(self._folder, self.committed.next_sequence), os.O_TRUNC)
            sync_folder(self._folder)
        self._disk.write(self._descriptor, data)
        self._written.append(data)

    def commit(self, size: int, count: int, received_ns: int) -> None:
        """Make the written lines durable (`size` bytes, `count` lines) and readable.

        Raises:
            OSError: the sync failed.
        """
        self._disk.sync(self._descriptor)
        before = self.committed
        offset = before.offset + size
        if before.offset >= self._indexed_to:
            point = IndexPoint(before.next_sequence, before.offset, received_ns)
            os.write(self._index, pack_point(point))
            self._indexed_to = before.offset + INDEX_STEP_BYTES
        self.committed = Committed(before.next_sequence + count, before.segment_first, offset)
        if self._sums is not None:
            self._sums.add(b"".join(self._written), self.committed.next_sequence)
        self._written.clear()
        if offset - self._forgotten_to >= CACHED_BYTES + FORGET_STEP_BYTES:
            self._disk.forget(
                self._descriptor, self._forgotten_to, offset - CACHED_BYTES - self._forgotten_to
            )
            self._forgotten_to = offset - CACHED_BYTES

    def abandon(self) -> None:
        """Cut the segment at its last durable byte after a failed write or sync; the next write starts another.

        After a failed fsync the kernel may mark the same pages as clean, so the file must not be used again.
        """
        if self._descriptor < 0:
            return
        good = self.committed.offset
        try:
            self._disk.truncate(self._descriptor, good)
            if good == 0:
                Segment.at(self._folder, self.committed.segment_first).delete()
                sync_folder(self._folder)  # if it came back, it would limit the segment before it
        except OSError:
            pass  # lines past the next segment's first sequence are ignored
        self._close_files()

    def seal_if_due(self) -> bool:
        """Close a segment that is large or old enough, so that the next write starts another; return whether it was."""
        if self._descriptor < 0 or not self.committed.offset:
            return False
        age_s = self._clock() - self._opened_at
        if self.committed.offset < self._segment_bytes_max and age_s < self._segment_age_max_s:
            return False
        self._close_files()
        return True

    def close(self) -> None:
        """Close the files. Idempotent."""
        self._close_files()

    def _check_free(self) -> None:
        now = self._clock()
        if now - self._free_checked_at >= FREE_CHECK_INTERVAL_S:
            check_free(self._folder, self._disk, self._free_bytes_min)
            self._free_checked_at = now

    def _open(self, segment: Segment, mode: int, size: int = 0) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | mode
        descriptor = os.open(segment.path, flags, 0o640)
        try:
            self._index = os.open(segment.index_path, flags, 0o640)
        except OSError:
            os.close(descriptor)
            raise
        self._descriptor = descriptor
        self._sums = SumsWriter(segment, size, self.committed.next_sequence, fresh=mode == os.O_TRUNC)
        self._opened_at = self._clock()
        self._indexed_to = self._forgotten_to = 0
        self.committed = Committed(self.committed.next_sequence, segment.first, 0)

    def _close_files(self) -> None:
        for descriptor in (self._descriptor, self._index):
            if descriptor >= 0:
                with suppress(OSError):  # acknowledged lines were synced
                    os.close(descriptor)
        self._descriptor = self._index = -1
        if self._sums is not None:
            self._sums.close()
        self._sums = None
        self._written.clear()
