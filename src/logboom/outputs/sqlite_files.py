"""Detection of changes by other programs to the files of an SQLite database."""

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from logboom.durable import make_folder
from logboom.outputs.rotating_file import FileState

_MAGIC: Final = b"SQLite format 3\0"
_PAGE_SIZE: Final = slice(16, 18)
_PAGES: Final = slice(28, 32)
_HEADER_BYTES: Final = 100
_LARGEST_PAGE: Final = 65536  # written as 1

SHORT_CHECKS: Final = 3
"""Consecutive checks after which a file shorter than its header states counts as truncated. Another program that runs a
checkpoint leaves it so for a moment."""

Identity = tuple[int, int]


class DatabaseFiles:
    """The database file and its logs. The file stays open until the library has closed it, whose locks it would drop.

    Args:
        path: path of the database.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._logs = [path.with_name(path.name + ending) for ending in ("-wal", "-shm")]
        self._log_identities: list[Identity | None] = []
        self._descriptor = -1
        self._short_checks = 0

    def open(self) -> None:
        """Open or create the file with mode 0640, before the library does. Raises `OSError`."""
        make_folder(self.path.parent)
        self._descriptor = os.open(self.path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o640)
        self._short_checks = 0
        self._log_identities = []

    def remember_logs(self) -> None:
        """Record the identity of the write-ahead log, after the library has opened it."""
        self._log_identities = [_identity(log) for log in self._logs]

    def look(self) -> FileState:
        """Check for changes by other programs to the database file."""
        found = _identity(self.path)
        status = os.fstat(
            self._descriptor
        )  # after the path: a file that was replaced meanwhile has lost its link
        if found != (status.st_ino, status.st_dev):
            return FileState.MOVED if status.st_nlink else FileState.DELETED
        header = os.pread(self._descriptor, _HEADER_BYTES, 0)
        if not header.startswith(_MAGIC):
            return FileState.CUT
        page = int.from_bytes(header[_PAGE_SIZE], "big")
        size = int.from_bytes(header[_PAGES], "big") * (_LARGEST_PAGE if page == 1 else page)
        self._short_checks = self._short_checks + 1 if status.st_size < size else 0
        return FileState.CUT if self._short_checks >= SHORT_CHECKS else FileState.HERE

    def has_logs(self) -> bool:
        """Return whether the write-ahead log and its index are the files that the library opened."""
        return all(
            identity is None or _identity(log) == identity
            for log, identity in zip(self._logs, self._log_identities, strict=False)
        )

    def delete_logs(self) -> None:
        """Delete the write-ahead log of a missing database: the next database would use it."""
        for log, identity in zip(self._logs, self._log_identities, strict=False):
            if identity is not None and _identity(log) == identity:
                with suppress(FileNotFoundError):
                    log.unlink()

    def close(self) -> None:
        """Close the file, after the library has. Idempotent."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = -1


def _identity(path: Path) -> Identity | None:
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return status.st_ino, status.st_dev
