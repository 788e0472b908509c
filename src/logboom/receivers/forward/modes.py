"""The messages on a connection: where each one ends, whatever the bytes are split into."""

from enum import Enum
from typing import Any, Final, NamedTuple

import msgspec

from logboom.formats.messagepack import MalformedError, array_head, is_payload, payload, walk
from logboom.receivers.forward.payload import DAMAGE

FIELDS_MAX: Final = 6
"""Elements of the longest message, PING."""

_options: Final = msgspec.msgpack.Decoder()


class Mode(Enum):
    """Shape of a message, by its second element."""

    MESSAGE = "Message"
    """One entry."""
    FORWARD = "Forward"
    """An array of entries."""
    PACKED = "PackedForward"
    """Entries back to back in a text or in binary data."""
    PING = "PING"


class ForwardMessage(NamedTuple):
    """A complete message."""

    mode: Mode
    tag: str
    data: bytes
    """Entries back to back; of PING, the whole message."""
    options: dict[str, Any]
    size_bytes: int


class _Shape(NamedTuple):
    """Properties of a message that its first bytes show."""

    mode: Mode
    tag: str
    start: int
    """Offset of the entries: behind the tag, or behind the head of the array."""
    values: int
    """Values up to the options."""
    rest: int
    """Values from there to the end."""


class ForwardMessages:
    """Cuts a byte stream into messages, in bounded memory.

    Args:
        message_bytes_max: longest message.
    """

    def __init__(self, message_bytes_max: int) -> None:
        self._message_bytes_max = message_bytes_max
        self._buffer = bytearray()
        self._shape: _Shape | None = None
        self._at = self._values = self._options_at = 0

    def __len__(self) -> int:
        """Bytes held."""
        return len(self._buffer)

    def feed(self, data: bytes | memoryview) -> None:
        """Take bytes."""
        self._buffer += data

    def take(self) -> ForwardMessage | None:
        """Return the next message; None when more bytes are needed.

        Raises:
            MalformedError: these are no messages, or one is too long: nothing behind it can be read.
        """
        shape = self._shape or self._begin()
        if shape is not None and self._is_complete(shape):
            return self._complete(shape)
        self._check(len(self._buffer))
        return None

    def _begin(self) -> _Shape | None:
        """Look at the start of the next message."""
        buffer = self._buffer
        del buffer[: len(buffer) - len(buffer.lstrip(b"\xc0"))]  # heartbeats
        self._shape = shape = _shape(buffer)
        if shape is not None:
            self._at, self._values = shape.start, shape.values
        return shape

    def _is_complete(self, shape: _Shape) -> bool:
        """Go on to the end of the message, as far as its bytes have come."""
        if not self._options_at:
            self._at, self._values = walk(self._buffer, self._at, len(self._buffer), self._values)
            if self._values:
                return False
            self._options_at, self._values = self._at, shape.rest
        self._at, self._values = walk(self._buffer, self._at, len(self._buffer), self._values)
        return not self._values

    def _complete(self, shape: _Shape) -> ForwardMessage:
        size = self._at
        self._check(size)
        options = _options_of(bytes(self._buffer[self._options_at : size])) if shape.rest else {}
        data = self._data(shape)
        del self._buffer[:size]
        self._shape = None
        self._at = self._values = self._options_at = 0
        return ForwardMessage(shape.mode, shape.tag, data, options, size)

    def _data(self, shape: _Shape) -> bytes:
        buffer = self._buffer
        start, end = (0 if shape.mode is Mode.PING else shape.start), self._options_at
        if shape.mode is Mode.PACKED:
            found = payload(buffer, start)
            assert found is not None  # noqa: S101 - the mode's condition
            start, end = found
        data = bytes(memoryview(buffer)[start:end])
        return b"\x92" + data if shape.mode is Mode.MESSAGE else data

    def _check(self, size: int) -> None:
        if size > self._message_bytes_max:
            raise MalformedError(f"a message of more than {self._message_bytes_max} bytes")


def _shape(buffer: bytearray) -> _Shape | None:
    """Return the shape of the message at the start of `buffer`; None when more bytes are needed."""
    head = array_head(buffer, 0, len(buffer))
    if head is None:
        return None
    count, tag_at = head
    if not 2 <= count <= FIELDS_MAX:
        raise MalformedError(f"an array of {count} values is no message")
    at, values = walk(buffer, tag_at, len(buffer), 1)
    if values or at >= len(buffer):
        return None
    tag = payload(buffer, tag_at)
    if tag is None:
        raise MalformedError("the tag is no text")
    text = buffer[tag[0] : tag[1]].decode(errors="replace")
    if count == FIELDS_MAX and text == "PING":
        return _Shape(Mode.PING, text, at, count - 1, 0)
    return _shape_of_entries(buffer, text, at, count)


def _shape_of_entries(buffer: bytearray, tag: str, at: int, count: int) -> _Shape | None:
    code = buffer[at]
    if is_payload(code):
        return _Shape(Mode.PACKED, tag, at, 1, count - 2)
    if 0x90 <= code < 0xA0 or code in (0xDC, 0xDD):
        head = array_head(buffer, at, len(buffer))
        return None if head is None else _Shape(Mode.FORWARD, tag, head[1], head[0], count - 2)
    if count < 3:
        raise MalformedError("a message without a record")
    return _Shape(Mode.MESSAGE, tag, at, 2, count - 3)


def _options_of(data: bytes) -> dict[str, Any]:
    """Return the options; an empty dictionary for anything else."""
    try:
        options = _options.decode(data)
    except DAMAGE:
        return {}
    return options if isinstance(options, dict) else {}
