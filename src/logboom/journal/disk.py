"""Disk calls of the write path, in one class that tests replace by a faulty disk."""

import os
from pathlib import Path


class Disk:
    """The disk calls of the operating system. Each raises `OSError` when it fails."""

    def write(self, descriptor: int, data: bytes) -> None:
        """Write all of `data` at the file's end."""
        written = os.write(descriptor, data)
        while written < len(data):
            written += os.write(descriptor, memoryview(data)[written:])

    def sync(self, descriptor: int) -> None:
        """Make the file's content durable."""
        os.fdatasync(descriptor)

    def forget(self, descriptor: int, start: int, size: int) -> None:
        """Release the kernel's page cache for a range of the file."""
        os.posix_fadvise(descriptor, start, size, os.POSIX_FADV_DONTNEED)

    def truncate(self, descriptor: int, size: int) -> None:
        """Cut the file to `size` bytes."""
        os.ftruncate(descriptor, size)

    def free_bytes(self, folder: Path) -> int:
        """Bytes that an ordinary user may still write on the disk of `folder`."""
        status = os.statvfs(folder)
        return status.f_bavail * status.f_frsize
