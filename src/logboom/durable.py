"""Files that outlive a power cut: made and replaced as a whole, and their names with them.

Whoever reads such a file, also after a crash, finds the old one or the new one, never half of it.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

FILE_MODE: Final = 0o640
"""What the server writes is for its user and group: logs are nobody else's business."""

_COPY_BYTES: Final = 1 << 20

_umasks: Final[list[int]] = []  # the process's before `keep_private`; empty while it still has that one

Sync = Callable[[int], None]
"""Makes the content of an open file durable; tests put a failing one here."""


def sync_folder(folder: Path) -> None:
    """Make creates, renames and deletes in `folder` durable. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def keep_private() -> None:
    """Let this process make files for its user and group only, but for those that get `shared` permissions."""
    before = os.umask(0o077)
    os.umask(before | 0o027)
    _umasks.append(before)


def shared(mode: int) -> int:
    """The permissions `mode` less the umask that the process was started with."""
    if _umasks:
        return mode & ~_umasks[0]
    umask = os.umask(0o077)
    os.umask(umask)
    return mode & ~umask


def make_folder(folder: Path, mode: int | None = None) -> None:
    """Make `folder` and what is missing above it, durably.

    Args:
        folder: may be there already.
        mode: permissions of what is made, whatever the umask; None: as the umask has it.

    Raises:
        OSError: it can't be made.
    """
    if folder.is_dir():
        return
    make_folder(folder.parent, mode)
    folder.mkdir(exist_ok=True)
    if mode is not None:
        folder.chmod(mode)
    sync_folder(folder.parent)


def sync_file(descriptor: int) -> None:
    """Make a file's content durable. Raises OSError."""
    os.fsync(descriptor)


def create_file(
    path: Path,
    pieces: Iterable[bytes],
    *,
    mode: int = FILE_MODE,
    sync: Sync | None = sync_file,
    like: Path | None = None,
) -> None:
    """Make a file that is not there yet; its name is still to be synced.

    What root makes belongs to whom the folder belongs: else the server, under a user of its own, could not read it.

    Args:
        path: of the file.
        pieces: its content; written one by one, so that no large one holds the interpreter.
        mode: its permissions, from its first moment on.
        sync: makes the content durable; None: nothing does.
        like: whose owner counts instead of the folder's.

    Raises:
        OSError: the disk is full, or broken; or the file is there. A file that was begun is taken away.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            if os.geteuid() == 0:
                owner = (like or path.parent).stat()
                with suppress(PermissionError):  # root of a container may have no right to give files away
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
    """Write a file anew, and give it its name when all of it is there.

    Args:
        path: of the file.
        pieces: its content; see `create_file`.
        mode: its permissions, from its first moment on.
        sync: makes the content durable; None: nothing does, and a power cut may bring the old one back.

    Raises:
        OSError: the disk is full, or broken; the old file stays then.
    """
    fresh = unfinished(path)
    fresh.unlink(missing_ok=True)  # of a crash; whoever else may read it or write to it keeps that one
    create_file(fresh, pieces, mode=mode, sync=sync, like=path if path.exists() else None)
    fresh.rename(path)
    if sync is not None:
        sync_folder(path.parent)


def unfinished(path: Path) -> Path:
    """Where the new content of `path` grows; a crash may leave it behind, and the next `replace_file` takes it away."""
    return path.with_name(f".{path.name}.new")


def bytes_of(descriptor: int, offset: int, size: int) -> Iterator[bytes]:
    """A range of an open file, piece by piece; what is there of it, if the file is shorter. Raises OSError."""
    end = offset + size
    while offset < end and (data := os.pread(descriptor, min(end - offset, _COPY_BYTES), offset)):
        yield data
        offset += len(data)
