"""Frames of RELP: `TXNR SP COMMAND SP DATALEN [SP DATA] LF`."""

import re
from typing import Final, NamedTuple

CHUNK_BYTES_MAX: Final = 128 << 10
"""Bytes that are cut at once: a thousand messages, which hold the event loop for about 3 ms."""
FRAMES_MAX: Final = 2048
"""Frames that are cut at once: of the shortest, a chunk would have too many for one turn of the loop."""

HEADER_BYTES_MAX: Final = 9 + 1 + 32 + 1 + 9 + 1
"""Number, command and length, with what stands behind each."""

_SYSLOG: Final = re.compile(rb"([0-9]{1,9}) syslog ([0-9]{1,9}) ")
_HEADER: Final = re.compile(rb"([0-9]{1,9}) ([A-Za-z]{1,32}) ([0-9]{1,9})([ \n])")


class CommandFrame(NamedTuple):
    """One frame of any command but `syslog`."""

    number: bytes
    command: bytes
    data: bytes
    size_bytes: int


class SyslogFrames(NamedTuple):
    """Consecutive `syslog` frames."""

    numbers: list[bytes]
    messages: list[bytes]
    size_bytes: int


class RelpFramer:
    """Takes bytes, hands out frames.

    Args:
        data_bytes_max: most data of a frame, bytes.
    """

    __slots__ = ("_buffer", "_limit", "_needed", "trouble")

    def __init__(self, data_bytes_max: int) -> None:
        self._limit = data_bytes_max
        self._buffer = bytearray()
        self._needed = 0  # bytes that must be there before it is worth a look
        self.trouble: str | None = None
        """The reason why the stream cannot be read any further."""

    def __len__(self) -> int:
        """Bytes held."""
        return len(self._buffer)

    def feed(self, data: bytes | memoryview) -> None:
        """Take bytes; the caller's buffer is free again afterwards."""
        if self.trouble is None:
            self._buffer += data

    def take(self) -> SyslogFrames | CommandFrame | None:
        """Return the next frames; None: none is complete, or there is trouble."""
        found: SyslogFrames | CommandFrame | None = None
        while found is None and self.trouble is None and len(self._buffer) >= self._needed:
            with memoryview(self._buffer) as held:
                chunk = bytes(held[: max(CHUNK_BYTES_MAX, self._needed)])
            found = self._syslog_frames(chunk) or self._other_frame(chunk)
            if self._needed <= len(chunk):
                break
        if found is not None:
            del self._buffer[: found.size_bytes]
            self._needed = 0
        return found

    def _syslog_frames(self, chunk: bytes) -> SyslogFrames | None:
        numbers: list[bytes] = []
        messages: list[bytes] = []
        position, match, limit = 0, _SYSLOG.match, self._limit
        while position < CHUNK_BYTES_MAX and len(numbers) < FRAMES_MAX:
            header = match(chunk, position)
            if header is None:
                break
            start = header.end()
            size = int(header[2])
            stop = start + size
            if not 0 < size <= limit or chunk[stop : stop + 1] != b"\n":
                break  # incomplete, or something is wrong with it
            numbers.append(header[1])
            messages.append(chunk[start:stop])
            position = stop + 1
        return SyslogFrames(numbers, messages, position) if numbers else None

    def _other_frame(self, chunk: bytes) -> CommandFrame | None:
        header = _HEADER.match(chunk)
        if header is None:
            if len(chunk) > HEADER_BYTES_MAX or not _may_begin(chunk):
                self._end(f"no RELP frame begins with {chunk[:20]!r}")
            return None
        size = int(header[3])
        if size > self._limit:
            self._end(f"a RELP frame of {size} bytes, the limit is {self._limit} (frame_bytes_max)")
        elif size and header[4] == b"\n":
            self._end(f"a RELP frame of {size} bytes whose data is not there")
        else:
            start = header.end() - (
                header[4] == b"\n"
            )  # without data, the newline comes next; some put a space first
            stop = start + size
            if chunk[stop : stop + 1] == b"\n":
                return CommandFrame(header[1], header[2], chunk[start:stop], stop + 1)
            self._needed = stop + 1
            if len(chunk) > stop:
                self._end("a RELP frame does not end with a newline where its length says")
        return None

    def _end(self, trouble: str) -> None:
        self.trouble = trouble
        self._buffer.clear()


_BEGINNING: Final = re.compile(rb"[0-9]{0,9}(?: [A-Za-z]{0,32}(?: [0-9]{0,9})?)?")


def _may_begin(data: bytes) -> bool:
    """Return True if a header may begin so."""
    return _BEGINNING.fullmatch(data) is not None
