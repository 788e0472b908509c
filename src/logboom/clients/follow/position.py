"""Places in files that are recognised again: after a restart, a rename, a truncation."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

HEAD_BYTES_MAX: Final = 1024
"""Bytes from the start that identify a file; a log's first lines bear times."""
BEFORE_BYTES_MAX: Final = 256
"""Bytes before the place that are compared, too: another file of the same start differs there."""


class FilePlace(msgspec.Struct, frozen=True):
    """A position in a file, and the means to recognise the file."""

    device: int
    inode: int
    offset: int
    head_bytes: int = 0
    before_bytes: int = 0
    digest: str = ""
    """Digest of the first `head_bytes` of the file and the last `before_bytes` before the offset."""
    number: int = 0
    """Names the generation: what a path held from its creation, or a truncation, to the next."""
    path: str = ""
    """The last path of the file; empty in states of earlier versions."""
    finished: bool = False
    """It was moved away and read to its end."""


class FileIdentity(NamedTuple):
    """A file's identity, which stays the same while it is renamed."""

    device: int
    inode: int


def identity_of(status: os.stat_result) -> FileIdentity:
    """The identity in a file's status."""
    return FileIdentity(status.st_dev, status.st_ino)


def digest(head: bytes, before: bytes) -> str:
    """The digest of a place."""
    return hashlib.blake2b(head + before, digest_size=16).hexdigest()


def holds(descriptor: int, place: FilePlace) -> bool:
    """True when an open file has the same bytes as the one of `place`, as far as those are known."""
    if os.fstat(descriptor).st_size < max(place.offset, place.head_bytes):
        return False
    head = os.pread(descriptor, place.head_bytes, 0)
    before = os.pread(descriptor, place.before_bytes, place.offset - place.before_bytes)
    return digest(head, before) == place.digest or not place.digest


@contextmanager
def opened(path: Path) -> Iterator[int]:
    """The file, for a look; without waiting, should it be a pipe."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def is_there(candidate: Path, place: FilePlace, *, renamed: bool) -> bool:
    """True when a file holds what was read of a place; `renamed`: and is the very file."""
    try:
        with opened(candidate) as descriptor:
            if renamed and identity_of(os.fstat(descriptor)) != (place.device, place.inode):
                return False
            return holds(descriptor, place)
    except OSError:  # gone meanwhile, or not ours to read
        return False
