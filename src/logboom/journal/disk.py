"""The few disk calls of the write path, behind one seam: tests put a faulty disk here."""

import os
from pathlib import Path


class Disk:
    """The real thing. Each call raises `OSError` when it fails."""

    def write(self, descriptor: int, data: bytes) -> None:
        """Write all of `data` at the file's end."""
        written = os.write(descriptor, data)
        while written < len(data):
            written += os.write(descriptor, memoryview(data)[written:])

    def sync(self, descriptor: int) -> None:
        """Make the file's content durable."""
        os.fdatasync(descriptor)

    def forget(self, descriptor: int, start: int, size: int) -> None:
        """Let the kernel reuse the memory in which it caches a range of the file; nothing is lost."""
        os.posix_fadvise(descriptor, start, size, os.POSIX_FADV_DONTNEED)

    def truncate(self, descriptor: int, size: int) -> None:
        """Cut the file to `size` bytes."""
        os.ftruncate(descriptor, size)

    def free_bytes(self, folder: Path) -> int:
        """Bytes that an ordinary user may still write on the disk of `folder`."""
        status = os.statvfs(folder)
        return status.f_bavail * status.f_frsize
