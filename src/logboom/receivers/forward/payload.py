"""Entries of one message, `[time, record]` back to back: cut into slices, decoded by the fastest way that fits."""

import re
from base64 import b64encode
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from logboom.formats.compressed import Compressed
from logboom.formats.mapped import MappedEntry
from logboom.formats.messagepack import MalformedError, PlainValues, array_of, tolerant, walk
from logboom.model import Verdict
from logboom.receivers.forward.fluent_records import Record, entries_of

SLICE_BYTES: Final = 128 << 10
"""Bytes of entries per batch: some milliseconds of work."""
CAREFUL_BYTES: Final = 16 << 10
"""Bytes per batch where each entry needs a closer look: about twenty times the work."""
RAW_BYTES_MAX: Final = 1 << 20
"""Bytes of an unreadable entry that are stored; longer ones are refused."""

_NS: Final = 1_000_000_000
_NANOSECONDS: Final = 0xFFFFFFFF
_EVENT_TIME: Final = b"\x92\xd7\x00"
"""An entry's head, or the head of its time with metadata: an array of two whose first value is an extension 0."""
_AS_NUMBERS: Final = b"\x93\xc0\xcf"
"""The same bytes as an array of nil, an unsigned number and the second value. Decoding calls no function for it."""
_METADATA: Final = b"\x92\x92"
_NOT_FINITE: Final = re.compile(rb"\xca[\x7f\xff][\x80-\xff]|\xcb[\x7f\xff][\xf0-\xff]")
"""Heads of numbers that JSON does not have; may match in other values, too."""
_FLOATS: Final = (b"\xca", b"\xcb")
_EXPONENT: Final = frozenset({b"\x7f", b"\xff"})
"""The byte behind the first one of such a number."""

_Scalar = str | int | float | bool | None
_Value = _Scalar | list[_Scalar] | dict[str, _Scalar]
_Deep = _Scalar | list[_Value] | dict[str, _Value]
_Fields = dict[str, _Deep]
"""Records that are JSON already: no binary data, no key but text, three levels."""

_with_event_time: Final = msgspec.msgpack.Decoder(list[tuple[None, int, _Fields]])
_with_metadata: Final = msgspec.msgpack.Decoder(list[tuple[tuple[None, int, dict[str, _Deep]], _Fields]])
_with_number: Final = msgspec.msgpack.Decoder(list[tuple[int | float | None, _Fields]])
_anything: Final = msgspec.msgpack.Decoder()

DAMAGE: Final = (
    msgspec.DecodeError,
    UnicodeDecodeError,
    RecursionError,
    TypeError,
    ValueError,
    OverflowError,
)
"""The errors of the decoder for bytes that it cannot read, such as keys that are arrays of maps."""


class Slice(NamedTuple):
    """Some of a message's entries."""

    entries: list[MappedEntry]
    verdicts: bytes
    """One per entry on the wire."""
    size_bytes: int
    reasons: tuple[str, ...] = ()


class PayloadEntries:
    """The entries of one message, in slices.

    Args:
        tag: of the message.
        data: the entries back to back.
        compressed: `gzip` or `zstd`; empty: `data` is not compressed.
    """

    def __init__(self, tag: str, data: bytes, compressed: str = "") -> None:
        self._tag = tag
        self._packed = Compressed(compressed, data, SLICE_BYTES) if compressed else None
        self._window = b"" if compressed else data
        self._at = 0
        self._wanted = SLICE_BYTES
        self._reach = SLICE_BYTES

    def __len__(self) -> int:
        """Bytes that wait."""
        return (len(self._packed) if self._packed else 0) + len(self._window) - self._at

    def take(self) -> Slice | None:
        """Return the next slice; None after the last one."""
        if self._packed is not None:
            refused = self._unpack(self._packed)
            if refused is not None:
                return refused
        if self._at == len(self._window):
            return None
        return self._fast() or self._closely()

    def _unpack(self, packed: Compressed) -> Slice | None:
        """Decompress a slice. Returns a refusal of the rest if it cannot be decompressed."""
        parts = [self._window[self._at :]]
        size = len(parts[0])
        error: MalformedError | None = None
        try:
            while size < self._wanted and (found := packed.take()):
                parts.append(found)
                size += len(found)
        except MalformedError as malformed:
            error = malformed
        self._window, self._at = b"".join(parts), 0
        if error is not None or not packed:
            self._packed = None
        if error is None:
            return None
        return Slice([], bytes([Verdict.NOT_JSON]), max(1, len(packed)), (str(error),))

    # --- many entries with one call ---

    def _fast(self) -> Slice | None:
        """Decode as many entries as fit a slice with one call; None if they need a closer look."""
        window = self._window[self._at : self._at + self._reach]
        final = self._packed is None and self._at + self._reach >= len(self._window)
        head = window[: 7 if window.startswith(_METADATA) else 5]  # the time's first two bytes included
        end = len(window) if final else window.rfind(head)
        data = window[:end]
        mark = _EVENT_TIME if _EVENT_TIME in head else head
        records = _decode(data, data.count(mark)) if end > 0 else None
        if records is None:
            self._reach = CAREFUL_BYTES  # what needs a closer look is rare, or everything
            return None
        self._reach = SLICE_BYTES
        self._at += end
        self._wanted = SLICE_BYTES
        times, fields = records
        return Slice(entries_of(self._tag, times, fields), bytes(len(times)), end)

    # --- one by one ---

    def _closely(self) -> Slice | None:
        """Decode entries one by one, a small slice of them."""
        slices: list[Slice] = []
        start = self._at
        try:
            while self._at < len(self._window) and self._at - start < CAREFUL_BYTES:
                end, values = walk(self._window, self._at, len(self._window), 1)
                if values and self._packed is not None:
                    self._wanted = 2 * (len(self._window) - self._at)
                    break
                _check_complete(values)
                slices.append(_entry(self._tag, self._window[self._at : end]))
                self._at = end
        except MalformedError as error:
            slices.append(self._give_up(f"entries of {self._tag}: {error}"))
        if not slices:
            return self.take()  # with more of the compressed bytes
        return Slice(
            [entry for one in slices for entry in one.entries],
            b"".join([one.verdicts for one in slices]),
            sum(one.size_bytes for one in slices),
            tuple(reason for one in slices for reason in one.reasons),
        )

    def _give_up(self, reason: str) -> Slice:
        """Keep the rest of the message as it came: its sender has no better bytes."""
        rest = self._window[self._at :]
        self._at, self._packed = len(self._window), None
        return kept_raw(self._tag, reason, rest)


