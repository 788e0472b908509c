"""Places in files that are recognised again: after a restart, a rename, a truncation."""

import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

HEAD_BYTES_MAX: Final = 1024
"""Bytes from the start that identify a file; a log's first lines bear times."""
BEFORE_BYTES_MAX: Final = 256
"""Bytes before the place that are compared, too: another file of the same start differs there."""

_ROTATED: Final = re.compile(r"[.\-_]?\d[\d.\-_:T]*")
"""What log rotation adds to a name: `.1`, `-20240101`, `.2024-01-01`. Compressed files are none: they are old."""


class Place(msgspec.Struct, frozen=True):
    """How far a file was read, and how to know the file again."""

    device: int
    inode: int
    offset: int
    head_bytes: int = 0
    before_bytes: int = 0
    digest: str = ""
    """Of the first `head_bytes` of the file and the last `before_bytes` before the offset."""


class Identity(NamedTuple):
    """What stays the same while a file is renamed."""

    device: int
    inode: int


def identity_of(status: os.stat_result) -> Identity:
    """The identity in a file's status."""
    return Identity(status.st_dev, status.st_ino)


def place_at(descriptor: int, offset: int) -> Place:
    """The place at `offset` of an open file. Raises OSError."""
    device, inode = identity_of(os.fstat(descriptor))
    head, before = min(offset, HEAD_BYTES_MAX), min(offset, BEFORE_BYTES_MAX)
    return Place(device, inode, offset, head, before, _digest(descriptor, offset, head, before))


def holds(descriptor: int, place: Place) -> bool:
    """Whether an open file has the same bytes as the one that `place` was taken in, as far as is known."""
    if os.fstat(descriptor).st_size < place.offset:
        return False
    return _digest(descriptor, place.offset, place.head_bytes, place.before_bytes) == place.digest


def _digest(descriptor: int, offset: int, head: int, before: int) -> str:
    data = os.pread(descriptor, head, 0) + os.pread(descriptor, before, offset - before)
    return hashlib.blake2b(data, digest_size=16).hexdigest()


@contextmanager
def opened(path: Path) -> Iterator[int]:
    """The file, for a look."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def find(path: Path, place: Place) -> Path | None:
    """Where the file of a place is now: at `path`, renamed, or copied by a rotation beside it."""
    candidates = [path, *rotated(path)]
    renamed = next((one for one in candidates if _is_there(one, place, renamed=True)), None)
    if renamed is not None or not place.offset:  # without bytes to compare, any file would be a copy
        return renamed
    return next((one for one in candidates if _is_there(one, place, renamed=False)), None)


def _is_there(candidate: Path, place: Place, *, renamed: bool) -> bool:
    """Whether a file holds what was read; `renamed`: and is the very file."""
    try:
        with opened(candidate) as descriptor:
            if renamed and identity_of(os.fstat(descriptor)) != (place.device, place.inode):
                return False
            return holds(descriptor, place)
    except OSError:  # gone meanwhile, or not ours to read
        return False


def rotated(path: Path) -> list[Path]:
    """The files that rotation has made of `path`, newest first."""
    found: list[tuple[int, Path]] = []
    try:
        with os.scandir(path.parent) as entries:
            for entry in entries:
                rest = entry.name.removeprefix(path.name)
                if rest != entry.name and _ROTATED.fullmatch(rest) and entry.is_file():
                    found.append((entry.stat().st_mtime_ns, Path(entry.path)))
    except OSError:
        return []
    return [one for _, one in sorted(found, reverse=True)]


def newer(path: Path, place_of: Path) -> list[Path]:
    """Files that rotation has made of `path` after `place_of`, oldest first: what to read in between."""
    names = rotated(path)
    return list(reversed(names[: names.index(place_of)])) if place_of in names else []
