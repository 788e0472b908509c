"""Conversion of journal lines to JSON lines with chosen fields."""

from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import Final

import msgspec

from logboom.formats.csv_rows import COLUMNS, read_rows
from logboom.formats.records import field_of, sender
from logboom.formats.sent import sent_message, sent_value
from logboom.model import Record

_encode: Final = msgspec.json.Encoder().encode


def json_rows(sequences: Sequence[int], data: bytes, fields: Sequence[str]) -> bytes:
    """Return one object per journal line, without the fields that an entry does not have. Damaged lines are left out.

    Args:
        sequences: the sequence of each line.
        data: the lines, each with its newline.
        fields: names in `csv_rows.COLUMNS`, or names of fields of the entries.
    """
    records, entries = read_rows(sequences, data, with_times="time" in fields)
    columns = [_values(name, records, entries) for name in fields]
    heads = [_encode(name) + b":" for name in fields]
    rows = [
        b",".join([head + value for head, value in zip(heads, values, strict=True) if value])
        for values in zip(*columns, strict=True)
    ]
    return b"".join([b"{%b}\n" % row for row in rows])


def _values(name: str, records: Sequence[Record], entries: Sequence[str]) -> Iterable[bytes]:
    """Yield the value of a field as JSON per record; nothing where it is missing."""
    if name == "entry":
        return [entry.encode(errors="replace") for entry in entries]
    if name == "sender":
        return [_encode(sender(record.entry, record.source)) for record in records]
    pairs = zip(records, entries, strict=True)
    if name == "message":
        return [_encode(sent_message(record, entry.encode(errors="replace"))) for record, entry in pairs]
    if name in COLUMNS:
        return map(_encode, map(attrgetter(name), records))
    return [_field(record, entry, name) for record, entry in pairs]


def _field(record: Record, entry: str, name: str) -> bytes:
    value = field_of(record.entry, name)
    if value is None or isinstance(value, str):
        return b"" if value is None else _encode(value)
    return (sent_value(record, entry.encode(errors="replace"), name) or "").encode()
