"""Copy of a backup into a data directory: complete or not there, and private."""

import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final, NamedTuple

from logboom.durable import FILE_MODE, bytes_of, create_file, sync_folder
from logboom.errors import StorageError

_STAGING: Final = ".restore-new"
"""Folder in the data directory for the copy until it is complete; the next restore deletes what a crash left."""

_TEMPORARY: Final = ("lock", "*.sock", "*.part", "pack-now", ".*.new", _STAGING)
"""Files of a running server, and files that were not complete."""

_SOCKETS: Final = Path("grpc")
"""Folder that has only sockets; the server creates it with permissions of its own."""

_SECRET: Final = ("tokens.json", "*.key")
"""Files that only their owner may read, also if the backup lost their permissions."""


class _Content(NamedTuple):
    """Paths in a backup, relative to it; a folder precedes its content."""

    folders: list[Path]
    files: list[Path]
    left_out: list[Path]  # links, pipes, sockets and devices


def copy_backup(backup: Path, target: Path) -> list[Path]:
    """Copy the files and folders of a backup into a data directory; its journal appears last, and whole.

    Args:
        backup: copy of a data directory.
        target: folder that exists, and is locked by the caller.

    Returns:
        What was left out, because it is a link, pipe, socket or device; relative to the backup.

    Raises:
        OSError: the disk is full, or broken; there is no journal in `target`, and another call can succeed.
        StorageError: something in `target` is in the way.
    """
    content = _content(backup)
    _check_places(content, target)
    with _staging(target) as staging:
        _copy(backup, content, staging)
        _move(staging, target)
    return content.left_out


def _content(backup: Path) -> _Content:
    found = _Content([], [], [])
    waiting = [Path()]
    while waiting:
        folder = waiting.pop()
        with os.scandir(backup / folder) as entries:
            for entry in entries:
                path = folder / entry.name
                if path == _SOCKETS or any(fnmatchcase(entry.name, pattern) for pattern in _TEMPORARY):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    found.folders.append(path)
                    waiting.append(path)
                else:
                    (found.files if entry.is_file(follow_symlinks=False) else found.left_out).append(path)
    return found


def _check_places(content: _Content, target: Path) -> None:
    """Refuse a target with a link or file in the place of a folder, or the reverse, before anything is copied."""
    for place in (target / path for path in content.folders):
        if os.path.lexists(place) and not _is_real_folder(place):
            raise StorageError(f"{place} is no folder: move it away, or restore to another folder")
    for place in (target / path for path in content.files):
        if _is_real_folder(place):
            raise StorageError(f"{place} is a folder: move it away, or restore to another folder")


def _is_real_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


@contextmanager
def _staging(target: Path) -> Iterator[Path]:
    """Create an empty folder on the target's disk; it is deleted at the end, and one left by a crash at the start."""
    folder = target / _STAGING
    if _is_real_folder(folder):
        shutil.rmtree(folder)
    else:
        folder.unlink(missing_ok=True)
    folder.mkdir(mode=0o700)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _copy(backup: Path, content: _Content, staging: Path) -> None:
    for path in content.folders:
        (staging / path).mkdir(mode=0o750)
    for path in content.files:
        _copy_file(backup / path, staging / path)
    for path in content.folders:
        sync_folder(staging / path)


def _copy_file(source: Path, place: Path) -> None:
    """Copy a file with its time of modification, because retention and packing go by it."""
    descriptor = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        about = os.fstat(descriptor)
        if not stat.S_ISREG(about.st_mode):
            raise StorageError(f"{source} was replaced meanwhile: it is no file")

        def sync(copied: int) -> None:
            os.utime(copied, ns=(about.st_atime_ns, about.st_mtime_ns))
            os.fsync(copied)

        secret = any(fnmatchcase(place.name, pattern) for pattern in _SECRET)
        mode = 0o600 if secret else 0o600 | (about.st_mode & FILE_MODE)
        create_file(place, bytes_of(descriptor, 0, about.st_size), mode=mode, sync=sync)
    finally:
        os.close(descriptor)


def _move(source: Path, target: Path) -> None:
    """Rename the content of a folder into another one on the same disk, durably; the journal last, and whole."""
    for path in sorted(source.iterdir(), key=lambda path: path.name == "journal"):
        place = target / path.name
        if path.name == "journal":
            sync_folder(target)
        if _is_real_folder(place) and any(place.iterdir()):
            _move(path, place)
        else:
            path.rename(place)
    sync_folder(target)
