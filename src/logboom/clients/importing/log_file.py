"""A log file that is imported: unpacked while it is read, cut into windows of whole records."""

import bz2
import gzip
import hashlib
import lzma
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

from logboom.clients.importing.layouts.base import Layout

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

WINDOW_BYTES: Final = 1 << 20
"""Bytes that are sent in one request. Windows begin at the same places in each run, so that they have the same keys."""
RECORD_BYTES_MAX: Final = 4 << 20
"""A record that is longer is left out: the server takes lines of 1 MiB."""
SAMPLE_BYTES: Final = 64 << 10
IDENTITY_BYTES: Final = 4 << 10

_MAGIC: Final = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd", b"\xfd7zXZ\x00": "xz", b"BZh": "bzip2"}

UNPACK_ERRORS: Final = (OSError, EOFError, lzma.LZMAError, zstd.ZstdError)
"""Exceptions that reading a damaged file raises."""


class Window(NamedTuple):
    """Whole records of a file."""

    offset: int
    """Start, in unpacked bytes."""
    data: bytes
    is_record: bool = True
    """False: data is the beginning of a record that is too long; the rest of it follows."""
    is_last: bool = False
    """The file ended, so that a window that begins here may be longer later."""

    @property
    def end(self) -> int:
        """End, in unpacked bytes."""
        return self.offset + len(self.data)


class LogFile:
    """A file, or a packed one, as unpacked bytes.

    Args:
        path: of the file.

    Raises:
        OSError: it can't be opened.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.packing = _packing_of(path)
        with self._open() as file:
            self._head: bytes = file.read(SAMPLE_BYTES)

    @property
    def identity(self) -> str:
        """Digest of the file's first line: the same after a rename, after packing, and when lines are added."""
        first = self._head.partition(b"\n")[0][:IDENTITY_BYTES]
        return hashlib.blake2b(first, digest_size=12).hexdigest()

    @property
    def sample(self) -> list[bytes]:
        """The first lines, without their ends; the last of them is whole."""
        whole = self._head if len(self._head) < SAMPLE_BYTES else self._head[: self._head.rfind(b"\n") + 1]
        return whole.removeprefix(b"\xef\xbb\xbf").splitlines()

    @property
    def size(self) -> int | None:
        """Size in bytes, for a progress bar; None for a packed file, or what is no file."""
        return self.path.stat().st_size if self.path.is_file() and not self.packing else None

    def before(self, offset: int, size: int) -> bytes:
        """Return the bytes before an offset, at most `size`. Raises one of `UNPACK_ERRORS`."""
        with self._open() as file:
            start = max(0, offset - size)
            file.seek(start)
            data: bytes = file.read(offset - start)
            return data

    def windows(self, layout: Layout, offset: int = 0) -> Iterator[Window]:
        """Cut the file, from the end of another window on. Raises one of `UNPACK_ERRORS` where it is damaged."""
        data = b""
        with self._open() as file:
            file.seek(offset)
            while True:
                more = file.read(WINDOW_BYTES - len(data) if len(data) < WINDOW_BYTES else WINDOW_BYTES)
                data += more
                if not more:
                    if data:
                        yield Window(offset, data, is_last=True)
                    return
                if len(data) < WINDOW_BYTES:
                    continue  # the end, or a decompressor that returns less than it was asked for
                end = layout.cut(data)
                if not end and len(data) <= RECORD_BYTES_MAX:
                    continue
                yield Window(offset, data[: end or len(data)], is_record=end > 0)
                offset += end or len(data)
                data = data[end:] if end else b""

    def _open(self) -> Any:
        if self.packing == "gzip":
            return gzip.open(self.path)
        if self.packing == "zstd":
            return zstd.open(self.path)
        if self.packing == "xz":
            return lzma.open(self.path)
        if self.packing == "bzip2":
            return bz2.open(self.path)
        return self.path.open("rb")


def _packing_of(path: Path) -> str:
    with path.open("rb") as file:
        head = file.read(8)
    return next((name for magic, name in _MAGIC.items() if head.startswith(magic)), "")
