"""Statistics of a journal's senders, for the viewer: how much each sent, of which types and levels, how fast."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from logboom.formats.levels import severity
from logboom.formats.records import records_of, sender
from logboom.formats.times import iso_from_ns
from logboom.journal.log import Block, Log, Step
from logboom.model import Record
from logboom.query.entry_facts import read_timed_facts
from logboom.query.kinds import Kind, kinds_of
from logboom.query.line_times import time_of_line
from logboom.query.matching import Filter, Matcher
from logboom.query.roll_up import RollUp
from logboom.query.spans import Steps, bounds_of

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

KINDS_MAX: Final = 50_000
"""Kinds that are kept before they are counted for their sources: some 50 MB at most."""

PLAIN_LINE_BYTES_MAX: Final = 2048
"""Mean length of lines that are counted by kind: longer ones may be kinds of a megabyte each."""


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


def count_sources(log: Log, wanted: Filter, progress: Progress) -> dict[str, SourceCounts]:
    """Return the statistics of all sources of a journal, by name; in bounded memory.

    Args:
        log: the journal.
        wanted: which entries are counted.
        progress: called after each step.
    """
    tally = _Tally(by_arrival=wanted.by_arrival)
    first, end = bounds_of(log, wanted)
    steps = Steps(log, wanted)
    for step, matcher in steps.back(first, end, _has_kinds if _can_roll_up(wanted) else None):
        if step.counts is not None:
            tally.add_roll_up(RollUp(step.counts), wanted)
        else:
            _add_step(tally, log, step, matcher)
        progress(first, first + end - step.start, end)
    tally.settle()
    return tally.sources


def _add_step(tally: "_Tally", log: Log, step: Step, matcher: Matcher) -> None:
    for block in log.blocks_of(step):
        found = matcher.matching(block)
        if isinstance(found, Block):
            tally.add(found.data, found.count)
        else:
            tally.add(b"".join([line + b"\n" for _, line in found]), len(found))


def _can_roll_up(wanted: Filter) -> bool:
    """Return whether a filter asks for nothing but what roll-ups count sources by."""
    level_min, listener = wanted.level_min, wanted.listener
    return wanted.timeless() == Filter(level_min, listener=listener, by_arrival=wanted.by_arrival)


def _has_kinds(counts: bytes) -> bool:
    return RollUp(counts).has_kinds


def count_records(records: Iterable[Record], *, by_arrival: bool = False) -> dict[str, SourceCounts]:
    """Return the statistics of all sources of some entries, by name; in bounded memory."""
    tally = _Tally(by_arrival=by_arrival)
    for record in records:
        tally.add_record(record)
    return tally.sources


class _Tally:
    """Counts entries by kind at first: of many entries, few differ in what determines source, type and level."""

    def __init__(self, *, by_arrival: bool) -> None:
        self.sources: dict[str, SourceCounts] = {}
        self._by_arrival = by_arrival
        self._counts: Counter[Kind] = Counter()
        self._lines: dict[Kind, Any] = {}
        """One line of each kind."""
        self._first: dict[Kind, str] = {}
        self._last: dict[Kind, str] = {}

    def add(self, data: bytes, count: int) -> None:
        """Count some journal lines."""
        if not count:
            return
        lines = read_timed_facts(data, count) if len(data) <= count * PLAIN_LINE_BYTES_MAX else None
        if lines is None or not self._add_kinds(lines):
            self._add_records(data, count)
        if len(self._counts) > KINDS_MAX:
            self.settle()

    def _add_kinds(self, lines: Sequence[Any]) -> bool:
        """Count lines by kind. Returns False when fields have other types than texts: nothing was counted then."""
        kinds = kinds_of(lines, self._lines)
        if kinds is None:
            return False
        self._see(kinds, [line.received_at if self._by_arrival else time_of_line(line) for line in lines])
        self._counts.update(kinds)
        return True

    def _see(self, kinds: Sequence[Kind], times: Sequence[str]) -> None:
        first, last = self._first, self._last
        for kind, time in zip(kinds, times, strict=True):
            if time < first.setdefault(kind, time):
                first[kind] = time
            if time > last.setdefault(kind, time):
                last[kind] = time

    def _add_records(self, data: bytes, count: int) -> None:
        for record in records_of(range(count), data, with_times=not self._by_arrival):
            self.add_record(record)

    def add_record(self, record: Record) -> None:
        """Count one entry."""
        name = sender(record.entry, record.source)
        moment = record.received_at if self._by_arrival else record.time
        self._source(name).add(_text(record.entry.get("type")), record.level, 1, moment, moment)

    def add_roll_up(self, roll_up: RollUp, wanted: Filter) -> None:
        """Count the entries of a segment that match, from its roll-up."""
        section = roll_up.kinds()
        if section is None:
            return
        levels = [severity(level) or 0 for level in section.levels]
        for listener, name, kind, level, count, *times in section.cells:
            if wanted.listener not in ("", section.listeners[listener]):
                continue
            if wanted.level_min is None or levels[level] >= wanted.level_min:
                first, last = times[2:] if self._by_arrival else times[:2]
                self._source(section.senders[name]).add(
                    section.types[kind],
                    section.levels[level],
                    count,
                    iso_from_ns(first * 1000),
                    iso_from_ns(last * 1000),
                )

    def settle(self) -> None:
        """Count for the sources what was counted by kind."""
        for kind, count in self._counts.items():
            line = self._lines[kind]
            counts = self._source(sender(line.entry, line.source))
            counts.add(_text(line.entry.type), kind[0], count, self._first[kind], self._last[kind])
        self._counts.clear()
        self._lines.clear()
        self._first.clear()
        self._last.clear()

    def _source(self, name: str) -> SourceCounts:
        if name not in self.sources and len(self.sources) >= SOURCES_MAX:
            name = OTHERS
        return self.sources.setdefault(name, SourceCounts())


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
