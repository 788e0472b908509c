"""Rotated backups of a file: numbered, limited in number, optionally compressed.

A crash may follow any step. `settle` and the next `take` repair the result: a gap in the numbers is filled, and an
unfinished compression is repeated.
"""

import shutil
import stat
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from logboom.durable import create_file, sync_folder, unfinished

GZIP_LEVEL: Final = 3
"""Compresses log lines nearly as well as 9 in a third of the time, in which the output pauses."""

_GZIP: Final = zlib.MAX_WBITS | 16
"""zlib's window bits for the gzip format."""

_COPY_BYTES: Final = 1 << 20
"""Bytes per read while a file is compressed."""


class Backups:
    """The backups of one file.

    Args:
        path: path of the file that is being written.
        count: number of backups that are kept. 0: none.
        first: number of the newest.
        compress: gzip them, as `<path>.<number>.gz`.
    """

    def __init__(self, path: Path, count: int, *, first: int = 1, compress: bool = False) -> None:
        self._path = path
        self._first = first
        self._end = first + count
        self._compress = compress

    def files(self) -> list[Path]:
        """The existing backups, newest first."""
        names = [name for number in range(self._first, self._end) for name in self._names(number)]
        return [name for name in names if name.exists()]

    def take(self) -> None:
        """Make the file the newest backup, and delete the oldest one beyond `count`. Raises `OSError`."""
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
        """Compress the backups that are not compressed yet, if configured. Raises `OSError`."""
        for number in range(self._first, self._end) if self._compress else ():
            plain, packed = self._names(number)
            if plain.exists():
                _compress(plain, packed)

    def settle(self) -> None:
        """Delete the remains of a compression that a crash interrupted. Raises `OSError`."""
        for number in range(self._first, self._end):
            plain, packed = self._names(number)
            unfinished(packed).unlink(missing_ok=True)
            if packed.exists():  # complete, since it has its name
                plain.unlink(missing_ok=True)

    def _delete_surplus(self) -> None:
        """Delete backups of an earlier, larger `count`, up to the first gap: a user's own `.2025` is kept."""
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
    """Write the compressed file durably, then delete the original."""
    fresh = unfinished(packed)
    fresh.unlink(missing_ok=True)
    create_file(fresh, _packed(plain), mode=stat.S_IMODE(plain.stat().st_mode))
    shutil.copystat(plain, fresh)  # permissions, whatever the umask, and the time of the last write
    fresh.rename(packed)
    sync_folder(packed.parent)
    plain.unlink()


def _packed(plain: Path) -> Iterator[bytes]:
    """Yield the content of a file in gzip format."""
    packer = zlib.compressobj(GZIP_LEVEL, wbits=_GZIP)
    with plain.open("rb") as file:
        while data := file.read(_COPY_BYTES):
            yield packer.compress(data)
    yield packer.flush()
