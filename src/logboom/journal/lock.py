"""The lock that allows one writer per data directory."""

import errno
import fcntl
import os
from contextlib import suppress
from pathlib import Path

from logboom.errors import DataDirLockedError


class DataDirLock:
    """Holds `<data_dir>/lock` until it is closed or the process ends, even by a crash."""

    def __init__(self, data_dir: Path) -> None:
        """Take the lock.

        Raises:
            DataDirLockedError: another process holds it, or it is a link: a file elsewhere would be emptied.
            OSError: it can't be opened.
        """
        path = data_dir / "lock"
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o640)
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise DataDirLockedError(f"{path} is a link, expected a file: delete the link") from None
            raise
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.pread(self._descriptor, 32, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(self._descriptor)
            raise DataDirLockedError(
                f"another Logboom server (process {holder}) is writing to {data_dir}: "
                "stop it first, or give this one a folder of its own with --data-dir"
            ) from None
        with suppress(OSError):  # a full disk: the lock holds without the process id
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)

    def close(self) -> None:
        """Release the lock. Idempotent."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
