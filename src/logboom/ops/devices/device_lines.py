"""Lines of devices in a block of the journal: only the fields that count for their state."""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import msgspec

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
_decoder: Final[msgspec.json.Decoder[Any]] = msgspec.json.Decoder(
    line_struct(fields_struct(_FIELDS), "received_at", "source", "listener")
)


class Sighting(NamedTuple):
    """One line of a device."""

    listener: str
    name: str
    peer: str
    received_at: str
    boot: int
    seq: int | None
    uptime_ms: int | None
    sent_at: str | None
    """The device's own time, where it gave one that can be right."""
    reason: str
    firmware: str
    heap: float | None
    signal: float | None
    sequence: int
    """In the journal."""


def sightings_of(block: Block) -> Iterator[Sighting]:
    """Yield the lines of devices in a block. Damaged lines are skipped."""
    if _MARK not in block.data:
        return
    reasons, firmwares, heaps, signals = (
        _present(block.data, keys) for keys in (REASON_KEYS, FIRMWARE_KEYS, HEAP_KEYS, SIGNAL_KEYS)
    )
    for number, line in enumerate(_lines_of(block)):
        if line is None or line.listener == IMPORTED:
            continue
        entry = line.entry
        boot = _integer(entry.boot_seq)
        if boot is None:
            continue
        yield Sighting(
            line.listener,
            name_of(entry, line.source),
            line.source,
            line.received_at,
            boot,
            _integer(entry.seq),
            _integer(entry.uptime_ms),
            sent_time(entry, line.received_at),
            _text(entry, reasons),
            _text(entry, firmwares),
            _figure(entry, heaps),
            _figure(entry, signals),
            block.first_sequence + number,
        )


def _present(data: bytes, keys: tuple[str, ...]) -> tuple[str, ...]:
    """Return the keys that occur in a block: most devices send few of them, and each costs a look-up per line."""
    return tuple(key for key in keys if b'"%b"' % key.encode() in data)


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


def _text(entry: Any, keys: tuple[str, ...]) -> str:
    for key in keys:
        value = entry.get(key)
        if isinstance(value, (str, int)) and not isinstance(value, bool) and value != "":
            return str(value)[:TEXT_CHARS_MAX]
    return ""


def _figure(entry: Any, keys: tuple[str, ...]) -> float | None:
    """Return a number of the entry, or of one of its `NESTED_KEYS`."""
    if not keys:
        return None
    for place in (entry, *(inner for key in NESTED_KEYS if isinstance(inner := entry.get(key), dict))):
        for key in keys:
            value = place.get(key)
            if type(value) in (int, float) and abs(value) <= _NUMBER_MAX:
                return float(value)
    return None
