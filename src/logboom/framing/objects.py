"""Cutting a byte stream into JSON objects that need no newline between them, in bounded memory.

A scanner, not a parser: it follows braces and strings, whatever the bytes are split into, and leaves the
judgement of what it found to `formats.ndjson`.
"""

import re
from typing import Final, NamedTuple

from logboom.model import Verdict

_IDLE: Final = re.compile(rb"[{\n]")
_IN_OBJECT: Final = re.compile(rb'["{}]')
_IN_STRING: Final = re.compile(rb'["\\\r\n]')
_NEWLINE: Final = 10
_WHITE_SPACE: Final = b" \t\r\n"

CHUNK_BYTES_MAX: Final = 16 << 10
"""Bytes scanned and judged at once: good ones hold the event loop for a millisecond, the worst (`{}{}{}…`) for
some 20."""


class Refusal(NamedTuple):
    """Bytes that can't be an object."""

    verdict: Verdict
    reason: str
    size_bytes: int


class ObjectScanner:
    """Gathers bytes, hands out objects and refusals in stream order.

    A `{` at the very start of a line always starts a new object. So a torn object costs only itself, and
    what follows on the next line is whole again. (Indented JSON never has a nested brace there.)

    Args:
        object_bytes_max: the longest object, in bytes.
    """

    __slots__ = (
        "_buffer",
        "_depth",
        "_dropped",
        "_escaped",
        "_garbage",
        "_in_string",
        "_object_bytes_max",
        "_position",
        "_start",
    )

    def __init__(self, object_bytes_max: int) -> None:
        self._object_bytes_max = object_bytes_max
        self._buffer = bytearray()
        self._position = 0  # everything before it was scanned
        self._start = 0  # of the current object, when depth > 0
        self._depth = 0
        self._in_string = False
        self._escaped = False  # the next byte of the string stands after a backslash
        self._dropped = 0  # bytes of the current object that were dropped because it is over-long
        self._garbage = 0  # bytes between objects that are no white space

    def __len__(self) -> int:
        """Bytes held."""
        return len(self._buffer)

    def feed(self, data: bytes | memoryview) -> None:
        """Take bytes; the caller's buffer is free again afterwards."""
        self._buffer += data

    def scan(self, *, eof: bool) -> list[bytes | Refusal]:
        """All complete objects (each on one line) and refusals of the next `CHUNK_BYTES_MAX` bytes that have any.

        Nothing means that all bytes were looked at.
        """
        found: list[bytes | Refusal] = []
        while not found:
            self._scan_chunk(found, eof=eof)
            if self._position == len(self._buffer):
                break
        return found

    def _scan_chunk(self, found: list[bytes | Refusal], *, eof: bool) -> None:
        end = min(len(self._buffer), self._position + CHUNK_BYTES_MAX)
        while self._position < end:
            step = self._step_object(end) if self._depth else self._step_idle(end)
            if step is not None:
                found.append(step)
        if self._depth:
            self._drop_if_long()
        at_end = eof and end == len(self._buffer)
        if at_end and self._depth:
            found.append(self._give_up("the stream ends inside an object"))
        elif at_end and self._garbage:
            found.append(self._garbage_refusal())
        self._forget()

    def _step_idle(self, end: int) -> Refusal | None:
        """Go to the next `{`; bytes before it are invalid, which is reported once per line."""
        match = _IDLE.search(self._buffer, self._position, end)
        stop = match.start() if match else end
        self._garbage += len(self._buffer[self._position : stop].translate(None, _WHITE_SPACE))
        self._position = stop
        if match is None:
            return None
        if match[0] == b"{":
            self._start, self._depth = stop, 1
        self._position = stop + 1
        return self._garbage_refusal() if self._garbage else None

    def _step_object(self, end: int) -> bytes | Refusal | None:
        """Go to the next token of the current object."""
        if self._escaped:
            self._escaped = False
            self._position += self._buffer[self._position] != _NEWLINE
        pattern = _IN_STRING if self._in_string else _IN_OBJECT
        match = pattern.search(self._buffer, self._position, end)
        if match is None:
            self._position = end
            self._drop_if_long()
            return None
        index, token = match.start(), match[0]
        self._position = index + 1
        if self._in_string:
            return self._step_string(token)
        if token == b'"':
            self._in_string = True
        elif token == b"}":
            self._depth -= 1
            return None if self._depth else self._complete()
        elif index and self._buffer[index - 1] == _NEWLINE:
            self._position = index
            return self._give_up("a new object starts before this one ends")
        else:
            self._depth += 1
        return None

    def _step_string(self, token: bytes) -> Refusal | None:
        if token == b'"':
            self._in_string = False
        elif token in b"\r\n":
            return self._give_up("a line ends inside a string")
        else:
            self._escaped = True
        return None

    def _complete(self) -> bytes | Refusal:
        size = self._position - self._start + self._dropped
        if size > self._object_bytes_max:
            return self._give_up("")
        # A newline outside a string is white space; the journal needs the entry on one line.
        return (
            bytes(memoryview(self._buffer)[self._start : self._position])
            .replace(b"\r", b" ")
            .replace(b"\n", b" ")
        )

    def _give_up(self, reason: str) -> Refusal:
        size = self._position - self._start + self._dropped
        self._depth, self._in_string, self._escaped, self._dropped = 0, False, False, 0
        if size > self._object_bytes_max:
            return Refusal(
                Verdict.TOO_LONG, f"object of {size} bytes, the limit is {self._object_bytes_max}", size
            )
        return Refusal(Verdict.NOT_JSON, f"not JSON: {reason}", size)

    def _garbage_refusal(self) -> Refusal:
        size, self._garbage = self._garbage, 0
        return Refusal(Verdict.NOT_JSON, f"not JSON: {size} bytes outside of an object", size)

    def _drop_if_long(self) -> None:
        """Hold no more of an over-long object than there is left to scan."""
        size = self._position - self._start
        if size > self._object_bytes_max:
            self._dropped += size
            self._start = self._position

    def _forget(self) -> None:
        """Release the consumed bytes, except for one: the byte before a `{` shows whether a line starts."""
        done = (self._start if self._depth else self._position) - 1
        if done > 0:
            del self._buffer[:done]
            self._position -= done
            self._start -= done
