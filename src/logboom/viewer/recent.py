"""Recent entries for the viewer, read from the journal or from Redis alike."""

from pathlib import Path
from typing import Any, NamedTuple

from logboom.errors import StorageError
from logboom.formats.records import sender
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


def recent_rows(log: Log, wanted: Filter, limit: int) -> list[LogRow]:
    """The last entries of a journal that match, oldest first. A server may be writing there."""
    search, end, found = Search(log), None, list[Found]()
    while True:
        page = search.backward(wanted, limit - len(found), end=end)
        found += page.found
        if len(found) >= limit or not page.more:
            return [
                row_of(one.record._replace(message=sent_message(one.record, one.entry)))
                for one in reversed(found)
            ]
        end = page.first


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
