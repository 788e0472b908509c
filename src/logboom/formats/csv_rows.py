"""Journal lines as CSV rows (RFC 4180): the usual columns, or any fields of the entries.

Values stand there as they are. A spreadsheet takes a cell that begins with `=` for a formula: import such files
as text. Changing values here would make the file differ from what was logged.
"""

import csv
import io
import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from operator import attrgetter
from typing import Any, Final

import msgspec

from logboom.formats.levels import name
from logboom.formats.records import field_of, is_canonical, level_of, records_of, time_of
from logboom.model import Record

COLUMNS: Final = ("sequence", "received_at", "time", "source", "listener", "level", "message", "entry")
"""What a table of entries has, unless other columns are asked for."""

COLUMNS_MAX: Final = 64
COLUMN_CHARS_MAX: Final = 128
"""Of a column's name."""

_WORD_CHARS_MAX: Final = 64
"""Of a level that is remembered: a line may hold a megabyte of one."""

_ENTRY_AT: Final = len('{"received_at":"2025-01-01T00:00:00.000000+00:00","entry":')
_SOURCE_AT: Final = ',"source":"'
_OWN: Final = frozenset(COLUMNS)

_encode: Final = msgspec.json.Encoder().encode
_SPECIAL: Final = re.compile('[",\r\n]')
_DAMAGE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class _Fields(msgspec.Struct, gc=False, rename={"at_timestamp": "@timestamp"}):
    """What the usual columns need of an entry (`formats.records`)."""

    level: Any = None
    severity: Any = None
    levelname: Any = None
    lvl: Any = None
    type: Any = None
    msg: Any = None
    message: Any = None
    ts: Any = None
    time: Any = None
    timestamp: Any = None
    at_timestamp: Any = None

    def get(self, key: str, /) -> Any:
        """See `records.Fields`."""
        return getattr(self, key if key != "@timestamp" else "at_timestamp", None)


class _Line(msgspec.Struct, gc=False):
    """A journal line, of which the usual columns are made."""

    received_at: str
    entry: _Fields
    source: str
    listener: str


_decoder: Final = msgspec.json.Decoder(_Line)

Row = Sequence[object]


def header(columns: Sequence[str] = COLUMNS) -> bytes:
    """The first line: the columns' names."""
    return _written([columns])


def csv_rows(sequences: Sequence[int], data: bytes, columns: Sequence[str] = COLUMNS) -> bytes:
    """One row a journal line. Damaged lines are left out.

    Args:
        sequences: the sequence of each line.
        data: the lines, each with its newline.
        columns: of `COLUMNS`, or names of fields (`records.field_of`).
    """
    lines = data.decode(errors="replace").split("\n")[: len(sequences)]
    entries = [line[_ENTRY_AT : line.rfind(_SOURCE_AT)] for line in lines]
    if tuple(columns) == COLUMNS:
        usual = _usual_rows(sequences, data, entries)
        if usual is not None:
            return usual
    records = records_of(sequences, data, with_times="time" in columns)
    if len(records) < len(sequences):
        raw = dict(zip(sequences, entries, strict=True))
        entries = [raw[record.sequence] for record in records]
    cells = [_column(name, records, entries) for name in columns]
    return _written(zip(*cells, strict=True))


def _written(rows: Iterable[Row]) -> bytes:
    """Rows as they stand in a file."""
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue().encode(errors="replace")


def _usual_rows(sequences: Sequence[int], data: bytes, entries: list[str]) -> bytes | None:
    """The usual columns, of which but few fields need be decoded: twice as fast. None when a line is damaged."""
    try:
        lines = _decoder.decode_lines(data)
    except _DAMAGE:
        return None
    if len(lines) != len(sequences):
        return None
    rows = [
        f"{sequence},{_name(line.received_at)},{_time(line.entry) or _name(line.received_at)},"
        f"{_name(line.source)},{_name(line.listener)},{_level(line.entry)},"
        f"{_cell(_message(line.entry, raw))},{_entry(raw)}\r\n"
        for sequence, line, raw in zip(sequences, lines, entries, strict=True)
    ]
    return "".join(rows).encode(errors="replace")


def _cell(text: str) -> str:
    """A text as a cell, in quotes where it needs them. `csv` looks at each character, at ten times the cost."""
    if _SPECIAL.search(text) is None:
        return text
    return '"' + text.replace('"', '""') + '"'


def _entry(raw: str) -> str:
    """An entry as a cell: but for the empty one, all of them hold quotes."""
    return '"' + raw.replace('"', '""') + '"' if '"' in raw else _cell(raw)


@lru_cache(maxsize=1024)  # few are in use at any time
def _name(text: str) -> str:
    return _cell(text)


def _time(fields: _Fields) -> str | None:
    moment = fields.ts
    return moment if type(moment) is str and is_canonical(moment) else time_of(fields)


def _level(fields: _Fields) -> str:
    word = fields.level
    if type(word) is str and len(word) <= _WORD_CHARS_MAX:
        return _level_cell(word)
    return _cell(level_of(fields))


@lru_cache(maxsize=1024)  # few are in use at any time
def _level_cell(word: str) -> str:
    return _cell(name(word))


def _message(fields: _Fields, raw: str) -> str:
    message = fields.message if fields.msg is None else fields.msg
    if type(message) is str:
        return message
    line = b'{"received_at":"","entry":%b,"source":"","listener":""}\n' % raw.encode(errors="replace")
    return next((record.message for record in records_of([0], line, with_times=False)), raw)


def _column(column: str, records: Sequence[Record], entries: list[str]) -> Iterable[object]:
    if column == "entry":
        return entries
    if column in _OWN:
        return map(attrgetter(column), records)
    return [_value(record, column) for record in records]


def _value(record: Record, field: str) -> object:
    """A field as a cell: text as it is, nothing for null, all else as JSON."""
    value = field_of(record.entry, field)
    if value is None or isinstance(value, str):
        return value
    return _encode(value).decode()
