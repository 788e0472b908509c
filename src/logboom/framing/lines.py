"""Cutting a byte stream into chunks of complete lines, in bounded memory."""

from typing import Final

CHUNK_BYTES_MAX: Final = 512 << 10
"""Bytes handed out at once: large enough that per-chunk costs vanish, small enough that one sender holds
the event loop for a few milliseconds only."""

_CARRIAGE_RETURN: Final = 13


class TooLong:
    """Stands in the stream where an over-long line was discarded."""

    __slots__ = ("size_bytes",)

    def __init__(self, size_bytes: int) -> None:
        self.size_bytes = size_bytes


class LineFramer:
    r"""Gathers bytes, hands out chunks of complete lines, and a `TooLong` for each line above the limit.

    Args:
        line_bytes_max: the longest line, in bytes without its line end (`\n` or `\r\n`).
    """

    __slots__ = ("_buffer", "_dropped", "_dropping", "_eof", "_line_bytes_max", "_searched")

    def __init__(self, line_bytes_max: int) -> None:
        self._line_bytes_max = line_bytes_max
        self._buffer = bytearray()
        self._searched = 0  # bytes of the buffer known to hold no newline
        self._dropping = False  # inside an over-long line whose end has not come yet
        self._dropped = 0  # bytes of it dropped so far
        self._eof = False

    def __len__(self) -> int:
        """Bytes held."""
        return len(self._buffer)

    @property
    def between_lines(self) -> bool:
        """True while the next byte begins a line."""
        return not (self._buffer or self._dropping or self._eof)

    def feed(self, data: bytes | memoryview) -> None:
        """Take bytes; the caller's buffer is free again afterwards."""
        self._buffer += data

    def end(self) -> None:
        """No more bytes will come: what is left counts as a line."""
        self._eof = True

    def take(self) -> bytes | TooLong | None:
        """The next chunk of complete lines (without the last newline), a discarded line, or None."""
        if self._dropping:
            return self._drop_line()
        if not self._buffer:
            return None
        end = min(len(self._buffer), CHUNK_BYTES_MAX + self._line_bytes_max)
        last = self._buffer.rfind(b"\n", self._searched, end)
        return self._take_lines(last) if last >= 0 else self._take_rest()

    def _take_lines(self, last: int) -> bytes | TooLong | None:
        """Take the lines up to the newline at `last`, stopping before one that is too long."""
        start, limit = 0, self._line_bytes_max
        while last - start > limit:  # hop from newline to newline, as far as one line may reach
            hop = self._buffer.rfind(b"\n", start, start + limit + 1)
            if hop < 0:
                hop = self._buffer.find(b"\n", start)
                if hop - start > limit + 1 or self._buffer[hop - 1] != _CARRIAGE_RETURN:
                    break
            start = hop + 1
        else:
            return self._consume(last)
        return self._consume(start - 1) if start else self._drop_line()

    def _take_rest(self) -> bytes | TooLong | None:
        """There is no newline: wait, give up on the line when it is too long, or take it at the end."""
        self._searched = size = len(self._buffer)
        # One byte of grace: it may be the \r of a \r\n.
        if size > self._line_bytes_max + (not self._eof):
            return self._drop_line()
        return self._consume(size) if self._eof else None

    def _drop_line(self) -> TooLong | None:
        """Drop up to and with the next newline; the line is reported once its end has come."""
        end = self._buffer.find(b"\n")
        size = len(self._buffer) if end < 0 else end
        self._dropping = end < 0 and not self._eof
        self._dropped += size
        self._consume(size)
        if self._dropping:
            return None
        dropped, self._dropped = self._dropped, 0
        return TooLong(dropped)

    def _consume(self, end: int) -> bytes:
        """Take the bytes before `end`, and drop the newline at `end`."""
        chunk = bytes(memoryview(self._buffer)[:end])
        del self._buffer[: end + 1]
        self._searched = 0
        return chunk
