"""Cutting a stream of syslog messages, in bounded memory: octet counts, newlines, zero bytes, or nothing between them.

RFC 6587 names the first two; Python's handler ends its messages with a zero byte, and winston-syslog and Log4j send
nothing at all. Each message may have its own frame.
"""

import re
from itertools import pairwise
from typing import Final, NamedTuple

from logboom.framing.lines import TooLong

CHUNK_BYTES_MAX: Final = 128 << 10
"""Bytes that are cut at once: a thousand messages, which hold the event loop for about 3 ms."""
MESSAGES_MAX: Final = 2048
"""Messages that are cut at once: of the shortest, a chunk would have too many for one turn of the loop."""
COUNT_DIGITS_MAX: Final = 9
"""Digits of an octet count."""

HEAD_BYTES: Final = 6
"""Bytes that have a count of up to four digits and the beginning of its message."""
_NO_HEAD: Final = 0, 0

_COUNT: Final = re.compile(rb"([1-9][0-9]{0,8}) <")
_COUNT_BEGINS: Final = re.compile(rb"[1-9][0-9]{0,8} ?\Z")
_COUNT_INSIDE: Final = {end: re.compile(end + rb"(?=[1-9][0-9]{0,8} <)") for end in (b"\n", b"\0")}
_END: Final = re.compile(rb"[\n\0]")
_ZERO_END: Final = re.compile(rb"\0")
_BLANK_LINES: Final = re.compile(rb"(?:\r*+[\n\0])*+")
_BLANK_ZEROS: Final = re.compile(rb"(?:[\r\n]*+\0)*+")
_START: Final = re.compile(
    rb"<[0-9]{1,3}>(?:1 [0-9]{4}-[0-9]{2}-[0-9]{2}T|[A-Z][a-z]{2} [ 0-9][0-9] [0-9]{2}:)"
)
"""Beginning of a message that no text has: priority and time, of RFC 5424 or 3164."""

_BLANK: Final = b"\0\r\n"
_ZERO: Final = b"\0"
_NEWLINE: Final = b"\n"


class Messages(NamedTuple):
    """Complete messages."""

    messages: list[bytes]
    """At least one; none is blank."""
    size_bytes: int
    """Bytes that they took, with their frames."""


