"""A zlib stream, as rsyslog sends it with `compression.mode="stream:always"`."""

import re
import zlib
from typing import Final

STREAM: Final = re.compile(rb"\x78[\x01\x5e\x9c\xda]")
"""The first two bytes of a zlib stream; no text has them."""
STREAM_BYTE: Final = b"\x78"
STREAM_BYTES: Final = 2

STEP_BYTES_MAX: Final = 128 << 10
"""Bytes that are unpacked at once, whatever they were packed to."""


class Inflating:
    """Unpacks a stream in steps of bounded size. The first fault is its end."""

    __slots__ = ("_has_more", "_packed", "_stream", "trouble")

    def __init__(self) -> None:
        self._stream = zlib.decompressobj()
        self._packed = b""
        self._has_more = False  # the last step was full: zlib may hold more, even without packed bytes
        self.trouble: str | None = None
        """The reason why no more can be unpacked."""

    def __len__(self) -> int:
        """Packed bytes held."""
        return len(self._packed)

    def feed(self, data: bytes | memoryview) -> None:
        """Take packed bytes."""
        if self.trouble is None:
            self._packed += bytes(data)

    def take(self) -> bytes:
        """Return the next unpacked bytes; none: there are no more yet, or there is trouble."""
        if not self._packed and not self._has_more:
            return b""
        before = self._stream.copy()
        try:
            found = self._stream.decompress(self._packed, STEP_BYTES_MAX)
        except zlib.error as error:
            good = _good_bytes(before, self._packed)
            if not good:
                return self._end(f"the zlib stream is damaged: {error}")
            self._stream, self._packed = before, self._packed[:good]
            found = self._stream.decompress(self._packed, STEP_BYTES_MAX)
            self._end(f"the zlib stream is damaged: {error}")
            return found
        self._packed = self._stream.unconsumed_tail
        self._has_more = len(found) == STEP_BYTES_MAX
        if self._stream.unused_data:
            self._end("there are bytes behind the end of the zlib stream")
        return found

    def _end(self, trouble: str) -> bytes:
        self.trouble = trouble
        self._packed = b""
        self._has_more = False
        return b""


def _good_bytes(stream: "zlib._Decompress", packed: bytes) -> int:
    """Return how many bytes of `packed` can be unpacked before the first that is damaged."""
    good, bad = 0, len(packed)
    while bad - good > 1:
        middle = (good + bad) // 2
        try:
            stream.copy().decompress(packed[:middle], STEP_BYTES_MAX)
        except zlib.error:
            bad = middle
        else:
            good = middle
    return good
