"""Journal lines as records: one shape for every entry, whatever protocol and vocabulary it came with."""

import json
import math
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import repeat
from typing import Any, Final

import msgspec

from logboom.formats.entry_level import Fields, level_of
from logboom.formats.envelope import Envelope
from logboom.formats.times import EARLIEST_YEAR, LATEST_YEAR, parse_time
from logboom.model import Record

MESSAGE_KEYS: Final = ("msg", "message")
"""Synonyms of one meaning; the first that is there and not null counts."""

TEXT_KEYS: Final = ("event", "short_message", "log", "text", "body", "MESSAGE", "@m", "@mt")
"""Where structlog, GELF, Docker, loguru, OpenTelemetry, journald and Serilog have the message. In other entries these
keys mean something else: they count when there is no other message, and hold a text."""

TIME_KEYS: Final = ("ts", "time", "timestamp", "@timestamp")
"""Synonyms of one meaning; the first that can be read counts."""

SENDER_KEYS: Final = (
    *("source", "device", "device_id", "deviceId", "sensor_id", "sensorId"),
    *("service_name", "serviceName", "service", "hostname", "fromName", "host"),
)
"""Where an entry names who sent it, the most particular first; Cap'n Proto spells in one way, gRPC in the other."""

READING_KEYS: Final = ("temp", "rh", "lux")
"""What makes an entry a sensor's reading, see `reading_of`."""

SENDER_CHARS_MAX: Final = 128
"""A sender's name is a key of tables and pages; a longer one is cut."""

_NUMBERED_MAX: Final = 1e18
"""Numbers up to here may be names; larger ones lose digits on their way through some decoders."""

LUX_PER_IRRADIANCE: Final = 127.0
"""Lux that are one W/m² of daylight (docs/contracts/gateway.md)."""

_NUMBER: Final = re.compile(r"[ \t]*[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?[ \t]*", re.ASCII)
_NUMBER_CHARS_MAX: Final = 64
"""No measured value is written longer."""

Entry = dict[str, Any]

Reading = tuple[float, float, float, float]
"""Temperature, humidity, light and irradiance; not always finite. A bare tuple, since one is made for each line."""


class _Line(msgspec.Struct, gc=False):
    """A journal line, decoded to the bottom."""

    received_at: str
    entry: Entry
    source: str
    listener: str


_line_decoder: Final = msgspec.json.Decoder(_Line)
_envelope_decoder: Final = msgspec.json.Decoder(Envelope)
_DAMAGE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def records_of(sequences: Sequence[int], data: bytes, *, with_times: bool = True) -> list[Record]:
    """The records of a block of journal lines. Damaged lines are left out: compare the lengths.

    Args:
        sequences: the sequence of each line; `range(first, first + count)` for a whole block.
        data: the lines, each with its newline.
        with_times: read the senders' times; without, `time` is `received_at`, at half the cost.
    """
    try:
        lines = _line_decoder.decode_lines(data)
    except _DAMAGE:
        lines = []
    if len(lines) != len(sequences):
        sequences, lines = _read_one_by_one(sequences, data)
    return list(map(_record, sequences, lines, repeat(with_times)))


def _read_one_by_one(sequences: Sequence[int], data: bytes) -> tuple[list[int], list[_Line]]:
    """The way for blocks with a line that is damaged, or holds what the fast decoder refuses."""
    read = zip(sequences, map(_read, data.split(b"\n")), strict=False)
    good = [(sequence, line) for sequence, line in read if line is not None]
    return [sequence for sequence, _ in good], [line for _, line in good]


def _read(raw: bytes) -> _Line | None:
    try:
        envelope = _envelope_decoder.decode(raw)
    except _DAMAGE:
        return None
    return _Line(
        envelope.received_at, lenient_entry(bytes(envelope.entry)), envelope.source, envelope.listener
    )


def lenient_entry(raw: bytes) -> Entry:
    """An entry by the lenient decoder: a 1e400 is valid JSON, too. A text that it can't read becomes the message."""
    try:
        entry = json.loads(raw)
    except (ValueError, RecursionError):
        entry = None
    return entry if isinstance(entry, dict) else {"message": raw.decode(errors="replace")}


