"""Text of any encoding that log files have, as UTF-8. No I/O."""

import codecs
from typing import Final, NamedTuple

GUESS_BYTES: Final = 64
"""Bytes of the start by which UTF-16 without a byte order mark is recognised."""


class Encoding(NamedTuple):
    """An encoding, as far as cutting lines needs it."""

    codec: str
    mark: bytes
    """The byte order mark; empty without one."""
    unit: int
    """Bytes of a code unit; lines end on a multiple of it."""
    newline: bytes


def _make(codec: str, mark: bytes = b"") -> Encoding:
    newline = "\n".encode(codec)
    return Encoding(codec, mark, len(newline), newline)


UTF_8: Final = _make("utf-8")
_MARKED: Final = (  # UTF-32's little-endian mark begins with UTF-16's
    _make("utf-8", codecs.BOM_UTF8),
    _make("utf-32-le", codecs.BOM_UTF32_LE),
    _make("utf-32-be", codecs.BOM_UTF32_BE),
    _make("utf-16-le", codecs.BOM_UTF16_LE),
    _make("utf-16-be", codecs.BOM_UTF16_BE),
)
_LE, _BE = _make("utf-16-le"), _make("utf-16-be")


def detect(head: bytes) -> Encoding:
    """The encoding of a text that begins with `head`: by its mark, else by the zeros of UTF-16, else UTF-8."""
    for encoding in _MARKED:
        if head.startswith(encoding.mark):
            return encoding
    sample = head[: min(len(head), GUESS_BYTES) & ~1]
    even, odd, units = sample[::2].count(0), sample[1::2].count(0), len(sample) // 2
    if units >= 2 and odd * 10 >= units * 7 and even * 10 <= units:
        return _LE
    if units >= 2 and even * 10 >= units * 7 and odd * 10 <= units:
        return _BE
    return UTF_8


def as_utf8(data: bytes, encoding: Encoding = UTF_8) -> bytes:
    """Whole lines as UTF-8, with replacement characters for what is invalid. The number of newlines stays."""
    if encoding.unit == 1:
        if data.isascii():
            return data
        try:
            data.decode()
        except UnicodeDecodeError:
            return data.decode(errors="replace").encode()
        return data
    return data.decode(encoding.codec, errors="replace").encode(errors="replace")


class Transcoder:
    """Turns a stream of bytes into UTF-8, without its byte order mark. Invalid UTF-8 passes; see `as_utf8`."""

    def __init__(self) -> None:
        self._head: bytes | None = b""
        self._decoder: codecs.IncrementalDecoder | None = None

    def feed(self, data: bytes, *, last: bool = False) -> bytes:
        """The UTF-8 of what came; some bytes may be held until more comes, unless it is the `last`."""
        if self._head is not None:
            data = self._head + data
            if not last and any(encoding.mark.startswith(data) for encoding in _MARKED):
                self._head = data  # a part of a mark, or nothing
                return b""
            self._head = None
            encoding = detect(data)
            data = data.removeprefix(encoding.mark)
            if encoding.unit > 1:
                self._decoder = codecs.getincrementaldecoder(encoding.codec)("replace")
        if self._decoder is None:
            return data
        return self._decoder.decode(data, last).encode(errors="replace")
