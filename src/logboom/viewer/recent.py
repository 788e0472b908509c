"""Recent entries for the viewer, read from the journal or from Redis alike."""

from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from logboom.errors import StorageError
from logboom.formats.records import field_of, sender
from logboom.formats.sent import sent_message
from logboom.journal.folder_log import FolderLog
from logboom.journal.log import Log
from logboom.model import Record
from logboom.query.matching import Filter, Found
from logboom.query.search import Search


class LogRow(NamedTuple):
    """One entry for the viewer."""

    time: str
    source: str
    kind: str
    """Its level, else its type, such as `heartbeat`; empty when it has neither."""
    message: str
    data: dict[str, Any]
    """All of it, for JSON."""


def journal_log(data_dir: Path) -> Log:
    """Return the journal of a data directory, to be read. Raises `StorageError` when there is none."""
    folder = data_dir / "journal"
    if not folder.is_dir():
        raise StorageError(f"there is no journal in {data_dir}: name the data directory with --data-dir")
    return FolderLog(folder)


def recent_rows(log: Log, wanted: Filter, limit: int, end: int | None = None) -> list[LogRow]:
    """The last entries of a journal that match, oldest first. A server may be writing there.

    Args:
        log: of the journal.
        wanted: the entries.
        limit: number of entries at most.
        end: only sequences below this one; None: all.
    """
    search, found = Search(log), list[Found]()
    while True:
        page = search.backward(wanted, limit - len(found), end=end)
        found += page.found
        if len(found) >= limit or not page.more:
            return list(map(_row_of_found, reversed(found)))
        end = page.first


def next_rows(log: Log, wanted: Filter, limit: int, start: int = 0) -> list[LogRow]:
    """The first entries of a journal that match, of the sequences from `start` on, oldest first."""
    return list(map(_row_of_found, Search(log).forward(wanted, limit, start=start).found))


def _row_of_found(one: Found) -> LogRow:
    return row_of(one.record._replace(message=sent_message(one.record, one.entry)))


def cell_of(row: LogRow, field: str) -> str:
    """A field of an entry as text, by the names that `logboom export --fields` has; empty where there is none."""
    if field == "sender":
        return row.source
    value = row.data[field] if field in row.data else field_of(row.data["entry"], field)
    if isinstance(value, str):
        return value
    return "" if value is None else msgspec.json.encode(value).decode()


def row_of(record: Record) -> LogRow:
    """A record as a row."""
    kind = record.entry.get("type")
    return LogRow(
        record.time,
        source_of(record),
        record.level or (kind if isinstance(kind, str) else ""),
        record.message,
        record._asdict(),
    )


def source_of(record: Record) -> str:
    """The name that a sender gave itself, else its address."""
    return sender(record.entry, record.source)
