"""Lines of devices in a block of the journal: only the fields that count for their state."""

from collections.abc import Callable, Iterator
from operator import attrgetter
from typing import Any, Final

import msgspec

from logboom.formats.buckets import microseconds
from logboom.formats.entry_time import TIME_KEYS, sent_time
from logboom.formats.levelled import DAMAGE
from logboom.formats.partial import fields_struct, line_struct
from logboom.formats.records import READING_KEYS, SENDER_KEYS
from logboom.formats.sender_names import name_of
from logboom.journal.log import Block
from logboom.model import IMPORTED

REASON_KEYS: Final = ("reset_reason", "resetReason", "reset_cause", "reset")
FIRMWARE_KEYS: Final = ("firmware", "fw", "fw_version", "firmware_version", "version")
HEAP_KEYS: Final = ("heap_free", "free_heap", "heap", "freeHeap")
SIGNAL_KEYS: Final = ("rssi", "wifi_rssi", "RSSI")
NESTED_KEYS: Final = ("system", "sys", "wifi", "stats")
"""Objects that hold the figures of a device's system."""

TEXT_CHARS_MAX: Final = 64
"""Characters of a reset reason or a firmware version that are kept."""

_MARK: Final = b'"boot_seq"'
_NUMBER_MAX: Final = 1 << 53
_FIELDS: Final = dict.fromkeys(
    (
        *("boot_seq", "seq", "uptime_ms", *SENDER_KEYS, *READING_KEYS, "id", *TIME_KEYS),
        *(*REASON_KEYS, *FIRMWARE_KEYS, *HEAP_KEYS, *SIGNAL_KEYS, *NESTED_KEYS),
    )
)
_Nested: Final = fields_struct((*HEAP_KEYS, *SIGNAL_KEYS))
_Others: Final = _Nested | str | int | float | bool | list[msgspec.Raw] | None
_decoder: Final[msgspec.json.Decoder[Any]] = msgspec.json.Decoder(
    line_struct(
        fields_struct(_FIELDS, dict.fromkeys(NESTED_KEYS, _Others)), "received_at", "source", "listener"
    )
)
_texts: Final = attrgetter(*REASON_KEYS, *FIRMWARE_KEYS)
_NO_TEXTS: Final = (None,) * len((*REASON_KEYS, *FIRMWARE_KEYS))
_heaps: Final = attrgetter(*HEAP_KEYS)
_signals: Final = attrgetter(*SIGNAL_KEYS)
_nested: Final = attrgetter(*NESTED_KEYS)


class Sighting(msgspec.Struct, gc=False):
    """One line of a device."""

    listener: str
    name: str
    peer: str
    received_at: str
    arrived_us: int
    """The same, microseconds since the epoch."""
    boot: int
    seq: int | None
    uptime_ms: int | None
    sent_us: int | None
    """The device's own time, where it gave one that can be right, microseconds since the epoch."""
    reason: str
    firmware: str
    sequence: int
    """In the journal."""
    entry: Any

    @property
    def heap(self) -> float | None:
        """Free memory, bytes."""
        return _figure(self.entry, _heaps)

    @property
    def signal(self) -> float | None:
        """Strength of the radio signal."""
        return _figure(self.entry, _signals)


def sightings_of(block: Block) -> Iterator[Sighting]:
    """Yield the lines of devices in a block. Damaged lines are skipped."""
    if _MARK not in block.data:
        return
    received_at, arrived_us = "", 0
    for number, line in enumerate(_lines_of(block)):
        if line is None or line.listener == IMPORTED:
            continue
        entry = line.entry
        boot = _integer(entry.boot_seq)
        if boot is None:
            continue
        if line.received_at != received_at:  # all lines of a batch have the same
            received_at, arrived_us = line.received_at, microseconds(line.received_at)
        sent = sent_time(entry, received_at)
        texts = _texts(entry)
        has_texts = texts != _NO_TEXTS
        yield Sighting(
            line.listener,
            name_of(entry, line.source),
            line.source,
            received_at,
            arrived_us,
            boot,
            _integer(entry.seq),
            _integer(entry.uptime_ms),
            None if sent is None else microseconds(sent),
            _text(texts[: len(REASON_KEYS)]) if has_texts else "",
            _text(texts[len(REASON_KEYS) :]) if has_texts else "",
            block.first_sequence + number,
            entry,
        )


def _lines_of(block: Block) -> list[Any]:
    try:
        found = _decoder.decode_lines(block.data)
    except DAMAGE:
        found = []
    if len(found) == block.count:
        return found
    return [_line_of(line) for line in block.data.split(b"\n")[: block.count]]


def _line_of(line: bytes) -> Any:
    try:
        return _decoder.decode(line)
    except DAMAGE:
        return None


def _integer(value: object) -> int | None:
    return value if type(value) is int and 0 <= value <= _NUMBER_MAX else None


def _text(values: tuple[Any, ...]) -> str:
    for value in values:
        if isinstance(value, (str, int)) and not isinstance(value, bool) and value != "":
            return str(value)[:TEXT_CHARS_MAX]
    return ""


def _figure(entry: Any, figures: Callable[[Any], tuple[Any, ...]]) -> float | None:
    """Return the first number among some figures of an entry, or of its `NESTED_KEYS`."""
    for place in (entry, *_nested(entry)):
        if place is entry or type(place) is _Nested:
            for value in figures(place):
                if type(value) in (int, float) and abs(value) <= _NUMBER_MAX:
                    return float(value)
    return None
