"""Split of a byte stream into frames, each a `u32` big-endian length and its bytes. In bounded memory."""

from typing import Final, NamedTuple

HEADER_BYTES: Final = 4
CHUNK_BYTES_MAX: Final = 256 << 10
"""Bytes handed out at once: a thousand log messages, which hold the event loop for 3 ms."""


class Frames(NamedTuple):
    """Complete frames."""

    payloads: list[bytes]
    """Contents of the frames, without empty ones."""
    size_bytes: int
    """Bytes taken from the stream, with headers and empty frames."""


class LengthFramer:
    """Gathers bytes, hands out complete frames.

    Args:
        frame_bytes_max: the longest frame, in bytes without its header.
        alone: first bytes of a frame that is returned alone.
    """

    __slots__ = ("_alone", "_buffer", "_frame_bytes_max", "_needed")

    def __init__(self, frame_bytes_max: int, alone: bytes) -> None:
        self._frame_bytes_max = frame_bytes_max
        self._alone = alone
        self._buffer = bytearray()
        self._needed = HEADER_BYTES  # bytes that must be there before it is worth a look

    def __len__(self) -> int:
        """Bytes held."""
        return len(self._buffer)

    def feed(self, data: bytes | memoryview) -> None:
        """Take bytes; the caller's buffer is free again afterwards."""
        self._buffer += data

    def clear(self) -> None:
        """Forget what is held."""
        self._buffer.clear()
        self._needed = HEADER_BYTES

    @property
    def next_size(self) -> int | None:
        """The length that the next frame's header names; None as long as that is not complete."""
        if len(self._buffer) < HEADER_BYTES:
            return None
        return int.from_bytes(self._buffer[:HEADER_BYTES], "big")

    def take(self) -> Frames:
        """Complete frames, up to one that is too long; none at all, with size 0, when none is complete."""
        if len(self._buffer) < self._needed:
            return Frames([], 0)
        with memoryview(self._buffer) as held:
            chunk = bytes(held[: max(CHUNK_BYTES_MAX, self._needed)])
        payloads: list[bytes] = []
        taken = self._cut(chunk, payloads)
        del self._buffer[:taken]
        size = self.next_size
        complete = size is None or size > self._frame_bytes_max  # too long: the caller sees to it at once
        self._needed = HEADER_BYTES if complete else HEADER_BYTES + (size or 0)
        return Frames(payloads, taken)

    def _cut(self, chunk: bytes, payloads: list[bytes]) -> int:
        """Fill `payloads`; returns the bytes that they and their headers take."""
        position, end, size_max, alone = 0, len(chunk), self._frame_bytes_max, self._alone
        read_size, append, first = int.from_bytes, payloads.append, alone[0]
        while (start := position + HEADER_BYTES) <= end:
            size = read_size(chunk[position:start], "big")
            stop = start + size
            if stop > end or size > size_max:
                break
            if size:
                if chunk[start] == first and chunk.startswith(alone, start, stop):
                    return self._cut_alone(chunk[start:stop], payloads, position)
                append(chunk[start:stop])
            position = stop
        return position

    @staticmethod
    def _cut_alone(payload: bytes, payloads: list[bytes], position: int) -> int:
        if payloads:
            return position  # its turn comes with the next call
        payloads.append(payload)
        return position + HEADER_BYTES + len(payload)
