"""A file that is appended to and rotated by size and time."""

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
"""Bytes at a file's end that are compared to recognize it; a timestamp with microseconds fits."""


class FileState(Enum):
    """State of an open file with respect to its path."""

    HERE = auto()
    """It has its path, and nothing is missing."""
    MOVED = auto()
    """It has another name now, and is complete."""
    DELETED = auto()
    """It has no name any more: further writes would be lost."""
    CUT = auto()
    """It is shorter than before."""


class Modes(NamedTuple):
    """Permissions of new files and folders, regardless of the umask."""

    file: int = 0o640
    folder: int = 0o750
    strict: bool = False
    """True if an existing file gets them, too."""


class RotatingFile:
    """File with rotation. Every call but `close` may raise `OSError`.

    Args:
        path: path of the file; folders are created. An existing file is continued.
        backups: keep the rotated files.
        file_bytes_max: size before which the file is rotated. 0: never. A longer line gets its own file.
        rotate_interval_s: the file is rotated at the first line after a multiple of this, UTC. 0: never.
        disk: does writes, syncs and truncations.
        clock: seconds since the epoch.
        modes: permissions of a new file; after a rotation, the old file's permissions are used.
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
        """Bytes; updated by `write`, and by `look` since others may have truncated the file."""
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
        """Open the file, or create it durably.

        A new file gets the mode of the newest backup, since a crash may have interrupted a rotation.

        Raises:
            OutputError: the path is not a regular file, and can't be synced.
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
        )  # false on file systems without stable inode numbers
        self._period = self._period_of(status.st_mtime)

    def _open(self) -> int:
        """Open the file, creating the target of a link if it is missing."""
        flags = os.O_RDWR | os.O_APPEND | os.O_CLOEXEC
        try:
            return os.open(self.path, flags)
        except FileNotFoundError:
            descriptor = os.open(self.path, flags | os.O_CREAT, 0o600)
            os.fchmod(descriptor, self._modes.file)
            return descriptor

    def write(self, data: bytes) -> None:
        """Append whole lines that fit, see `room_end`."""
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
        """Complete a last line without a newline that another program left."""
        if self.size and os.pread(self._descriptor, 1, self.size - 1) != b"\n":
            self.write(b"\n")
            self.sync()

    def tail_check(self, size: int) -> int:
        """CRC-32 of the last bytes before `size`."""
        start = max(0, size - TAIL_BYTES)
        return crc32(os.pread(self._descriptor, size - start, start))

    def room_end(self, data: bytes, start: int) -> int:
        """End of the lines of `data` from `start` on that fit; `start` if the file must be rotated first."""
        room = self._file_bytes_max - self.size
        if not self._file_bytes_max or len(data) - start <= room:
            return len(data)
        end = data.rfind(b"\n", start, start + max(0, room)) + 1
        if not end and not self.size:
            return data.index(b"\n", start) + 1
        return end or start

    def is_due(self) -> bool:
        """Return whether rotation by time is due. A clock that is set back does not cause one."""
        return bool(self._rotate_interval_s and self.size) and self._period_of(self._clock()) > self._period

    def look(self) -> FileState:
        """Check for changes by other programs, and update `size` if the path still names the file."""
        try:
            found = self.path.stat()
        except (FileNotFoundError, NotADirectoryError):
            found = None
        if found is None or (self._is_watched and not self._is_this(found)):
            return FileState.MOVED if os.fstat(self._descriptor).st_nlink else FileState.DELETED
        before, self.size = self.size, found.st_size
        return FileState.CUT if self.size < before else FileState.HERE

    def _is_this(self, status: os.stat_result) -> bool:
        return (status.st_ino, status.st_dev) == (self.inode, self._device)

    def still_has(self, size: int) -> bool:
        """Return whether a truncated file still has the last `size` bytes that were written to it."""
        if size > self.size:
            return False
        start = self.size - len(self._tail)
        return not size or os.pread(self._descriptor, len(self._tail), start) == self._tail

    def rotate(self) -> None:
        """Make the file a backup, and start an empty one with the same mode, durably."""
        mode = stat.S_IMODE(os.fstat(self._descriptor).st_mode)
        self.close()
        self._backups.take()
        self._create(mode)
        self.open()

    def compress_backups(self) -> None:
        """Compress new backups, if configured."""
        self._backups.compress()

    def close(self) -> None:
        """Close the file. Idempotent."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = -1

    def _create(self, mode: int) -> None:
        """Create an empty file that has its mode before its name, unless another program just created it."""
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
