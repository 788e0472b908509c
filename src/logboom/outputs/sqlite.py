"""Output `sqlite`: one table of normalised entries, with a full-text index, in one file."""

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Annotated, Final

from msgspec import Meta

from logboom.errors import OutputError, TakenAwayError
from logboom.formats.levels import SEVERITY
from logboom.formats.records import records_of
from logboom.formats.times import iso_from_ns
from logboom.journal.log import Block
from logboom.model import Record
from logboom.outputs.base import PathSettings
from logboom.outputs.entry_text import line_texts, sent_text
from logboom.outputs.journal_id import journal_id
from logboom.outputs.rotating_file import FileState
from logboom.outputs.selection import Lines
from logboom.outputs.sqlite_files import DatabaseFiles
from logboom.outputs.sqlite_schema import migrate

BUSY_TIMEOUT_S: Final = 5.0
"""Longest wait for another program that has locked the database."""

CACHE_KIB: Final = 16 << 10
"""Memory for pages: the inner nodes of four indexes over about ten million rows."""

CHECKPOINT_PAGES: Final = 4000
"""Size of the write-ahead log, 16 MiB; a checkpoint costs two device flushes, whatever its size."""

WAL_BYTES_KEPT: Final = 64 << 20
"""Size to which a write-ahead log is cut after it grew during a long read."""

DELETED_ROWS_MAX: Final = 20_000
"""Rows that one flush deletes, so that a large clean-up does not delay new entries; ten times what a flush adds."""

FREE_PAGES_KEPT: Final = 2048
"""Free pages that stay in the file for new rows, 8 MiB; releasing each page would cost as much as filling it."""

FREED_PAGES_MAX: Final = 2048
"""Pages that one flush releases: pages at the end of the file are moved, and no other program can write meanwhile."""

_INSERT: Final = "INSERT OR IGNORE INTO entries VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
_INDEX: Final = (
    "INSERT INTO messages (rowid, message) SELECT sequence, message FROM entries WHERE sequence >= ?"
)
_SAVE: Final = "INSERT OR REPLACE INTO position VALUES (1, ?, ?)"
_MOVE_AWAY: Final = """
UPDATE entries SET sequence = sequence - 1
  - (SELECT max(sequence) FROM entries) + min(0, (SELECT min(sequence) FROM entries))
WHERE sequence >= ?
"""
"""Renumbers rows of an earlier journal below all other rows, in their order, so that they are deleted first."""

_DELETE: Final = """
DELETE FROM entries WHERE sequence IN (
  SELECT sequence FROM (SELECT sequence, received_at FROM entries ORDER BY sequence LIMIT ?)
  WHERE received_at < ?
)
"""
_ANY_TIME: Final = "~"
"""A text that sorts after every time."""

_TAKEN_AWAY: Final = {FileState.MOVED: "was moved away", FileState.DELETED: "was deleted"}
_REBUILT: Final = "a new one is filled from the journal"

_NO_TABLE: Final = "no such table"

_OLDEST: Final = "SELECT received_at FROM entries ORDER BY sequence LIMIT 1"

Row = tuple[int, str, str, str, str, str, float | None, str, str]


class SqliteSettings(PathSettings, kw_only=True, forbid_unknown_fields=True):
    """`type = "sqlite"`: a database with one row per entry, indexed by time, source, level and words."""

    retention_rows_max: Annotated[
        int,
        Meta(ge=0, description="Number of rows above which the oldest are deleted. 0: no limit."),
    ] = 0
    retention_age_s: Annotated[
        float,
        Meta(ge=0, description="Age at which rows are deleted, seconds since receipt. 0: never."),
    ] = 0.0


