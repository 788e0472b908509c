"""Output `postgres`: a table of all entries and a table of sensor readings, filled by COPY."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

from msgspec import Meta

from logboom.errors import OutputError, TakenAwayError
from logboom.journal.log import Block
from logboom.outputs.base import DatabaseState, OutputSettings
from logboom.outputs.journal_id import journal_id
from logboom.outputs.postgres_connection import SCHEMES, PostgresConnection, RefusedDataError
from logboom.outputs.postgres_rows import (
    DELIMITER,
    CopyRow,
    ReadingCandidate,
    last_resort,
    readings_of,
    rows_of,
    safe_rows_of,
)
from logboom.outputs.postgres_schema import ENTRY_COLUMNS, READING_COLUMNS, migrate, quoted
from logboom.outputs.selection import Lines

if TYPE_CHECKING:
    import asyncpg

TRANSACTION_BYTES: Final = 1 << 20
"""Largest size of the journal lines that wait for a flush: about the amount between two flushes at full speed."""

READINGS_AT_ONCE: Final = 500
"""Readings per write to the server: about as many as in a block of the journal."""

DELETED_ROWS_MAX: Final = 20_000
"""Rows that one flush deletes, so that a large clean-up does not delay new entries; several times what a flush adds."""

CHECK_INTERVAL_S: Final = 10.0
"""Interval at which the state of the database is read when idle, so that health shows a lost connection."""

_FIND: Final = "SELECT id, next_sequence FROM {schema}.journals WHERE name = $1 ORDER BY id DESC LIMIT 1"
_REGISTER: Final = "INSERT INTO {schema}.journals (name, next_sequence) VALUES ($1, $2) RETURNING id"
_RESTORE: Final = """
INSERT INTO {schema}.journals (id, name, next_sequence, readings) OVERRIDING SYSTEM VALUE
VALUES ($1, $2, $3, (SELECT count(*) FROM {schema}.readings WHERE journal = $1))
"""
_NUMBER_ON: Final = """
SELECT setval(pg_get_serial_sequence('{schema}.journals', 'id'), max(id)) FROM {schema}.journals
"""
_EXISTS: Final = "SELECT EXISTS (SELECT FROM {schema}.journals WHERE id = $1)"
_BEGIN: Final = """
BEGIN; SELECT 1 FROM {schema}.journals WHERE id = {journal} AND next_sequence = {saved} FOR UPDATE
"""
"""Another writer for the same journal waits here, and then fails as the position has changed."""

_END: Final = """
UPDATE {schema}.journals SET next_sequence = {end}, readings = readings + {readings} WHERE id = {journal}; COMMIT
"""
_STATE: Final = """
SELECT sum(readings)::bigint, (SELECT min(time) FROM {schema}.readings), (SELECT max(time) FROM {schema}.readings),
  bool_or(id = $1), (SELECT sequence FROM {schema}.entries LIMIT 0)
