"""Rows for PostgreSQL's COPY in text format, with substitutes for values that PostgreSQL rejects."""

import math
import re
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

import msgspec

from logboom.formats.entry_time import TIME_KEYS, can_be_right
from logboom.formats.levels import SEVERITY
from logboom.formats.records import reading_of, records_of
from logboom.formats.times import parse_time
from logboom.model import Record
from logboom.outputs.entry_text import between, encoded, line_texts, sent_text, tail_of
from logboom.outputs.selection import Lines
from logboom.remembered import Remembered

DELIMITER: Final = "\x1f"
"""Column separator. JSON text can't contain it unescaped, so that entries need no check per character."""

NAME_CHARS_MAX: Final = 500
"""Longest name of a source, sensor or level: an index takes 2704 bytes, and a character may need four."""

TIME_CHARS_MAX: Final = 64
"""Longest text that is parsed as a time."""

REMEMBERED_BYTES_MAX: Final = 1 << 20
"""Size of each cache (times, names, levels): room for 4,000 values in use. Sensors send whole seconds, so that hundreds
of readings share a time."""

NUMBER_CHARS_MAX: Final = 4000
"""Most digits of a number: PostgreSQL's `numeric` has 131072 before the point and 16383 after it."""

REPLACEMENT: Final = "\ufffd"
"""Replaces NUL, which PostgreSQL can't store."""

_NULL: Final = r"\N"
_NO_TIME: Final = "1970-01-01T00:00:00+00:00"
"""Substitute for an invalid receive time, which occurs only in an edited journal."""

_SPECIAL: Final = re.compile("[\\\\\n\r\x1f\0]")
_ESCAPES: Final = {"\\": r"\\", "\n": r"\n", "\r": r"\r", DELIMITER: r"\x1f"}
_TOKEN: Final = re.compile(r'"(?:[^"\\]|\\.)*"|-?[0-9][0-9.eE+-]*', re.DOTALL)
_LARGE_EXPONENT: Final = re.compile(r"[eE][+-]?[0-9]{4}")
_ESCAPE_SEQUENCE: Final = re.compile(r"\\(?:u0000|.)", re.DOTALL)


class ReadingCandidate(NamedTuple):
    """An entry with a temperature, which may be a sensor reading."""

    sequence: int
    time: str
    entry: str
    """The JSON, escaped for COPY."""
    fields: dict[str, Any]


class CopyRow(NamedTuple):
    """CopyRow of one entry."""

    sequence: int
    text: str
    """CopyRow of table `entries`, columns as in `postgres_schema.ENTRY_COLUMNS`; with its newline."""
    candidate: ReadingCandidate | None


def rows_of(journal: int, lines: Lines) -> list[CopyRow]:
    """Make the rows of `lines` quickly: a single entry that `jsonb` rejects makes COPY fail.

    Damaged lines have no row.

    Args:
        journal: number of the journal in the database.
        lines: lines of the journal.
    """
    records = records_of(lines.sequences, lines.timed, with_times=False)
    escaped = lines.data.decode(errors="replace").replace("\\", r"\\")
    if "\r" in escaped or DELIMITER in escaped:  # blanks between tokens may be anything
        escaped = escaped.replace("\r", r"\r").replace(DELIMITER, r"\x1f")
    rows: list[CopyRow] = []
    for record, line in zip(records, line_texts(escaped, lines, records), strict=False):
        text = between(line, _escaped_tail(record.source, record.listener))
        rows.append(_row(journal, record, _escaped(encoded(record)) if text is None else text, _NULL))
    return rows


def safe_rows_of(journal: int, lines: Lines) -> list[CopyRow]:
    """Make the rows of `lines` with values that `jsonb` rejects replaced, and the original text in `entry_text`."""
    records = records_of(lines.sequences, lines.timed, with_times=False)
    texts = line_texts(lines.data.decode(errors="replace"), lines, records)
    rows: list[CopyRow] = []
    for record, line in zip(records, texts, strict=False):
        text = sent_text(record, line)
        safe = _accepted(text)
        rows.append(_row(journal, record, _escaped(safe), _NULL if safe == text else _escaped(text)))
    return rows


def last_resort(journal: int, lines: Lines, sequence: int) -> CopyRow:
    """Make the row of one entry with its JSON in `entry_text` only, which PostgreSQL can't reject."""
    records = records_of(lines.sequences, lines.timed, with_times=False)
    texts = line_texts(lines.data.decode(errors="replace"), lines, records)
    record, line = next(pair for pair in zip(records, texts, strict=False) if pair[0].sequence == sequence)
    return _row(journal, record, "{}", _escaped(sent_text(record, line)))


