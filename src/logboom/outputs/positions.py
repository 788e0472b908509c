"""Position of a file output, stored so that neither a kill nor a power cut can damage it.

The file has two slots, which are written in turn: an incomplete write damages the older one only. Writing in place
costs one device flush, a fifth of the usual new file, fsync, rename and fsync of the folder. Each slot is one JSON
object, padded with blanks, so that `cat` and `jq` show it.
"""

import os
from pathlib import Path
from typing import Final
from zlib import crc32

import msgspec
from msgspec.structs import replace

from logboom.durable import make_folder, replace_file
from logboom.errors import OutputError
from logboom.journal.disk import Disk

SLOT_BYTES: Final = 4096
"""Block size of every common file system: two slots never share a block."""

PATH_BYTES_MAX: Final = 3072
"""Longest path, as JSON, that fits in a slot with the numbers."""


class Position(msgspec.Struct, frozen=True):
    """The next sequence, and the state of the file when everything before it was durable."""

    path: str
    """Absolute path of the file."""
    next_sequence: int
    inode: int
    size: int
    """Bytes."""
    tail: int
    """CRC-32 of the file's last bytes: an inode number may be reused for another file."""
    clean: bool
    """True if it was closed with nothing written past `size`: further bytes are by another program."""
    save: int = 0
    """Number of the save; the slot with the higher one is newer."""
    check: int = 0
    """CRC-32 of this object with `check` 0."""


_decoder: Final = msgspec.json.Decoder(Position)


class PositionFile:
    """Loads and saves one `Position`.

    Args:
        path: path of the file; its folder is created.
        disk: does the syncs.
    """

    def __init__(self, path: Path, disk: Disk) -> None:
        self._path = path
        self._disk = disk
        self._descriptor = -1
        self._save = 0

    def load(self) -> Position | None:
        """Load the last saved position; None when there is none yet.

        Raises:
            OutputError: the file is damaged. It was set aside; the next `load` returns None.
            OSError: it can't be read.
        """
        self.close()
        try:
            self._descriptor = os.open(self._path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        data = os.pread(self._descriptor, 2 * SLOT_BYTES, 0)
        slots = [_read_slot(data[start : start + SLOT_BYTES]) for start in (0, SLOT_BYTES)]
        found = max((slot for slot in slots if slot is not None), key=lambda slot: slot.save, default=None)
        if found is None:
            raise self._set_aside()
        self._save = found.save
        return found

    def save(self, position: Position) -> None:
        """Save `position` durably. Raises `OSError`, `OutputError`."""
        if len(msgspec.json.encode(position.path)) > PATH_BYTES_MAX:
            raise OutputError(f"the path {position.path[:60]}… is longer than {PATH_BYTES_MAX} bytes")
        slot = _slot(replace(position, save=self._save + 1))
        if self._descriptor < 0:
            self._create(slot)
        else:
            self._overwrite(slot)
        self._save += 1

    def close(self) -> None:
        """Close the file. Idempotent."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = -1

    def _overwrite(self, slot: bytes) -> None:
        if os.pwrite(self._descriptor, slot, (self._save + 1) % 2 * SLOT_BYTES) < SLOT_BYTES:
            raise OutputError(f"could not write {SLOT_BYTES} bytes of {self._path}: the disk may be full")
        self._disk.sync(self._descriptor)

    def _create(self, slot: bytes) -> None:
        """Create the file atomically, with two valid slots."""
        make_folder(self._path.parent)
        replace_file(self._path, [slot, slot], sync=self._disk.sync)
        self._descriptor = os.open(self._path, os.O_RDWR | os.O_CLOEXEC)

    def _set_aside(self) -> OutputError:
        self.close()
        aside = self._path.with_name(f"{self._path.name}.damaged")
        self._path.rename(aside)
        return OutputError(
            f"its position file is damaged, and was set aside as {aside}: "
            "it starts again with the oldest entry, so some entries will be written twice"
        )


def _slot(position: Position) -> bytes:
    checked = replace(position, check=_check(position))
    return msgspec.json.encode(checked).ljust(SLOT_BYTES - 1) + b"\n"


def _read_slot(slot: bytes) -> Position | None:
    try:
        position = _decoder.decode(slot)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return position if position.check == _check(position) else None


def _check(position: Position) -> int:
    return crc32(msgspec.json.encode(replace(position, check=0)))
