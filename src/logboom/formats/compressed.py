"""Compressed data, unpacked in slices, so that a small message cannot become gigabytes of memory."""

import sys
import zlib
from collections.abc import Callable
from typing import Final, Protocol

from logboom.formats.messagepack import MalformedError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

UNPACKED_BYTES_MAX: Final = 64 << 20
"""Decompressed bytes of one message: eight times fluentd's usual chunk, far above Filebeat's batches."""
_ZSTD_WINDOW_LOG_MAX: Final = 23
"""Memory of a decompressor: 8 MiB, the window of zstd's standard levels, and that of RFC 9659."""

DAMAGE: Final = (zlib.error, zstd.ZstdError, ValueError)
"""Errors for data that cannot be unpacked."""


class _Member(Protocol):
    """Decompressor of one gzip member or zstd frame."""

    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


class Members:
    """Decompressor of consecutive gzip members, zlib streams or zstd frames, as their data comes.

    Args:
        make: makes the decompressor of each.
        slice_bytes: bytes per slice.
    """

    def __init__(self, make: Callable[[], _Member], slice_bytes: int) -> None:
        self._make = make
        self._slice_bytes = slice_bytes
        self._data = b""
        self._member: _Member | None = None
        self._is_first = True

    def __len__(self) -> int:
        """Compressed bytes that wait, at least 1 while there may be more."""
        return len(self._data) + self.is_open

    @property
    def is_open(self) -> bool:
        """True within a member: its end has not come."""
        return self._member is not None

    def feed(self, data: bytes) -> None:
        """Take more of the data."""
        self._data += data

    def take(self) -> bytes:
        """Return the next slice; none until more data comes. Zeros after a member are padding. Raises `DAMAGE`."""
        while self._data or self._member is not None:
            if self._member is None:
                if not self._is_first:
                    self._data = self._data.lstrip(b"\0")
                if not self._data:
                    break
                self._member, self._is_first = self._make(), False
            member = self._member
            found = member.decompress(self._data, self._slice_bytes)
            if member.eof:
                self._data, self._member = member.unused_data, None
            else:
                self._data = getattr(member, "unconsumed_tail", b"")
            if found or (self._member is not None and not self._data):
                return found
        return b""


class Compressed(Members):
    """Whole data of one message, with a limit for what it unpacks to.

    Args:
        kind: `gzip`, `zlib` or `zstd`.
        data: all of it.
        slice_bytes: bytes per slice.
    """

    def __init__(self, kind: str, data: bytes, slice_bytes: int) -> None:
        super().__init__(_KINDS[kind], slice_bytes)
        self.feed(data)
        self._unpacked = 0

    def take(self) -> bytes:
        """Return the next slice; none at the end. Raises MalformedError for data that cannot be unpacked."""
        try:
            found = super().take()
        except DAMAGE as error:
            raise MalformedError(f"compressed data: {error}") from None
        self._unpacked += len(found)
        if self._unpacked > UNPACKED_BYTES_MAX:
            raise MalformedError(f"more than {UNPACKED_BYTES_MAX} bytes when unpacked")
        if not found and self.is_open:
            raise MalformedError("compressed data ends too early")
        return found


def inflate(wbits: int) -> Callable[[], _Member]:
    """Return a maker of decompressors of deflated data; `wbits` as for `zlib.decompressobj`."""
    return lambda: zlib.decompressobj(wbits=wbits)


def zstd_frame() -> _Member:
    """Make the decompressor of a zstd frame (RFC 8878)."""
    return zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: _ZSTD_WINDOW_LOG_MAX})


_any_deflated: Final = inflate(47)  # gzip or zlib: clients confuse the two
_KINDS: Final = {"gzip": _any_deflated, "zlib": _any_deflated, "zstd": zstd_frame}
KINDS: Final = frozenset(_KINDS)
"""Kinds that can be unpacked."""