class SyslogFramer:
    """Takes bytes, hands out messages without their frames.

    Args:
        message_bytes_max: longest message; longer ones are discarded. Without any delimiter, messages are separated at
            their beginnings once this many bytes have come.
    """

    __slots__ = ("_buffer", "_discarded", "_end", "_eof", "_is_settled", "_limit", "_skip", "undelimited")

    def __init__(self, message_bytes_max: int) -> None:
        self._limit = message_bytes_max
        self._buffer = bytearray()
        self._end = b""  # the delimiter that this connection uses, once one has been seen; empty before
        self._skip: int | None = (
            None  # discarding: bytes left of a counted message; 0: up to the next delimiter
        )
        self._discarded = 0
        self._eof = self._is_settled = False
        self.undelimited = False
        """True once messages have come with nothing between them."""

    def __len__(self) -> int:
        """Bytes held."""
        return len(self._buffer)

    def feed(self, data: bytes | memoryview) -> None:
        """Take bytes; the caller's buffer is free again afterwards."""
        self._buffer += data
        self._is_settled = False

    def end(self) -> None:
        """No more bytes will come: what is left is a message."""
        self._eof = True

    def settle(self) -> None:
        """Nothing has come for a while: where nothing ends a message, what is there is whole."""
        if _COUNT.match(self._buffer) or _COUNT_BEGINS.match(self._buffer):
            return
        self._is_settled = not self._end or self.undelimited or _START.search(self._buffer, 1) is not None

    def take(self) -> Messages | TooLong | None:
        """Return the next messages, or one that was discarded; None: there is none yet."""
        while True:
            if self._skip is not None:
                return self._discard()
            messages: list[bytes] = []
            size = self._cut(messages)
            del self._buffer[:size]
            if messages:
                return Messages(messages, size)
            if not size and self._skip is None:
                return None

    def _cut(self, messages: list[bytes]) -> int:
        """Fill `messages`; return the bytes that are done. Discarding begins only where there are none before it."""
        position, buffer = 0, self._buffer
        while position < CHUNK_BYTES_MAX and len(messages) < MESSAGES_MAX:
            start = position = self._after_blanks(position)
            if position == len(buffer) or self._skip is not None:
                break
            if _COUNT.match(buffer, position):
                position = self._cut_counted(position, messages)
            elif (
                self._is_final
                or len(buffer) - position > COUNT_DIGITS_MAX + 1
                or not self._may_count(position)
            ):
                position = self._cut_many(position, messages) or self._cut_one(position, messages)
            if position == start:
                break
        return position

    def _after_blanks(self, position: int) -> int:
        blanks = (_BLANK_ZEROS if self._end == _ZERO else _BLANK_LINES).match(self._buffer, position)
        return blanks.end() if blanks else position

    @property
    def _is_final(self) -> bool:
        return self._eof or self._is_settled

    def _may_count(self, position: int) -> bool:
        return _COUNT_BEGINS.match(self._buffer, position) is not None

    def _cut_counted(self, position: int, messages: list[bytes]) -> int:
        """Cut messages that have an octet count, as long as they follow one another."""
        with memoryview(self._buffer) as held:
            chunk = bytes(
                held[position : position + max(CHUNK_BYTES_MAX, self._limit + COUNT_DIGITS_MAX + 1)]
            )
        end, limit, append, start = len(chunk), self._limit, messages.append, 0
        heads: dict[bytes, tuple[int, int]] = {}  # a few: most messages have the same number of digits
        while len(messages) < MESSAGES_MAX:
            head = chunk[start : start + HEAD_BYTES]
            space, stop = heads.get(head, _NO_HEAD)
            if space and start + stop <= end:
                append(chunk[start + space : start + stop])
                start += stop
                continue
            space = chunk.find(b" ", start, start + COUNT_DIGITS_MAX + 1)
            digits = chunk[start:space]
            if space < 0 or not digits.isdigit() or digits[0] == 48 or chunk[space + 1 : space + 2] != b"<":
                break
            size = int(digits)
            stop = space + 1 + size
            if size > limit:
                if not messages:
                    self._skip = size
                    return position + space + 1
                break
            if stop > end:
                if self._eof and position + end == len(self._buffer):
                    append(chunk[space + 1 :])
                    start = end
                break
            append(chunk[space + 1 : stop])
            if space + 2 - start <= HEAD_BYTES:
                heads[head] = space + 1 - start, stop - start
            start = stop
        return position + start

    def _cut_many(self, position: int, messages: list[bytes]) -> int:
        """Cut all messages up to the last delimiter at hand; return 0 where they have to be cut one by one."""
        delimiter = self._end or _NEWLINE
        last = self._buffer.rfind(delimiter, position, position + CHUNK_BYTES_MAX)
        if last < 0:
            return 0
        with memoryview(self._buffer) as held:
            region = bytes(held[position:last])
        counted = _COUNT_INSIDE[delimiter].search(region)
        if counted is not None:
            region = region[: counted.start()]
        if delimiter == _NEWLINE and (zero := region.find(_ZERO)) >= 0:
            region = region[: max(0, region.rfind(_NEWLINE, 0, zero))]
            if not region:
                return 0
        room = MESSAGES_MAX - len(messages)
        lines = region.split(delimiter, room)
        if len(lines) > room:
            region = region[: -1 - len(lines.pop())]
        if len(max(lines, key=len)) > self._limit:
            fitting = next(index for index, line in enumerate(lines) if len(line) > self._limit)
            del lines[fitting:]
            region = delimiter.join(lines)
            if not lines:
                return 0
        self._end = delimiter
        self._append(lines, messages)
        return position + len(region) + 1

    def _cut_one(self, position: int, messages: list[bytes]) -> int:
        """Cut one message; return `position` where it is not complete."""
        buffer = self._buffer
        size, limit = len(buffer), position + self._limit + 1
        if self._end == _ZERO:
            stop = buffer.find(_ZERO, position, limit)
        else:
            found = _END.search(buffer, position, limit)
            stop = found.start() if found else -1
        if stop >= 0:
            self._end = bytes(buffer[stop : stop + 1])
            self._append([bytes(buffer[position:stop])], messages)
            return stop + 1
        if size >= limit:
            return self._cut_long(position, limit, messages)
        if not self._is_final:
            return position
        pieces = _pieces(bytes(buffer[position:]))
        self.undelimited = self.undelimited or len(pieces) > 1
        self._append(pieces, messages)
        return size

    def _cut_long(self, position: int, limit: int, messages: list[bytes]) -> int:
        """Cut where messages begin, if there is no delimiter between them; else discard one that is too long."""
        pieces = _pieces(bytes(self._buffer[position:limit]))
        rest = len(pieces.pop())
        if pieces:
            self.undelimited = True
            self._end = b""
            self._append(pieces, messages)
            return limit - rest
        if not messages:
            self._skip = self._discarded = 0
        return position

    def _append(self, lines: list[bytes], messages: list[bytes]) -> None:
        if self.undelimited:
            lines = [piece for line in lines for piece in _pieces(line)]
        if self._end == _ZERO:
            lines = [line.lstrip(_BLANK) for line in lines]
        messages += [line for line in lines if line.strip(_BLANK)]

    def _discard(self) -> TooLong | None:
        """Drop what has come of a message that is too long; report it once its end has come."""
        buffer = self._buffer
        if self._skip:
            dropped = min(self._skip, len(buffer))
            self._skip -= dropped
            is_done = not self._skip
        else:
            found = (_ZERO_END if self._end == _ZERO else _END).search(buffer)
            dropped = found.end() if found else len(buffer)
            is_done = found is not None
        del buffer[:dropped]
        self._discarded += dropped
        if not is_done and not self._eof:
            return None
        size, self._discarded, self._skip = self._discarded, 0, None
        return TooLong(size)


def _pieces(data: bytes) -> list[bytes]:
    """Split before each beginning of a message."""
    starts = [0, *(found.start() for found in _START.finditer(data, 1)), len(data)]
    return [data[start:stop] for start, stop in pairwise(starts)]
