"""A file that is appended to, and rotated by size and time."""

import os
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final
from zlib import crc32

from logboom.durable import make_folder, sync_folder, unfinished
from logboom.errors import OutputError
from logboom.journal.disk import Disk
from logboom.outputs.backups import Backups

TAIL_BYTES: Final = 64
"""How much of a file's end is compared to know it again; a timestamp with microseconds fits."""


class RotatingFile:
    """One file and its rotation. Every call but `close` may raise `OSError`.

    Args:
        path: of the file; folders are made when needed. An existing file is continued.
        backups: what becomes of a full file.
        file_bytes_max: rotated before it grows larger. 0: never. One longer line gets a file of its own.
        rotate_interval_s: rotated when the clock passes a multiple of this, UTC, at the next line. 0: never.
        disk: does writes, syncs and truncations.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        path: Path,
        backups: Backups,
        *,
        file_bytes_max: int = 0,
        rotate_interval_s: float = 0.0,
        disk: Disk,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.path = path
        self.inode = 0
        self.size = 0
        """Bytes; kept by `write`, and looked up by `sync` since others may have cut the file."""
        self._backups = backups
        self._file_bytes_max = file_bytes_max
        self._rotate_interval_s = rotate_interval_s
        self._disk = disk
        self._clock = clock
        self._period = 0
        self._descriptor = -1

    def open(self) -> None:
        """Open the file, or create it durably, with the newest backup's mode: a crash may have come amid a rotation.

        Raises:
            OutputError: it is something else, such as a pipe, that can't be synced.
        """
        self.close()
        make_folder(self.path.parent)
        if not os.path.lexists(self.path) and (backups := self._backups.files()):
            self._create(stat.S_IMODE(backups[0].stat().st_mode))
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        self._descriptor = os.open(self.path, flags, 0o640)
        status = os.fstat(self._descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OutputError(f"{self.path} is not a regular file")
        sync_folder(self.path.parent)
        self._backups.settle()
        self.inode, self.size = status.st_ino, status.st_size
        self._period = self._period_of(status.st_mtime)

    def write(self, data: bytes) -> None:
        """Append whole lines; see `room_end` for how many."""
        if not self.size:
            self._period = self._period_of(self._clock())
        self._disk.write(self._descriptor, data)
        self.size += len(data)

    def sync(self) -> None:
        """Make the content durable."""
        self._disk.sync(self._descriptor)
        self.size = os.fstat(self._descriptor).st_size

    def truncate(self, size: int) -> None:
        """Cut the file to `size` bytes."""
        if size == self.size:
            return
        self._disk.truncate(self._descriptor, size)
        self.size = size

    def end_line(self) -> None:
        """End the last line, if somebody left it open: the next one must not stick to it."""
        if self.size and os.pread(self._descriptor, 1, self.size - 1) != b"\n":
            self.write(b"\n")
            self.sync()

    def tail_check(self, size: int) -> int:
        """CRC-32 of the last bytes before `size`."""
        start = max(0, size - TAIL_BYTES)
        return crc32(os.pread(self._descriptor, size - start, start))

    def room_end(self, data: bytes, start: int) -> int:
        """Up to where the lines of `data` from `start` on fit; `start`: the file must be rotated first."""
        room = self._file_bytes_max - self.size
        if not self._file_bytes_max or len(data) - start <= room:
            return len(data)
        end = data.rfind(b"\n", start, start + max(0, room)) + 1
        if not end and not self.size:
            return data.index(b"\n", start) + 1
        return end or start

    def is_due(self) -> bool:
        """Whether the time has come to rotate. A clock that is set back rotates nothing."""
        return bool(self._rotate_interval_s and self.size) and self._period_of(self._clock()) > self._period

    def is_current(self) -> bool:
        """Whether the path still names this file; somebody else may have moved or deleted it."""
        try:
            return self.path.stat().st_ino == self.inode
        except FileNotFoundError:
            return False

    def rotate(self) -> None:
        """Make the file a backup and start an empty one with the same mode, durably. Compresses nothing yet."""
        mode = stat.S_IMODE(os.fstat(self._descriptor).st_mode)
        self.close()
        self._backups.take()
        self._create(mode)
        self.open()

    def compress_backups(self) -> None:
        """Compress the backups that are not yet, if that is wanted."""
        self._backups.compress()

    def close(self) -> None:
        """Close the file. Idempotent."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = -1

    def _create(self, mode: int) -> None:
        """Make an empty file. It has its mode, whatever the umask, before it has its name."""
        fresh = unfinished(self.path)
        fresh.unlink(missing_ok=True)
        fresh.touch(mode & 0o600, exist_ok=False)
        fresh.chmod(mode)
        fresh.rename(self.path)

    def _period_of(self, moment_s: float) -> int:
        return int(moment_s // self._rotate_interval_s) if self._rotate_interval_s else 0
