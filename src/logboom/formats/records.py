"""Conversion of journal lines to records: one form for the entries of all protocols and vocabularies."""

import json
import math
import re
from collections.abc import Mapping, Sequence
from itertools import repeat
from typing import Any, Final

import msgspec

from logboom.formats.entry_level import Fields, level_of
from logboom.formats.entry_time import clock_of
from logboom.formats.envelope import COPY, Envelope
from logboom.model import Record

SENDER: Final = "sender"
UPTIME: Final = "uptime"
RECEIVED: Final = "received"
"""Origins of the time of a record (`Record.time_from`)."""

MESSAGE_KEYS: Final = ("msg", "message")
"""Keys of the message; the first one that is not null is used."""

TEXT_KEYS: Final = ("event", "short_message", "log", "text", "body", "MESSAGE", "@m", "@mt")
"""Keys of the message in structlog, GELF, Docker, loguru, OpenTelemetry, journald and Serilog. In other entries these
keys have other meanings: they are used if there is no other message, and the value is a text."""

SENDER_KEYS: Final = (
    *("source", "device", "device_id", "deviceId", "sensor_id", "sensorId"),
    *("service_name", "serviceName", "service", "hostname", "fromName", "host"),
)
"""Keys of the sender's name, most specific first; Cap'n Proto and gRPC use different spellings."""

READING_KEYS: Final = ("temp", "rh", "lux")
"""Keys of a sensor reading, see `reading_of`."""

SENDER_CHARS_MAX: Final = 128
"""Length to which a sender's name is cut, as it is a key of tables and pages."""

_NUMBERED_MAX: Final = 1e18
"""Limit for numbers that are names; larger ones lose digits in some decoders."""

LUX_PER_IRRADIANCE: Final = 127.0
"""Lux per W/m² of daylight (docs/contracts/gateway.md)."""

NUMBER: Final = re.compile(r"[ \t]*[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?[ \t]*", re.ASCII)
NUMBER_STARTS: Final = frozenset(" \t+-.0123456789")
"""Most texts are no numbers, and are rejected by their first character."""
_NUMBER_CHARS_MAX: Final = 64
"""Longest text that is parsed as a number."""

Entry = dict[str, Any]

Reading = tuple[float, float, float, float]
"""Temperature, humidity, light and irradiance; not always finite. A plain tuple, since one is made per line."""


class _Line(msgspec.Struct, gc=False):
    """A completely decoded journal line."""

    received_at: str
    entry: Entry
    source: str
    listener: str
    key: str = ""
    time: str = ""
    """The time that follows from the sender's uptime (`journal.device_clock`); empty where that is not known."""


_line_decoder: Final = msgspec.json.Decoder(_Line)
_envelope_decoder: Final = msgspec.json.Decoder(Envelope)
_DAMAGE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def records_of(sequences: Sequence[int], data: bytes, *, with_times: bool = True) -> list[Record]:
    """Make the records of a block of journal lines. Damaged lines are skipped: compare the lengths.

    Args:
        sequences: the sequence of each line; `range(first, first + count)` for a whole block.
        data: the lines, each with its newline.
        with_times: parse the senders' times; if false, `time` is that by uptime, else `received_at`, at half the cost.
    """
    try:
        lines = _line_decoder.decode_lines(data)
    except _DAMAGE:
        lines = []
    if len(lines) != len(sequences):
        sequences, lines = _read_one_by_one(sequences, data)
    return list(map(_record, sequences, lines, repeat(with_times)))


def _read_one_by_one(sequences: Sequence[int], data: bytes) -> tuple[list[int], list[_Line]]:
    """Read blocks with a line that is damaged, or that the fast decoder rejects."""
    read = zip(sequences, map(_read, data.split(b"\n")), strict=False)
    good = [(sequence, line) for sequence, line in read if line is not None]
    return [sequence for sequence, _ in good], [line for _, line in good]


def _read(raw: bytes) -> _Line | None:
    try:
        envelope = _envelope_decoder.decode(raw)
    except _DAMAGE:
        return None
    return _Line(
        envelope.received_at,
        lenient_entry(bytes(envelope.entry)),
        envelope.source,
        envelope.listener,
        envelope.key,
        envelope.time,
    )


def lenient_entry(raw: bytes) -> Entry:
    """Decode an entry with the lenient decoder, which accepts 1e400. A text that it rejects becomes the message."""
    try:
        entry = json.loads(raw)
    except (ValueError, RecursionError):
        entry = None
    return entry if isinstance(entry, dict) else {"message": raw.decode(errors="replace")}


