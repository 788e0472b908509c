"""Frames of a spool file: one append each, recognised again after a crash. No I/O.

A frame is `magic, size, CRC-32`, then a body: `kind, moment, count, sizes`, fields (JSON), a place (opaque), the texts.
A frame that a crash cut short, or whose bytes are damaged, fails its checksum.
"""

import json
import struct
import zlib
from collections.abc import Mapping, Sequence
from enum import IntEnum
from itertools import accumulate, pairwise
from typing import Final, NamedTuple

from logboom.clients.wire.dialect import NO_FIELDS

MAGIC: Final = b"\xfeLB\x02"
"""Begins each frame. 0xFE occurs in no UTF-8 text, so that a search for the next frame finds few false ones."""
FRAME_BYTES_MAX: Final = 64 << 20
"""A larger size is damage: no append is that large (`spool.APPEND_BYTES_MAX`)."""

_OUTER: Final = struct.Struct("<4sII")
_INNER: Final = struct.Struct("<BQIHH")
_GROUPED: Final = 0x80
"""Flag in the kind: texts hold newlines, so that their lengths come first."""
OVERHEAD_BYTES: Final = _OUTER.size + _INNER.size
"""Bytes of a frame without fields, place and texts."""


class Kind(IntEnum):
    """The form of texts, which decides how they become messages."""

    OBJECT = 1
    """A JSON object, for `Dialect.encode`."""
    TEXT = 2
    """One or several lines, for `Dialect.encode_text`."""


class Frame(NamedTuple):
    """Texts that were appended together."""

    kind: Kind
    moment_us: int
    """Time of the first text, microseconds since the epoch; each further text has the next microsecond."""
    texts: list[bytes]
    fields: Mapping[str, str] = NO_FIELDS
    """Further fields of each message."""
    place: bytes = b""
    """The reader's position after the texts, as the reader wrote it; empty without one."""


class FoundFrame(NamedTuple):
    """A frame, and where it ends in the data."""

    frame: Frame
    end: int


def pack(
    kind: Kind, moment_us: int, texts: Sequence[bytes], fields: bytes = b"", place: bytes = b""
) -> bytes:
    """The bytes of a frame.

    Args:
        kind: of all texts.
        moment_us: of the first text; see `Frame`.
        texts: at least one.
        fields: a JSON object of strings; empty for none. At most 65,535 bytes, as `place`.
        place: see `Frame`.
    """
    count = len(texts)
    flag = 0
    if count == 1:
        data = texts[0]
    else:
        data = b"\n".join(texts)
        if data.count(b"\n") != count - 1:
            flag = _GROUPED
            data = struct.pack(f"<{count}I", *map(len, texts)) + b"".join(texts)
    body = _INNER.pack(kind | flag, moment_us, count, len(fields), len(place)) + fields + place + data
    return _OUTER.pack(MAGIC, len(body), zlib.crc32(body)) + body


def frame_size(data: bytes, start: int) -> int:
    """Bytes of the frame that begins at `start`, by its head; 0: the head is incomplete or damaged."""
    if len(data) - start < _OUTER.size:
        return 0
    magic, size, _ = _OUTER.unpack_from(data, start)
    if magic != MAGIC or not _INNER.size <= size <= FRAME_BYTES_MAX:
        return 0
    return _OUTER.size + int(size)


def read(data: bytes, start: int) -> FoundFrame | None:
    """The frame at `start`; None: there is none, or it is incomplete or damaged."""
    size = frame_size(data, start)
    if not size or len(data) - start < size:
        return None
    _, _, checksum = _OUTER.unpack_from(data, start)
    body = memoryview(data)[start + _OUTER.size : start + size]
    if zlib.crc32(body) != checksum:
        return None
    return FoundFrame(_read_body(bytes(body)), start + size)


def _read_body(body: bytes) -> Frame:
    kind, moment_us, count, fields_size, place_size = _INNER.unpack_from(body)
    place_start = _INNER.size + fields_size
    start = place_start + place_size
    fields = json.loads(body[_INNER.size : place_start]) if fields_size else NO_FIELDS
    texts = _texts(body[start:], count, grouped=bool(kind & _GROUPED))
    return Frame(Kind(kind & ~_GROUPED), moment_us, texts, fields, body[place_start:start])


def _texts(data: bytes, count: int, *, grouped: bool) -> list[bytes]:
    if count == 1:
        return [data]
    if not grouped:
        return data.split(b"\n")
    sizes = struct.unpack_from(f"<{count}I", data)
    ends = accumulate(sizes, initial=4 * count)
    return [data[start:end] for start, end in pairwise(ends)]