def _check_complete(values: int) -> None:
    if values:
        raise MalformedError("the last entry is incomplete")


def kept_raw(tag: str, reason: str, data: bytes) -> Slice:
    """Return a slice with bytes as they came in one entry; more than are worth it are refused."""
    size = max(1, len(data))
    if len(data) > RAW_BYTES_MAX:
        return Slice([], bytes([Verdict.TOO_LONG]), size, (f"{reason}; {size} bytes",))
    raw = b64encode(data).decode()
    entry = MappedEntry(message=f"not readable: {reason}", source=tag, labels={"tag": tag}, raw=raw)
    return Slice([entry], bytes([Verdict.ACCEPTED]), size, (reason,))


_Columns = tuple[Sequence[int | None], Sequence[Record]]
"""Times, nanoseconds since the epoch or None, and records."""


def _decode(data: bytes, count: int) -> _Columns | None:
    """Decode exactly `count` plain entries, at least one; None if they are not just that."""
    if _has_exponent(data) and _NOT_FINITE.search(data):
        return None
    try:
        if _EVENT_TIME not in data[: len(_EVENT_TIME) + 1]:
            times, records = zip(*_with_number.decode(array_of(count) + data), strict=True)
            return list(map(moment_of, times)), records
        # No other value holds these bytes, or the types below do not fit.
        numbered = array_of(count) + data.replace(_EVENT_TIME, _AS_NUMBERS)
        if not data.startswith(_METADATA):
            _, moments, records = zip(*_with_event_time.decode(numbered), strict=True)
            return _nanoseconds(moments), records
        heads, records = zip(*_with_metadata.decode(numbered), strict=True)
        _, moments, metadata = zip(*heads, strict=True)
        for record, found in zip(records, metadata, strict=True):
            if found:
                record.setdefault("metadata", found)
        return _nanoseconds(moments), records
    except DAMAGE:
        return None


def _has_exponent(data: bytes) -> bool:
    """Return False if no number can be infinite; a fifth of the cost of the regular expression."""
    return any(part[:1] in _EXPONENT for first in _FLOATS if first in data for part in data.split(first)[1:])


def _nanoseconds(moments: Iterable[int]) -> list[int | None]:
    """Return times of 32 bits of seconds and 32 bits of nanoseconds; None for 0."""
    return [(moment >> 32) * _NS + (moment & _NANOSECONDS) or None for moment in moments]


def _from_seconds(time: float | None) -> int | None:
    if isinstance(time, float):
        seconds, rest = divmod(time, 1)
        return (
            round(seconds) * _NS + round(rest * 1e6) * 1000 or None
        )  # a double has no more than microseconds
    return time * _NS if time else None


# --- the careful way ---


def _entry(tag: str, data: bytes) -> Slice:
    """Return the entry of one complete value, whatever it holds."""
    plain = PlainValues()
    try:
        time, record = timed(any_value(data), plain)
        [entry] = entries_of(tag, [time], [record])
    except MalformedError as error:
        return kept_raw(tag, f"an entry of {tag}: {error}", data)
    if plain.lossy:
        entry.raw = b64encode(data).decode()
    return Slice([entry], bytes([Verdict.ACCEPTED]), len(data))


def any_value(data: bytes) -> Any:
    """Decode a complete value; text that is not UTF-8 becomes binary data. Raises MalformedError."""
    try:
        return _anything.decode(data)
    except DAMAGE:
        pass
    try:
        return _anything.decode(tolerant(data, 0, len(data)))
    except DAMAGE as error:
        raise MalformedError(str(error)) from None


def timed(value: Any, plain: PlainValues) -> tuple[int | None, Record]:
    """Return time and record of an entry, whatever it holds. Raises MalformedError for one that is nested too deep."""
    if not isinstance(value, list) or len(value) < 2:
        return None, {"message": plain.of(value)}
    time, record = value[0], plain.of(value[1])
    if not isinstance(record, dict):
        record = {"message": record}
    if isinstance(time, list):
        metadata = plain.of(time[1]) if len(time) > 1 else None
        if metadata:
            record.setdefault("metadata", metadata)
        time = time[0] if time else None
    return moment_of(time), record


def moment_of(time: Any) -> int | None:
    """Return a time in nanoseconds since the epoch; None for one that cannot be read."""
    if isinstance(time, msgspec.msgpack.Ext):
        data = bytes(time.data)
        if time.code != 0 or len(data) != 8:
            return None
        moment = int.from_bytes(data)
        return (moment >> 32) * _NS + (moment & _NANOSECONDS) or None
    if isinstance(time, bool) or not isinstance(time, int | float) or not abs(time) < 1 << 34:
        return None
    return _from_seconds(time)
