"""The collector's compressed mode: `u32` big-endian length, then gzip of NDJSON.

Decompression runs in slices of bounded size, so that a small frame which unpacks to gigabytes costs its
sender time and the server nothing.
"""

import zlib
from typing import Final

from logboom.framing.jsonlines import JsonLines
from logboom.model import Batch, Verdict

_HEADER_BYTES: Final = 4
_MAGIC: Final = b"\x1f\x8b"
SLICE_BYTES: Final = 256 << 10
"""Decompressed bytes made at once."""
UNPACKED_BYTES_MAX: Final = 64 << 20
"""Decompressed bytes of one frame: far above any honest batch, far below what hurts."""


def looks_framed(head: bytes | bytearray) -> bool | None:
    """Return whether a connection that starts with `head` speaks frames; None while too little is known.

    No JSON text starts with a zero byte, and every frame below 16 MiB does.
    """
    if not head:
        return None
    if head[0] != 0:
        return False
    if len(head) < _HEADER_BYTES + len(_MAGIC):
        return None
    return head[_HEADER_BYTES:].startswith(_MAGIC)


class GzipFrames:
    """Feeds what frames unpack to into `lines`; a broken frame becomes one refused line.

    Args:
        lines: judges the unpacked NDJSON. Each frame is a text of its own: its last line needs no newline.
        frame_bytes_max: the longest frame, in compressed bytes.
    """

    __slots__ = ("_buffer", "_frame_bytes_max", "_inflate", "_left", "_lines", "_skip", "_unpacked")

    def __init__(self, lines: JsonLines, frame_bytes_max: int) -> None:
        self._lines = lines
        self._frame_bytes_max = frame_bytes_max
        self._buffer = bytearray()
        self._left = 0  # compressed bytes of the current frame that were not unpacked yet
        self._skip = 0  # bytes of a refused frame still to be dropped
        self._inflate: zlib._Decompress | None = None
        self._unpacked = 0

    def __len__(self) -> int:
        """Bytes held."""
        return len(self._buffer) + len(self._lines)

    def feed(self, data: bytes | bytearray | memoryview) -> None:
        """Take bytes."""
        self._buffer += data

    def end(self) -> None:
        """A frame cut off by the end is lost: its sender got no reply for it and sends it again."""

    def take(self) -> Batch | None:
        """The next batch of any frame."""
        while True:
            batch = self._lines.take()
            if batch is not None:
                return batch
            if self._skip:
                self._drop_skipped()
            step = self._unpack() if self._inflate is not None else self._start_frame()
            if step is not True:
                return step or None

    def _start_frame(self) -> Batch | bool:
        """Read a frame's header. A batch is a refusal; False: more bytes are needed."""
        if self._skip or len(self._buffer) < _HEADER_BYTES:
            return False
        size = int.from_bytes(self._buffer[:_HEADER_BYTES], "big")
        if size > self._frame_bytes_max:
            self._skip = _HEADER_BYTES + size
            self._drop_skipped()
            reason = f"frame of {size} bytes, the limit is {self._frame_bytes_max}"
            return _refusal(Verdict.TOO_LONG, size, reason)
        if len(self._buffer) < _HEADER_BYTES + size:
            return False
        del self._buffer[:_HEADER_BYTES]
        self._left, self._unpacked = size, 0
        self._inflate = zlib.decompressobj(wbits=31)
        return True

    def _unpack(self) -> Batch | bool:
        """Unpack one slice of the current frame, whose bytes are all here."""
        inflate = self._inflate
        assert inflate is not None  # noqa: S101 - the caller's check, repeated for the type checker
        packed = bytes(memoryview(self._buffer)[: self._left])
        try:
            data = inflate.decompress(packed, SLICE_BYTES)
        except zlib.error as error:
            return self._refuse_frame(Verdict.NOT_JSON, f"not gzip: {error}")
        rest = len(inflate.unconsumed_tail) + len(inflate.unused_data)
        del self._buffer[: self._left - rest]
        self._left = rest
        self._unpacked += len(data)
        if self._unpacked > UNPACKED_BYTES_MAX:
            return self._refuse_frame(
                Verdict.TOO_LONG, f"frame unpacks to more than {UNPACKED_BYTES_MAX} bytes"
            )
        self._lines.feed(data)
        if inflate.eof:
            return self._end_member()
        if not rest and not data:
            return self._refuse_frame(Verdict.NOT_JSON, "gzip data ends too early")
        return True

    def _end_member(self) -> bool:
        """A gzip member is complete: another one may follow in the same frame."""
        if self._left:
            self._inflate = zlib.decompressobj(wbits=31)
        else:
            self._inflate = None
            self._lines.feed(b"\n")  # the last line of a frame needs no newline of its own
        return True

    def _refuse_frame(self, verdict: Verdict, reason: str) -> Batch:
        """Drop the rest of the frame; the next one starts where its length says."""
        self._inflate = None
        self._skip, self._left = self._left, 0
        self._drop_skipped()
        self._lines.feed(b"\n")
        return _refusal(verdict, self._unpacked, reason)

    def _drop_skipped(self) -> None:
        size = min(self._skip, len(self._buffer))
        del self._buffer[:size]
        self._skip -= size


def _refusal(verdict: Verdict, size_bytes: int, reason: str) -> Batch:
    return Batch(b"", bytes([verdict]), size_bytes=max(1, size_bytes), reasons=(reason,))
