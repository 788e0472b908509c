"""Statistics of a journal's senders, for the viewer: how much each sent, of which types and levels, how fast."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from operator import attrgetter
from pathlib import Path
from typing import Any, Final

from logboom.formats.records import SENDER_KEYS, reading_of, records_of, sender
from logboom.journal.reader import Block
from logboom.model import Record
from logboom.query.entry_facts import level_names, read_facts
from logboom.query.matching import Filter, Matcher
from logboom.query.steps import Places

SOURCES_MAX: Final = 10_000
"""Sources counted one by one: senders choose their names, which must not fill the memory."""

WORDS_MAX: Final = 100
"""Types, and levels, counted one by one per source; for the same reason."""

WORD_CHARS_MAX: Final = 64
"""Characters of a type or level; longer ones are cut."""

OTHERS: Final = "(others)"

RATE_SPAN_S_MIN: Final = 60.0
"""Shortest time that a rate per minute is measured over."""

Progress = Callable[[int, int, int], object]
"""Called with the first sequence, the one that was reached, and the end."""

_KIND_KEYS: Final = ("type", *SENDER_KEYS, "id")
_kind: Final = attrgetter("source", *(f"entry.{key}" for key in _KIND_KEYS))
"""The fields of a line that determine its source and type; of an entry with an `id`, see `_kinds`."""

_PLAIN: Final = {str, type(None), bool}

KINDS_MAX: Final = 50_000
"""Kinds that are kept before they are counted for their sources: some 50 MB at most."""

PLAIN_LINE_BYTES_MAX: Final = 2048
"""Mean length of lines that are counted by kind: longer ones may be kinds of a megabyte each."""

Kind = tuple[Any, ...]
"""The level's name, and the fields of `_kind`."""


@dataclass(slots=True)
class SourceCounts:
    """Statistics of one source."""

    total: int = 0
    types: Counter[str] = field(default_factory=Counter)
    levels: Counter[str] = field(default_factory=Counter)
    first_seen: str = ""
    last_seen: str = ""
    """ISO 8601, UTC; as is `first_seen`."""

    @property
    def per_minute(self) -> float | None:
        """Mean number of entries per minute, from the first entry to the last; None when these times are not known.

        Entries that all came within one minute are a rate of their number: a shorter time says nothing of a minute.
        """
        if not self.first_seen or not self.last_seen:
            return None
        span = datetime.fromisoformat(self.last_seen) - datetime.fromisoformat(self.first_seen)
        span_s = span.total_seconds()
        if span_s <= RATE_SPAN_S_MIN:
            return float(self.total)
        return (self.total - 1) * 60 / span_s

    def add(self, kind: str, level: str, count: int, first_seen: str, last_seen: str) -> None:
        """Count entries of one type and level."""
        self.total += count
        self.first_seen = min(self.first_seen or first_seen, first_seen)
        self.last_seen = max(self.last_seen, last_seen)
        for words, word in ((self.types, kind), (self.levels, level)):
            if word:
                cut = word[:WORD_CHARS_MAX]
                words[cut if cut in words or len(words) < WORDS_MAX else OTHERS] += count


def count_sources(folder: Path, wanted: Filter, progress: Progress) -> dict[str, SourceCounts]:
    """The statistics of all sources of a journal, by name; in bounded memory.

    Args:
        folder: the journal's.
        wanted: which entries are counted.
        progress: called after each block.
    """
    places, matcher, tally = Places(folder), Matcher(wanted), _Tally()
    first, end = places.bounds(wanted.since, wanted.until)
    for block in places.blocks(first, end):
        found = matcher.matching(block)
        if isinstance(found, Block):
            tally.add(found.data, found.count)
        else:
            tally.add(b"".join([line + b"\n" for _, line in found]), len(found))
        progress(first, block.next_sequence, end)
    tally.settle()
    return tally.sources


def count_records(records: Iterable[Record]) -> dict[str, SourceCounts]:
    """The statistics of all sources of some entries, by name; in bounded memory."""
    tally = _Tally()
    for record in records:
        tally.add_record(record)
    return tally.sources


class _Tally:
    """Counts entries by kind at first: of many entries, few differ in what determines source, type and level."""

    def __init__(self) -> None:
        self.sources: dict[str, SourceCounts] = {}
        self._counts: Counter[Kind] = Counter()
        self._first: dict[Kind, Any] = {}
        self._last: dict[Kind, Any] = {}

    def add(self, data: bytes, count: int) -> None:
        """Count some journal lines."""
        if not count:
            return
        lines = read_facts(data, count) if len(data) <= count * PLAIN_LINE_BYTES_MAX else None
        if lines is None or not self._add_kinds(lines):
            self._add_records(data, count)
        if len(self._counts) > KINDS_MAX:
            self.settle()

    def _add_kinds(self, lines: Sequence[Any]) -> bool:
        """Count lines by kind. Returns False when fields have other types than texts: nothing was counted then."""
        kinds = _kinds(lines)
        try:
            fresh = dict(zip(reversed(kinds), reversed(lines), strict=True))
        except TypeError:  # a field that is a list or an object
            return False
        unknown = fresh.keys() - self._first.keys()
        if any(type(part) not in _PLAIN for kind in unknown for part in kind):
            return False  # 7 and 7.0 are equal, and two names
        self._first.update((kind, fresh[kind]) for kind in unknown)
        self._last.update(zip(kinds, lines, strict=True))
        self._counts.update(kinds)
        return True

    def _add_records(self, data: bytes, count: int) -> None:
        for record in records_of(range(count), data, with_times=False):
            self.add_record(record)

    def add_record(self, record: Record) -> None:
        """Count one entry."""
        name, moment = sender(record.entry, record.source), record.received_at
        self._source(name).add(_text(record.entry.get("type")), record.level, 1, moment, moment)

    def settle(self) -> None:
        """Count for the sources what was counted by kind."""
        for kind, count in self._counts.items():
            line = self._last[kind]
            counts = self._source(sender(line.entry, line.source))
            first_seen = self._first[kind].received_at
            counts.add(_text(line.entry.type), kind[0], count, first_seen, line.received_at)
        self._counts.clear()
        self._first.clear()
        self._last.clear()

    def _source(self, name: str) -> SourceCounts:
        if name not in self.sources and len(self.sources) >= SOURCES_MAX:
            name = OTHERS
        return self.sources.setdefault(name, SourceCounts())


def _kinds(lines: Sequence[Any]) -> list[Kind]:
    """The kind of each line. An `id` is a name only of a sensor's reading: others do not count."""
    kinds = [(level, *kind) for level, kind in zip(level_names(lines), map(_kind, lines), strict=True)]
    for place, kind in enumerate(kinds):
        if kind[-1] is not None and reading_of(lines[place].entry) is None:
            kinds[place] = (*kind[:-1], False)
    return kinds


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