def _record(sequence: int, line: _Line, with_time: bool) -> Record:
    entry, received_at = line.entry, line.received_at
    time = (with_time and time_of(entry)) or received_at
    message = message_of(entry)
    if message is None:
        message = _text(entry)
    return Record(sequence, received_at, time, line.source, line.listener, level_of(entry), message, entry)


def message_of(entry: Fields) -> str | None:
    """The message of an entry, or of its `MESSAGE_KEYS` and `TEXT_KEYS`; None for an entry without one."""
    message = first_of(entry, MESSAGE_KEYS)
    if isinstance(message, str):
        return message
    return (text_of(entry) or None) if message is None else _text(message)


def first_of(entry: Fields, keys: tuple[str, ...]) -> object:
    """The first value that is there and not null."""
    for key in keys:
        value = entry.get(key)
        if value is not None:
            return value
    return None


def time_of(entry: Fields) -> str | None:
    """The sender's own time as ISO 8601, UTC; None when it gave none that can be read."""
    for key in TIME_KEYS:
        value = entry.get(key)
        if value is None:
            continue
        if isinstance(value, str) and is_canonical(value):  # as most send it: a third of the cost
            return value
        moment = parse_time(value)
        if moment is not None:
            return moment.isoformat(timespec="microseconds")
    return None


def is_canonical(text: str) -> bool:
    """Whether a time is written already as it would be written anyway, and is no absurd one."""
    if len(text) != 32 or text[10] != "T" or text[19] != "." or text[26:] != "+00:00" or text[5] == "W":
        return False
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return EARLIEST_YEAR <= text[:4] < LATEST_YEAR


def text_of(entry: Fields) -> str:
    """The text of an entry that has none of `MESSAGE_KEYS`, where another logger puts it; empty for none."""
    for key in TEXT_KEYS:
        value = entry.get(key)
        if isinstance(value, str) and value:
            return value
    return ""


def _text(value: object) -> str:
    """A message that is no string: lists of lines (WebSocket) joined, anything else as compact JSON."""
    if isinstance(value, list) and all(isinstance(line, str) for line in value):
        return "\n".join(value)
    return msgspec.json.encode(value).decode()


def sender(entry: Fields, peer: str) -> str:
    """Who sent an entry: the name that it gives itself, else the address that it came from.

    Args:
        entry: the entry, or those of its fields that `SENDER_KEYS`, `READING_KEYS` and `id` name.
        peer: the address, or the name that the connection gave itself.
    """
    for key in SENDER_KEYS:
        name = _name(entry.get(key))
        if name:
            return name
    number = _name(entry.get("id"))
    return number if number and reading_of(entry) is not None else peer


def _name(value: object) -> str:
    """A value as a sender's name; empty when it is none."""
    if isinstance(value, str):
        return value[:SENDER_CHARS_MAX]
    if isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < _NUMBERED_MAX:
        return repr(value)
    return ""


def reading_of(entry: Fields) -> Reading | None:
    """An entry as a sensor's reading; None when it is none.

    It is one when Python's `float()` takes its temperature, humidity and light: `" 24.1"`, `"nan"`
    and `true` are numbers to it. Irradiance that was not sent, or is no number, is what the lux stand for.
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
    """A finite number, also as a string; None for anything else, booleans included. Whole numbers keep all digits."""
    if isinstance(value, str):
        if len(value) > _NUMBER_CHARS_MAX or not _NUMBER.fullmatch(value):
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
    """W/m² of an entry: a sensor's reading has them in any case, another entry when it sent them."""
    reading = reading_of(entry)
    return number_of(entry.get("irradiance") if reading is None else reading[3])


def numeric_fields(entry: Mapping[str, object]) -> dict[str, float]:
    """The numbers of an entry by name, those one level down as `a.b`; a reading's irradiance, too."""
    found: dict[str, float] = {}
    for key, value in entry.items():
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
    """The value of a field: of the key `name` itself, else of `a.b` the key b in a."""
    value = entry.get(name)
    if value is None and "." in name:
        outer, _, inner = name.partition(".")
        nested = entry.get(outer)
        value = nested.get(inner) if isinstance(nested, dict) else None
    return irradiance_of(entry) if value is None and name == "irradiance" else value
