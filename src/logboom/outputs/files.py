"""A file that is appended to, and rotated by size and time."""

import os
import stat
import time
from collections.abc import Callable
from enum import Enum, auto
from pathlib import Path
from typing import Final, NamedTuple
from zlib import crc32

from logboom.durable import make_folder, sync_folder, unfinished
from logboom.errors import OutputError
from logboom.journal.disk import Disk
from logboom.outputs.backups import Backups

TAIL_BYTES: Final = 64
"""How much of a file's end is compared to know it again; a timestamp with microseconds fits."""


class Place(Enum):
    """The state in which an open file is found."""

    HERE = auto()
    """Its path names it, and nothing is missing."""
    MOVED = auto()
    """It has another name now, with all that was written."""
    DELETED = auto()
    """It has no name any more: what is written to it is lost."""
    CUT = auto()
    """It is shorter than it was."""


class Modes(NamedTuple):
    """Permissions of what is made, whatever the umask."""

    file: int = 0o640
    folder: int = 0o750
    strict: bool = False
    """An existing file gets them, too."""


class RotatingFile:
    """One file and its rotation. Every call but `close` may raise `OSError`.

    Args:
        path: of the file; folders are made when needed. An existing file is continued.
        backups: what becomes of a full file.
        file_bytes_max: rotated before it grows larger. 0: never. One longer line gets a file of its own.
        rotate_interval_s: rotated when the clock passes a multiple of this, UTC, at the next line. 0: never.
        disk: does writes, syncs and truncations.
        clock: seconds since the epoch.
        modes: permissions of a new file; a rotated file hands on its own.
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
        modes: Modes = Modes(),  # noqa: B008 - immutable
    ) -> None:
        self.path = path
        self.inode = 0
        self.size = 0
        """Bytes; kept by `write`, and looked up by `look` since others may have cut the file."""
        self._device = 0
        self._is_watched = False
        self._tail = b""  # of the last write
        self._modes = modes
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
        make_folder(self.path.parent, self._modes.folder)
        if not os.path.lexists(self.path):
            backups = self._backups.files()
            self._create(stat.S_IMODE(backups[0].stat().st_mode) if backups else self._modes.file)
        self._descriptor = self._open()
        status = os.fstat(self._descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OutputError(f"{self.path} is not a regular file")
        if self._modes.strict and status.st_uid == os.geteuid():
            os.fchmod(self._descriptor, self._modes.file)
        sync_folder(self.path.parent)
        self._backups.settle()
        self.inode, self._device, self.size = status.st_ino, status.st_dev, status.st_size
        self._is_watched = self._is_this(
            self.path.stat()
        )  # not where a file system makes up numbers at each look
        self._period = self._period_of(status.st_mtime)

    def _open(self) -> int:
        """Open the file; the one that a link leads to may be missing yet."""
        flags = os.O_RDWR | os.O_APPEND | os.O_CLOEXEC
        try:
            return os.open(self.path, flags)
        except FileNotFoundError:
            descriptor = os.open(self.path, flags | os.O_CREAT, 0o600)
            os.fchmod(descriptor, self._modes.file)
            return descriptor

    def write(self, data: bytes) -> None:
        """Append whole lines; see `room_end` for how many."""
        if not self.size:
            self._period = self._period_of(self._clock())
        self._tail = data[-TAIL_BYTES:]
        self._disk.write(self._descriptor, data)
        self.size += len(data)

    def sync(self) -> None:
        """Make the content durable."""
        self._disk.sync(self._descriptor)

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

    def look(self) -> Place:
        """Find out what other programs did to the file, and learn its size, where the path still names it."""
        try:
            found = self.path.stat()
        except (FileNotFoundError, NotADirectoryError):
            found = None
        if found is None or (self._is_watched and not self._is_this(found)):
            return Place.MOVED if os.fstat(self._descriptor).st_nlink else Place.DELETED
        before, self.size = self.size, found.st_size
        return Place.CUT if self.size < before else Place.HERE

    def _is_this(self, status: os.stat_result) -> bool:
        return (status.st_ino, status.st_dev) == (self.inode, self._device)

    def still_has(self, size: int) -> bool:
        """Whether a file that was cut still has the last `size` bytes that were written to it."""
        if size > self.size:
            return False
        start = self.size - len(self._tail)
        return not size or os.pread(self._descriptor, len(self._tail), start) == self._tail

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
        """Make an empty file, unless another program does so now. It has its mode before it has its name."""
        fresh = unfinished(self.path)
        fresh.unlink(missing_ok=True)
        fresh.touch(mode & 0o600, exist_ok=False)
        fresh.chmod(mode)
        try:
            self.path.hardlink_to(fresh)
        except FileExistsError:
            pass
        except OSError:  # the file system has no links
            fresh.rename(self.path)
        fresh.unlink(missing_ok=True)

    def _period_of(self, moment_s: float) -> int:
        return int(moment_s // self._rotate_interval_s) if self._rotate_interval_s else 0
