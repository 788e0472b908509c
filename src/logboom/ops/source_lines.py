"""Senders of a block of journal lines: decoded in one call, with one group per batch of a sender."""

from collections import Counter
from datetime import datetime
from operator import attrgetter
from typing import Any, Final, NamedTuple

from logboom.formats.buckets import MICROSECONDS
from logboom.formats.entry_level import LEVEL_KEYS, level_of
from logboom.formats.entry_time import clock_error_us
from logboom.formats.envelope import entry_of
from logboom.formats.levelled import LEVEL_OF_WORD, LevelledLines
from logboom.formats.levels import severity
from logboom.formats.records import records_of, sender
from logboom.formats.sender_names import name_of
from logboom.formats.sent import sent_message
from logboom.journal.log import Block
from logboom.model import IMPORTED, Record
from logboom.query.entry_facts import FACT_KEYS
from logboom.remembered import Remembered

MESSAGE_CHARS_MAX: Final = 200
"""Length to which a message is cut: a table shows no more, and ten thousand of them stay in memory."""

ERROR_SEVERITY: Final = 17
"""ERROR, on the scale of `formats.levels`."""

LEVEL_CHARS_MAX: Final = 64
"""Length to which a level is cut; no known level's name is longer."""

WORDS_BYTES_MAX: Final = 64 << 10
"""Cache of levels: few are in use, but senders may send any number of them."""

TIMES_BYTES_MAX: Final = 16 << 10
"""Cache of receive times, which all entries of a batch share."""

Key = tuple[str, str]
"""Listener and name of a source."""

_lines: Final = LevelledLines(FACT_KEYS, "received_at", "source", "listener")
_level: Final = attrgetter(LEVEL_KEYS[0])


class SenderGroup(NamedTuple):
    """Entries of one source with the same receive time."""

    key: Key
    received_at: str
    peer: str
    errors: int
    """Number of them with level ERROR or above."""
    entries: int


class Last(NamedTuple):
    """Level, message and clock of a source's last entry."""

    level: str
    message: str
    clock_s: float | None
    """See `SourceRecord`."""


class Senders(NamedTuple):
    """Senders of a block."""

    groups: list[SenderGroup]
    """In the journal's order."""
    last: dict[Key, bytes]
    """Journal line of the last entry of each source, see `last_of`."""


def senders_of(block: Block) -> Senders:
    """Return the senders of a block. Damaged lines are ignored."""
    found = _lines.read(block.data, block.count)
    if found is None:
        found = records_of(range(block.count), block.data, with_times=False)
        numbers = [record.sequence for record in found]
        keys = [(record.listener, sender(record.entry, record.source)) for record in found]
    else:
        numbers = list(range(block.count))
        keys = [(line.listener, name_of(line.entry, line.source)) for line in found]
    counts = Counter(
        [
            (key, line.received_at, line.source, _has_error(line))
            for key, line in zip(keys, found, strict=True)
            if key[0] != IMPORTED
        ]
    )
    groups = [
        SenderGroup(key, received_at, peer, count if error else 0, count)
        for (key, received_at, peer, error), count in counts.items()
    ]
    lines = block.data.split(b"\n")
    last = dict(zip(keys, numbers, strict=True))
    return Senders(groups, {key: lines[number] for key, number in last.items() if key[0] != IMPORTED})


def last_of(line: bytes) -> Last | None:
    """Decode a journal line completely, for the table of sources; None for a damaged line. Takes about 10 µs."""
    for record in records_of((0,), line + b"\n", with_times=False):
        message = sent_message(record, entry_of(line))
        error_us = clock_error_us(record.entry, record.received_at)
        clock_s = None if error_us is None else round(error_us / MICROSECONDS, 3)
        return Last(record.level[:LEVEL_CHARS_MAX], message[:MESSAGE_CHARS_MAX], clock_s)
    return None


def _has_error(line: Any) -> bool:
    """Return whether a line, or its record, has level ERROR or above."""
    if isinstance(line, Record):
        return _is_error[line.level]
    word = _level(line.entry)
    known = LEVEL_OF_WORD[word] if type(word) is str else ""
    return _is_error[known or level_of(line.entry)]


_is_error: Final = Remembered[str, bool](
    lambda level: (severity(level) or 0) >= ERROR_SEVERITY, WORDS_BYTES_MAX
)


def epoch_s(received_at: str) -> float | None:
    """Convert a receive time to seconds since the epoch; None for a damaged one."""
    return _moment[received_at]


def _make_moment(received_at: str) -> float | None:
    try:
        return datetime.fromisoformat(received_at).timestamp()
    except ValueError:
        return None


_moment: Final = Remembered(_make_moment, TIMES_BYTES_MAX)
