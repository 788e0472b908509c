"""Test write that readiness uses to check the disk while no entries arrive."""

import os
from pathlib import Path
from typing import Final

from logboom.errors import StorageError
from logboom.journal.disk import Disk

NAME: Final = ".probe"


def probe(folder: Path, disk: Disk, free_bytes_min: int) -> None:
    """Write a few bytes into a separate file, and sync them.

    Raises:
        StorageError: less than `free_bytes_min` is free.
        OSError: a call failed.
    """
    check_free(folder, disk, free_bytes_min)
    descriptor = os.open(folder / NAME, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o640)
    try:
        disk.write(descriptor, b"ready?\n")
        disk.sync(descriptor)
    finally:
        os.close(descriptor)


def check_free(folder: Path, disk: Disk, free_bytes_min: int) -> None:
    """Check the free space of the disk.

    Raises:
        StorageError: less than `free_bytes_min`.
        OSError: the disk does not answer.
    """
    free = disk.free_bytes(folder)
    if free < free_bytes_min:
        raise StorageError(
            f"{free} bytes left on the disk of {folder}, "
            f"free_bytes_min is {free_bytes_min}: free some space, or lower journal.free_bytes_min"
        )
