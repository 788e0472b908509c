"""LumberjackFrames of the Lumberjack protocol, versions 1 and 2: the events of a byte stream, in bounded memory."""

import struct
from typing import Final, NamedTuple

import msgspec

from logboom.formats.compressed import Compressed
from logboom.formats.messagepack import MalformedError

WINDOW_EVENTS_MAX: Final = 100_000
"""Events of one window: fifty times Filebeat's default."""
PAIRS_MAX: Final = 1000
"""Keys and values of one event of version 1."""
SLICE_BYTES: Final = 128 << 10
"""Decompressed bytes made at once."""

_VERSIONS: Final = b"12"
_WINDOW, _JSON, _DATA, _COMPRESSED = _KINDS = b"WJDC"
_head: Final = struct.Struct(">BBI")
_event_head: Final = struct.Struct(">BBII")
_LENGTH_BYTES: Final = 4
_ACK: Final = ord("A")


class Event(NamedTuple):
    """One event."""

    data: bytes
    """JSON as it came."""
    size_bytes: int
    acknowledgement: bytes
    """WindowAnswer to its window, if it is the last event there."""


class _Frame(NamedTuple):
    """A complete frame."""

    version: int
    kind: int
    number: int
    """Count of a window, sequence of an event, length of a compressed frame."""
    start: int
    """Offset of its content."""
    end: int


class LumberjackFrames:
    """Gathers bytes, returns events in stream order.

    Args:
        frame_bytes_max: longest frame.
    """

    __slots__ = ("_at", "_buffer", "_frame_bytes_max", "_inner", "_inner_at", "_packed", "_seen", "_window")

    def __init__(self, frame_bytes_max: int) -> None:
        self._frame_bytes_max = frame_bytes_max
        self._buffer = bytearray()
        self._at = 0
        self._packed: Compressed | None = None
        self._inner = bytearray()  # what was unpacked of a compressed frame
        self._inner_at = 0
        self._window = self._seen = 0

    def __len__(self) -> int:
        """Bytes held."""
        packed = len(self._packed) if self._packed is not None else 0
        return len(self._buffer) - self._at + len(self._inner) - self._inner_at + packed

    def feed(self, data: bytes | memoryview) -> None:
        """Take bytes."""
        del self._buffer[: self._at]
        self._at = 0
        self._buffer += data

    def take(self) -> Event | None:
        """Return the next event; None when more bytes are needed.

        Raises:
            MalformedError: these are no frames, or one is too long: nothing behind it can be read.
        """
        while True:
            if self._packed is None:
                frame = self._frame(self._buffer, self._at)
                if frame is None:
                    return None
                self._at = frame.end
                event = self._open(self._buffer, frame)
            else:
                frame = self._frame(self._inner, self._inner_at)
                if frame is None:
                    self._unpack(self._packed)
                    continue
                if frame.kind == _COMPRESSED:
                    raise MalformedError("a compressed frame inside a compressed frame")
                self._inner_at = frame.end
                event = self._open(self._inner, frame)
            if event is not None:
                return event

    def take_run(self, count_max: int, bytes_max: int) -> list[Event]:
        """Return complete events in a row, none of them the last one of its window; `take` returns all others."""
        inside = self._packed is not None
        buffer, begin = (self._inner, self._inner_at) if inside else (self._buffer, self._at)
        count_max = min(count_max, self._window - self._seen - 1)
        with memoryview(buffer) as view:
            data = bytes(view[begin : begin + bytes_max])
        found: list[bytes] = []
        at, end, unpack = 0, len(data), _event_head.unpack_from
        while len(found) < count_max and at + _event_head.size <= end:
            version, kind, _, size = unpack(data, at)
            start = at + _event_head.size
            stop = start + size
            if kind != _JSON or version not in _VERSIONS or stop > end or stop - at > self._frame_bytes_max:
                break
            found.append(data[start:stop])
            at = stop
        events = [Event(one, len(one) + _event_head.size, b"") for one in found]
        at += begin
        self._seen += len(events)
        if inside:
            self._inner_at = at
        else:
            self._at = at
        return events

    def _open(self, buffer: bytearray, frame: _Frame) -> Event | None:
        """Return the event of a frame; None for a frame that holds none itself."""
        version, kind, number, start, end = frame
        if kind == _WINDOW:
            if number > WINDOW_EVENTS_MAX:
                raise MalformedError(f"a window of {number} events, the limit is {WINDOW_EVENTS_MAX}")
            self._window, self._seen = number, 0
            return None
        data = bytes(memoryview(buffer)[start:end])
        if kind == _COMPRESSED:
            self._packed = Compressed("zlib", data, SLICE_BYTES)
            return None
        self._seen += 1
        acknowledgement = b""
        if self._seen >= self._window:
            acknowledgement = _head.pack(version, _ACK, number)
            self._window = self._seen = 0
        return Event(_json_of_pairs(data) if kind == _DATA else data, end - start + 10, acknowledgement)

    def _unpack(self, packed: Compressed) -> None:
        """Decompress some more of the compressed frame; end it when nothing is left."""
        del self._inner[: self._inner_at]
        self._inner_at = 0
        data = packed.take()
        self._inner += data
        if not data:
            if self._inner:
                raise MalformedError("a compressed frame ends inside a frame")
            self._packed = None

    def _frame(self, buffer: bytearray, at: int) -> _Frame | None:
        """Return the frame at `at`; None when it is not complete."""
        end = len(buffer)
        if at < end and buffer[at] not in _VERSIONS:
            raise MalformedError(f"found byte 0x{buffer[at]:02x}, expected a version, `1` or `2`")
        if at + 1 < end and buffer[at + 1] not in _KINDS:
            raise MalformedError(f"a frame of the unknown type 0x{buffer[at + 1]:02x}")
        if end - at < _head.size:
            return None
        version, kind, number = _head.unpack_from(buffer, at)
        start = at + _head.size
        if kind == _JSON:
            start += _LENGTH_BYTES
            stop = start + int.from_bytes(buffer[start - _LENGTH_BYTES : start]) if start <= end else start
        elif kind == _DATA:
            stop = _end_of_pairs(buffer, start)
        else:
            stop = start + (number if kind == _COMPRESSED else 0)
        if stop - at > self._frame_bytes_max:
            raise MalformedError(f"a frame of {stop - at} bytes, the limit is {self._frame_bytes_max}")
        return _Frame(version, kind, number, start, stop) if stop <= end else None


def _end_of_pairs(buffer: bytearray, at: int) -> int:
    """Return where the pairs of an event of version 1 end, as far as their lengths have come."""
    count = int.from_bytes(buffer[at : at + _LENGTH_BYTES])
    if len(buffer) >= at + _LENGTH_BYTES and count > PAIRS_MAX:
        raise MalformedError(f"an event of {count} keys, the limit is {PAIRS_MAX}")
    at += _LENGTH_BYTES
    for _ in range(2 * count):
        if at + _LENGTH_BYTES > len(buffer):
            return at + _LENGTH_BYTES
        at += _LENGTH_BYTES + int.from_bytes(buffer[at : at + _LENGTH_BYTES])
    return at


def _json_of_pairs(data: bytes) -> bytes:
    """Return an event of version 1 as JSON."""
    texts: list[str] = []
    at = _LENGTH_BYTES
    while at < len(data):
        start = at + _LENGTH_BYTES
        at = start + int.from_bytes(data[at:start])
        texts.append(data[start:at].decode(errors="replace"))
    return msgspec.json.encode(dict(zip(texts[::2], texts[1::2], strict=True)))
