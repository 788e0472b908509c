"""What the viewer shows: recent entries and statistics, read from the journal or from Redis alike."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

from logboom.errors import StorageError
from logboom.formats.records import sender
from logboom.journal.matching import Filter, Found
from logboom.journal.search import Search
from logboom.model import Record

PAGE_ENTRIES: Final = 10_000
SOURCES_MAX: Final = 10_000
"""Sources counted one by one: they come from senders, and must not grow our memory."""
OTHERS: Final = "(others)"


class Row(NamedTuple):
    """One entry for the viewer."""

    time: str
    source: str
    kind: str
    """Its level, else its type, such as `heartbeat`; empty when it has neither."""
    message: str
    data: dict[str, Any]
    """All of it, for JSON."""


@dataclass(slots=True)
class SourceCounts:
    """What is known of one source."""

    total: int = 0
    types: Counter[str] = field(default_factory=Counter)
    levels: Counter[str] = field(default_factory=Counter)
    first_seen: str = ""
    last_seen: str = ""
    """ISO 8601, UTC; as is `first_seen`."""

    @property
    def per_minute(self) -> float | None:
        """Entries a minute between the first and the last; None when that is no span."""
        if not self.first_seen or not self.last_seen:
            return None
        span_s = (
            datetime.fromisoformat(self.last_seen) - datetime.fromisoformat(self.first_seen)
        ).total_seconds()
        return (self.total - 1) * 60 / span_s if span_s > 0 else None


def journal_folder(data_dir: Path) -> Path:
    """The journal of a data directory. Raises `StorageError` when there is none."""
    folder = data_dir / "journal"
    if not folder.is_dir():
        raise StorageError(f"there is no journal in {data_dir}: name the data directory with --data-dir")
    return folder


def recent_rows(folder: Path, wanted: Filter, limit: int) -> list[Row]:
    """The last entries of a journal that match, oldest first. A server may be writing there."""
    search, end, found = Search(folder), None, list[Found]()
    while True:
        page = search.backward(wanted, limit - len(found), end=end)
        found += page.found
        if len(found) >= limit or not page.more:
            return [row_of(one.record) for one in reversed(found)]
        end = page.first


def row_of(record: Record) -> Row:
    """A record as a row."""
    kind = record.entry.get("type")
    return Row(
        record.time,
        source_of(record),
        record.level or (kind if isinstance(kind, str) else ""),
        record.message,
        record._asdict(),
    )


def source_of(record: Record) -> str:
    """The name that a sender gave itself, else its address."""
    return sender(record.entry, record.source)


def all_records(folder: Path, wanted: Filter) -> Iterator[Record]:
    """Every entry of a journal that matches, oldest first, in bounded memory."""
    search, start, more = Search(folder), 0, True
    while more:
        page = search.forward(wanted, PAGE_ENTRIES, start=start)
        yield from (one.record for one in page.found)
        start, more = page.next, page.more


def count_sources(records: Iterable[Record]) -> dict[str, SourceCounts]:
    """The statistics of all sources, by name."""
    sources: dict[str, SourceCounts] = {}
    for record in records:
        name = source_of(record)
        counts = sources.get(name)
        if counts is None:
            name = name if len(sources) < SOURCES_MAX else OTHERS
            counts = sources.setdefault(name, SourceCounts(first_seen=record.received_at))
        counts.total += 1
        counts.last_seen = record.received_at
        kind = record.entry.get("type")
        if isinstance(kind, str):
            counts.types[kind] += 1
        if record.level:
            counts.levels[record.level] += 1
    return sources
