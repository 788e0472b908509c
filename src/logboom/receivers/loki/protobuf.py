"""Loki's push request as protobuf in a snappy block. The message is small and never changes: it is read by hand."""

from collections.abc import Iterator
from typing import Any, Final

import cramjam

from logboom.receivers.http_push import BodyError
from logboom.receivers.loki.labels import parse_labels
from logboom.receivers.loki.stream_lines import StreamLines

_VARINT: Final = 0
_LENGTH: Final = 2
_FIXED: Final = {1: 8, 5: 4}
_SHIFT_MAX: Final = 63
_TIME, _TEXT = 0x0A, 0x12
"""Keys of an entry's time and line: their numbers, with a length."""
_ENTRY: Final = 0x12
"""Key of an entry in a stream."""
_SECONDS, _NANOS = 0x08, 0x10
"""Keys in a time."""
_LONG: Final = 0x80
"""First number that takes more than a byte."""
_HEAD_BYTES: Final = 9
"""Bytes of a time up to its nanoseconds: its key and length, and seconds that take five bytes, as from 1978 on."""
_GOES_ON: Final = 0x8080808080
"""Bits of a number's bytes, the first one lowest, that are set in all bytes but the last."""

Field = tuple[int, int, bytes]


def proto_streams(body: bytes, bytes_max: int) -> Iterator[tuple[dict[str, str], StreamLines]]:
    """Read a push. Raises `BodyError`."""
    data = _unpacked(body, bytes_max)
    try:
        for stream in [piece for number, _, piece in _fields(data) if number == 1]:
            text, lines = read_stream(stream)
            labels = parse_labels(text)
            if labels is None:
                raise BodyError(400, f"the labels cannot be read: {text[:100]}")
            yield labels, lines
    except (IndexError, ValueError) as error:
        raise BodyError(400, f"the body is no push request: {error}") from None


def read_stream(data: bytes) -> tuple[str, StreamLines]:
    """Return the labels and lines of a stream. Raises IndexError, ValueError."""
    text, lines = "{}", StreamLines([], [], {})
    at = 0
    while (at := _usual_lines(data, at, lines.times, lines.texts)) < len(data):
        number, _, piece, at = _field(data, at)
        if number == 1:
            text = piece.decode(errors="replace")
        elif number == 2:
            _add_line(piece, lines)
    return text, lines


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


def _usual_lines(data: bytes, at: int, times: list[int | str], texts: list[Any]) -> int:
    """Read entries of a time and a line, in this order, without metadata and of less than 16 KiB.

    Args:
        data: a stream.
        at: where a field of it begins.
        times: gets the times.
        texts: gets the lines.

    Returns:
        Where the first field begins that is anything else.
    """
    end = len(data)
    heads: dict[bytes, tuple[int, int]] = {}  # most entries have the second of the one before
    add_time, add_text = times.append, texts.append
    while at + 1 < end and data[at] == _ENTRY:
        start, size = at + 2, data[at + 1]
        if size >= _LONG:
            if start >= end or data[start] >= _LONG:
                break
            size += (data[start] - 1) * _LONG
            start += 1
        stop = start + size
        head = data[start : start + _HEAD_BYTES]
        known = heads.get(head)
        if known is None:
            known = heads[head] = _time_head(head)
        seconds_ns, width = known
        nanos_at = start + _HEAD_BYTES
        text_at = nanos_at + width
        if not width or stop > end or text_at + 2 > stop or data[text_at] != _TEXT:
            break
        nanos = int.from_bytes(data[nanos_at:text_at], "little")
        if nanos & _GOES_ON != _GOES_ON >> 8 * (6 - width):
            break
        size, text_at = data[text_at + 1], text_at + 2
        if size >= _LONG:
            if text_at >= stop or data[text_at] >= _LONG:
                break
            size += (data[text_at] - 1) * _LONG
            text_at += 1
        if text_at + size != stop:
            break
        nanos = (
            nanos & 0x7F
            | nanos >> 1 & 0x3F80
            | nanos >> 2 & 0x1FC000
            | nanos >> 3 & 0xFE00000
            | nanos >> 4 & 0x7F0000000
        )
        add_time(seconds_ns + nanos)
        add_text(str(data[text_at:stop], "utf-8", "replace"))
        at = stop
    return at


def _time_head(head: bytes) -> tuple[int, int]:
    """Return the seconds of a time, as nanoseconds, and the bytes of its nanoseconds; 0 for another form of it."""
    if len(head) < _HEAD_BYTES or (head[0], head[2], head[-1]) != (_TIME, _SECONDS, _NANOS):
        return 0, 0
    width = head[1] - (_HEAD_BYTES - 2)
    try:
        seconds, stop = _varint(head, 3)
    except (IndexError, ValueError):
        return 0, 0
    return (seconds * 10**9, width) if stop == _HEAD_BYTES - 1 and 0 < width <= 5 else (0, 0)


def _add_line(data: bytes, lines: StreamLines) -> None:
    """Read one entry of any form."""
    moment, line, metadata = 0, "", {}
    for number, _, piece in _fields(data):
        if number == 1:
            moment += sum(one * (10**9 if field == 1 else 1) for field, one, _ in _fields(piece))
        elif number == 2:
            line = piece.decode(errors="replace")
        elif number == 3:
            pair = {field: text.decode(errors="replace") for field, _, text in _fields(piece)}
            metadata[pair.get(1, "")] = pair.get(2, "")
    if metadata:
        lines.metadata[len(lines.times)] = metadata
    lines.times.append(moment)
    lines.texts.append(line)


def _fields(data: bytes) -> Iterator[Field]:
    """Yield number, integer and bytes of each field of a message. Raises IndexError, ValueError."""
    position = 0
    while position < len(data):
        number, value, piece, position = _field(data, position)
        if number:
            yield number, value, piece


def _field(data: bytes, position: int) -> tuple[int, int, bytes, int]:
    """Return number, integer and bytes of a field, and where it ends; 0 as the number of one that is not read.

    Raises IndexError, ValueError.
    """
    key, position = _varint(data, position)
    kind = key & 7
    if kind == _VARINT:
        value, position = _varint(data, position)
        return key >> 3, value, b"", position
    if kind == _LENGTH:
        size, position = _varint(data, position)
        if position + size > len(data):
            raise ValueError("it is cut off")
        return key >> 3, 0, data[position : position + size], position + size
    if kind in _FIXED:
        return 0, 0, b"", position + _FIXED[kind]
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
