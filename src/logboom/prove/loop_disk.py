"""Disk of its own in a file, which can be full, and whose power can be cut. It needs root."""

import errno
import fcntl
import os
import shutil
import struct
import subprocess
import time
from pathlib import Path
from typing import Final, Self

DISK_BYTES: Final = 192 << 20
"""Size of a disk: more than the messages of a chapter."""

_SHUTDOWN: Final = 0x8004587D
"""EXT4_IOC_SHUTDOWN: from now on the file system writes nothing."""

_WITHOUT_LOG: Final = struct.pack("I", 2)
"""Loses everything in memory, including the file system's own log."""

_BLOCK_BYTES: Final = 4096
_UNMOUNT_S_MAX: Final = 10.0


class LoopDisk:
    """Disk of one server. Use it as a context manager, with its server stopped at the end.

    Args:
        image: file that holds its blocks.
        folder: where it is mounted.
    """

    def __init__(self, image: Path, folder: Path) -> None:
        self._image = image
        self.folder = folder

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True)
        with self._image.open("wb") as file:
            file.truncate(DISK_BYTES)
        _run("mkfs.ext4", "-q", "-m", "0", str(self._image))  # no blocks are kept for root
        self._mount()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._unmount()

    def fill(self) -> None:
        """Take all space."""
        size, step = 0, DISK_BYTES
        with (self.folder / "filling").open("wb") as file:
            while step >= _BLOCK_BYTES:
                try:
                    os.posix_fallocate(file.fileno(), size, step)
                    size += step
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise
                    step //= 2

    def empty(self) -> None:
        """Give the space back. Idempotent."""
        (self.folder / "filling").unlink(missing_ok=True)

    def cut_power(self) -> None:
        """Lose everything that was not synced. Files can't be used until `restore`."""
        descriptor = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.ioctl(descriptor, _SHUTDOWN, _WITHOUT_LOG)
        finally:
            os.close(descriptor)

    def restore(self) -> None:
        """Mount the disk again, as after a power cut; its server has ended."""
        self._unmount()
        self._mount()

    def _mount(self) -> None:
        _run("mount", "-o", "loop", str(self._image), str(self.folder))

    def _unmount(self) -> None:
        """Unmount, as soon as the last process has let go of it."""
        until = time.monotonic() + _UNMOUNT_S_MAX
        while True:
            try:
                return _run("umount", str(self.folder))
            except subprocess.CalledProcessError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.1)


def missing_for_disks(folder: Path) -> str | None:
    """Reason why this process can't make disks in `folder`; None: it can."""
    if os.geteuid():
        return "needs root"
    wanted = [name for name in ("mkfs.ext4", "mount", "umount") if shutil.which(name) is None]
    if wanted:
        return f"needs the program {wanted[0]}"
    try:
        with LoopDisk(folder / "probe.img", folder / "probe"):
            return None
    except (OSError, subprocess.CalledProcessError) as error:
        return f"is refused by the system: {error}"
    finally:
        (folder / "probe.img").unlink(missing_ok=True)


def _run(*words: str) -> None:
    subprocess.run(words, check=True, capture_output=True)  # noqa: S603 - fixed words, and paths of our own
