"""Tables of the `sqlite` output, and their migration from older versions."""

import sqlite3
from contextlib import closing
from typing import Final

from logboom.errors import OutputError

APPLICATION_ID: Final = 0x4C6F6742
"""`LogB` in the file's header, by which `file` and Logboom recognize it."""

_POSITION: Final = """
    CREATE TABLE position (
      id INTEGER PRIMARY KEY CHECK (id = 1),
      journal TEXT NOT NULL,         -- identifier of the journal
      next_sequence INTEGER NOT NULL
    ) STRICT;
"""
_MESSAGES: Final = """
    CREATE VIRTUAL TABLE messages USING fts5 (message, content = 'entries', content_rowid = 'sequence');
"""

MIGRATIONS: Final = (
    # version 1
    f"""
    CREATE TABLE entries (
      sequence INTEGER PRIMARY KEY,  -- below 0: an entry of an earlier journal
      received_at TEXT NOT NULL,     -- ISO 8601, UTC, as is time; both sort as text
      time TEXT NOT NULL,            -- the sender's, else received_at
      source TEXT NOT NULL,          -- the peer's address
      listener TEXT NOT NULL,
      level TEXT NOT NULL,           -- empty: none
      severity REAL,                 -- OpenTelemetry's 1 to 24; NULL: unknown
      message TEXT NOT NULL,
      entry TEXT NOT NULL            -- JSON, as it was sent
    ) STRICT;
    CREATE INDEX entries_time ON entries (time);
    CREATE INDEX entries_source ON entries (source, time);
    CREATE INDEX entries_level ON entries (level, time);
    CREATE INDEX entries_severity ON entries (severity);
    {_POSITION}
    {_MESSAGES}
    CREATE TRIGGER entries_deleted AFTER DELETE ON entries BEGIN
      INSERT INTO messages (messages, rowid, message) VALUES ('delete', old.sequence, old.message);
    END;
    CREATE TRIGGER entries_updated AFTER UPDATE OF sequence, message ON entries BEGIN
      INSERT INTO messages (messages, rowid, message) VALUES ('delete', old.sequence, old.message);
      INSERT INTO messages (rowid, message) VALUES (new.sequence, new.message);
    END;
    """,  # noqa: S608 - of constants
)
"""The statements that migrate version n to version n + 1; a file's version is its `user_version`.

Triggers update the text index when rows are deleted or changed. The output adds new rows to it, all of a transaction
at once: a trigger for that took more than half of the time.
"""


def migrate(connection: sqlite3.Connection) -> None:
    """Create or migrate the tables, one transaction per version.

    Raises:
        OutputError: the file belongs to a newer Logboom, or to another program.
        sqlite3.Error: it can't be read or written.
    """
    version = _number(connection, "user_version")
    if version > len(MIGRATIONS):
        raise OutputError(
            f"the database has version {version}, this Logboom knows up to {len(MIGRATIONS)}: "
            "it was written by a newer one"
        )
    if _number(connection, "application_id") != APPLICATION_ID and not _is_empty(connection):
        raise OutputError("the database belongs to another program: choose another path")
    if version == 0:
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # possible only in an empty file
    elif version == len(MIGRATIONS):
        version = _restore(connection)
    for number, statements in enumerate(MIGRATIONS[version:], version + 1):
        connection.executescript(
            f"BEGIN IMMEDIATE; {statements} PRAGMA application_id = {APPLICATION_ID}; "
            f"PRAGMA user_version = {number}; COMMIT;"
        )


def _restore(connection: sqlite3.Connection) -> int:
    """Create tables that another program dropped, and return the version to migrate from."""
    with closing(connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")) as rows:
        tables = {name for (name,) in rows}
    if "entries" not in tables:  # the position would be after entries that are missing
        connection.executescript("DROP TABLE IF EXISTS position; DROP TABLE IF EXISTS messages;")
        return 0
    if "messages" not in tables:
        rebuild = "INSERT INTO messages (messages) VALUES ('rebuild');"
        connection.executescript(f"BEGIN IMMEDIATE; {_MESSAGES} {rebuild} COMMIT;")
    if "position" not in tables:
        connection.executescript(_POSITION)
    return len(MIGRATIONS)


def _number(connection: sqlite3.Connection, pragma: str) -> int:
    with closing(connection.execute(f"PRAGMA {pragma}")) as rows:
        return int(rows.fetchone()[0])


def _is_empty(connection: sqlite3.Connection) -> bool:
    with closing(connection.execute("SELECT count(*) FROM sqlite_schema")) as rows:
        return bool(rows.fetchone()[0] == 0)
