"""An entry as it was sent, cut out of its journal line: numbers keep their digits."""

from typing import Final

import msgspec

from logboom.formats.envelope import ENTRY_AT
from logboom.journal.segments import suffix
from logboom.model import Record
from logboom.outputs.lines import Lines
from logboom.remembered import Remembered

TAILS_BYTES_MAX: Final = 2 << 20
"""Ends of lines, one per peer and listener: enough for a fleet of 4,000 that sends at once."""

_ENTRY_KEY: Final = ',"entry":'


def line_texts(text: str, lines: Lines, records: list[Record]) -> list[str]:
    """The lines of `text` that the records were made of, perhaps with more after them.

    Args:
        text: what `lines` hold, as text.
        lines: of the journal.
        records: made of `lines`; those of damaged lines are missing.
    """
    split = text.split("\n")
    if len(records) == len(lines.sequences):
        return split
    by_sequence = dict(zip(lines.sequences, split, strict=False))
    return [by_sequence[record.sequence] for record in records]


def sent_text(record: Record, line: str) -> str:
    """The entry's JSON out of its line, or made anew when somebody edited the journal."""
    text = between(line, tail_of(record.source, record.listener))
    return encoded(record) if text is None else text


def between(line: str, tail: str) -> str | None:
    """What stands between envelope and `tail`; None when somebody edited the journal."""
    if line.endswith(tail) and line.startswith(_ENTRY_KEY, ENTRY_AT - len(_ENTRY_KEY)):
        return line[ENTRY_AT : -len(tail)]
    return None


def tail_of(source: str, listener: str) -> str:
    """What stands after the entry, without the newline."""
    return _tails[source, listener]


_tails: Final = Remembered[tuple[str, str], str](lambda names: suffix(*names)[:-1].decode(), TAILS_BYTES_MAX)


def encoded(record: Record) -> str:
    """The entry's JSON made anew: what it means is the same."""
    return msgspec.json.encode(record.entry).decode()
