"""Loki's push request as protobuf in a snappy block. The message is small and never changes: it is read by hand."""

from collections.abc import Iterator
from typing import Final

import cramjam

from logboom.receivers.http_push import BodyError
from logboom.receivers.loki.labels import parse_labels
from logboom.receivers.loki.stream_line import StreamLine

_VARINT: Final = 0
_LENGTH: Final = 2
_FIXED: Final = {1: 8, 5: 4}
_SHIFT_MAX: Final = 63
_TIME, _TEXT = 0x0A, 0x12
"""Keys of an entry's time and line: their numbers, with a length."""
_SECONDS, _NANOS = 0x08, 0x10
"""Keys in a time."""
_LONG: Final = 0x80
"""First number that takes more than a byte."""
_SHORTEST: Final = 8
"""Bytes of the shortest entry that is read the fast way: enough to look at its keys."""
_NO_METADATA: Final[dict[str, str]] = {}

Field = tuple[int, int, bytes]


def proto_streams(body: bytes, bytes_max: int) -> Iterator[tuple[dict[str, str], list[StreamLine]]]:
    """Read a push. Raises `BodyError`."""
    data = _unpacked(body, bytes_max)
    try:
        streams = [piece for number, _, piece in _fields(data) if number == 1]
        for stream in streams:
            text, lines = "{}", []
            for number, _, piece in _fields(stream):
                if number == 1:
                    text = piece.decode(errors="replace")
                elif number == 2:
                    lines.append(_line(piece))
            labels = parse_labels(text)
            if labels is None:
                raise BodyError(400, f"the labels cannot be read: {text[:100]}")
            yield labels, lines
    except (IndexError, ValueError) as error:
        raise BodyError(400, f"the body is no push request: {error}") from None


def _unpacked(body: bytes, bytes_max: int) -> bytes:
    """Unpack a snappy block. Raises `BodyError`."""
    try:
        if cramjam.snappy.decompress_raw_len(body) > bytes_max:
            raise BodyError(
                413, f"the body has more than {bytes_max} bytes unpacked: send it in pieces", "body_bytes"
            )
        return bytes(cramjam.snappy.decompress_raw(body))
    except (cramjam.DecompressionError, ValueError, OverflowError):
        raise BodyError(400, "the body is no snappy block") from None


def _line(data: bytes) -> StreamLine:
    """Read one entry."""
    return _usual_line(data) or _any_line(data)


def _usual_line(data: bytes) -> StreamLine | None:
    """Read an entry of a time and a line, in this order and without metadata; None for any other one."""
    end = len(data)
    if end < _SHORTEST or data[0] != _TIME or data[2] != _SECONDS or data[1] >= _LONG:
        return None
    stop = 2 + data[1]
    seconds, at = _varint(data, 3)
    nanos, at = _varint(data, at + 1) if at < stop and data[at] == _NANOS else (0, at)
    if at != stop or stop >= end or data[stop] != _TEXT:
        return None
    size, at = _varint(data, stop + 1)
    if at + size != end:
        return None
    return StreamLine(seconds * 10**9 + nanos, data[at:].decode(errors="replace"), _NO_METADATA)


def _any_line(data: bytes) -> StreamLine:
    moment, line, metadata = 0, "", {}
    for number, _, piece in _fields(data):
        if number == 1:
            moment += sum(one * (10**9 if field == 1 else 1) for field, one, _ in _fields(piece))
        elif number == 2:
            line = piece.decode(errors="replace")
        elif number == 3:
            pair = {field: text.decode(errors="replace") for field, _, text in _fields(piece)}
            metadata[pair.get(1, "")] = pair.get(2, "")
    return StreamLine(moment, line, metadata)


def _fields(data: bytes) -> Iterator[Field]:
    """Yield number, integer and bytes of each field of a message. Raises IndexError, ValueError."""
    position = 0
    while position < len(data):
        key, position = _varint(data, position)
        kind = key & 7
        if kind == _VARINT:
            value, position = _varint(data, position)
            yield key >> 3, value, b""
        elif kind == _LENGTH:
            size, position = _varint(data, position)
            if position + size > len(data):
                raise ValueError("it is cut off")
            yield key >> 3, 0, data[position : position + size]
            position += size
        elif kind in _FIXED:
            position += _FIXED[kind]
        else:
            raise ValueError(f"wire type {kind}")


def _varint(data: bytes, position: int) -> tuple[int, int]:
    byte = data[position]
    if byte < 0x80:
        return byte, position + 1
    value, shift = 0, 0
    while True:
        byte = data[position]
        value |= (byte & 0x7F) << shift
        position += 1
        if byte < 0x80:
            return value, position
        shift += 7
        if shift > _SHIFT_MAX:
            raise ValueError("a number is too long")
