"""Original text of an entry, taken from its journal line: numbers keep their digits."""

from typing import Final

import msgspec

from logboom.formats.envelope import ENTRY_AT
from logboom.journal.segments import suffix
from logboom.model import Record
from logboom.outputs.selection import Lines
from logboom.remembered import Remembered

TAILS_BYTES_MAX: Final = 2 << 20
"""Cache of line ends, one per peer and listener: room for 4,000 active devices."""

_ENTRY_KEY: Final = ',"entry":'


def line_texts(text: str, lines: Lines, records: list[Record]) -> list[str]:
    """Split `text` into the lines of the records; the list may have more elements than records.

    Args:
        text: content of `lines`, as text.
        lines: lines of the journal.
        records: records of `lines`; damaged lines have none.
    """
    split = text.split("\n")
    if len(records) == len(lines.sequences):
        return split
    by_sequence = dict(zip(lines.sequences, split, strict=False))
    return [by_sequence[record.sequence] for record in records]


def sent_text(record: Record, line: str) -> str:
    """The entry's JSON from its line, or encoded again if the journal was edited."""
    text = between(line, tail_of(record.source, record.listener))
    return encoded(record) if text is None else text


def between(line: str, tail: str) -> str | None:
    """The part between the envelope and `tail`; None if the journal was edited."""
    if line.endswith(tail) and line.startswith(_ENTRY_KEY, ENTRY_AT - len(_ENTRY_KEY)):
        return line[ENTRY_AT : -len(tail)]
    return None


def tail_of(source: str, listener: str) -> str:
    """The part of a line after the entry, without the newline."""
    return _tails[source, listener]


_tails: Final = Remembered[tuple[str, str], str](lambda names: suffix(*names)[:-1].decode(), TAILS_BYTES_MAX)


def encoded(record: Record) -> str:
    """The entry encoded as JSON, equal in meaning."""
    return msgspec.json.encode(record.entry).decode()
