"""Messages of Fluent Forward in JSON, as loggers for Go can send them: arrays back to back instead of MessagePack."""

import json
import re
from typing import Any, Final

import msgspec

from logboom.formats.messagepack import MalformedError
from logboom.formats.ndjson import repaired
from logboom.formats.nesting import is_too_deep
from logboom.receivers.forward.modes import ForwardMessage, ForwardMessages

JSON_STARTS: Final = b"[{"
"""First bytes of a connection whose messages are JSON. A map is no message in MessagePack, either."""

WHITE_SPACE: Final = b" \t\r\n"
_IN_VALUE: Final = re.compile(rb'["\[\]{}]')
_IN_STRING: Final = re.compile(rb'"|\\.', re.DOTALL)
_INTEGERS: Final = range(-(1 << 63), 1 << 64)
_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.json.Decoder().decode


class JsonMessages:
    """Cuts a byte stream into messages, in bounded memory, like `modes.ForwardMessages`.

    Args:
        message_bytes_max: longest message.
    """

    def __init__(self, message_bytes_max: int) -> None:
        self._message_bytes_max = message_bytes_max
        self._buffer = bytearray()
        self._at = self._depth = 0
        self._in_string = False

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
        if not self._at and self._buffer[:1] and self._buffer[0] in WHITE_SPACE:
            self._buffer = self._buffer.lstrip(WHITE_SPACE)
        if self._buffer and self._buffer[0] not in JSON_STARTS:
            raise MalformedError(f"not JSON: {bytes(self._buffer[:20])!r}")
        is_complete = self._scan()
        if self._at > self._message_bytes_max:
            raise MalformedError(f"a message of more than {self._message_bytes_max} bytes")
        if not is_complete:
            return None
        text = bytes(memoryview(self._buffer)[: self._at])
        del self._buffer[: self._at]
        self._at = 0
        return self._message(text)

    def _scan(self) -> bool:
        """Go on to the end of the message, as far as its bytes have come; returns True there."""
        buffer = self._buffer
        while found := (_IN_STRING if self._in_string else _IN_VALUE).search(buffer, self._at):
            self._at = found.end()
            token = found[0]
            if token == b'"':
                self._in_string = not self._in_string
            elif not self._in_string:
                self._depth += 1 if token in b"[{" else -1
                if not self._depth:
                    return True
        # A backslash at the end of what has come needs the byte behind it, unless it is itself behind one.
        is_open = self._in_string and self._at < len(buffer) and buffer.endswith(b"\\")
        self._at = len(buffer) - is_open
        return False

    def _message(self, text: bytes) -> ForwardMessage | None:
        messages = ForwardMessages(self._message_bytes_max)
        messages.feed(_encode(_value(text)))
        message = messages.take()
        return None if message is None else message._replace(size_bytes=len(text))


def _value(text: bytes) -> Any:
    """Decode a message. Raises MalformedError."""
    text = text.replace(b"\n", b" ")
    if is_too_deep(text):
        raise MalformedError("not JSON: nested too deeply")
    text = repaired(text if text.isascii() else text.decode(errors="replace").encode())
    try:
        value = _decode(text)
        _encode(value)
    except OverflowError:
        value = json.loads(text, parse_int=_integer)
    except (msgspec.DecodeError, RecursionError) as error:
        raise MalformedError(f"not JSON: {error}") from None
    if not isinstance(value, list):
        raise MalformedError("a JSON object is no message")
    return value


def _integer(text: str) -> int | str:
    """Return an integer; one that MessagePack does not have stays text, with all of its digits."""
    value = int(text)
    return value if value in _INTEGERS else text
