"""Durable creation and replacement of whole files.

A reader, also after a crash or a power cut, finds either the old file or the new one, never a part of it.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

FILE_MODE: Final = 0o640
"""Mode of files that the server writes, which only its user and group may read."""

_COPY_BYTES: Final = 1 << 20

_umasks: Final[list[int]] = []  # the umask before `keep_private`; empty before its call

Sync = Callable[[int], None]
"""Function that makes the content of an open file durable; replaced by a failing one in tests."""


def sync_folder(folder: Path) -> None:
    """Make creations, renames and deletions in `folder` durable. Raises `OSError`."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def keep_private() -> None:
    """Set the umask so that new files are for the user and group only, except those with `shared` permissions."""
    before = os.umask(0o077)
    os.umask(before | 0o027)
    _umasks.append(before)


def shared(mode: int) -> int:
    """Permissions `mode` minus the umask that the process was started with."""
    if _umasks:
        return mode & ~_umasks[0]
    umask = os.umask(0o077)
    os.umask(umask)
    return mode & ~umask


def make_folder(folder: Path, mode: int | None = None) -> None:
    """Create `folder` and its missing parents, durably.

    Args:
        folder: the folder; it may exist.
        mode: permissions of new folders regardless of the umask; None: by the umask.

    Raises:
        OSError: it can't be created.
    """
    if folder.is_dir():
        return
    make_folder(folder.parent, mode)
    folder.mkdir(exist_ok=True)
    if mode is not None:
        folder.chmod(mode)
    sync_folder(folder.parent)


def sync_file(descriptor: int) -> None:
    """Make a file's content durable. Raises `OSError`."""
    os.fsync(descriptor)


def create_file(
    path: Path,
    pieces: Iterable[bytes],
    *,
    mode: int = FILE_MODE,
    sync: Sync | None = sync_file,
    like: Path | None = None,
) -> None:
    """Create a new file; the caller syncs its folder.

    A file created by root gets the folder's owner: otherwise the server, with its own user, could not read it.

    Args:
        path: path of the file.
        pieces: content; written one by one, so that a large one does not hold the interpreter.
        mode: permissions, effective from the creation.
        sync: makes the content durable; None: no sync.
        like: file whose owner is used instead of the folder's.

    Raises:
        OSError: the disk is full, or broken; or the file exists. An incomplete file is deleted.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            if os.geteuid() == 0:
                owner = (like or path.parent).stat()
                with suppress(PermissionError):  # root in a container may not be allowed to change owners
                    os.fchown(descriptor, owner.st_uid, owner.st_gid)
            file.writelines(pieces)
            if sync is not None:
                file.flush()
                sync(descriptor)
    except BaseException:
        with suppress(OSError):
            path.unlink()
        raise


def replace_file(
    path: Path, pieces: Iterable[bytes], *, mode: int = FILE_MODE, sync: Sync | None = sync_file
) -> None:
    """Write a new file, and rename it over `path` when it is complete.

    Args:
        path: path of the file.
        pieces: content; see `create_file`.
        mode: permissions, effective from the creation.
        sync: makes the content durable; None: no sync, so that a power cut may restore the old file.

    Raises:
        OSError: the disk is full, or broken; the old file stays.
    """
    fresh = unfinished(path)
    fresh.unlink(missing_ok=True)  # left by a crash; programs that have it open keep that one
    create_file(fresh, pieces, mode=mode, sync=sync, like=path if path.exists() else None)
    fresh.rename(path)
    if sync is not None:
        sync_folder(path.parent)


def unfinished(path: Path) -> Path:
    """Path of the new content of `path` until it is complete; after a crash, the next `replace_file` deletes it."""
    return path.with_name(f".{path.name}.new")


def bytes_of(descriptor: int, offset: int, size: int) -> Iterator[bytes]:
    """Yield a range of an open file in pieces, or the existing part if the file is shorter. Raises `OSError`."""
    end = offset + size
    while offset < end and (data := os.pread(descriptor, min(end - offset, _COPY_BYTES), offset)):
        yield data
        offset += len(data)