def _record(sequence: int, line: _Line, with_time: bool) -> Record:
    entry, received_at = line.entry, line.received_at
    time, is_wrong = clock_of(entry, received_at) if with_time else (received_at, False)
    time_from = RECEIVED if time is received_at else SENDER
    if line.time:
        time, time_from = line.time, UPTIME
    message = message_of(entry)
    if message is None:
        message = _text(entry)
    place, is_copy = (line.source, line.listener), line.key.startswith(COPY)
    return Record(
        sequence, received_at, time, *place, level_of(entry), message, entry, is_wrong, is_copy, time_from
    )


def message_of(entry: Fields) -> str | None:
    """The message of an entry, or of its `MESSAGE_KEYS` and `TEXT_KEYS`; None for an entry without one."""
    message = first_of(entry, MESSAGE_KEYS)
    if isinstance(message, str):
        return message
    return (text_of(entry) or None) if message is None else _text(message)


def first_of(entry: Fields, keys: tuple[str, ...]) -> object:
    """Value of the first of `keys` that is not null."""
    for key in keys:
        value = entry.get(key)
        if value is not None:
            return value
    return None


def text_of(entry: Fields) -> str:
    """Value of the first of `TEXT_KEYS` that is a text; empty for none."""
    for key in TEXT_KEYS:
        value = entry.get(key)
        if isinstance(value, str) and value:
            return value
    return ""


def _text(value: object) -> str:
    """Convert a message that is not a string: lists of lines (WebSocket) are joined, others become compact JSON."""
    if isinstance(value, list) and all(isinstance(line, str) for line in value):
        return "\n".join(value)
    return msgspec.json.encode(value).decode()


def sender(entry: Fields, peer: str) -> str:
    """Name of an entry's sender: the name in the entry, else the peer.

    Args:
        entry: the entry, or its fields `SENDER_KEYS`, `READING_KEYS` and `id`.
        peer: address of the peer, or the name that it gave for the connection.
    """
    for key in SENDER_KEYS:
        name = _name(entry.get(key))
        if name:
            return name
    number = _name(entry.get("id"))
    return number if number and reading_of(entry) is not None else peer


def _name(value: object) -> str:
    """Convert a value to a sender's name; empty when it is not suitable."""
    if isinstance(value, str):
        return value[:SENDER_CHARS_MAX]
    if isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < _NUMBERED_MAX:
        return repr(value)
    return ""


def reading_of(entry: Fields) -> Reading | None:
    """Read an entry as a sensor reading; None when it is not one.

    It is one if Python's `float()` accepts its temperature, humidity and light, including `" 24.1"`, `"nan"` and
    `true`. Irradiance that was not sent, or is not a number, is computed from the lux.
    """
    get = entry.get
    try:
        temp, rh, lux = float(get("temp")), float(get("rh")), float(get("lux"))
    except (TypeError, ValueError, OverflowError):
        return None
    sent = get("irradiance")
    try:
        irradiance = lux / LUX_PER_IRRADIANCE if sent is None else float(sent)
    except (TypeError, ValueError, OverflowError):
        irradiance = lux / LUX_PER_IRRADIANCE
    return temp, rh, lux, irradiance


def number_of(value: object) -> float | None:
    """Value of a finite number, also as a string; None for others, including booleans. Integers keep all digits."""
    if isinstance(value, str):
        if value[:1] not in NUMBER_STARTS or len(value) > _NUMBER_CHARS_MAX or not NUMBER.fullmatch(value):
            return None
        value = int(value) if value.strip(" \t+-").isdecimal() else value
    elif not isinstance(value, (int, float)) or isinstance(value, bool):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    if not math.isfinite(number):
        return None
    return value if isinstance(value, int) else number


def irradiance_of(entry: Fields) -> float | None:
    """Irradiance of an entry in W/m²: that of a sensor reading, else the number that was sent."""
    reading = reading_of(entry)
    return number_of(entry.get("irradiance") if reading is None else reading[3])


def numeric_fields(entry: Mapping[str, object]) -> dict[str, float]:
    """Numbers of an entry by name, nested ones as `a.b`, with a reading's irradiance."""
    found: dict[str, float] = {}
    for key, value in entry.items():
        if type(value) is str and value[:1] not in NUMBER_STARTS:
            continue
        if isinstance(value, dict):
            for inner, one in value.items():
                number = number_of(one)
                if number is not None:
                    found.setdefault(f"{key}.{inner}", number)
            continue
        number = number_of(value)
        if number is not None:
            found[key] = number
    irradiance = irradiance_of(entry) if "lux" in entry else None
    if irradiance is not None:
        found["irradiance"] = irradiance
    return found


def field_of(entry: Fields, name: str) -> object:
    """Value of the field `name`: that key, else for `a.b` the key b in a."""
    value = entry.get(name)
    if value is None and "." in name:
        outer, _, inner = name.partition(".")
        nested = entry.get(outer)
        value = nested.get(inner) if isinstance(nested, dict) else None
    return irradiance_of(entry) if value is None and name == "irradiance" else value
