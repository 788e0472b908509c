"""Journal lines as records: one shape for every entry, whatever protocol and vocabulary it came with."""

import json
from collections.abc import Sequence
from itertools import repeat
from typing import Any, Final

import msgspec

from logboom.formats.envelope import Envelope
from logboom.formats.levels import CANONICAL, name
from logboom.formats.times import parse_time
from logboom.model import Record

LEVEL_KEYS: Final = ("level", "severity", "levelname", "lvl")
MESSAGE_KEYS: Final = ("msg", "message")
TIME_KEYS: Final = ("ts", "time", "timestamp", "@timestamp")
"""Synonyms (DESIGN.md, Types); the first that is there and not null counts."""

Entry = dict[str, Any]


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
    return _Line(envelope.received_at, _entry(bytes(envelope.entry)), envelope.source, envelope.listener)


def _entry(raw: bytes) -> Entry:
    """The entry, by the lenient decoder: a 1e400 is valid JSON too. What it can't read is the message."""
    try:
        entry = json.loads(raw)
    except (ValueError, RecursionError):
        entry = None
    return entry if isinstance(entry, dict) else {"message": raw.decode(errors="replace")}


def _record(sequence: int, line: _Line, with_time: bool) -> Record:
    entry, received_at = line.entry, line.received_at
    time = (with_time and _time(entry)) or received_at
    message = _first(entry, MESSAGE_KEYS)
    if not isinstance(message, str):
        message = _text(entry if message is None else message)
    return Record(sequence, received_at, time, line.source, line.listener, _level(entry), message, entry)


def _first(entry: Entry, keys: tuple[str, ...]) -> object:
    for key in keys:
        value = entry.get(key)
        if value is not None:
            return value
    return None


def _time(entry: Entry) -> str | None:
    value = _first(entry, TIME_KEYS)
    moment = None if value is None else parse_time(value)
    return None if moment is None else moment.isoformat(timespec="microseconds")


def _level(entry: Entry) -> str:
    """The level's name; for entries without one, a `type` that is a level's word (document 004's `error`)."""
    level = _first(entry, LEVEL_KEYS)
    if isinstance(level, str):
        return CANONICAL.get(level) or name(level)  # as most spell it: no call
    if level is not None:
        return name(level)
    kind = entry.get("type")
    return CANONICAL.get(kind.upper(), "") if isinstance(kind, str) else ""


def _text(value: object) -> str:
    """A message that is no string: lists of lines (document 004) joined, anything else as compact JSON."""
    if isinstance(value, list) and all(isinstance(line, str) for line in value):
        return "\n".join(value)
    return msgspec.json.encode(value).decode()