def _row(journal: int, record: Record, entry: str, entry_text: str) -> CopyRow:
    sequence, received_at, by_uptime, source, listener, level, message, fields = record[:8]
    received = _received[received_at]
    time = _time(fields, received_at) or _received[by_uptime]
    if not message.isprintable() or "\\" in message:  # perhaps a control character
        message = _escaped(message)
    text = (
        f"{journal}\x1f{sequence}\x1f{received}\x1f{time}\x1f{_name[source[:NAME_CHARS_MAX]]}\x1f{_name[listener]}\x1f"
        f"{_level[level[:NAME_CHARS_MAX]]}\x1f{message}\x1f{entry}\x1f{entry_text}\n"
    )
    return CopyRow(
        sequence, text, ReadingCandidate(sequence, time, entry, fields) if "temp" in fields else None
    )


def readings_of(journal: int, candidates: Iterable[ReadingCandidate]) -> list[str]:
    """Make the rows of table `readings`, columns as in `postgres_schema.READING_COLUMNS`, each with its newline."""
    return [
        f"{journal}\x1f{sequence}\x1f{_sensor(fields.get('id'))}\x1f{time}\x1f{values}\x1f{entry}\n"
        for sequence, time, entry, fields in candidates
        if (values := _values(fields))
    ]


def _time(fields: dict[str, Any], received_at: str) -> str | None:
    """The sender's time; None without one that can be right."""
    for key in TIME_KEYS:
        value = fields.get(key)
        if value is None:
            continue
        if not isinstance(value, str):
            moment = _iso(value)
        else:
            moment = _time_text[value] if len(value) <= TIME_CHARS_MAX else None
        if moment is not None and can_be_right(moment, received_at):
            return moment
    return None


def _iso(value: object) -> str | None:
    moment = parse_time(value)
    return None if moment is None else moment.isoformat()


_time_text: Final = Remembered[str, str | None](_iso, REMEMBERED_BYTES_MAX)
_received: Final = Remembered[str, str](lambda text: _iso(text) or _NO_TIME, REMEMBERED_BYTES_MAX)


def _values(fields: dict[str, Any]) -> str | None:
    """Temperature, humidity, light and irradiance; None when the entry is no reading."""
    reading = reading_of(fields)
    if reading is None:
        return None
    temp, rh, lux, irradiance = reading
    if math.isfinite(temp + rh + lux + irradiance):
        return f"{temp!r}\x1f{rh!r}\x1f{lux!r}\x1f{irradiance!r}"
    return DELIMITER.join([repr(value) if math.isfinite(value) else _NULL for value in reading])


def _sensor(name: object) -> str:
    if isinstance(name, str):
        return _name[name[:NAME_CHARS_MAX]]
    return "unknown" if name is None else _name[msgspec.json.encode(name).decode()[:NAME_CHARS_MAX]]


def _escaped_tail(source: str, listener: str) -> str:
    """End of the line after its entry, with backslashes doubled as in the whole block."""
    return tail_of(source, listener).replace("\\", r"\\")


def _escaped(text: str) -> str:
    return _SPECIAL.sub(_escape, text)


_name: Final = Remembered[str, str](_escaped, REMEMBERED_BYTES_MAX)
_level: Final = Remembered[str, str](
    lambda level: f"{_escaped(level)}\x1f{SEVERITY.get(level, _NULL)}", REMEMBERED_BYTES_MAX
)


def _escape(found: re.Match[str]) -> str:
    return _ESCAPES.get(found[0], REPLACEMENT)


def _accepted(text: str) -> str:
    """Replace what `jsonb` rejects: NUL, and numbers beyond `numeric`, which become strings."""
    return _TOKEN.sub(_accepted_token, text)


def _accepted_token(found: re.Match[str]) -> str:
    token = found[0]
    if token.startswith('"'):
        return _ESCAPE_SEQUENCE.sub(_accepted_escape, token) if "\\" in token else token
    if len(token) > NUMBER_CHARS_MAX or _LARGE_EXPONENT.search(token):
        return f'"{token}"'
    return token


def _accepted_escape(found: re.Match[str]) -> str:
    return REPLACEMENT if found[0] == r"\u0000" else found[0]
