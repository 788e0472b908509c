"""MessagePack values back to back: where each one ends, and what those hold that JSON has no word for.

msgspec decodes one value whose bytes are complete. This module finds the ends, in steps that can go on when more bytes
have come, and turns the rest of MessagePack (binary data, keys that are no text, text that is not UTF-8) into JSON.
Source of the format: https://github.com/msgpack/msgpack/blob/master/spec.md.
"""

import math
from base64 import b64encode
from datetime import datetime
from typing import Any, Final

import msgspec

from logboom.formats.nesting import NESTING_MAX

Bytes = bytes | bytearray

_FIXED: Final = [1] * 256
"""Size of the token per first byte, without what a container holds; 0: it has a length, negative: a count."""
_LENGTHS: Final = [(0, 0)] * 256
"""Per first byte of a token with a length: bytes of the length, and bytes besides what it counts."""
_VALUES: Final = [0] * 256
"""Values that a container with a short count holds."""

for _code, _width, _besides in (
    *((0xC4, 1, 0), (0xC5, 2, 0), (0xC6, 4, 0), (0xC7, 1, 1), (0xC8, 2, 1), (0xC9, 4, 1)),
    *((0xD9, 1, 0), (0xDA, 2, 0), (0xDB, 4, 0)),
):
    _FIXED[_code], _LENGTHS[_code] = 0, (_width, _besides)
for _code, _size in (
    *((0xCA, 5), (0xCB, 9), (0xCC, 2), (0xCD, 3), (0xCE, 5), (0xCF, 9), (0xD0, 2), (0xD1, 3), (0xD2, 5)),
    *((0xD3, 9), (0xD4, 3), (0xD5, 4), (0xD6, 6), (0xD7, 10), (0xD8, 18)),
    *((0xDC, -3), (0xDD, -5), (0xDE, -3), (0xDF, -5)),
):
    _FIXED[_code] = _size
for _code in range(0xA0, 0xC0):
    _FIXED[_code] = _code - 0x9F
for _code in range(0x80, 0xA0):
    _VALUES[_code] = (_code & 0xF) * (1 if _code >= 0x90 else 2)

_UNUSED: Final = 0xC1
_MAP16: Final = 0xDE
_ARRAYS: Final = range(0x90, 0xA0)
_STRINGS: Final = {0xD9: b"\xc4", 0xDA: b"\xc5", 0xDB: b"\xc6"}
"""Binary data of the same length, per text."""
_BINARY: Final = frozenset({0xC4, 0xC5, 0xC6})


class MalformedError(ValueError):
    """Bytes that are not MessagePack, or nested too deep."""


def walk(data: Bytes, at: int, end: int, values: int) -> tuple[int, int]:
    """Pass over complete tokens.

    Args:
        data: the bytes.
        at: where a token starts.
        end: where the bytes end.
        values: number of values to pass over.

    Returns:
        Where the walk stopped, and how many values are still to come; go on from there when there are more bytes.

    Raises:
        MalformedError: there is a byte that begins no token.
    """
    while values and at < end:
        code = data[at]
        size = _FIXED[code]
        count = _VALUES[code]
        if size <= 0:
            if size < 0:
                size = -size
                count = int.from_bytes(data[at + 1 : at + size]) << (code >= _MAP16)
            else:
                width, besides = _LENGTHS[code]
                head = 1 + width + besides
                if at + head > end:
                    break
                size = head + int.from_bytes(data[at + 1 : at + 1 + width])
        elif code == _UNUSED:
            raise MalformedError(f"byte 0xc1 at {at}")
        if at + size > end:
            break
        at += size
        values += count - 1
    return at, values


def array_head(data: Bytes, at: int, end: int) -> tuple[int, int] | None:
    """Return the number of elements of the array at `at`, and where the first one starts.

    None when more bytes are needed. Raises MalformedError where there is no array.
    """
    if at >= end:
        return None
    code = data[at]
    if code in _ARRAYS:
        return code & 0xF, at + 1
    if code not in (0xDC, 0xDD):
        raise MalformedError(f"found byte 0x{code:02x}, expected an array")
    size = -_FIXED[code]
    return None if at + size > end else (int.from_bytes(data[at + 1 : at + size]), at + size)


def is_payload(code: int) -> bool:
    """Return whether a value with this first byte is text or binary data."""
    return code in _BINARY or code in _STRINGS or 0xA0 <= code < 0xC0


def payload(data: Bytes, at: int) -> tuple[int, int] | None:
    """Return where the content of a complete text or binary value starts and ends; None for another kind of value."""
    code = data[at]
    if code in _BINARY or code in _STRINGS:
        width, _ = _LENGTHS[code]
        start = at + 1 + width
        return start, start + int.from_bytes(data[at + 1 : start])
    return (at + 1, at + _FIXED[code]) if 0xA0 <= code < 0xC0 else None


def array_of(count: int) -> bytes:
    """Return the head of an array: with it, values back to back are one value, which one call decodes."""
    return b"\xdd" + count.to_bytes(4)


def tolerant(data: Bytes, at: int, end: int) -> bytes:
    """Return a complete value in which text that is not UTF-8 is binary data, so that it can be decoded."""
    parts: list[Bytes] = []
    while at < end:
        start, code = at, data[at]
        if _FIXED[code] < 0:
            at -= _FIXED[code]
        elif _VALUES[code]:
            at += 1
        else:
            at, _ = walk(data, at, end, 1)
        parts.append(_binary_if_bad(data, start, at))
    return b"".join(parts)


def _binary_if_bad(data: Bytes, start: int, end: int) -> Bytes:
    token = data[start:end]
    code = token[0]
    if code in _STRINGS:
        width, _ = _LENGTHS[code]
        return token if _is_text(token[1 + width :]) else _STRINGS[code] + token[1:]
    if 0xA0 <= code < 0xC0 and not _is_text(token[1:]):
        return b"\xc4" + bytes([len(token) - 1]) + token[1:]
    return token


def _is_text(data: Bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


class PlainValues:
    """Makes decoded values JSON: text of binary data, names of keys, words of numbers that JSON does not have.

    `lossy` is true after a value whose bytes are no text: they are not in the JSON as they came.
    """

    __slots__ = ("lossy",)

    def __init__(self) -> None:
        self.lossy = False

    def of(self, value: Any, depth: int = 0) -> Any:
        """Return a value for JSON. Raises MalformedError for one that is nested deeper than an entry may be."""
        kind = type(value)
        if kind is str or kind is int or kind is bool or value is None:
            return value
        if depth >= NESTING_MAX:
            raise MalformedError(f"nested deeper than {NESTING_MAX} levels")
        if kind is dict:
            return {self._key(key, depth): self.of(item, depth + 1) for key, item in value.items()}
        if kind is list or kind is tuple:
            return [self.of(item, depth + 1) for item in value]
        if kind is float:
            return value if math.isfinite(value) else str(value)
        return self._text(value)

    def _key(self, key: Any, depth: int) -> str:
        if type(key) is str:
            return key
        plain = self.of(key, depth + 1)
        return plain if isinstance(plain, str) else msgspec.json.encode(plain).decode()

    def _text(self, value: Any) -> Any:
        if isinstance(value, bytes | bytearray | memoryview):
            text = bytes(value).decode(errors="replace")
            self.lossy = self.lossy or not _is_text(bytes(value))
            return text
        if isinstance(value, datetime):
            return value.isoformat()
        if isinstance(value, msgspec.msgpack.Ext):
            return {"type": value.code, "data": b64encode(value.data).decode()}
        return str(value)
