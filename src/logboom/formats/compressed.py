"""Compressed data of one message, unpacked in slices, so that a small message cannot become gigabytes of memory."""

import sys
import zlib
from typing import Any, Final, Protocol

from logboom.formats.messagepack import MalformedError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

UNPACKED_BYTES_MAX: Final = 64 << 20
"""Decompressed bytes of one message: eight times fluentd's usual chunk, far above Filebeat's batches."""
_ZSTD_WINDOW_LOG_MAX: Final = 23
"""Memory of a decompressor: 8 MiB, the window of zstd's standard levels."""


class _Member(Protocol):
    """Decompressor of one gzip member or zstd frame."""

    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


class Compressed:
    """Data of one or more gzip members, zlib streams or zstd frames.

    Args:
        kind: `gzip`, `zlib` or `zstd`.
        data: all of it.
        slice_bytes: bytes per slice.
    """

    def __init__(self, kind: str, data: bytes, slice_bytes: int) -> None:
        self._new = _KINDS[kind]
        self._data = data
        self._slice_bytes = slice_bytes
        self._member: _Member | None = None
        self._unpacked = 0

    def __len__(self) -> int:
        """Compressed bytes that wait, at least 1 while there may be more."""
        return len(self._data) + (self._member is not None)

    def take(self) -> bytes:
        """Return the next bytes; none at the end. Raises MalformedError for data that cannot be unpacked."""
        while self:
            if self._member is None:
                self._member = self._new()
            try:
                found = self._member.decompress(self._data, self._slice_bytes)
            except (zlib.error, zstd.ZstdError, ValueError) as error:
                raise MalformedError(f"compressed data: {error}") from None
            self._go_on(self._member, found)
            if found:
                return found
        return b""

    def _go_on(self, member: Any, found: bytes) -> None:
        self._unpacked += len(found)
        if self._unpacked > UNPACKED_BYTES_MAX:
            raise MalformedError(f"more than {UNPACKED_BYTES_MAX} bytes when unpacked")
        if member.eof:
            self._data, self._member = member.unused_data.lstrip(b"\0"), None
            return
        self._data = getattr(member, "unconsumed_tail", b"")
        if not found and not self._data:
            raise MalformedError("compressed data ends too early")


def _zlib() -> _Member:
    return zlib.decompressobj(wbits=47)  # of gzip, too: clients confuse the two


def _zstd() -> _Member:
    return zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: _ZSTD_WINDOW_LOG_MAX})


_KINDS: Final = {"gzip": _zlib, "zlib": _zlib, "zstd": _zstd}
KINDS: Final = frozenset(_KINDS)
"""Kinds that can be unpacked."""
