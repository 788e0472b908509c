"""The rotated files beside a file: numbered, a fixed number of them, compressed when asked for.

Every step may be the last one before a crash. What can be found afterwards is put right by `settle`, or by
the next `take`: a gap in the numbers is filled, a compression that was not finished is done again.
"""

import shutil
import stat
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from logboom.durable import create_file, sync_folder, unfinished

GZIP_LEVEL: Final = 3
"""Log lines shrink nearly as well as at 9, in a third of the time: an output stands still meanwhile."""

_GZIP: Final = zlib.MAX_WBITS | 16
"""How zlib is told to write gzip's frame."""

_COPY_BYTES: Final = 1 << 20
"""Bytes in memory at once while a file is compressed."""


class Backups:
    """The backups of one file.

    Args:
        path: of the file that is being written.
        count: how many are kept. 0: none.
        first: the number of the newest.
        compress: gzip them, as `<path>.<number>.gz`.
    """

    def __init__(self, path: Path, count: int, *, first: int = 1, compress: bool = False) -> None:
        self._path = path
        self._first = first
        self._end = first + count
        self._compress = compress

    def files(self) -> list[Path]:
        """The backups that are there, newest first."""
        names = [name for number in range(self._first, self._end) for name in self._names(number)]
        return [name for name in names if name.exists()]

    def take(self) -> None:
        """Make the file the newest backup; the oldest goes when the numbers are used up. Raises `OSError`."""
        self._delete_surplus()
        numbers = range(self._first, self._end)
        if not numbers:
            self._path.unlink()
            return
        free = next((number for number in numbers if not self._exists(number)), numbers[-1])
        self._delete(free)
        for number in range(free, self._first, -1):
            for old, new in zip(self._names(number - 1), self._names(number), strict=True):
                if old.exists():
                    old.rename(new)
        self._path.rename(self._names(self._first)[0])

    def compress(self) -> None:
        """Compress what is not yet, if that is wanted. Raises `OSError`."""
        for number in range(self._first, self._end) if self._compress else ():
            plain, packed = self._names(number)
            if plain.exists():
                _compress(plain, packed)

    def settle(self) -> None:
        """Clear away what a crash amid a compression left behind. Raises `OSError`."""
        for number in range(self._first, self._end):
            plain, packed = self._names(number)
            unfinished(packed).unlink(missing_ok=True)
            if packed.exists():  # complete, since it has its name
                plain.unlink(missing_ok=True)

    def _delete_surplus(self) -> None:
        """Delete what an earlier, larger `count` left; a gap ends it, so a user's own `.2025` is safe."""
        number = self._end
        while self._exists(number):
            self._delete(number)
            number += 1

    def _names(self, number: int) -> tuple[Path, Path]:
        plain = self._path.with_name(f"{self._path.name}.{number}")
        return plain, plain.with_name(f"{plain.name}.gz")

    def _exists(self, number: int) -> bool:
        return any(name.exists() for name in self._names(number))

    def _delete(self, number: int) -> None:
        for name in self._names(number):
            name.unlink(missing_ok=True)


def _compress(plain: Path, packed: Path) -> None:
    """Durable under its name before the original goes."""
    fresh = unfinished(packed)
    fresh.unlink(missing_ok=True)
    create_file(fresh, _packed(plain), mode=stat.S_IMODE(plain.stat().st_mode))
    shutil.copystat(plain, fresh)  # who may read it, whatever the umask, and when it was last written
    fresh.rename(packed)
    sync_folder(packed.parent)
    plain.unlink()


def _packed(plain: Path) -> Iterator[bytes]:
    """The content of a file in gzip's format, piece by piece."""
    packer = zlib.compressobj(GZIP_LEVEL, wbits=_GZIP)
    with plain.open("rb") as file:
        while data := file.read(_COPY_BYTES):
            yield packer.compress(data)
    yield packer.flush()
