"""Rows of an SQL answer as JSON and as CSV."""

import csv
import io
from collections.abc import Sequence
from datetime import date, datetime, time
from typing import Any, BinaryIO, Final

import msgspec

Columns = Sequence[tuple[str, str]]
"""Name and SQL type of each column."""

Rows = Sequence[Sequence[Any]]

_JSON: Final = "JSON"


class JsonRows:
    """Writer of a document with `columns`, `rows` and `truncated`.

    Args:
        file: gets the document.
        columns: of the rows.
    """

    def __init__(self, file: BinaryIO, columns: Columns) -> None:
        self._file = file
        self._json_places = [place for place, (_, kind) in enumerate(columns) if kind == _JSON]
        self._separator = b"\n"
        described = [{"name": name, "type": kind} for name, kind in columns]
        file.write(b'{"columns":%b,"rows":[' % msgspec.json.encode(described))

    def write(self, rows: Rows) -> None:
        """Write some rows. Raises `OSError`."""
        for row in rows:
            self._file.write(self._separator + self._encoded(row))
            self._separator = b",\n"

    def close(self, *, is_cut: bool) -> None:
        """Write the end. Raises `OSError`."""
        self._file.write(b'],"truncated":%b}\n' % (b"true" if is_cut else b"false"))

    def _encoded(self, row: Sequence[Any]) -> bytes:
        if self._json_places:
            row = list(row)
            for place in self._json_places:
                if row[place] is not None:
                    row[place] = _document(row[place])
        try:
            return _encoder.encode(row)
        except TypeError:
            return _encoder.encode([_plain(value) for value in row])


class CsvRows:
    """Writer of CSV with a header; see `JsonRows`."""

    def __init__(self, file: BinaryIO, columns: Columns) -> None:
        self._file = file
        self.write([[name for name, _ in columns]])

    def write(self, rows: Rows) -> None:
        """Write some rows. Raises `OSError`."""
        text = io.StringIO(newline="")
        csv.writer(text).writerows([map(_cell, row) for row in rows])
        self._file.write(text.getvalue().encode(errors="replace"))

    def close(self, *, is_cut: bool) -> None:
        """CSV has no end."""


def _cell(value: object) -> object:
    """Return a value as CSV has it: times as in the journal, lists and objects as JSON."""
    match value:
        case datetime():
            return value.isoformat(timespec="microseconds")
        case bool():
            return "true" if value else "false"
        case list() | dict() | tuple():
            return _encoder.encode(_plain(value)).decode()
    return value


def _document(text: str) -> msgspec.Raw | str:
    """Return a JSON value of DuckDB as it is, or as a text where a client can't read it: `NaN`, `[1,]`, `1e400`."""
    data = text.encode()
    try:
        msgspec.json.decode(data)
    except (msgspec.DecodeError, RecursionError):
        return text
    return msgspec.Raw(data)


def _plain(value: object) -> object:
    """Return a value that JSON can hold: what it has no form for becomes a text."""
    match value:
        case None | bool() | int() | float() | msgspec.Raw():
            return value
        case list() | tuple():
            return [_plain(one) for one in value]
        case dict():
            return {str(key): _plain(one) for key, one in value.items()}
        case datetime() | date() | time():
            return value.isoformat()
    return str(value)


_encoder: Final = msgspec.json.Encoder(decimal_format="number")
