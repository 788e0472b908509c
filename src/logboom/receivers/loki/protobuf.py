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