FROM {schema}.journals
"""
"""The last two columns check that the position and the table of entries still exist."""
_NO_POSITION: Final = "its position was deleted from the table of journals; continuing with a new one"
_OLDEST: Final = "SELECT min(received_at) FROM {schema}.entries"
_DELETE: Final = """
WITH gone AS (
  DELETE FROM {schema}.entries WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM {schema}.entries WHERE received_at < $1 ORDER BY received_at LIMIT $2
  )) RETURNING sequence, journal
)
DELETE FROM {schema}.readings USING gone
WHERE readings.sequence = gone.sequence AND readings.journal = gone.journal
"""


class PostgresSettings(OutputSettings, kw_only=True, forbid_unknown_fields=True):
    """`type = "postgres"`: a table of entries and a table of sensor readings in a PostgreSQL database."""

    url: Annotated[
        str,
        Meta(
            description="`postgresql://user:password@host:port/database`; `?sslmode=verify-full` and other options "
            "of the PostgreSQL client library may follow."
        ),
    ]
    schema: Annotated[
        str,
        Meta(
            pattern="^[a-z_][a-z0-9_]{0,62}$",
            description="Schema of the tables; created when it is missing.",
        ),
    ] = "logboom"
    retention_age_s: Annotated[
        float,
        Meta(ge=0, description="Age at which rows are deleted, seconds since receipt. 0: never."),
    ] = 0.0

    def __post_init__(self) -> None:
        if not self.url.startswith(tuple(f"{name}://" for name in SCHEMES)):  # the rest may be secret
            raise ValueError("`url` has to start with postgresql://")
        if self.schema.startswith("pg_"):
            raise ValueError(f"`schema` is {self.schema!r}, expected a name that does not start with pg_")


class PostgresOutput:
    """Output with one transaction per flush, which contains the rows and the position.

    A table that another program drops is created again for the next entries; if the position is dropped with the
    entries, the output starts again with the oldest entry of the journal.

    No transaction stays open between calls. Values that `jsonb` or `text` can't hold are replaced in the row,
    and the entry is stored as it was sent in `entry_text`.

    Args:
        settings: validated settings.
        _name: name in the configuration; a server has one output per schema, whatever its name.
        data_dir: data directory, which has the identifier of the journal.
        clock: seconds since the epoch, for retention.
        timer: seconds, monotonic.
    """

    def __init__(
        self,
        settings: PostgresSettings,
        _name: str,
        data_dir: Path,
        *,
        clock: Callable[[], float] = time.time,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        self.damaged = 0
        self._settings = settings
        self._data_dir = data_dir
        self._clock = clock
        self._timer = timer
        self._selection = settings.selection()
        self._connection: PostgresConnection | None = None
        self._journal = 0  # its number in the database
        self._journal_name = ""
        self._saved = 0
        self._next = 0
        self._lines: list[Lines] = []  # since the last transaction
        self._waiting_bytes = 0
        self._oldest: datetime | None = None  # receive time of the oldest row; None: unknown
        self._checked_at = 0.0
        self._state = DatabaseState(connected=False, total_readings=None, date_range=None)

    def open(self) -> None:
        """See `Output.open`. Raises `OSError`, `OutputError`."""
        self.close()
        self._journal_name = journal_id(self._data_dir)
        connection = self._connection = PostgresConnection(self._settings.url)
        missing = connection.run(lambda server: migrate(server, self._settings.schema))
        found = connection.run(lambda server: server.fetchrow(self._sql(_FIND), self._journal_name))
        if found is not None:
            self._journal, self._saved = found
        elif self._journal and "entries" not in missing:
            values = (self._journal, self._journal_name, self._saved)
            connection.run(lambda server: server.execute(self._sql(_RESTORE), *values))
            connection.run(lambda server: server.execute(self._sql(_NUMBER_ON)))
        else:
            self._register(0)
        self._next = self._saved
        self._forget()
        self._oldest = None
        self._look()

    def write(self, block: Block) -> None:
        """See `Output.write`. Raises `OutputError`."""
        lines = self._selection.of(block, self._next)
        if lines.data:
            self._lines.append(lines)
            self._waiting_bytes += len(lines.data)
        self._next = max(self._next, block.next_sequence)
        if self._waiting_bytes >= TRANSACTION_BYTES:
            self._store_all()

    def flush(self) -> None:
        """See `Output.flush`. Raises `OutputError`."""
        if self._next != self._saved:
            self._store_all()
            self._look()
        elif self._timer() - self._checked_at >= CHECK_INTERVAL_S:
            self._look()
        if self._settings.retention_age_s:
            self._trim()

    @property
    def skipped(self) -> int:
        """See `Output.skipped`."""
        return self._selection.skipped

    def position(self) -> int:
        """See `Output.position`."""
        return self._saved

    def rewind(self, sequence: int) -> None:
        """See `Output.rewind`: the journal gets a new number, and its existing rows keep the old one."""
        self._register(sequence)
        self._next = self._saved
        self._forget()

    def close(self) -> None:
        """See `Output.close`."""
        self._state = self._state._replace(connected=False)
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    def database_state(self) -> DatabaseState:
        """State as of the last flush, see `DatabaseState`. Callable from any thread."""
        return self._state

    def _server(self) -> PostgresConnection:
        if self._connection is None:
            raise OutputError("not connected to PostgreSQL")
        return self._connection

    def _sql(self, text: str, **values: int) -> str:
        return text.format(schema=quoted(self._settings.schema), **values)

    def _register(self, sequence: int) -> None:
        """Assign a new number to this journal."""
        text = self._sql(_REGISTER)
        self._journal = self._server().run(lambda server: server.fetchval(text, self._journal_name, sequence))
        self._saved = sequence

    def _look(self) -> None:
        """Update the state for `database_state`."""
        row = self._server().run(lambda server: server.fetchrow(self._sql(_STATE), self._journal))
        count, first, last, is_known, _ = row
        if not is_known:
            raise TakenAwayError(_NO_POSITION)
        dates = (first.isoformat(), last.isoformat()) if first is not None and last is not None else None
        self._state = DatabaseState(connected=True, total_readings=count or 0, date_range=dates)
        self._checked_at = self._timer()

    def _forget(self) -> None:
        self._lines, self._waiting_bytes = [], 0

    def _store_all(self) -> None:
        """Write the waiting lines and the position."""
        try:
            stored = self._store(map(self._rows, self._lines), self._next)
        except RefusedDataError:
            rows = [row for lines in self._lines for row in safe_rows_of(self._journal, lines)]
            stored = self._store_safely(rows, self._next)
        self.damaged += sum(len(lines.sequences) for lines in self._lines) - stored
        self._forget()

    def _rows(self, lines: Lines) -> list[CopyRow]:
        # NUL is the only value that `jsonb` rejects and that real senders send.
        return (safe_rows_of if b"\\u0000" in lines.data else rows_of)(self._journal, lines)

    def _store_safely(self, rows: list[CopyRow], end: int) -> int:
        """Find the rejected row by bisection, and write a substitute for it."""
        try:
            return self._store([rows], end)
        except RefusedDataError:
            if not rows:
                raise
        middle = len(rows) // 2
        if not middle:
            sequence = rows[0].sequence
            lines = next(lines for lines in self._lines if sequence in lines.sequences)
            return self._store([[last_resort(self._journal, lines, sequence)]], end)
        first = self._store_safely(rows[:middle], rows[middle].sequence)
        return first + self._store_safely(rows[middle:], end)

    def _store(self, chunks: Iterable[list[CopyRow]], end: int) -> int:
        """Write one transaction, and return its number of entries.

        Raises:
            RefusedDataError: the server rejects one of them; nothing was written.
            OutputError: any other error.
        """
        server = self._server()
        try:
            stored = server.run(lambda connection: self._transact(connection, chunks, end))
        except RefusedDataError:
            server.run(lambda connection: connection.execute("ROLLBACK"))
            raise
        self._saved = end
        return stored

    async def _transact(
        self, connection: "asyncpg.Connection[Any]", chunks: Iterable[list[CopyRow]], end: int
    ) -> int:
        """Copy the rows; they are made while the server processes the ones before, so that both work in parallel."""
        begin = self._sql(_BEGIN, journal=self._journal, saved=self._saved)
        if await connection.execute(begin) != "SELECT 1":
            await connection.execute("ROLLBACK")
            if not await connection.fetchval(self._sql(_EXISTS), self._journal):
                raise TakenAwayError(_NO_POSITION)
            raise OutputError(
                f"its position in the database is not {self._saved} any more: another output writes to the same "
                "schema, or a copy of this data directory is served by another process"
            )
        entries = readings = 0
        candidates: list[ReadingCandidate] = []

        async def entry_data() -> AsyncIterator[bytes]:
            nonlocal entries
            for rows in chunks:
                entries += len(rows)
                candidates.extend([row.candidate for row in rows if row.candidate is not None])
                yield "".join([row.text for row in rows]).encode()
                await asyncio.sleep(0)  # lets the transport send buffered data

        async def reading_data() -> AsyncIterator[bytes]:
            nonlocal readings
            for start in range(0, len(candidates), READINGS_AT_ONCE):
                rows = readings_of(self._journal, candidates[start : start + READINGS_AT_ONCE])
                readings += len(rows)
                yield "".join(rows).encode()
                await asyncio.sleep(0)

        await self._copy(connection, "entries", ENTRY_COLUMNS, entry_data())
        if candidates:
            await self._copy(connection, "readings", READING_COLUMNS, reading_data())
        await connection.execute(self._sql(_END, end=end, readings=readings, journal=self._journal))
        return entries

    async def _copy(
        self,
        connection: "asyncpg.Connection[Any]",
        table: str,
        columns: tuple[str, ...],
        source: AsyncIterator[bytes],
    ) -> None:
        schema = self._settings.schema
        await connection.copy_to_table(
            table, source=source, columns=columns, schema_name=schema, delimiter=DELIMITER
        )

    def _trim(self) -> None:
        """Delete old rows, a limited number per call."""
        limit = datetime.fromtimestamp(max(0.0, self._clock() - self._settings.retention_age_s), UTC)
        server = self._server()
        if self._oldest is None:
            self._oldest = server.run(lambda connection: connection.fetchval(self._sql(_OLDEST)))
        if self._oldest is not None and self._oldest < limit:
            delete = self._sql(_DELETE)
            server.run(lambda connection: connection.execute(delete, limit, DELETED_ROWS_MAX))
            self._oldest = None
            self._look()