class SqliteOutput:
    """Output with one transaction per flush, which contains the rows and the position.

    When another program moves, deletes or truncates the database, its position is lost with it: a new database
    starts with the oldest entry of the journal.

    Args:
        settings: validated settings.
        _name: name in the configuration; a database has one output, whatever its name.
        data_dir: data directory, which has the identifier of the journal.
        clock: seconds since the epoch, for retention.
    """

    def __init__(
        self,
        settings: SqliteSettings,
        _name: str,
        data_dir: Path,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.damaged = 0
        self._settings = settings
        self._path = settings.file_path()
        self._files = DatabaseFiles(self._path)
        self._data_dir = data_dir
        self._clock = clock
        self._selection = settings.selection()
        self._connection: sqlite3.Connection | None = None
        self._journal = ""
        self._saved = 0
        self._next = 0
        self._rows = 0  # counted only where their number is limited
        self._oldest: str | None = None  # receive time of the oldest row; None: unknown
        self._has_spare = False  # there may be free pages to release

    def open(self) -> None:
        """See `Output.open`. Raises `OSError`, `OutputError`."""
        self.close()
        self._journal = journal_id(self._data_dir)
        self._files.open()
        with self._trouble():
            self._connection = _connect(self._path)
            self._load()
        self._files.remember_logs()

    def write(self, block: Block) -> None:
        """See `Output.write`. Raises `OutputError`, `OSError`."""
        lines = self._selection.of(block, self._next)
        if lines.data:
            records = records_of(lines.sequences, lines.timed)
            with self._trouble():
                cursor = self._begin().executemany(_INSERT, _rows_of(lines, records))
            self._rows += cursor.rowcount
            self.damaged += len(lines.sequences) - len(records)
        self._next = max(self._next, block.next_sequence)

    def flush(self) -> None:
        """See `Output.flush`. Raises `OutputError`, `OSError`."""
        connection = self._opened()
        self._stay_in_place()  # a checkpoint fills a file that was cut with zeros
        with self._trouble():
            if self._next != self._saved:
                self._begin().execute(_INDEX, (self._saved,))
                connection.execute(_SAVE, (self._journal, self._next))
            self._trim()
            if connection.in_transaction:
                connection.execute("COMMIT")
                self._stay_in_place()
                self._saved = self._next
            if self._has_spare:
                self._give_back()

    @property
    def skipped(self) -> int:
        """See `Output.skipped`."""
        return self._selection.skipped

    def position(self) -> int:
        """See `Output.position`."""
        return self._saved

    def rewind(self, sequence: int) -> None:
        """See `Output.rewind`: rows from `sequence` on become rows of an earlier journal. Raises `OutputError`."""
        with self._trouble():
            self._move_away(sequence)

    def close(self) -> None:
        """See `Output.close`."""
        if self._connection is not None:
            with suppress(sqlite3.Error):
                self._connection.close()
        self._connection = None
        self._files.close()

    def _stay_in_place(self) -> None:
        """Raise `TakenAwayError` when another program moved, deleted or truncated the database."""
        has_logs = self._files.has_logs()  # first: they go with the folder
        place = self._files.look()
        if place is FileState.CUT:
            raise self._set_aside("was truncated")
        if place is not FileState.HERE:
            self._let_go()
            raise TakenAwayError(f"{self._path} {_TAKEN_AWAY[place]}: {_REBUILT}")
        if not has_logs:  # the library still has them open, and copies them into the database when it closes
            raise TakenAwayError(f"{self._path}: its write-ahead log was deleted; continuing with a new one")

    def _let_go(self) -> None:
        """Close a deleted or moved database; a moved one gets all rows of its write-ahead log."""
        if self._connection is not None:
            with suppress(sqlite3.Error):
                self._connection.rollback()
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self.close()
        self._files.delete_logs()

    def _opened(self) -> sqlite3.Connection:
        if self._connection is None:
            raise OutputError(f"{self._path} is not open")
        return self._connection

    def _begin(self) -> sqlite3.Connection:
        connection = self._opened()
        if not connection.in_transaction:
            connection.execute("BEGIN IMMEDIATE")
        return connection

    def _load(self) -> None:
        connection = self._opened()
        saved = connection.execute("SELECT journal, next_sequence FROM position").fetchone()
        if self._settings.retention_rows_max:
            self._rows = connection.execute("SELECT count(*) FROM entries").fetchone()[0]
        self._oldest = None
        if saved is None or saved[0] != self._journal:
            self._move_away(0)
        else:
            self._saved = self._next = saved[1]

    def _move_away(self, sequence: int) -> None:
        connection = self._begin()
        connection.execute(_MOVE_AWAY, (sequence,))
        connection.execute(_SAVE, (self._journal, sequence))
        connection.execute("COMMIT")
        self._saved = self._next = sequence

    def _trim(self) -> None:
        """Delete old rows, a limited number per call."""
        settings = self._settings
        surplus = self._rows - settings.retention_rows_max
        if settings.retention_rows_max and surplus > 0:
            self._delete(min(surplus, DELETED_ROWS_MAX), _ANY_TIME)
        if settings.retention_age_s:
            limit_ns = int((self._clock() - settings.retention_age_s) * 1e9)
            limit = iso_from_ns(max(0, limit_ns))
            if (self._oldest or self._find_oldest()) < limit:
                self._delete(DELETED_ROWS_MAX, limit)

    def _delete(self, rows_max: int, received_before: str) -> None:
        self._rows -= self._begin().execute(_DELETE, (rows_max, received_before)).rowcount
        self._oldest = None
        self._has_spare = True

    def _find_oldest(self) -> str:
        row = self._opened().execute(_OLDEST).fetchone()
        self._oldest = row[0] if row else None
        return self._oldest or _ANY_TIME

    def _give_back(self) -> None:
        """Release free pages beyond `FREE_PAGES_KEPT`, a limited number per call."""
        connection = self._opened()
        spare = connection.execute("PRAGMA freelist_count").fetchone()[0] - FREE_PAGES_KEPT
        if spare > 0:
            # execute() would take one step, which is one page, since the pragma has no columns.
            connection.executescript(f"PRAGMA incremental_vacuum({min(spare, FREED_PAGES_MAX)})")
        self._has_spare = spare > FREED_PAGES_MAX

    @contextmanager
    def _trouble(self) -> Iterator[None]:
        """Translate the library's errors into `OutputError`, and set a damaged file aside."""
        try:
            yield
        except sqlite3.Error as error:
            if self._connection is not None:
                self._stay_in_place()
            if _is_damage(error):
                raise self._set_aside(f"is damaged ({error})") from error
            if _NO_TABLE in str(error):
                raise TakenAwayError(f"{self._path}: {error}: the table is created again") from error
            raise OutputError(f"{self._path}: {error}") from error

    def _set_aside(self, trouble: str) -> TakenAwayError:
        self.close()
        names = (self._path.with_name(f"{self._path.name}.damaged-{number}") for number in count(1))
        aside = next(name for name in names if not name.exists())
        for ending in (
            "-wal",
            "-shm",
            "",
        ):  # the database last: after a crash in between, it is detected again
            part = self._path.with_name(self._path.name + ending)
            if part.exists():
                part.rename(aside.with_name(aside.name + ending))
        return TakenAwayError(f"{self._path} {trouble}, and was set aside as {aside}: {_REBUILT}")


def _connect(path: Path) -> sqlite3.Connection:
    """Open the database, and migrate its tables."""
    connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
    try:
        migrate(connection)
        connection.execute("PRAGMA journal_mode = WAL")  # readers and the writer do not wait for each other
        connection.execute(
            "PRAGMA synchronous = FULL"
        )  # the journal may delete entries that were committed here
        connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
        connection.execute(f"PRAGMA journal_size_limit = {WAL_BYTES_KEPT}")
    except BaseException:
        connection.close()
        raise
    return connection


def _is_damage(error: sqlite3.Error) -> bool:
    """Return whether the file is damaged. A damaged text index does not count: it can be rebuilt from the rows."""
    code = getattr(error, "sqlite_errorcode", 0)
    return code & 0xFF == sqlite3.SQLITE_CORRUPT and code != sqlite3.SQLITE_CORRUPT_VTAB


def _rows_of(lines: Lines, records: list[Record]) -> Iterator[Row]:
    texts = line_texts(lines.data.decode(errors="replace"), lines, records)
    for record, line in zip(records, texts, strict=False):
        sequence, received_at, time_, source, listener, level, message, *_ = record
        severity, text = SEVERITY.get(level), sent_text(record, line)
        yield sequence, received_at, time_, source, listener, level, severity, message, text
